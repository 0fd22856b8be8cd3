"""Toasts, details and confirmations."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QEnterEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QPlainTextEdit, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError
from desktop.ui.theme import Scheme, Theme
from desktop.ui.widgets import toast as toast_module
from desktop.ui.widgets.confirm import Confirm, confirm
from desktop.ui.widgets.details import Details
from desktop.ui.widgets.toast import Toast
from desktop.ui.window import Window
from tests.ui.conftest import let_go


def texts(toast: Toast) -> list[str]:
    return [label.text() for label in toast.findChildren(QLabel) if label.text()]


def test_an_error_says_what_and_what_next(window: Window) -> None:
    toast = window.toasts.error(DeskError("Port 6379 is taken by redis-server (pid 812).", "Stop it."))
    assert texts(toast) == ["Port 6379 is taken by redis-server (pid 812).", "Stop it."]
    assert toast.accessibleName() == "Port 6379 is taken by redis-server (pid 812). Stop it."
    assert toast.tone == "bad"


def test_several_problems_are_one_toast_and_a_list(window: Window, qtbot: QtBot) -> None:
    what = "line 3, broker.port: must be less.\nline 9, worker w1, poool: is no key.\nline 11: is wrong."
    toast = window.toasts.error(DeskError(what))
    assert texts(toast) == ["line 3, broker.port: must be less.", "And 2 more problems."]
    button = next(b for b in toast.findChildren(QPushButton) if b.text() == "Details")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    dialog = window.findChild(Details)
    assert dialog is not None
    assert dialog.findChild(QPlainTextEdit).toPlainText() == what
    dialog.close()


def test_a_long_toast_shows_all_of_its_words(window: Window) -> None:
    toast = window.toasts.error(DeskError("A sentence that goes on. " * 14, "And a next step. " * 6))
    words = toast.findChildren(QLabel)
    for label in (word for word in words if word.text()):
        assert label.height() >= label.heightForWidth(label.width()), label.text()


def test_toasts_stack_up_without_lying_over_each_other(window: Window) -> None:
    made = [window.toasts.say(f"message {i} " + "and more words " * i) for i in range(3)]
    boxes = [toast.geometry() for toast in made]
    assert boxes[0].bottom() < boxes[1].top()
    assert boxes[1].bottom() < boxes[2].top()
    assert all(window.rect().contains(box) for box in boxes)
    window.resize(window.width() + 200, window.height() + 50)
    assert window.rect().right() - made[2].geometry().right() == toast_module.MARGIN


def test_only_so_many_are_shown(window: Window) -> None:
    for number in range(toast_module.AT_MOST + 2):
        window.toasts.say(f"message {number}")
    assert [t.text for t in window.toasts.shown] == ["message 2", "message 3", "message 4", "message 5"]


def test_a_toast_leaves_by_itself_but_not_under_the_pointer(
    window: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toast_module.SECONDS, "info", 0.05)
    held, other = window.toasts.say("held", "info"), window.toasts.say("other", "info")
    QApplication.sendEvent(held, QEnterEvent(QPointF(5, 5), QPointF(5, 5), QPointF(5, 5)))
    # The pointer of the offscreen platform rests somewhere over the window: perhaps here.
    QApplication.sendEvent(other, QEvent(QEvent.Type.Leave))
    qtbot.waitUntil(lambda: other not in window.toasts.shown)
    assert held in window.toasts.shown
    QApplication.sendEvent(held, QEvent(QEvent.Type.Leave))
    qtbot.waitUntil(lambda: held not in window.toasts.shown)


def test_escape_dismisses_them(window: Window, qtbot: QtBot) -> None:
    window.toasts.say("one")
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.toasts.shown == []


def test_the_cross_dismisses_one(window: Window, qtbot: QtBot) -> None:
    first, second = window.toasts.say("one"), window.toasts.say("two")
    cross = next(b for b in first.findChildren(QToolButton) if b.accessibleName() == "Dismiss")
    qtbot.mouseClick(cross, Qt.MouseButton.LeftButton)
    assert window.toasts.shown == [second]


def test_details_can_be_read_and_copied(window: Window, qtbot: QtBot) -> None:
    toast = window.toasts.say("It broke.", "bad", details="line 1\nline 2")
    button = next(b for b in toast.findChildren(QPushButton) if b.text() == "Details")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, Details)
    copy = next(b for b in dialog.findChildren(QPushButton) if b.text() == "Copy")
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "line 1\nline 2"
    dialog.close()
    assert toast not in window.toasts.shown


def test_a_toast_can_offer_the_next_step(window: Window, qtbot: QtBot) -> None:
    done: list[str] = []
    button = window.toasts.say("Not saved.", "bad").offer("Save as…", lambda: done.append("x"))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == ["x"]
    assert window.toasts.shown == []


def test_a_change_of_scheme_while_one_is_shown(window: Window, theme: Theme, qapp: QApplication) -> None:
    toast = window.toasts.say("one")
    before = toast.grab().toImage()
    theme.apply(qapp, Scheme.DARK)
    assert toast.grab().toImage() != before


@pytest.fixture
def asked(window: Window) -> tuple[Confirm, list[str]]:
    done: list[str] = []
    losses = ["2 running tasks will be lost.", "6 reserved come back in 10 s."]
    return confirm(window, "Kill w1?", losses, "Kill w1", lambda: done.append("killed")), done


def test_a_confirmation_says_what_is_lost_and_rests_on_cancel(asked: tuple[Confirm, list[str]]) -> None:
    dialog, done = asked
    said = [label.text() for label in dialog.findChildren(QLabel) if label.text()]
    assert said == ["Kill w1?", "2 running tasks will be lost.", "6 reserved come back in 10 s."]
    assert "2 running tasks" in dialog.accessibleDescription()
    assert dialog.focusWidget() is dialog.cancel
    dialog.cancel.click()
    assert done == []


def test_a_confirmation_that_is_given_does_it_once(asked: tuple[Confirm, list[str]]) -> None:
    dialog, done = asked
    assert dialog.buttons[0].property("kind") == "danger"
    dialog.buttons[0].click()
    assert done == ["killed"]
    assert not dialog.isVisible()


def test_escape_is_a_no(asked: tuple[Confirm, list[str]], qtbot: QtBot) -> None:
    dialog, done = asked
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert done == []


def test_dialogs_delete_themselves(window: Window) -> None:
    dialog = confirm(window, "Kill w1?", ["x"], "Kill", lambda: None)
    dialog.close()
    let_go()
    assert not window.findChildren(Confirm)
