"""One queue in full: what is wrong with it, where its messages are, how it flows, and what waits in it."""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QMenu, QWidget

from desktop.engine.api import Desk, QueueSnapshot, StackSnapshot
from desktop.ui.page import Shell
from desktop.ui.pages.queues_banners import StrandedBanner, UnservedBanner
from desktop.ui.pages.queues_list import age
from desktop.ui.pages.queues_messages import MessagesCard
from desktop.ui.pages.queues_places import MEANING, Place, PlacesBar, PlaceSwatch, is_up, numbers_of, unserved
from desktop.ui.pages.queues_tables import HeldTable, PriorityBars
from desktop.ui.pages.workers_detail import VerbButton
from desktop.ui.queue_commands import turn_key
from desktop.ui.states import Tone
from desktop.ui.widgets.containers import Card, Column, Pair, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.widgets.stat_card import StatCard
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import count, duration, short

_NAME = 200  # px of a queue's name that are always shown
_SPARK_SECONDS = 300.0
_SPARK_EVERY = 10
_SLOW = 3  # tables change their figures at every third snapshot at most


class PlacesCard(Card):
    """The bar, and below it each place with its exact number."""

    def __init__(self) -> None:
        super().__init__("Where its messages are")
        self.bar = PlacesBar()
        self.numbers = {place: label("0", "section") for place in Place}
        self.priorities = PriorityBars()
        self.add(self.bar)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(0)
        for at, place in enumerate(Place):
            word = label(place.value.capitalize(), "small", "muted")
            head = QWidget()
            head.setLayout(row(PlaceSwatch(place), word, 1, spacing=6))
            head.setToolTip(f"{place.value.capitalize()}: {MEANING[place]}")
            grid.addWidget(head, 0, at)
            grid.addWidget(self.numbers[place], 1, at)
            grid.setColumnStretch(at, 1)
        self.body.addLayout(grid)
        self.add(self.priorities)

    def show_queue(self, queue: QueueSnapshot) -> None:
        """Show where they are."""
        numbers = numbers_of(queue)
        self.bar.show_numbers(numbers)
        for place, figure in self.numbers.items():
            figure.setText(f"{numbers[place]:,}")
            loud = place is Place.STRANDED and numbers[place]
            set_tone(figure, "warn" if loud else "" if numbers[place] else "muted")
        self.priorities.show_steps(queue.by_priority)


class FlowRow(QWidget):
    """Depth with its last minutes, rate in and out, age of the oldest."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = StatCard("Waiting", spark=True, token="idle")
        self.rate_in, self.rate_out = StatCard("In"), StatCard("Out")
        self.oldest = StatCard("Oldest waits")
        line = row(spacing=12)
        for card, stretch in ((self.waiting, 4), (self.rate_in, 3), (self.rate_out, 3), (self.oldest, 3)):
            card.body.setContentsMargins(14, 10, 14, 10)
            card.body.setSpacing(2)
            line.addWidget(card, stretch)
        self.setLayout(line)

    def show_queue(self, queue: QueueSnapshot, now: float) -> None:
        """Show how it flows."""
        self.waiting.show_value(f"{queue.waiting:,}", "", "the last 5 minutes", short=short(queue.waiting))
        self.rate_in.show_value(f"{_rate(queue.rate_in)}/s", "", "came in")
        self.rate_out.show_value(f"{_rate(queue.rate_out)}/s", "", _outlook(queue))
        known = age(queue, now)
        self.oldest.show_value(
            known or "–", "", "" if known else "nothing waits" if not queue.waiting else "not known"
        )

    def tick(self, desk: Desk, queue: str) -> None:
        """Draw the fine line anew."""
        if self.waiting.spark is not None:
            self.waiting.spark.set_values(list(desk.series(f"depth:{queue}", _SPARK_SECONDS).v))


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}"


def _outlook(queue: QueueSnapshot) -> str:
    """Where the rates lead."""
    shrinks = queue.rate_out - queue.rate_in
    if not queue.waiting:
        return "keeps up"
    if abs(shrinks) < 0.05 * max(queue.rate_in, queue.rate_out) or not (queue.rate_in or queue.rate_out):
        return "stays as it is"
    return f"empty in {duration(queue.waiting / shrinks)}" if shrinks > 0 else f"grows {_rate(-shrinks)}/s"


class QueueDetail(Column):
    """Shows one queue; another name starts afresh."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(0, 12)
        self.shell = shell
        self.name = ""
        self._shown = self._turns = 0
        self.setAccessibleName("Queue")
        self._head = QWidget()
        self.pill = StatePill()
        self.pill.setParent(self._head)
        self.unserved, self.stranded = UnservedBanner(shell), StrandedBanner(shell)
        self.places, self.flow = PlacesCard(), FlowRow()
        self.held, self.messages = HeldTable(), MessagesCard(shell)
        self.body.setContentsMargins(0, 0, 8, 12)
        parts = (self._head, self.unserved, self.stranded, self.places, self.flow, self.held)
        for part in (*parts, self.messages):
            self.body.addWidget(part)
        self.body.addStretch(1)

    def show_queue(self, queue: QueueSnapshot, snapshot: StackSnapshot) -> None:
        """Show this queue."""
        other = queue.name != self.name
        if other:
            self._begin(queue)
        self._shown += 1
        self._say_consumers(queue, snapshot)
        self.unserved.show_queue(queue, snapshot)
        up = is_up(snapshot)
        self.stranded.show_queue(queue, snapshot.t, up)
        self.messages.setVisible(up)
        self.places.show_queue(queue)
        self.flow.show_queue(queue, snapshot.t)
        if other or self._shown % _SLOW == 0:
            self.held.show_queue(queue, snapshot.t)
            self.held.setVisible(up or bool(self.held.model.rows))

    def tick(self, desk: Desk, queue: QueueSnapshot, now: float, up: bool) -> None:
        """One of ten turns a second; `up`: there is a broker to ask."""
        self.stranded.tick(now)
        if self._turns % _SPARK_EVERY == 0:
            self.flow.tick(desk, queue.name)
        if self._turns % _SLOW == 0 and queue.stranded:
            self.held.show_queue(queue, now)
        if up:
            self.messages.tick(queue.waiting)
        self._turns += 1

    def refresh(self) -> None:
        """Read the messages again."""
        self.messages.read()

    def _begin(self, queue: QueueSnapshot) -> None:
        self.name = queue.name
        self.setAccessibleName(f"Queue {queue.name}")
        self.verticalScrollBar().setValue(0)
        self._new_head(queue.name)
        self.flow.tick(self.shell.desk, queue.name)
        self.places.priorities.begin()
        self.messages.begin(queue.name)

    def _new_head(self, name: str) -> None:
        """Buttons belong to the actions of one queue, so another queue gets other buttons."""
        who, title, buttons = QWidget(), ElidedLabel(name, "title"), QWidget()
        title.setSizePolicy(title.sizePolicy().Policy.Maximum, title.sizePolicy().Policy.Preferred)
        title.setMinimumWidth(min(title.sizeHint().width(), _NAME))
        self.pill.setParent(who)
        who.setLayout(row(title, self.pill, 1))
        commands = self.shell.commands
        purge = VerbButton(commands, f"queue.purge:{name}", "Purge…")
        buttons.setLayout(row(purge, MenuButton(f"More for {name}", self._fill_more)))
        old, self._head = self._head, Pair(who, buttons, (1, 0), 8)
        self.body.replaceWidget(old, self._head)
        old.hide()
        old.deleteLater()

    def _fill_more(self, menu: QMenu) -> None:
        snapshot = self.shell.bridge.snapshot
        queue = next((q for q in snapshot.queues if q.name == self.name), None)
        commands = self.shell.commands
        for key in [turn_key(queue, worker.name) for worker in snapshot.workers] if queue else []:
            if key in commands:
                menu.addAction(commands[key])
        if menu.isEmpty():
            menu.addAction("No worker runs").setEnabled(False)

    def _say_consumers(self, queue: QueueSnapshot, snapshot: StackSnapshot) -> None:
        """Whether anybody consumes it; who does stands in the table below."""
        if unserved(queue, snapshot.state):
            self.pill.set_tone(Tone.BAD, "No consumer")
        elif queue.consumers:
            self.pill.set_tone(Tone.GOOD, count(len(queue.consumers), "consumer"))
        else:
            self.pill.set_tone(Tone.IDLE, "Not consumed now" if is_up(snapshot) else "When it stopped")
