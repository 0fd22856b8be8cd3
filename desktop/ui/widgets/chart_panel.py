"""Charts below each other with their time line: one time axis, one cross-hair, one clock."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from desktop.engine.api import Desk, StackSnapshot
from desktop.ui import fonts
from desktop.ui.shown_faults import ShownFaults
from desktop.ui.widgets.chart import Chart, TimeAxis
from desktop.ui.widgets.segmented import Segmented
from desktop.ui.widgets.timeline import Timeline

SPANS = (("60", "1m"), ("300", "5m"), ("900", "15m"))
_SPAN_WIDTHS = (40, 40, 50)  # narrower than the read-outs above: the newest mark stands beside them
_FRESH, _SOON = 10.0, "The first figures come in a moment."  # seconds after a start
_NOTHING = "Nothing of this was recorded."
_YOUNG = 58.0  # seconds: the life of a stack younger than that fits into the shortest span


class ChartPanel(QWidget):
    """`charts` share `axis`; the last of them has the words of the time axis."""

    def __init__(self, axis: TimeAxis, charts: list[tuple[Chart, int]], gap: int = 8) -> None:
        super().__init__()
        self.axis = axis
        self.charts = [chart for chart, _ in charts]
        self._empty = [chart.empty for chart in self.charts]
        self.timeline = Timeline(axis)
        self.spans = Segmented("Time shown", SPANS, f"{axis.span:.0f}")
        self.spans.setParent(self.timeline)
        for button, width in zip(self.spans.findChildren(QToolButton), _SPAN_WIDTHS, strict=True):
            button.setFont(fonts.font("small"))
            button.setFixedWidth(width)
        self.spans.chosen.connect(self._choose_span)
        self._chosen = False  # until a person chooses, a young stack is shown closer
        self.timeline.installEventFilter(self)
        self._turns = 0
        self._shown = ShownFaults()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(gap)
        for chart, stretch in charts:
            column.addWidget(chart, stretch)
        column.addWidget(self.timeline)

    def tick(self, desk: Desk, snapshot: StackSnapshot) -> None:
        """One of ten turns a second. Charts are drawn when they would move by about a pixel.

        While no task runs, they are drawn only as often as there are new samples: a flat line need not glide.
        """
        every = 2 if self.axis.span <= 60 else 5
        if not snapshot.totals.running and not snapshot.totals.per_second:
            every = 5 if self.axis.span <= 60 else 10
        if self._turns % every == 0:
            self.feed(desk, snapshot)
        self._turns += 1

    def feed(self, desk: Desk, snapshot: StackSnapshot) -> None:
        """Draw all charts and the time line now."""
        if not self._chosen:
            self._fit_span(snapshot)
        past = snapshot.recorded is not None
        self.axis.advance(snapshot.t, snapshot.marks, past)
        self.axis.show_faults(self._shown.of(desk, snapshot))
        fresh = not past and snapshot.started_at is not None and snapshot.t - snapshot.started_at < _FRESH
        for chart, empty in zip(self.charts, self._empty, strict=True):
            chart.say(_SOON if fresh else _NOTHING if past else empty)
        read = partial(desk.series, seconds=self.axis.span + 2)
        for chart in self.charts:
            chart.feed(read)
        self.timeline.refresh()

    def _choose_span(self, key: str) -> None:
        self._chosen = True
        self.axis.set_span(float(key))

    def _fit_span(self, snapshot: StackSnapshot) -> None:
        young = snapshot.started_at is not None and snapshot.t - snapshot.started_at < _YOUNG
        key = SPANS[0 if young else 1][0]
        if float(key) != self.axis.span:
            self.spans.choose(key)
            self.axis.set_span(float(key))

    def show_span(self, seconds: float) -> None:
        """Zoom to the shortest offered span that holds `seconds`."""
        key = next((key for key, _ in SPANS if float(key) >= seconds), SPANS[-1][0])
        self.spans.choose(key)
        self._choose_span(key)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            size, room = self.spans.sizeHint(), self.timeline.size()
            top = (room.height() - size.height()) // 2
            self.spans.setGeometry(room.width() - size.width(), top, size.width(), size.height())
        return False
