"""Colours, fonts and style of the window: one `Theme`, made from `resources/theme/tokens.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, ClassVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from desktop.ui import fonts

_FOLDER = files("resources") / "theme"
WORKER_COLORS = 8


class Scheme(StrEnum):
    """What a person chose, or what is shown (then never SYSTEM)."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@cache
def tokens() -> dict[str, dict[str, Any]]:
    """The token file: scheme -> role -> "#rrggbb" or "#rrggbbaa" (`workers`: a list)."""
    return tomllib.loads((_FOLDER / "tokens.toml").read_text("utf-8"))


def to_color(text: str) -> QColor:
    """The colour of a token; Qt itself would read #rrggbbaa as #aarrggbb."""
    if len(text) == 9:
        text = f"#{text[7:9]}{text[1:7]}"
    return QColor(text)


class Theme(QObject):
    """The scheme that is shown now. `Theme.current` is the one there is."""

    changed = Signal()  # after palette and style were applied: repaint, tint again

    current: ClassVar[Theme]

    def __init__(self) -> None:
        super().__init__()
        self.choice = Scheme.SYSTEM
        self.scheme = Scheme.LIGHT
        self._colors: dict[str, QColor] = {}
        self._workers: list[QColor] = []
        self._slots: dict[str, int] = {}
        self._following = self._styled = False
        self._read(Scheme.LIGHT)

    # -- colours

    def color(self, name: str) -> QColor:
        """The colour of a role of the token file, a copy. KeyError for a role there is not."""
        return QColor(self._colors[name])

    def worker_color(self, index: int) -> QColor:
        """One of the eight worker colours; beyond eight they come round again."""
        return QColor(self._workers[index % WORKER_COLORS])

    def color_of(self, service: str) -> QColor:
        """The colour of a worker or another service by its name; what is no worker is muted."""
        slot = self._slots.get(service)
        return self.color("muted") if slot is None else self.worker_color(slot)

    def remember_workers(self, names: Iterable[str]) -> None:
        """Give each new name the first free colour; a name keeps its colour while it lives."""
        names = list(names)
        self._slots = {name: slot for name, slot in self._slots.items() if name in names}
        for name in names:
            if name not in self._slots:
                taken = set(self._slots.values())
                self._slots[name] = next(i for i in range(len(taken) + 1) if i not in taken)

    @property
    def dark(self) -> bool:
        """True while the dark scheme is shown."""
        return self.scheme is Scheme.DARK

    # -- applying

    def apply(self, app: QApplication, choice: Scheme | str = Scheme.SYSTEM) -> None:
        """Dress the whole application; with SYSTEM, follow the system from now on."""
        self.choice = Scheme(choice)
        scheme = _system_scheme() if self.choice is Scheme.SYSTEM else self.choice
        if not self._following:
            QGuiApplication.styleHints().colorSchemeChanged.connect(self._system_changed)
            self._following = True
        fonts.load(fonts.TEXT)
        self._read(scheme)
        if not self._styled:
            app.setStyle(QStyleFactory.create("fusion"))
            self._styled = True  # a style sheet hides which style lies under it
        app.setFont(fonts.font("text"))
        app.setPalette(self._palette())
        app.setStyleSheet(self.style_sheet())
        self.changed.emit()

    def style_sheet(self) -> str:
        """The application's one style sheet, in the colours of this scheme."""
        values = {name: _css(color) for name, color in self._colors.items()}
        folder = Path(str(files("resources") / "icons")).as_posix()
        text = Template((_FOLDER / "app.qss").read_text("utf-8"))
        return text.substitute(values, icons=folder, scheme=self.scheme.value)

    def _system_changed(self) -> None:
        app = QApplication.instance()
        if self.choice is Scheme.SYSTEM and isinstance(app, QApplication):
            self.apply(app, Scheme.SYSTEM)

    def _read(self, scheme: Scheme) -> None:
        self.scheme = scheme
        roles = tokens()[scheme.value]
        self._workers = [to_color(text) for text in roles["workers"]]
        self._colors = {name: to_color(text) for name, text in roles.items() if isinstance(text, str)}

    def _palette(self) -> QPalette:
        palette = QPalette()
        for role, name in _PALETTE.items():
            palette.setColor(role, self.color(name))
        for role in (_R.WindowText, _R.Text, _R.ButtonText, _R.HighlightedText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.color("disabled"))
        return palette


_R = QPalette.ColorRole
_PALETTE = {
    _R.Window: "window",
    _R.WindowText: "text",
    _R.Base: "surface",
    _R.AlternateBase: "window",
    _R.Text: "text",
    _R.Button: "surface",
    _R.ButtonText: "text",
    _R.BrightText: "bad",
    _R.ToolTipBase: "raised",
    _R.ToolTipText: "text",
    _R.PlaceholderText: "placeholder",
    _R.Highlight: "selected",
    _R.HighlightedText: "text",
    _R.Link: "accent",
    _R.LinkVisited: "accent",
    _R.Accent: "accent_fill",
    _R.Light: "raised",
    _R.Midlight: "hover",
    _R.Mid: "line",
    _R.Dark: "line_strong",
    _R.Shadow: "line",
}


def _system_scheme() -> Scheme:
    """What the system says; light where it says nothing (bare X11 and offscreen say Unknown)."""
    dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return Scheme.DARK if dark else Scheme.LIGHT


def _css(color: QColor) -> str:
    return f"rgba({color.red()}, {color.green()}, {color.blue()}, {color.alpha()})"


Theme.current = Theme()
