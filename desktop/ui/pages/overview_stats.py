"""The figures at the top of the overview."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from desktop.engine.api import Desk, StackSnapshot
from desktop.ui.widgets.stat_card import StatCard
from desktop.ui.words import count, short

_SPARK_EVERY = 10  # turns of the clock
_SPARK_SECONDS = 120.0


class StatRow(QWidget):
    """How fast, where the tasks are, and what went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = StatCard("Ended a second", spark=True)
        self.waiting = StatCard("Waiting")
        self.running = StatCard("Running")
        self.done = StatCard("Done")
        self.failed = StatCard("Failed")
        self.twice = StatCard("Ran twice")
        self._turns = 0
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        for card, stretch in (
            (self.rate, 3),
            (self.waiting, 2),
            (self.running, 2),
            (self.done, 2),
            (self.failed, 2),
            (self.twice, 2),
        ):
            card.body.setContentsMargins(14, 10, 14, 10)
            card.body.setSpacing(2)
            row.addWidget(card, stretch)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show a moment's figures."""
        totals = snapshot.totals
        waiting = sum(q.waiting for q in snapshot.queues)
        held = sum(w.reserved for w in snapshot.workers)
        slots = sum(w.pool_size for w in snapshot.workers if w.service.state.alive)
        self.rate.show_value(f"{totals.per_second:,.1f}", "/s", "over the last 5 s")
        self.waiting.show_value(f"{waiting:,}", "", f"+ {held:,} reserved", short=short(waiting))
        self.running.show_value(f"{totals.running:,}", "", f"of {count(slots, 'slot')}")
        done = totals.succeeded
        self.done.show_value(f"{done:,}", "", f"of {totals.submitted:,} sent", short=short(done))
        failed, retried = totals.failed, f"{totals.retried:,} retried"
        self.failed.show_value(f"{failed:,}", "", retried, "bad" if failed else "", short(failed))
        cut = f"{totals.cut:,} cut off" if totals.cut else "none cut off"
        tone = "warn" if totals.ran_twice or totals.cut else ""
        self.twice.show_value(f"{totals.ran_twice:,}", "", cut, tone, short(totals.ran_twice))

    def tick(self, desk: Desk) -> None:
        """One of ten turns a second; the fine line is drawn anew once a second."""
        if self._turns % _SPARK_EVERY == 0 and self.rate.spark is not None:
            self.rate.spark.set_values(list(desk.series("ended:", _SPARK_SECONDS).v))
        self._turns += 1
