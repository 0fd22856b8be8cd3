"""What the window's tests share: the theme, a fake engine, windows that close by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.ui.page import PageInfo
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

DEMO = (
    PageInfo("one", "First", "overview", "tests.ui.demo_page:DemoPage"),
    PageInfo("two", "Second", "workers", "tests.ui.demo_page:DemoPage"),
    PageInfo("logs", "Logs", "logs", "tests.ui.demo_page:DemoPage"),
)


# Said by the offscreen platform at each dialog and menu; a real one has these.
_OFFSCREEN = "This plugin does not support (propagateSizeHints|raise|grabbing the keyboard)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Any other warning of Qt's still fails its test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore(_OFFSCREEN, extend=True))


def let_go() -> None:
    """Let Qt delete what was told to delete itself."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    """The theme, light."""
    Theme.current.apply(qapp, Scheme.LIGHT)
    return Theme.current


@pytest.fixture
def desk() -> FakeDesk:
    """A running stack that is not real."""
    return FakeDesk()


@pytest.fixture
def make_window(theme: Theme, qtbot: QtBot) -> Iterator[Callable[..., Window]]:
    """Makes windows and shows them, with demo pages unless told otherwise; closes them at the end."""
    made: list[Window] = []

    def make(desk: FakeDesk, show: bool = True, **options: object) -> Window:
        window = Window(desk, **{"pages": DEMO, **options})  # type: ignore[arg-type]
        made.append(window)
        if show:
            window.show()
            qtbot.waitUntil(lambda: window.page is not None)
        return window

    yield make
    for window in made:
        window.close_now()
        window.deleteLater()
    let_go()


@pytest.fixture
def window(make_window: Callable[..., Window], desk: FakeDesk) -> Window:
    """A window on the running fake."""
    return make_window(desk)
