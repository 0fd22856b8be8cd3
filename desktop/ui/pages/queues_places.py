"""The places where a queue's messages are: their words, and how each looks. A pattern beside each colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from PySide6.QtCore import QPointF, QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.engine.api import Balance, QueueSnapshot, StackSnapshot, StackState
from desktop.ui.theme import Theme

_LEAST = 4.0  # px: one message among a million is still seen
_GAP = 1.0


class Place(StrEnum):
    """Where a message is before it has ended, in the order of its way."""

    WAITING = "waiting"
    RESERVED = "reserved"
    ACTIVE = "active"
    SCHEDULED = "scheduled"
    STRANDED = "stranded"


MEANING = {
    Place.WAITING: "in the broker: no worker has taken them",
    Place.RESERVED: "taken by a living worker, not started",
    Place.ACTIVE: "running now",
    Place.SCHEDULED: "held by a worker until their time (ETA, countdown or retry)",
    Place.STRANDED: "delivered to a worker that is dead or cut off; back after the visibility timeout",
}
TONES = {
    Place.WAITING: "idle",
    Place.RESERVED: "busy",
    Place.ACTIVE: "good",
    Place.SCHEDULED: "busy",
    Place.STRANDED: "warn",
}
Numbers = Mapping[Place, int]
_UP = (StackState.RUNNING, StackState.TROUBLED)


def numbers_of(counted: QueueSnapshot | Balance) -> dict[Place, int]:
    """How many are where."""
    return {place: getattr(counted, place.value) for place in Place}


def is_up(snapshot: StackSnapshot) -> bool:
    """Whether there is a broker to ask; of a stopped stack and of a recorded run only the end is told."""
    return snapshot.state is not StackState.STOPPED and snapshot.recorded is None


def unserved(queue: QueueSnapshot, state: StackState) -> bool:
    """Nobody takes from it, though the stack is up."""
    return state in _UP and not queue.consumers


def shares(numbers: Sequence[int], room: float, least: float = _LEAST) -> list[float]:
    """How wide each part of a bar of `room` is: in proportion, but what is not nothing gets `least`."""
    total = sum(numbers)
    if not total:
        return [0.0] * len(numbers)
    small = [0 < n < total * least / room for n in numbers]
    rest = sum(n for n, is_small in zip(numbers, small, strict=True) if not is_small)
    left = room - least * sum(small)
    return [
        least if is_small else left * n / rest if rest else 0.0
        for n, is_small in zip(numbers, small, strict=True)
    ]


def paint_place(painter: QPainter, place: Place, box: QRectF) -> None:
    """Fill a box as the place is filled everywhere: full, hollow and hatched upright, or hatched aslant."""
    theme = Theme.current
    colour = theme.color(TONES[place])
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    if place is Place.SCHEDULED:
        painter.fillRect(box, theme.color("busy_tint"))
        painter.setPen(QPen(colour, 1))
        painter.drawRect(box.adjusted(0, 0, -1, -1))
        _hatch(painter, box, 4, 0)
    elif place is Place.STRANDED:
        painter.fillRect(box, theme.color("bad_tint"))
        painter.setPen(QPen(colour, 1))
        painter.drawRect(box.adjusted(0, 0, -1, -1))
        painter.setPen(QPen(colour, 2))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        _hatch(painter, box, 6, 1)
    else:
        painter.fillRect(box, colour)
        if place is Place.ACTIVE:  # a light line through it: told from a full one without its colour
            painter.fillRect(
                QRectF(box.left(), box.center().y() - 0.5, box.width(), 1), theme.color("surface")
            )
    painter.restore()


def _hatch(painter: QPainter, box: QRectF, step: int, slant: int) -> None:
    painter.setClipRect(box)
    reach = slant * box.height()
    x = box.left() + step / 2 - reach
    while x < box.right() + reach:
        painter.drawLine(QPointF(x, box.bottom()), QPointF(x + reach, box.top()))
        x += step


def paint_bar(painter: QPainter, box: QRectF, numbers: Numbers) -> None:
    """The places as one bar; an empty track where there is no message."""
    widths = shares([numbers[place] for place in Place], box.width())
    if not any(widths):
        painter.fillRect(box, Theme.current.color("track"))
    x = box.left()
    for place, wide in zip(Place, widths, strict=True):
        if wide:
            left, right = round(x), round(x + wide)
            gap = _GAP if right < round(box.right()) else 0.0
            paint_place(painter, place, QRectF(left, box.top(), max(1.0, right - left - gap), box.height()))
        x += wide


class PlacesBar(QWidget):
    """The bar of one queue, as wide as there is room."""

    def __init__(self, tall: int = 18) -> None:
        super().__init__()
        self._numbers: Numbers = dict.fromkeys(Place, 0)
        self.setFixedHeight(tall)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        Theme.current.changed.connect(self.update)

    def show_numbers(self, numbers: Numbers) -> None:
        """Show how many are where."""
        if numbers != self._numbers:
            self._numbers = numbers
            self.setAccessibleName(", ".join(f"{numbers[place]:,} {place}" for place in Place))
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        paint_bar(QPainter(self), QRectF(self.rect()), self._numbers)


class PlaceSwatch(QWidget):
    """A small square that looks as its place does in the bar."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self.setFixedSize(12, 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        paint_place(QPainter(self), self._place, QRectF(self.rect()))
