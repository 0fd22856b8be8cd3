"""The hand on a chart of a run: wheel and drags, the same on every chart, on the ruler and on the marks."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from desktop.ui.widgets.chart_span import RunAxis

_NOTCH = 0.8  # of the stretch that a notch of the wheel leaves
_LEAST = 5  # px: a shorter drag is a click
_PAN = 0.12  # of the stretch, for a notch of the wheel sideways


class Hand:
    """Turns events of a widget into moves of the axis. `area` is where its time axis lies, in its pixels.

    Wheel: zoom at the pointer; with Shift, or sideways: move. Drag: move. With Shift or the right button, or
    from the beginning with `draws`: draw a stretch, and zoom to it at the end.
    """

    def __init__(
        self, axis: RunAxis, widget: QWidget, area: Callable[[], QRectF], draws: bool = False
    ) -> None:
        self._axis, self._widget, self._area, self._draws = axis, widget, area, draws
        self._from: float | None = None  # px
        self._since = 0.0  # what was shown when the drag began
        self._drawing = False

    @property
    def busy(self) -> bool:
        """Whether something is being dragged."""
        return self._from is not None

    def time_at(self, x: float) -> float:
        """The moment of a pixel."""
        area = self._area()
        return self._axis.since + (x - area.left()) / area.width() * self._axis.span

    def wheel(self, event: QWheelEvent) -> bool:
        """Whether the event was one for the time axis; beside it the page scrolls."""
        area, at, turned = self._area(), event.position(), event.angleDelta()
        if not area.left() <= at.x() <= area.right():
            return False
        sideways = turned.x() or (turned.y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0)
        if sideways:
            self._axis.pan(-sideways / 120 * _PAN * self._axis.span)
        elif turned.y():
            self._axis.zoom(_NOTCH ** (turned.y() / 120), self.time_at(at.x()))
        self.hover(at)
        return True

    def press(self, event: QMouseEvent) -> None:
        """A drag begins."""
        buttons = (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton)
        if event.button() not in buttons:
            return
        self._from, self._since = event.position().x(), self._axis.since
        right = event.button() is Qt.MouseButton.RightButton
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._drawing = self._draws or right or shift
        if not self._drawing:
            self._widget.setCursor(Qt.CursorShape.ClosedHandCursor)

    def move(self, event: QMouseEvent) -> None:
        """The pointer goes on."""
        x = event.position().x()
        if self._from is None:
            self.hover(event.position())
        elif self._drawing:
            self._axis.select(self._drawn(x) if abs(x - self._from) >= _LEAST else None)
        else:
            gone = (self._from - x) / self._area().width() * self._axis.span
            self._axis.pan(self._since + gone - self._axis.since)

    def release(self, event: QMouseEvent) -> None:
        """The drag is over."""
        drawn, self._from = self._axis.selection, None
        self._widget.unsetCursor()
        self._axis.select(None)
        if self._drawing and drawn is not None:
            self._axis.show(*drawn)
        self._drawing = False

    def hover(self, at: QPointF) -> None:
        """Put the cross-hair at the pointer."""
        area = self._area()
        inside = area.left() <= at.x() <= area.right()
        self._axis.move_cross((at.x() - area.right()) / area.width() * self._axis.span if inside else None)

    def leave(self) -> None:
        """The pointer is gone."""
        self._axis.move_cross(None)

    def cancel(self) -> bool:
        """Esc: let go of what is being drawn; whether there was anything."""
        was, self._from = self._from is not None, None
        self._axis.select(None)
        return was

    def _drawn(self, x: float) -> tuple[float, float]:
        area = self._area()
        ends = (min(max(px, area.left()), area.right()) for px in (self._from or 0.0, x))
        low, high = sorted(self.time_at(px) for px in ends)
        return low, high
