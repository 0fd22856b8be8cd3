"""The palette finds verbs by a few letters; the sheet lists all keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from desktop.ui.actions import Action
from desktop.ui.fuzzy import score
from desktop.ui.page import PAGES
from desktop.ui.palette import Palette
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk


@pytest.fixture
def palette(window: Window) -> Palette:
    window.commands["view.palette"].trigger()
    return window.palette_box


def offered(palette: Palette) -> list[str]:
    return [action.key for action in palette.offered]


def test_it_opens_with_everything_that_can_be_run_now(window: Window, palette: Palette) -> None:
    assert palette.isVisible()
    assert QApplication.focusWidget() is palette.line
    able = {a.key for a in window.commands.all() if a.listed and window.commands[a.key].isEnabled()}
    assert offered(palette) == [a.key for a in window.commands.all() if a.key in able], "in their own order"
    assert palette.line.height() >= palette.line.fontMetrics().height(), "what is typed is not cut off"
    assert "stack.start" not in able, "it runs already"
    assert "view.palette" not in able


def test_typing_and_enter_runs_the_best_fit(window: Window, palette: Palette, qtbot: QtBot) -> None:
    qtbot.keyClicks(palette.line, "secnd")
    assert offered(palette)[0] == "page.two"
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.page is not None
    assert window.page.objectName() == "two"


def test_the_arrows_choose_and_go_round(palette: Palette, qtbot: QtBot) -> None:
    qtbot.keyClick(palette.line, Qt.Key.Key_Down)
    assert palette.list.currentIndex().row() == 1
    qtbot.keyClick(palette.line, Qt.Key.Key_Up)
    qtbot.keyClick(palette.line, Qt.Key.Key_Up)
    assert palette.list.currentIndex().row() == len(palette.offered) - 1


def test_what_does_not_fit_says_so(palette: Palette, qtbot: QtBot) -> None:
    qtbot.keyClicks(palette.line, "xyzzy")
    assert palette.none.isVisible()
    assert palette.offered == []
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.isVisible(), "nothing was chosen, so nothing happens"


def test_escape_closes_it_and_gives_the_focus_back(window: Window, qtbot: QtBot) -> None:
    window.header.chooser.setFocus()
    window.commands["view.palette"].trigger()
    qtbot.keyClick(window.palette_box.line, Qt.Key.Key_Escape)
    assert not window.palette_box.isVisible()
    assert QApplication.focusWidget() is window.header.chooser


def test_a_click_beside_it_closes_it(palette: Palette, qtbot: QtBot) -> None:
    qtbot.mouseClick(palette, Qt.MouseButton.LeftButton, pos=palette.rect().bottomLeft())
    assert not palette.isVisible()


def test_a_click_on_a_row_runs_it(window: Window, palette: Palette, qtbot: QtBot) -> None:
    qtbot.keyClicks(palette.line, "second")
    middle = palette.list.visualRect(palette.list.model().index(0, 0)).center()
    qtbot.mouseClick(palette.list.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert window.page is not None
    assert window.page.objectName() == "two"


def test_verbs_that_pages_add_are_found(
    window: Window, palette: Palette, qtbot: QtBot, desk: FakeDesk
) -> None:
    palette.dismiss()
    window.commands.add(Action("worker.kill:w2", "Kill w2", lambda: desk.send_signal("w2", "KILL"), "kill"))
    palette.open_palette()
    qtbot.keyClicks(palette.line, "w2 kill")
    assert offered(palette)[0] == "worker.kill:w2"
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert desk.called("send_signal") == [("w2", "KILL", None)]


@pytest.mark.parametrize(
    ("typed", "better", "worse"),
    [
        ("stop", "Stop", "Cold stop"),
        ("st", "Start", "Save stack as…"),
        ("cs", "Cold stop", "Commands"),
        ("dark", "Colours: dark", "Desk with a rack"),
    ],
)
def test_the_score_prefers_starts_of_words(typed: str, better: str, worse: str) -> None:
    good, bad = score(typed, better), score(typed, worse)
    assert good is not None
    assert bad is None or good > bad


def test_letters_that_do_not_occur_do_not_fit() -> None:
    assert score("zz", "Start") is None
    assert score("", "Start") is not None


def test_the_sheet_lists_every_key_by_its_group(window: Window, qtbot: QtBot) -> None:
    window.commands["help.shortcuts"].trigger()
    assert window.sheet.isVisible()
    listed = {(text, keys) for entries in window.sheet.keys().values() for text, keys in entries}
    for action in window.commands.all():
        if action.shortcut:
            assert (action.text, action.shortcut) in listed
    qtbot.keyClick(window.sheet.close_button, Qt.Key.Key_Escape)
    assert not window.sheet.isVisible()


def test_palette_and_sheet_are_never_open_together(window: Window, palette: Palette) -> None:
    window.commands["help.shortcuts"].trigger()
    assert not palette.isVisible()
    window.commands["view.palette"].trigger()
    assert not window.sheet.isVisible()


def test_verbs_of_workers_and_logs_are_there_before_their_pages(
    make_window: Callable[..., Window], qtbot: QtBot
) -> None:
    window = make_window(FakeDesk(), pages=PAGES, page="overview")
    window.commands["view.palette"].trigger()
    palette = window.palette_box
    keys = offered(palette)
    assert {"worker.add", "worker.kill:w1", "worker.edit:w2", "logs.find"} <= set(keys)
    qtbot.keyClicks(palette.line, "edit w2")
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    dialog = window.findChild(QDialog)
    assert window.page.objectName() == "workers"
    assert window.page.list.current == "w2"
    assert dialog is not None
    assert dialog.accessibleName() == "Edit w2"
    dialog.close()


def test_enter_in_the_palette_presses_nothing_below(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    window.header.stop.setFocus()
    window.commands["view.palette"].trigger()
    qtbot.keyClicks(window.palette_box.line, "secnd")
    qtbot.keyClick(window.palette_box.line, Qt.Key.Key_Return)
    assert window.page.objectName() == "two"
    assert QApplication.focusWidget() is window.header.stop, "the focus is back where it was"
    assert desk.called("stop") == []
    assert window.findChild(QDialog) is None
