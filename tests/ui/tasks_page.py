"""What the tests of the Tasks page share: a clock that a test moves, and a page on a fake record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState
from desktop.ui.page import PAGES
from desktop.ui.pages.tasks import TasksPage
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.support.fake_record import FakeRecord

NOON = 1_790_000_000.0


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class TasksDesk(FakeDesk):
    """A desk with a record; `recorded`: it shows a finished run."""

    def __init__(self, record: FakeRecord | None, recorded: bool = False, **options: Any) -> None:
        super().__init__(workers=4, clock=lambda: NOON, **options)
        self.shown = record
        self.recorded = Path("runs/20261122-101500-laptop") if recorded else None


Open = Callable[..., TasksPage]


def opener(make_window: Callable[..., Window], qtbot: QtBot) -> Open:
    """Opens the page of a desk, and waits for its first rows."""

    def opened(desk: FakeDesk, **options: Any) -> TasksPage:
        page = make_window(desk, pages=PAGES, page="tasks", **options).page
        assert isinstance(page, TasksPage)
        if desk.shown is not None and not desk.shown.hold:  # type: ignore[attr-defined]
            qtbot.waitUntil(lambda: page.list.model.total > 0 and not page.list.model.busy)
        return page

    return opened


def stopped() -> TasksDesk:
    """Nothing runs and nothing was recorded."""
    return TasksDesk(None, state=StackState.STOPPED)


def settled(page: TasksPage, qtbot: QtBot) -> None:
    """Every question is answered."""
    qtbot.waitUntil(lambda: not page.list.model.busy and not page.list.model._reading)


def move_on(page: TasksPage, clock: Clock, seconds: float, qtbot: QtBot) -> None:
    """Time goes on, and the page looks at the record again."""
    clock.now += seconds
    page.list.model.refresh()
    settled(page, qtbot)
