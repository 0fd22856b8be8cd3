"""Live charts that share one time axis and one cross-hair."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.engine.api import FaultRecord, Mark, Series
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_faults import FaultBand, bands_of
from desktop.ui.widgets.chart_labels import LINE_MARKS, Ink, paint_title
from desktop.ui.widgets.chart_line import Line
from desktop.ui.widgets.chart_scale import LEFT, RIGHT, Unit

if TYPE_CHECKING:
    from desktop.ui.widgets.chart_plot import Plot

Read = Callable[[str], Series]
_RADIUS = 8
_INSET = 3  # the plot is a rectangle inside the card's round corners
MARGINS = (LEFT + _INSET, RIGHT + _INSET)
"""(left, right): where the time axis begins and ends in a chart; what stands under it keeps to that."""


class TimeAxis(QObject):
    """What the charts of a page share: how far back they show, the cross-hair, the marks."""

    cross_moved = Signal()
    span_changed = Signal()

    def __init__(self, span: float = 300.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.span = span
        self.now = time.time()
        self.past = False  # it ends where a recorded run ended, not now: its words are times of the day
        self.cross: float | None = None  # seconds ago, negative; None: the latest values are read
        self.marks: tuple[Mark, ...] = ()
        self.faults: tuple[FaultBand, ...] = ()

    def set_span(self, seconds: float) -> None:
        """Show the last `seconds`."""
        if seconds != self.span:
            self.span = seconds
            self.cross = None
            self.span_changed.emit()

    def move_cross(self, ago: float | None) -> None:
        """Put the cross-hair at a moment, or take it away."""
        if ago != self.cross:
            self.cross = ago
            self.cross_moved.emit()

    def show_faults(self, faults: Iterable[FaultRecord]) -> None:
        """Take the faults of the run; before the charts are fed."""
        self.faults = bands_of(faults)

    def advance(self, now: float, marks: Iterable[Mark], past: bool = False) -> None:
        """Take the moment at its end and all marks so far; before the charts are fed.

        `past`: the moment is the end of a recorded run.
        """
        self.now, self.past = now, past
        self.marks = tuple(m for m in marks if m.t >= now - self.span)


class Chart(QWidget):
    """A card with live lines. Until there is something to draw it says what to do about that."""

    def __init__(
        self,
        axis: TimeAxis,
        title: str,
        unit: Unit,
        *,
        empty: str,
        subtitle: str | None = None,
        time_words: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.axis, self.title, self.unit, self.empty = axis, title, unit, empty
        self.subtitle = unit.words if subtitle is None else subtitle
        self._time_words = time_words
        self._lines: tuple[Line, ...] = ()
        self._plot: Plot | None = None
        self._has_data = False
        self._warming = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 106 if time_words else 94)
        self.setAccessibleName(f"{title}: {empty}")
        axis.cross_moved.connect(self._follow_cross)
        axis.span_changed.connect(self._follow_span)
        Theme.current.changed.connect(self._follow_theme)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """The series it draws; cheap when they are the same as before."""
        lines = tuple(lines)
        if lines != self._lines:
            self._lines = lines
            if self._plot is not None:
                self._plot.set_lines(lines)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The series it draws."""
        return self._lines

    def feed(self, read: Read) -> None:
        """Draw the series as `read` gives them, at the moment of the shared axis."""
        if self._plot is None:
            self.warm_up()
            return
        self._plot.marks = tuple((m.t, m.kind) for m in self.axis.marks if m.kind in LINE_MARKS)
        self._plot.faults = self.axis.faults
        self._plot.set_past(self.axis.now if self.axis.past else None)
        had = self._has_data
        self._has_data = self._plot.feed(self.axis.now, read)
        if self._has_data != had:
            self._plot.setVisible(self._has_data)
            self.update()
        self._tell()

    def say(self, empty: str) -> None:
        """What it says while there is nothing to draw."""
        if empty != self.empty:
            self.empty = empty
            if not self._has_data:
                self.update()

    def values(self) -> dict[str, str]:
        """What the read-out says: name and value of each line, at the cross-hair or latest."""
        return {r.label: r.text for r in self._plot.readings} if self._plot is not None else {}

    @property
    def loading(self) -> bool:
        """True until the plot is there; data that comes before is not drawn."""
        return self._plot is None

    def warm_up(self) -> None:
        """Load pyqtgraph and make the plot once the window has been painted."""
        if self._plot is None and not self._warming:
            self._warming = True
            QTimer.singleShot(30, self, self._make_plot)

    def sizeHint(self) -> QSize:
        return QSize(480, 150)

    # inside

    def _make_plot(self) -> None:
        from desktop.ui.widgets.chart_plot import Plot

        plot = Plot(self.unit, self.axis.span, Ink.of_theme(), self._time_words, self)
        plot.title, plot.subtitle = self.title, self.subtitle
        plot.hovered.connect(self.axis.move_cross)
        plot.set_lines(self._lines)
        plot.setGeometry(self._inner())
        plot.setVisible(False)
        self._plot = plot

    def _tell(self) -> None:
        count = len({line.label for line in self._lines})
        latest = ", ".join(f"{name} {value}" for name, value in self.values().items())
        told = f"{self.title}, {count} series: {latest}" if self._has_data else f"{self.title}: {self.empty}"
        if told != self.accessibleName():
            self.setAccessibleName(told)

    def _follow_cross(self) -> None:
        if self._plot is not None:
            self._plot.move_cross(self.axis.cross)

    def _follow_span(self) -> None:
        if self._plot is not None:
            self._plot.move_cross(None)
            self._plot.set_span(self.axis.span)

    def _follow_theme(self) -> None:
        if self._plot is not None:
            self._plot.set_ink(Ink.of_theme())
            self._plot.set_lines(self._lines)
        self.update()

    def _inner(self) -> QRect:
        return self.rect().adjusted(_INSET, _INSET, -_INSET, -_INSET)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.warm_up()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._plot is not None:
            self._plot.setGeometry(self._inner())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme = Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color("line"), 1))
        painter.setBrush(theme.color("surface"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        if not self._has_data:
            ink = Ink.of_theme()
            painter.save()
            painter.translate(self._inner().topLeft())
            paint_title(painter, ink, self.title, self.subtitle)
            painter.restore()
            painter.setFont(ink.small)
            painter.setPen(ink.muted)
            box = self.rect().adjusted(24, 30, -24, -10)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.empty)
