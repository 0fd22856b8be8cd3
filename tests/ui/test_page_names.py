"""Every interactive widget of every page has a name, and no button's text is cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState
from desktop.ui.page import PAGES
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

KEYS = [info.key for info in PAGES]
KINDS = (QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QScrollArea)


def nameless(root: QWidget) -> list[str]:
    """Interactive widgets that a screen reader cannot name; parts that Qt makes for its own are left out."""
    found = []
    for widget in root.findChildren(QWidget):
        interactive = isinstance(widget, KINDS) or widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        owner = widget.parent()
        inside = isinstance(owner, (QComboBox, QAbstractItemView, QLineEdit)) or "Private" in type_of(owner)
        words = isinstance(widget, QAbstractButton) and widget.text()
        if interactive and not inside and not words and not widget.accessibleName():
            found.append(f"{type(widget).__name__} in {type_of(owner)}")
    return found


def type_of(thing: QObject | None) -> str:
    """Qt's own name of a class; Python knows only the public part of it."""
    return thing.metaObject().className() if thing is not None else ""


@pytest.mark.parametrize("state", [StackState.RUNNING, StackState.STOPPED])
@pytest.mark.parametrize("key", KEYS)
def test_everything_has_a_name(
    make_window: Callable[..., Window], qtbot: QtBot, key: str, state: StackState
) -> None:
    window = make_window(FakeDesk(state=state), pages=PAGES, page=key)
    qtbot.wait(50)
    assert nameless(window.page) == []


def test_the_worker_form_has_names(make_window: Callable[..., Window]) -> None:
    window = make_window(FakeDesk(), pages=PAGES, page="workers")
    dialog = window.worker_commands.open_form("w1")
    assert nameless(dialog) == []
    dialog.close()


@pytest.mark.parametrize("scheme", [Scheme.LIGHT, Scheme.DARK])
@pytest.mark.parametrize("key", KEYS)
def test_nothing_is_wider_than_the_page_and_no_button_is_cut(
    make_window: Callable[..., Window], qtbot: QtBot, qapp: object, key: str, scheme: Scheme
) -> None:
    Theme.current.apply(qapp, scheme)
    window = make_window(FakeDesk(workers=4), pages=PAGES, page=key)
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: window.page.width() > 800)
    qtbot.wait(100)
    cut = [
        button.text()
        for button in window.page.findChildren(QPushButton)
        if button.isVisible() and button.width() < button.sizeHint().width()
    ]
    assert cut == []
    for area in window.page.findChildren(QScrollArea):
        if area.isVisible() and area.widget() is not None:
            assert area.widget().width() <= area.viewport().width(), area.accessibleName()


@pytest.mark.parametrize("key", KEYS)
def test_a_page_that_is_not_seen_does_nothing(
    make_window: Callable[..., Window], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    desk = FakeDesk()
    window = make_window(desk, pages=PAGES, page=key)
    page = window.page
    window.go(next(other for other in KEYS if other != key))
    seen: list[str] = []
    monkeypatch.setattr(type(page), "tick", lambda self: seen.append("tick"))
    monkeypatch.setattr(type(page), "show_snapshot", lambda self, snapshot: seen.append("snapshot"))
    with qtbot.waitSignals([window.bridge.ticked] * 3):
        pass
    assert seen == []
