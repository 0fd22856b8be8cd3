"""One large number with its word, and the last minutes of it as a fine line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone

_POINTS = 120  # more than one a pixel and a half cannot be seen


class Sparkline(QWidget):
    """The shape of a series, without axes. NaN is a gap."""

    def __init__(self, token: str = "accent") -> None:
        super().__init__()
        self._token = token
        self._values: Sequence[float] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(96, 28)

    def set_values(self, values: Sequence[float]) -> None:
        """Show these values, oldest first, evenly spaced."""
        step = max(1, len(values) // _POINTS)
        self._values = values[::step] if step > 1 else values
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        known = [v for v in self._values if not math.isnan(v)]
        if len(known) < 2:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(Theme.current.color(self._token), 1.0))
        for run in self._runs(QRectF(self.rect()).adjusted(1, 2, -1, -2), min(known), max(known)):
            painter.drawPolyline(run)

    def _runs(self, box: QRectF, low: float, high: float) -> list[QPolygonF]:
        """The lines between the gaps. A flat series lies on the floor, not in the middle."""
        wide, span = box.width() / (len(self._values) - 1), (high - low) or 1.0
        runs: list[list[QPointF]] = [[]]
        for i, value in enumerate(self._values):
            if math.isnan(value):
                runs.append([])
            else:
                y = box.bottom() - (value - low) / span * box.height()
                runs[-1].append(QPointF(box.left() + i * wide, y))
        return [QPolygonF(points) for points in runs if len(points) > 1]


class StatCard(Card):
    """A card: word above, large number, a small sentence and perhaps a sparkline below."""

    def __init__(self, word: str, spark: bool = False, token: str = "accent") -> None:
        super().__init__(padding=14)
        self._word = word
        self.body.setSpacing(4)
        self.number = label("–", "number")
        self.unit = label("", "label", "muted")
        self.unit.setContentsMargins(0, 0, 0, 5)
        self.hint = ElidedLabel("", "small", "muted")
        self.spark = Sparkline(token) if spark else None
        self.add(label(word, "label", "muted"))
        line = row(self.number, self.unit, spacing=5)
        line.setAlignment(self.unit, Qt.AlignmentFlag.AlignBottom)
        line.addStretch(1)
        if self.spark:
            column = QVBoxLayout()
            column.addWidget(self.spark)
            line.addLayout(column, 3)
        self.body.addLayout(line)
        self.add(self.hint)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_value(self, number: str, unit: str = "", hint: str = "", tone: str = "") -> None:
        """Show a number as text ("1,204"); `tone` colours the hint ("bad", "warn", "muted")."""
        self.number.setText(number)
        self.unit.setText(unit)
        self.hint.setText(hint)
        set_tone(self.hint, tone or "muted")
        self.setAccessibleName(f"{self._word}: {number} {unit}. {hint}".strip())
