"""The page Tasks of a living run, for its tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from desktop.ui.pages.tasks import TasksPage
from desktop.ui.window import Window
from tests.support.fake_record import FakeRecord
from tests.ui.tasks_page import Clock, Open, TasksDesk, opener


@pytest.fixture
def open_page(make_window: Callable[..., Window], qtbot: QtBot) -> Open:
    """Opens the page of a desk."""
    return opener(make_window, qtbot)


@pytest.fixture
def clock() -> Clock:
    """The time of the run."""
    return Clock()


@pytest.fixture
def record(clock: Clock) -> FakeRecord:
    """A living run."""
    return FakeRecord(3_000, live=True, clock=clock)


@pytest.fixture
def page(open_page: Open, record: FakeRecord) -> TasksPage:
    """The page, open, with that run."""
    return open_page(TasksDesk(record))
