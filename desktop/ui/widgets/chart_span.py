"""The stretch of a run that is shown: zoomed, moved, followed. What the charts of a run share."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from desktop.engine.api import FaultRecord, Mark
from desktop.ui.widgets.chart import TimeAxis
from desktop.ui.widgets.chart_scale import clock_ticks

LEAST = 1.0  # seconds: nobody zooms in further
_YOUNG = 10.0  # a run shorter than that is shown as if it were that long
_KEPT = 50  # stretches that *back* goes through
_ROUNDING = 0.001  # seconds
_TOUCH = 0.002  # of the stretch: so near to the present it is the present


class RunAxis(TimeAxis):
    """A `TimeAxis` whose right end is any moment (`now`), and whose `span` any length.

    `live`: the run still grows. `following`: its present is kept at the right end. `entire`: all of it is
    shown, however it grows. `selection`: a stretch that a person is just drawing.
    """

    changed = Signal()  # the stretch, the run, or whether it follows
    selection_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(300.0, parent)
        self.first, self.last = self.now - 300.0, self.now
        self.live = self.following = False
        self.entire = True
        self.selection: tuple[float, float] | None = None
        self._before: list[tuple[float, float, bool]] = []

    # what is shown

    @property
    def since(self) -> float:
        """The first moment shown."""
        return self.now - self.span

    @property
    def until(self) -> float:
        """The last moment shown."""
        return self.now

    @property
    def length(self) -> float:
        """The longest stretch there is to show."""
        return max(self.last - self.first, _YOUNG)

    @property
    def moment(self) -> float | None:
        """Where the cross-hair is, as a time."""
        return None if self.cross is None else self.now + self.cross

    def begin(self, first: float, last: float, live: bool, marks: Iterable[Mark] = ()) -> None:
        """Take a run and show all of it."""
        self.first, self.last, self.live = first, last, live
        self.marks = tuple(marks)
        self._before.clear()
        self._show_all()

    def grow(self, last: float, live: bool, marks: Iterable[Mark]) -> None:
        """The run went on, or ended: what follows moves with it."""
        self.marks = tuple(marks)
        moved = last != self.last or live != self.live
        self.last, self.live = max(last, self.first), live
        follows, self.following = self.following, self.following and live
        if moved and self.entire:
            self._show(self.last - self.length, self.last)
        elif moved and follows:
            self._show(self.last - self.span, self.last)

    def show_faults(self, faults: Iterable[FaultRecord]) -> None:
        before = self.faults
        super().show_faults(faults)
        if self.faults != before:
            self.changed.emit()

    def advance(self, now: float, marks: Iterable[Mark], past: bool = False) -> None:
        """As `grow`, for a run that is live."""
        self.grow(now, self.live, marks)

    # moving

    def whole(self) -> None:
        """Show all of the run."""
        if not self.entire:
            self._remember()
        self._show_all()

    def follow(self) -> None:
        """Keep the present at the right end, with the stretch as long as it is."""
        self.following = self.live
        self._show(self.last - self.span, self.last)

    def zoom(self, factor: float, at: float | None = None) -> None:
        """Show `factor` times as long a stretch, with the moment `at` where it is: by default the middle,
        or the present while it is followed.
        """
        if at is None:
            at = self.until if self.following else self.now - self.span / 2
        span = min(max(self.span * factor, LEAST), self.length)
        share = (at - self.since) / self.span
        self._move(at - share * span, span)

    def pan(self, seconds: float) -> None:
        """Move on (or back, when negative) by so many seconds."""
        self._move(self.since + seconds, self.span)

    def show(self, since: float, until: float) -> None:
        """Show a stretch; `back` leads to what was shown before."""
        self._remember()
        span = min(max(until - since, LEAST), self.length)
        self._move((since + until - span) / 2, span)

    def back(self) -> None:
        """Show what was shown before the last jump."""
        if self._before:
            since, until, entire = self._before.pop()
            if entire:
                self._show_all()
            else:
                self._move(since, until - since)

    @property
    def can_go_back(self) -> bool:
        """Whether `back` leads anywhere."""
        return bool(self._before)

    def select(self, selection: tuple[float, float] | None) -> None:
        """Show a stretch as being chosen."""
        if selection != self.selection:
            self.selection = selection
            self.selection_changed.emit()

    def _show_all(self) -> None:
        self.entire, self.following = True, self.live
        self._show(self.last - self.length, self.last)

    def _remember(self) -> None:
        here = (self.since, self.until, self.entire)
        if not self._before or self._before[-1] != here:
            self._before = [*self._before[-_KEPT:], here]

    def _move(self, since: float, span: float) -> None:
        """Within the run; at its right end the present is followed from then on."""
        first = self.last - self.length
        since = min(max(since, first), max(first, self.last - span))
        at_end = since + span >= self.last - _TOUCH * span
        self.entire = span >= self.length - _ROUNDING
        self.following = self.live and at_end
        self._show(since, since + span)

    def _show(self, since: float, until: float) -> None:
        self.now, self.span = until, max(until - since, LEAST)
        self.span_changed.emit()
        self.changed.emit()

    # words

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Round moments of the day in the stretch, with their words; at most about `most`."""
        return clock_ticks(self.since, self.until, most)

    def clock(self, t: float) -> str:
        """A moment, as exactly as the stretch shows it."""
        text = time.strftime("%H:%M:%S", time.localtime(t))
        return f"{text}.{int(t % 1 * 100):02d}" if self.span <= 20 else text
