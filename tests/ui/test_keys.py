"""The window by keyboard: where Tab goes, what Enter does."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState, StopHow
from desktop.ui.page import PAGES
from desktop.ui.widgets.confirm import Confirm
from desktop.ui.window import SMALLEST, Window
from tests.support.fake_desk import FakeDesk
from tests.ui.conftest import let_go

Make = Callable[..., Window]


def test_everything_in_rail_and_header_is_reached_by_tab(window: Window, qtbot: QtBot) -> None:
    wanted = {
        b
        for part in (window.rail, window.header)
        for b in part.findChildren(QAbstractButton)
        if b.isVisible() and b.isEnabled()
    }
    start = widget = window.rail.findChildren(QPushButton)[0]
    reached = {start}
    while (widget := widget.nextInFocusChain()) is not start:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.add(widget)
    assert wanted <= reached


def walk(window: Window, qtbot: QtBot, most: int = 60) -> list[QWidget]:
    """What Tab reaches, from the window's beginning until it comes round."""
    window.activateWindow()
    window.setFocus()
    seen: list[QWidget] = []
    for _ in range(most):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        here = QApplication.focusWidget()
        if here in seen:
            return seen
        seen.append(here)
    raise AssertionError("Tab does not come round")


def test_tab_goes_as_things_lie_and_brings_them_to_the_eye(make_window: Make, qtbot: QtBot) -> None:
    window = make_window(FakeDesk(), pages=PAGES, page="workers")
    window.resize(*SMALLEST)
    qtbot.waitUntil(window.page.detail._head.isVisible)  # layouts show what they hold in a turn of their own
    names = [w.accessibleName() for w in walk(window, qtbot)]
    wanted = ["Command palette", "Add worker…", "Stop w1", "Restart w1", "Least", "Cancel queue celery"]
    wanted += ["Name of a queue to add", "Copy the command line"]
    assert [name for name in names if name in wanted] == wanted
    window.page.list.choose("w2")
    qtbot.waitUntil(window.page.detail._head.isVisible)
    names = [w.accessibleName() for w in walk(window, qtbot)]
    assert names.index("Add worker…") < names.index("Stop w2") < names.index("Concurrency")
    copy = next(b for b in window.page.findChildren(QPushButton) if b.text() == "Copy")
    copy.setFocus()
    qtbot.keyClick(copy, Qt.Key.Key_Backtab)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    area = window.page.detail.viewport()
    assert area.rect().contains(copy.mapTo(area, copy.rect().center()))


def test_another_page_takes_the_focus_without_a_ring(make_window: Make, qtbot: QtBot) -> None:
    window = make_window(FakeDesk(), pages=PAGES, page="workers")
    window.activateWindow()
    next(b for b in window.page.findChildren(QPushButton) if b.text() == "Copy").setFocus()
    window.commands["page.overview"].trigger()
    assert QApplication.focusWidget() is window.page
    qtbot.keyClick(window.page, Qt.Key.Key_Tab)
    assert window.page.isAncestorOf(QApplication.focusWidget())


def test_enter_presses_the_button_with_the_focus(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    window = make_window(desk)
    window.header.start.setFocus()
    qtbot.keyClick(window.header.start, Qt.Key.Key_Return)
    assert desk.called("start") == [(None,)]


def test_a_confirmation_is_answered_by_keys(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    window.commands["stack.kill"].trigger()
    dialog = window.findChild(Confirm)
    assert dialog is not None
    qtbot.waitUntil(dialog.cancel.hasFocus)
    qtbot.keyClick(dialog.cancel, Qt.Key.Key_Return)
    assert desk.called("stop") == [], "Enter alone destroys nothing"
    let_go()
    window.commands["stack.kill"].trigger()
    dialog = window.findChild(Confirm)
    qtbot.waitUntil(dialog.cancel.hasFocus)
    qtbot.keyClick(dialog.cancel, Qt.Key.Key_Tab)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    assert desk.called("stop") == [(StopHow.KILL,)]
