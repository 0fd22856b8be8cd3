"""The window's own icons: SVG files of one stroke weight, tinted by colour token.

An icon that is given to a widget with `set_icon` is tinted again when the theme changes.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from desktop.ui.theme import Theme

_FOLDER = files("resources") / "icons"
_NAME, _TOKEN = "iconName", "iconToken"  # dynamic properties of a widget with an icon


@cache
def names() -> tuple[str, ...]:
    """Every icon there is."""
    found = (f.name.removesuffix(".svg") for f in _FOLDER.iterdir() if f.name.endswith(".svg"))
    return tuple(sorted(name for name in found if not name.startswith(("qss-", "app"))))


@cache
def _source(name: str) -> str:
    return (_FOLDER / f"{name}.svg").read_text("utf-8")


_pixmaps: dict[tuple[str, str, int, float], QPixmap] = {}


def pixmap(name: str, color: QColor, size: int = 16, ratio: float = 1.0) -> QPixmap:
    """The icon as a picture of `size` logical pixels at a device ratio; cached."""
    key = (name, color.name(QColor.NameFormat.HexArgb), size, ratio)
    if key not in _pixmaps:
        _pixmaps[key] = _render(_source(name).replace("currentColor", color.name()), size, ratio)
    return _pixmaps[key]


def _render(svg: str, size: int, ratio: float) -> QPixmap:
    made = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(made.rect()))
    painter.end()
    made.setDevicePixelRatio(ratio)
    return made


def icon(name: str, token: str = "text", size: int = 16) -> QIcon:
    """The icon in the colour of a token; disabled it takes the `disabled` colour."""
    made = QIcon()
    theme = Theme.current
    for mode, color in (
        (QIcon.Mode.Normal, theme.color(token)),
        (QIcon.Mode.Active, theme.color(token)),
        (QIcon.Mode.Selected, theme.color(token)),
        (QIcon.Mode.Disabled, theme.color("disabled")),
    ):
        for ratio in _ratios():
            made.addPixmap(pixmap(name, color, size, ratio), mode)
    return made


def _ratios() -> set[float]:
    """Of the screens that a window may be moved to."""
    return {screen.devicePixelRatio() for screen in QGuiApplication.screens()}


def set_icon(target: Any, name: str, token: str = "text") -> None:
    """Give a button or an action (anything with `setIcon`) an icon that follows the theme."""
    target.setProperty(_NAME, name)
    target.setProperty(_TOKEN, token)
    target.setIcon(icon(name, token))


def retint() -> None:
    """Tint the icons of all living widgets and of the actions on them again."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        return
    for widget in app.allWidgets():
        for target in (widget, *widget.actions()):
            _tint(target)


def _tint(target: QObject) -> None:
    name = target.property(_NAME)
    if isinstance(name, str) and name:
        target.setIcon(icon(name, str(target.property(_TOKEN))))  # type: ignore[attr-defined]


@cache
def app_icon() -> QIcon:
    """The application's own icon."""
    made = QIcon()
    for size in (16, 24, 32, 48, 64, 128, 256):
        made.addPixmap(_render(_source("app"), size, 1.0))
    return made


Theme.current.changed.connect(retint)
