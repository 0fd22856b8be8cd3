"""Everything fits: in the smallest window, with eight workers, with long names, and when all is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QLabel,
    QScrollArea,
    QToolButton,
    QWidget,
)
from pytestqt.exceptions import TimeoutError as QtTimeout
from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState
from desktop.ui.page import PAGES
from desktop.ui.pages.kill_menu import KillMenu
from desktop.ui.widgets.labels import ElidedLabel
from desktop.ui.window import SMALLEST, Window
from tests.ui.scenes import SHOTS as ALL
from tests.ui.scenes import Dress, Scene, Shot, calm, crowd, stopping, trouble

STACKS: dict[str, tuple[Dress, StackState]] = {
    "calm": (calm, StackState.RUNNING),
    "stopped": (calm, StackState.STOPPED),
    "crowd": (crowd, StackState.RUNNING),
    "trouble": (trouble, StackState.RUNNING),
    "stopping": (stopping, StackState.RUNNING),
}
OPENED = [shot for shot in ALL if shot.act is not None]


def cut(root: QWidget) -> list[str]:
    """Words that are cut off without an ellipsis, and parts that reach out of what holds them."""
    found = []
    for widget in (root, *root.findChildren(QWidget)):
        if not widget.isVisible():
            continue
        if isinstance(widget, QLabel) and not isinstance(widget, ElidedLabel) and widget.text():
            least = widget.heightForWidth(widget.width()) if widget.wordWrap() else widget.sizeHint().height()
            wide = 0 if widget.wordWrap() else widget.fontMetrics().horizontalAdvance(longest(widget.text()))
            if widget.height() < least or widget.width() < wide:
                found.append(f"label {widget.text()!r} {widget.size().toTuple()} < {wide}, {least}")
        if isinstance(widget, QAbstractButton) and worded(widget):
            wide = widget.minimumSizeHint().width()
            if widget.width() < wide:
                found.append(f"button {widget.text()!r} {widget.width()} < {wide}")
        if isinstance(widget, QScrollArea) and widget.widget() is not None:
            wide = widget.widget().width()
            if wide > widget.viewport().width():
                found.append(f"{widget.accessibleName()} scrolls sideways: {wide}")
        owner = widget.parentWidget()
        if owner is not None and not widget.isWindow() and widget.x() + widget.width() > owner.width() + 1:
            found.append(f"{type(widget).__name__} {widget.accessibleName()!r} reaches out at the right")
    return found


def still_cut(root: QWidget, qtbot: QtBot) -> list[str]:
    """What is cut once layouts have settled: they do so in turns of the event loop, which may be late."""
    with suppress(QtTimeout):
        qtbot.waitUntil(lambda: cut(root) == [], timeout=2_000)
    return cut(root)


def worded(button: QAbstractButton) -> bool:
    """Whether it shows its text."""
    icon_only = Qt.ToolButtonStyle.ToolButtonIconOnly
    return bool(button.text()) and not (
        isinstance(button, QToolButton) and button.toolButtonStyle() == icon_only
    )


def longest(text: str) -> str:
    """The longest line."""
    return max(text.splitlines(), key=len)


class Flashes(QObject):
    """Remembers parts that were shown before they were put into anything: each is a window for a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        shown = event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow()
        if shown and not isinstance(watched, (Window, QDialog, KillMenu)):
            self.seen.append(f"{type(watched).__name__} {watched.accessibleName()}")
        return False


@pytest.fixture
def flashes(qapp: QApplication) -> Iterator[Flashes]:
    watcher = Flashes()
    qapp.installEventFilter(watcher)
    yield watcher
    qapp.removeEventFilter(watcher)


@pytest.fixture
def smallest(make_window: Callable[..., Window], qtbot: QtBot) -> Callable[..., Window]:
    """Opens a stack in the smallest window."""

    def opened(dress: Dress, state: StackState, page: str) -> Window:
        window = make_window(Scene(dress, state=state), pages=PAGES, page=page)
        window.resize(*SMALLEST)
        qtbot.waitUntil(lambda: window.size().toTuple() == SMALLEST)
        qtbot.wait(60)  # layouts settle in turns of the event loop
        return window

    return opened


@pytest.mark.parametrize("page", [info.key for info in PAGES])
@pytest.mark.parametrize("stack", STACKS)
def test_pages_fit_into_the_smallest_window(
    smallest: Callable[..., Window], flashes: Flashes, qtbot: QtBot, stack: str, page: str
) -> None:
    window = smallest(*STACKS[stack], page)
    assert still_cut(window, qtbot) == []
    assert window.size().toTuple() == SMALLEST, "nothing made it larger"
    assert flashes.seen == []


@pytest.mark.parametrize("shot", OPENED, ids=lambda shot: shot.name)
def test_what_is_opened_fits(
    smallest: Callable[..., Window], flashes: Flashes, qtbot: QtBot, shot: Shot
) -> None:
    window = smallest(shot.dress, shot.state, shot.page)
    assert shot.act is not None
    shot.act(window)
    qtbot.wait(60)
    assert still_cut(window, qtbot) == []
    for opened in (*window.findChildren(QDialog), *window.findChildren(KillMenu)):
        assert still_cut(opened, qtbot) == []
        assert opened.height() <= window.height()
        opened.close()
    assert flashes.seen == []
