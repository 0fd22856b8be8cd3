"""One-click faults: each says what it would cost at this moment."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QKeySequence, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from desktop.engine.api import Forecast
from desktop.ui import icons
from desktop.ui.fault_words import aimless, summary
from desktop.ui.lab_commands import Preset
from desktop.ui.theme import Theme
from desktop.ui.widgets.flow_nodes import write

_TALL, _ICON = 52, 18


class PresetButton(QAbstractButton):
    """An action of the registry, with its forecast below its word."""

    def __init__(self, preset: Preset, action: QAction) -> None:
        super().__init__()
        self.preset, self._action = preset, action
        self._seen: Forecast | None = None
        self._below = ""
        self._way_out: QAction | None = None
        self._why_out = ""
        self.setText(preset.word)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(_TALL)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._click)
        action.changed.connect(self._follow)
        Theme.current.changed.connect(self.update)
        self._follow()

    def show_forecast(self, seen: Forecast | None) -> None:
        """What a click would do now; None: it is not known."""
        self._seen = seen
        self._follow()

    def lead_out(self, way_out: QAction | None, words: str = "") -> None:
        """What a click does instead, where the fault is not possible before that; None: it is."""
        if (way_out, words) != (self._way_out, self._why_out):
            self._why_out = words
            if self._way_out is not None:
                self._way_out.changed.disconnect(self._follow)
            if way_out is not None:
                way_out.changed.connect(self._follow)
            self._way_out = way_out
            self._follow()

    def _click(self) -> None:
        (self._way_out or self._action).trigger()

    def _follow(self) -> None:
        seen, way_out = self._seen, self._way_out
        if way_out is not None:
            self.setEnabled(way_out.isEnabled())
            below, tip = self._why_out, f"{way_out.text()}\n{way_out.toolTip()}"
        else:
            self.setEnabled(self._action.isEnabled() and not (seen and seen.impossible))
            below, tip = self._foretold(), self._action.toolTip()
            if seen is not None:
                said = (seen.impossible,) if seen.impossible else (f"{below}.", *seen.sentences)
                tip = "\n".join([tip, *said])
        if (below, tip) != (self._below, self.toolTip()):
            self._below = below
            self.setToolTip(tip)
            self.setAccessibleName(f"{self.preset.word}: {below}" if below else self.preset.word)
        self.update()

    def _foretold(self) -> str:
        seen = self._seen
        if seen is None:
            return ""
        who = f"{seen.targets[0]}: " if seen.targets and not aimless(self.preset.kind) else ""
        return who + summary(seen)

    def sizeHint(self) -> QSize:
        return QSize(150, _TALL)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, on = QPainter(self), Theme.current, self.isEnabled()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = "focus" if self.hasFocus() else "line"
        painter.setPen(QPen(theme.color(edge), 2 if self.hasFocus() else 1))
        ground = "pressed" if self.isDown() else "hover" if on and self.underMouse() else "surface"
        painter.setBrush(theme.color(ground))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)
        tone = "disabled" if not on else "bad" if self._way_out is None else "text"
        picture = icons.pixmap(self.preset.icon, theme.color(tone), _ICON, self.devicePixelRatioF())
        painter.drawPixmap(12, (_TALL - _ICON) // 2, picture)
        line = QRectF(40, 7, self.width() - 48, 19)
        keys = QKeySequence(self.preset.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
        write(painter, line, self.text(), "strong", "text" if on else "disabled")
        write(painter, line.translated(0, 19), self._below or keys, "small", self._tone())

    def _tone(self) -> str:
        seen = self._seen
        if seen is None or seen.impossible or self._way_out is not None:
            return "muted"
        return "bad" if seen.lost.most or seen.failed.most else "warn" if seen.hurts else "muted"
