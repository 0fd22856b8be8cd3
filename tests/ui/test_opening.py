"""The window before there is an engine behind it, and the moment when there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, StackState
from desktop.ui.app import run_window
from desktop.ui.theme import Theme
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.ui.conftest import DEMO, let_go


@pytest.fixture
def empty(theme: Theme, qtbot: QtBot) -> Iterator[Window]:
    """A window without an engine, painted."""
    window = Window(None, "two", pages=DEMO)
    with qtbot.waitSignal(window.painted):
        window.show()
    yield window
    window.close_now()
    window.deleteLater()
    let_go()


def test_without_an_engine_nothing_can_be_done_yet(empty: Window) -> None:
    assert empty.page is None
    assert not empty.header.start.isVisible()
    assert not empty.header.pill.isVisible()
    assert not empty.header.chooser.isEnabled()
    stack = [a for a in empty.commands.all() if a.key.startswith("stack.")]
    assert stack
    assert not [a.key for a in stack if empty.commands[a.key].isEnabled()]


def test_with_the_engine_the_wanted_page_opens_and_the_verbs_are_there(empty: Window) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    empty.take(desk)
    assert empty.page is not None
    assert empty.page.objectName() == "two"
    assert empty.header.start.isVisible()
    assert empty.header.chooser.isEnabled()
    assert empty.header.pill.word == "Stopped"
    assert empty.commands["stack.start"].isEnabled()
    assert empty.commands["stack.save"].isEnabled()
    assert all(f"stack.open:{name}" in empty.commands for name, _about in desk.shipped_stacks())
    assert empty.bridge.pulling


def test_a_page_that_is_asked_for_too_early_opens_with_the_engine(empty: Window, qtbot: QtBot) -> None:
    empty.commands["page.logs"].trigger()
    assert empty.page is None
    empty.take(FakeDesk())
    assert empty.page is not None
    assert empty.page.objectName() == "logs"


def test_a_window_that_is_closed_at_once_needs_no_engine(theme: Theme, qapp: QApplication) -> None:
    window = Window(None, pages=DEMO)
    window.painted.connect(lambda: pytest.fail("it was closed before"))
    window.show()
    window.close()
    assert not window.isVisible()
    window.deleteLater()
    let_go()


def test_an_engine_that_cannot_be_made_ends_the_program_with_its_sentence(theme: Theme) -> None:
    def engine() -> FakeDesk:
        raise DeskError("The state folder cannot be written.", "Free some space.")

    with pytest.raises(DeskError, match="cannot be written"):
        run_window(engine, pages=DEMO)
