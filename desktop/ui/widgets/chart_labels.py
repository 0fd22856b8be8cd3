"""What stands around the lines of a chart: grid, words, read-out, cross-hair, marks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QStaticText

from desktop.engine.api import MarkKind
from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_scale import YScale, ago_text

if TYPE_CHECKING:
    from desktop.ui.widgets.chart_plot import Plot
    from desktop.ui.widgets.chart_span import RunAxis

_ROW = 17  # height of a read-out row
_READOUT_TOP = 12  # beside the title, where there is nothing else
_SWATCH = 10
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
LINE_MARKS = {MarkKind.KILLED: "bad", MarkKind.EXITED: "bad", MarkKind.RECOVERED: "good"}


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours and fonts of a chart, taken from the theme once and not per frame."""

    surface: QColor
    raised: QColor
    grid: QColor
    axis: QColor
    text: QColor
    muted: QColor
    small: QFont
    strong: QFont
    marks: dict[MarkKind, QColor]
    half_height: float
    _laid: dict[tuple[str, int], tuple[QStaticText, float]]  # laying text out costs more than painting it

    def words(self, text: str, room: float = 1000.0) -> tuple[QStaticText, float]:
        """A small text, laid out once, cut to `room` pixels, and its width."""
        key = (text, int(room))
        if key not in self._laid:
            if len(self._laid) > 2000:
                self._laid.clear()
            metrics = QFontMetricsF(self.small)
            laid = QStaticText(metrics.elidedText(text, Qt.TextElideMode.ElideRight, room))
            laid.setTextFormat(Qt.TextFormat.PlainText)
            laid.prepare(font=self.small)
            self._laid[key] = laid, metrics.horizontalAdvance(laid.text())
        return self._laid[key]

    @classmethod
    def of_theme(cls) -> Ink:
        """The ink of the scheme that is shown now."""
        color, small = Theme.current.color, fonts.font("small")
        return cls(
            surface=color("surface"),
            raised=color("raised"),
            grid=color("grid"),
            axis=color("line_strong"),
            text=color("text"),
            muted=color("muted"),
            small=small,
            strong=fonts.font("strong"),
            marks={kind: color(token) for kind, token in LINE_MARKS.items()},
            half_height=QFontMetricsF(small).height() / 2,
            _laid={},
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """One row of a read-out."""

    label: str
    colour: QColor
    value: float
    text: str  # the value, for people
    y: float  # the pixel at whose height the row wants to stand


class Framed(Protocol):
    """What has a title, a grid and a read-out around its lines."""

    ink: Ink
    title: str
    subtitle: str
    scale_y: YScale
    readings: list[Reading]
    time_words: bool

    def area(self) -> QRectF: ...
    def viewport(self) -> Wide: ...
    def x_pixel(self, ago: float) -> float: ...
    def y_pixel(self, value: float) -> float: ...
    def grid_times(self) -> list[tuple[float, str]]: ...


class Wide(Protocol):
    """What has a width."""

    def width(self) -> int: ...


def paint_frame(painter: QPainter, plot: Framed) -> None:
    """All that stays the same from frame to frame: title, grid, words of both axes."""
    ink, area = plot.ink, plot.area()
    paint_title(painter, ink, plot.title, plot.subtitle)
    painter.setFont(ink.small)
    for value, text in plot.scale_y.ticks():
        y = round(plot.y_pixel(value)) + 0.5
        painter.setPen(QPen(ink.grid if value else _mixed(ink.grid, ink.axis), 1))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(ink.muted)
        painter.drawText(QRectF(0, y - 10, area.left() - 10, 20), int(_RIGHT), text)
    if plot.time_words:
        _paint_times(painter, plot, area)


def paint_title(painter: QPainter, ink: Ink, title: str, subtitle: str) -> None:
    """Title and unit at the top left of a chart's card."""
    painter.setFont(ink.strong)
    painter.setPen(ink.text)
    painter.drawText(QRectF(16, 8, 400, 20), int(_LEFT), title)
    x = 16 + QFontMetricsF(ink.strong).horizontalAdvance(title) + 8
    painter.setFont(ink.small)
    painter.setPen(ink.muted)
    painter.drawText(QRectF(x, 8, 400, 20), int(_LEFT), subtitle)


def title_end(plot: Framed) -> float:
    """The pixel up to which title and unit reach."""
    wide = QFontMetricsF(plot.ink.strong).horizontalAdvance(plot.title)
    return 16 + wide + 8 + QFontMetricsF(plot.ink.small).horizontalAdvance(plot.subtitle) + 8


def _mixed(one: QColor, other: QColor) -> QColor:
    return QColor.fromRgbF(
        (one.redF() + other.redF()) / 2,
        (one.greenF() + other.greenF()) / 2,
        (one.blueF() + other.blueF()) / 2,
    )


def _paint_times(painter: QPainter, plot: Framed, area: QRectF) -> None:
    painter.setPen(plot.ink.muted)
    for ago, text in plot.grid_times():
        x = plot.x_pixel(ago)
        align = Qt.AlignmentFlag.AlignRight if ago == 0 else Qt.AlignmentFlag.AlignHCenter
        box = QRectF(x - 80, area.bottom() + 4, 80 if ago == 0 else 160, 16)
        if x - 20 < area.left():
            box, align = QRectF(area.left(), box.y(), 80, 16), Qt.AlignmentFlag.AlignLeft
        painter.drawText(box, int(align), text)


def paint_marks(painter: QPainter, plot: Plot) -> None:
    """A thin vertical line at each death (solid) and each recovery (dashed)."""
    area = plot.area()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for t, kind in plot.marks:
        ago = t - plot.now
        if not -plot.span <= ago <= 0:
            continue
        dashed = kind is MarkKind.RECOVERED
        pen = QPen(plot.ink.marks[kind], 1, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        x = round(plot.x_pixel(ago))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))


def paint_cross(painter: QPainter, plot: Plot) -> None:
    """The cross-hair's line, a dot where it meets each line, and its time over the words of the time axis."""
    assert plot.cross is not None
    area, ink = plot.area(), plot.ink
    x = round(plot.x_pixel(plot.cross))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(ink.muted, 1))
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(ink.surface, 1.5))
    for point, colour in plot.dots():
        painter.setBrush(colour)
        painter.drawEllipse(point, 4, 4)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if plot.time_words:
        _paint_moment(painter, plot, x)


def _paint_moment(painter: QPainter, plot: Plot, x: float) -> None:
    assert plot.cross is not None
    clock = time.strftime("%H:%M:%S", time.localtime(plot.now + plot.cross))
    text, widest = f"{ago_text(-plot.cross)}  ·  {clock}", "−00:00  ·  00:00:00"
    if plot.past is not None:  # how long ago would be told from the end of a run that is over
        text, widest = clock, "00:00:00"
    width = QFontMetricsF(plot.ink.small).horizontalAdvance(widest) + 16
    area = plot.area()
    left = min(max(x - width / 2, area.left()), area.right() - width)
    box = QRectF(left, area.bottom() + 2, width, 19)
    painter.setPen(QPen(plot.ink.axis, 1))
    painter.setBrush(plot.ink.raised)
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setFont(plot.ink.small)
    painter.setPen(plot.ink.text)
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)


def paint_readout(painter: QPainter, plot: Framed) -> None:
    """Each line's name and value beside its end: the legend and the read-out in one."""
    readings = plot.readings
    if not readings:
        return
    area, ink = plot.area(), plot.ink
    places = spread([r.y for r in readings], _ROW, _READOUT_TOP, area.bottom() + 8)
    left, right = area.right() + 10, plot.viewport().width() - 14.0
    painter.setFont(ink.small)
    for reading, y in zip(readings, places, strict=True):
        if y is not None:
            _paint_row(painter, ink, reading, int(y), left, right)
    hidden = places.count(None)
    if hidden:
        painter.setPen(ink.muted)
        box = QRectF(left, 0, right - left, _READOUT_TOP)
        painter.drawText(box, int(_RIGHT), f"+ {hidden} more")


def _paint_row(painter: QPainter, ink: Ink, reading: Reading, y: int, left: float, right: float) -> None:
    painter.fillRect(QRectF(left, y - 1, _SWATCH, 3), reading.colour)
    value, width = ink.words(reading.text)
    top = y - ink.half_height
    painter.setPen(ink.text)
    painter.drawStaticText(QPointF(right - width, top), value)
    room = right - width - 8 - left - _SWATCH - 6
    name, _ = ink.words(reading.label, room)
    painter.setPen(ink.muted)
    painter.drawStaticText(QPointF(left + _SWATCH + 6, top), name)


def paint_selection(painter: QPainter, area: QRectF, axis: RunAxis) -> None:
    """The stretch that is being drawn; the rest of the area lies in the shade."""
    if axis.selection is None:
        return
    ends = (area.right() + (t - axis.until) / axis.span * area.width() for t in axis.selection)
    left, right = (min(max(x, area.left()), area.right()) for x in ends)
    shade = Theme.current.color("surface")
    shade.setAlpha(170)
    painter.fillRect(QRectF(area.left(), area.top(), left - area.left(), area.height()), shade)
    painter.fillRect(QRectF(right, area.top(), area.right() - right + 1, area.height()), shade)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(Theme.current.color("accent"), 1))
    for x in (left, right):
        painter.drawLine(QPointF(round(x), area.top()), QPointF(round(x), area.bottom()))


def spread(wanted: list[float], gap: float, top: float, bottom: float) -> list[float | None]:
    """Places for labels that want to stand at `wanted`: in that order, `gap` apart, inside top and bottom.

    Labels for which there is no room get None; those of the highest lines stay.
    """
    room = max(1, int((bottom - top) // gap))
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    shown, places = order[:room], [None] * len(wanted)
    ys: list[float] = []
    for i in shown:
        ys.append(max(wanted[i], ys[-1] + gap if ys else top + gap / 2))
    limit = bottom - gap / 2
    for n in range(len(ys) - 1, -1, -1):
        ys[n] = min(ys[n], limit)
        limit = ys[n] - gap
    result: list[float | None] = list(places)
    for i, y in zip(shown, ys, strict=True):
        result[i] = y
    return result
