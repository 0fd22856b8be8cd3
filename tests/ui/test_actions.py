"""One registry: whatever shows a verb shows the same word, state and keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState
from desktop.ui import icons
from desktop.ui.actions import Action, Actions
from desktop.ui.theme import Theme
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk


@pytest.fixture
def host(theme: Theme, qtbot: QtBot) -> QMainWindow:
    made = QMainWindow()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def commands(host: QMainWindow, done: list[str]) -> Actions:
    made = Actions(host)
    made.add(Action("stack.go", "Go", lambda: done.append("go"), "play", "Ctrl+G", "Let it go", "Stack"))
    return made


def test_a_button_runs_its_verb_and_looks_as_it_does(
    commands: Actions, qtbot: QtBot, done: list[str]
) -> None:
    button = commands.button("stack.go", "primary")
    qtbot.addWidget(button)
    assert (button.text().strip(), button.accessibleName()) == ("Go", "Go")
    assert button.toolTip() == "Let it go (Ctrl+G)"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == ["go"]
    commands.enable("stack.go", False, "It went already.")
    assert not button.isEnabled()
    assert "It went already." in button.toolTip()
    commands.show("stack.go", "Go on")
    assert button.accessibleName() == "Go on"


def test_a_menu_and_a_tool_button_share_the_one_action(
    commands: Actions, host: QMainWindow, qtbot: QtBot
) -> None:
    menu = commands.menu(["stack.go", None], host)
    assert menu.actions()[0] is commands["stack.go"]
    assert menu.actions()[1].isSeparator()
    tool = commands.tool("stack.go")
    qtbot.addWidget(tool)
    assert tool.defaultAction() is commands["stack.go"]
    assert tool.accessibleName() == "Go"


def test_a_shortcut_runs_it(commands: Actions, host: QMainWindow, qtbot: QtBot, done: list[str]) -> None:
    host.show()
    qtbot.waitUntil(host.isActiveWindow)
    qtbot.keyClick(host, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    assert done == ["go"]


def test_adding_a_key_again_replaces_it_and_removing_forgets_it(
    commands: Actions, host: QMainWindow, done: list[str]
) -> None:
    commands.add(Action("stack.go", "Go", lambda: done.append("new")))
    commands["stack.go"].trigger()
    assert done == ["new"]
    assert [a.key for a in commands.all()] == ["stack.go"]
    commands.remove("stack.go")
    commands.remove("stack.go")
    assert "stack.go" not in commands
    assert not [a for a in host.actions() if a.objectName() == "stack.go"]


@pytest.fixture(params=[StackState.STOPPED, StackState.RUNNING, StackState.STOPPING])
def any_window(request: pytest.FixtureRequest, make_window: Callable[..., Window]) -> Window:
    return make_window(FakeDesk(state=request.param))


def test_every_verb_of_the_window_is_named_and_reachable(any_window: Window) -> None:
    for action in any_window.commands.all():
        assert action.text
        assert not action.icon or action.icon in icons.names()
        assert action.listed or action.shortcut, f"{action.key}: neither in the palette nor on a key"
        made = any_window.commands[action.key]
        assert made in any_window.actions(), "its shortcut works only if the window owns it"
        assert made.toolTip()


def test_no_two_verbs_share_their_keys(any_window: Window) -> None:
    keys = [a.shortcut for a in any_window.commands.all() if a.shortcut]
    assert len(keys) == len(set(keys))


def test_what_the_state_does_not_allow_is_off_and_says_why(make_window: Callable[..., Window]) -> None:
    running = make_window(FakeDesk(state=StackState.RUNNING)).commands
    assert not running["stack.start"].isEnabled()
    assert "runs already" in running["stack.start"].toolTip()
    assert running["stack.stop"].isEnabled()
    assert not running["stack.open:default"].isEnabled()
    assert "while it is stopped" in running["stack.open"].toolTip()
    stopped = make_window(FakeDesk(state=StackState.STOPPED)).commands
    on = [key for key in ("start", "stop", "cold", "kill", "open") if stopped[f"stack.{key}"].isEnabled()]
    assert on == ["start", "open"]


def test_actions_are_all_made_by_the_registry(any_window: Window) -> None:
    registered = {any_window.commands[a.key] for a in any_window.commands.all()}
    own = {a for a in any_window.findChildren(QAction) if a.objectName().count(".") == 1}
    assert own <= registered
