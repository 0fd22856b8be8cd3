"""Tests of the page Queues, and what they share."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QAbstractButton

from desktop.ui.pages.queues import QueuesPage
from desktop.ui.widgets.confirm import Confirm

Open = Callable[..., QueuesPage]


def button(page: QueuesPage, name: str) -> QAbstractButton:
    """The visible button of that accessible name."""
    found = page.findChildren(QAbstractButton)
    return next(b for b in found if b.accessibleName() == name and b.isVisibleTo(page))


def dialog_of(page: QueuesPage) -> Confirm:
    """The question that is asked."""
    dialog = page.window().findChild(Confirm)
    assert dialog is not None
    return dialog
