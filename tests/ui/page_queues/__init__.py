"""Tests of the page Queues, and what they share."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from desktop.ui.pages.queues import QueuesPage
from desktop.ui.widgets.confirm import Confirm

Open = Callable[..., QueuesPage]


def buttons(page: QueuesPage, name: str) -> list[QAbstractButton]:
    """The visible buttons of that accessible name."""
    found = page.findChildren(QAbstractButton)
    return [one for one in found if one.accessibleName() == name and one.isVisibleTo(page)]


def button(page: QueuesPage, name: str) -> QAbstractButton:
    """The visible button of that accessible name."""
    (found,) = buttons(page, name)
    return found


def press(qtbot: QtBot, page: QueuesPage, name: str) -> None:
    """Click on that button, once it is there."""
    qtbot.waitUntil(lambda: bool(buttons(page, name)))
    qtbot.mouseClick(button(page, name), Qt.MouseButton.LeftButton)


def dialog_of(page: QueuesPage) -> Confirm:
    """The question that is asked."""
    dialog = page.window().findChild(Confirm)
    assert dialog is not None
    return dialog
