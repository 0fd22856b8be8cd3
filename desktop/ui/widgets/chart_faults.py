"""Faults in graphs and time lines: a hatched band for what lasts, a line for what is done in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QFont, QFontMetricsF, QPainter, QPen

from desktop.engine.api import FaultRecord, FaultState
from desktop.ui.fault_words import title_of
from desktop.ui.theme import Theme

_MOMENT = 0.05  # seconds: what lasted less is a moment
_LABEL, _PAD = 15.0, 4.0  # px: height of a label, room at its sides
_HATCH_ALPHA, _EDGE_ALPHA = 70, 200


@dataclass(frozen=True, slots=True)
class FaultBand:
    """A fault on a time axis. `until` None: it lasts still."""

    since: float
    until: float | None
    text: str

    @property
    def lasts(self) -> bool:
        """A span, not a moment."""
        return self.until is None or self.until - self.since > _MOMENT


def bands_of(faults: Iterable[FaultRecord]) -> tuple[FaultBand, ...]:
    """Faults as bands, in the order in which they landed; those that missed are none."""
    return tuple(
        FaultBand(one.landed_at, _end(one), title_of(one)) for one in faults if one.landed_at is not None
    )


def _end(record: FaultRecord) -> float | None:
    if record.state is FaultState.UNDER_WAY:
        return None
    return record.ended_at if record.ended_at is not None else record.landed_at


def hatch() -> QBrush:
    """The ground of a band: slanted lines, so that it is no matter of colour alone."""
    colour = Theme.current.color("warn")
    colour.setAlpha(_HATCH_ALPHA)
    return QBrush(colour, Qt.BrushStyle.BDiagPattern)


def paint_bands(
    painter: QPainter, area: QRectF, bands: Sequence[FaultBand], x_of: Callable[[float], float], now: float
) -> None:
    """The bands and lines, below what a chart draws. `x_of` gives the pixel of a time, `now` the last one."""
    if not bands:
        return
    edge = Theme.current.color("warn")
    edge.setAlpha(_EDGE_ALPHA)
    ground = hatch()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for band in bands:
        left, right = _ends(area, band, x_of, now)
        if right < area.left() or left > area.right():
            continue
        shown = QRectF(max(left, area.left()), area.top(), 0, area.height())
        shown.setRight(min(right, area.right()))
        if band.lasts:
            painter.fillRect(shown, ground)
        painter.setPen(QPen(edge, 1, Qt.PenStyle.SolidLine if band.lasts else Qt.PenStyle.DashDotLine))
        for x in {round(left), round(right)}:
            if area.left() <= x <= area.right() and (x == round(left) or band.until is not None):
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))


def paint_names(
    painter: QPainter,
    area: QRectF,
    bands: Sequence[FaultBand],
    x_of: Callable[[float], float],
    now: float,
    font: QFont,
    title_end: float,
) -> None:
    """The labels over the upper end of the bands; those without room are left out.

    Where the title stands, up to the pixel `title_end`, they stand inside the area.
    """
    if not bands:
        return
    theme, metrics = Theme.current, QFontMetricsF(font)
    painter.setFont(font)
    free = [area.left() - 1, area.left() - 1]  # pixels up to which there are names, over and in the area
    ground = theme.color("surface")
    ground.setAlpha(215)
    for band in bands:
        left, right = _ends(area, band, x_of, now)
        if right < area.left() or left > area.right():
            continue
        wide = metrics.horizontalAdvance(band.text) + 2 * _PAD
        x = max(left, area.left()) + 1
        if x + wide > area.right():
            x = min(left, area.right()) - wide - 1
        row = next((row for row in (0, 1) if x > free[row] and (row or x > title_end)), None)
        if row is None or x < area.left():
            continue
        box = QRectF(x, area.top() - (0 if row else _LABEL), wide, _LABEL)
        if row:
            painter.fillRect(box, ground)
        painter.setPen(theme.color("warn"))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), band.text)
        free[row] = x + wide


def _ends(area: QRectF, band: FaultBand, x_of: Callable[[float], float], now: float) -> tuple[float, float]:
    left = x_of(band.since)
    right = x_of(now if band.until is None else band.until) if band.lasts else left
    return left, max(left, right)
