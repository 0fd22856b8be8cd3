"""Thirteen states of a task: told apart by their shapes alone."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from desktop.engine.api import TaskState
from desktop.ui.state_shapes import paint_state

_SIDE, _BOX = 12, QRectF(2, 2, 8, 8)
_FEWEST = 6  # pixels by which two shapes differ clearly


def drawn(state: TaskState) -> list[int]:
    """How dark each pixel is; every state in the same ink."""
    image = QImage(_SIDE, _SIDE, QImage.Format.Format_Grayscale8)
    image.fill(QColor("white"))
    painter = QPainter(image)
    paint_state(painter, state, _BOX, QColor("black"))
    painter.end()
    return [image.pixelColor(x, y).red() for y in range(_SIDE) for x in range(_SIDE)]


@pytest.mark.parametrize("state", TaskState)
def test_each_state_differs_from_every_other_without_its_colour(qapp: object, state: TaskState) -> None:
    one = drawn(state)
    assert min(one) < 128, "nothing was drawn"
    for other in set(TaskState) - {state}:
        differing = sum(abs(a - b) > 90 for a, b in zip(one, drawn(other), strict=True))
        assert differing >= _FEWEST, f"{state} looks like {other}"
