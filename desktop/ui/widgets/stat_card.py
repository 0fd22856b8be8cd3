"""One large number with its word, and the last minutes of it as a fine line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone

_POINTS = 120  # more than one a pixel and a half cannot be seen
_LEAST = 48  # px: in less, a line is a blot


class Sparkline(QWidget):
    """The shape of a series, without axes. NaN is a gap."""

    def __init__(self, token: str = "accent") -> None:
        super().__init__()
        self._token = token
        self._values: Sequence[float] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(96, 28)

    def set_values(self, values: Sequence[float]) -> None:
        """Show these values, oldest first, evenly spaced."""
        step = max(1, len(values) // _POINTS)
        self._values = values[::step] if step > 1 else values
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        known = [v for v in self._values if not math.isnan(v)]
        if len(known) < 2 or self.width() < _LEAST:
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


class Number(QLabel):
    """A large number; where it has no room it is written smaller, and then shorter."""

    def __init__(self) -> None:
        super().__init__()
        self._full, self._short = "–", "–"
        self.setFont(fonts.font("number"))
        self._large = QFontMetrics(self.font())
        self._small = QFontMetrics(fonts.font("title"))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_number(self, full: str, short: str) -> None:
        """Show a number (`short`: rounded, for where the whole does not fit)."""
        if (full, short) != (self._full, self._short):
            self._full, self._short = full, short
            self.updateGeometry()
            self._fit()

    def sizeHint(self) -> QSize:
        return QSize(self._large.horizontalAdvance(self._full) + 2, self._large.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(self._small.horizontalAdvance(self._short) + 2, self._large.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        ways = [(way, text) for text in (self._full, self._short) for way in (self._large, self._small)]
        fitting = (pair for pair in ways if pair[0].horizontalAdvance(pair[1]) <= self.width())
        metrics, text = next(fitting, ways[-1])
        self.setFont(fonts.font("number" if metrics is self._large else "title"))
        self.setText(text)


class StatCard(Card):
    """A card: word above, large number, a small sentence and perhaps a sparkline below."""

    def __init__(self, word: str, spark: bool = False, token: str = "accent") -> None:
        super().__init__(padding=14)
        self._word = word
        self.body.setSpacing(4)
        self.number = Number()
        self.unit = label("", "label", "muted")
        self.unit.setContentsMargins(0, 0, 0, 5)
        self.hint = ElidedLabel("", "small", "muted")
        self.spark = Sparkline(token) if spark else None
        self.add(label(word, "label", "muted"))
        line = row(self.number, self.unit, spacing=5)
        line.setAlignment(self.unit, Qt.AlignmentFlag.AlignBottom)
        if self.spark:
            line.addSpacing(5)
            column = QVBoxLayout()
            column.addWidget(self.spark)
            line.addLayout(column, 1)
        else:
            line.setStretch(0, 1)
        self.body.addLayout(line)
        self.add(self.hint)
        # Cards of one row are of one width, whatever stands in them.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_value(
        self, number: str, unit: str = "", hint: str = "", tone: str = "", short: str = ""
    ) -> None:
        """Show a number as text ("1,204", `short`: "1.2 k"); `tone` colours the hint ("bad", "warn")."""
        self.number.show_number(number, short or number)
        self.unit.setText(unit)
        self.unit.setVisible(bool(unit))
        self.hint.setText(hint)
        set_tone(self.hint, tone or "muted")
        said = f"{self._word}: {number} {unit}. {hint}".strip()
        self.setAccessibleName(said)
        self.setToolTip(said)
