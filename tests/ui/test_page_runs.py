"""Runs: the table, what can be done with a run, the cap, and how the window shows one that is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAccessible, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import Cap, DeskError, RunInfo, StackState
from desktop.ui.page import PAGES
from desktop.ui.pages.runs import RunsPage, limits_of
from desktop.ui.pages.runs_dialogs import CapDialog, NoteDialog
from desktop.ui.pages.runs_model import FAILED, LASTED, NOTE, SIZE, STATE, TASKS, TWICE, state_of
from desktop.ui.states import Tone
from desktop.ui.widgets.confirm import Confirm
from desktop.ui.window import SMALLEST, Window
from tests.support.fake_desk import FakeDesk
from tests.support.fake_run_verbs import made_runs
from tests.ui.conftest import let_go

Open = Callable[..., RunsPage]
MEGABYTE = 1024**2
DISPLAY = Qt.ItemDataRole.DisplayRole


@pytest.fixture
def stopped() -> FakeDesk:
    """A stack that does not run, with six runs: the first lives (elsewhere), the last cannot be read."""
    return FakeDesk(state=StackState.STOPPED)


@pytest.fixture
def open_page(make_window: Callable[..., Window], qtbot: QtBot) -> Open:
    """Opens the page of a desk, and waits for the list."""

    def opened(desk: FakeDesk) -> RunsPage:
        page = make_window(desk, pages=PAGES, page="runs").page
        assert isinstance(page, RunsPage)
        qtbot.waitUntil(lambda: page.table.runs.rowCount() == len(desk.kept_runs))
        return page

    return opened


def column(page: RunsPage, at: int) -> list[str]:
    model = page.table.runs
    return [model.index(row, at).data() for row in range(model.rowCount())]


def numbers(page: RunsPage) -> list[int]:
    """How many tasks each has; none where nobody knows."""
    return [int(text.replace(",", "").replace("–", "0")) for text in column(page, TASKS)]


def choose(page: RunsPage, at: int) -> RunInfo:
    """Choose the run that the fake made as the n-th."""
    run = page.shell.desk.kept_runs[at]
    page.table.choose(run.folder)
    assert page.verbs.chosen == run
    return run


def button(page: RunsPage, key: str) -> QPushButton:
    """The page's button of a verb."""
    word = page.shell.commands[key].text()
    return next(b for b in page.findChildren(QPushButton) if b.accessibleName() == word)


# -- the table


def test_every_run_is_a_row_that_says_how_it_ended(open_page: Open, stopped: FakeDesk) -> None:
    page = open_page(stopped)
    assert column(page, STATE) == [
        "Live",
        "Ended well",
        "Ended well",
        "Panel died",
        "Ended well",
        "Unreadable",
    ]
    assert column(page, TASKS)[1] == "1,204,331"
    assert column(page, TASKS)[5] == "–", "nobody knows"
    assert column(page, SIZE)[1] == "812 MiB"
    assert page.hint.text() == "6 runs"
    assert page.room.text() == "871 MiB of 5.0 GiB"
    cell = page.table.runs.index(4, NOTE)
    assert cell.data(Qt.ItemDataRole.AccessibleTextRole) == "Note: baseline, kept"
    assert not cell.data(Qt.ItemDataRole.DecorationRole).isNull()
    assert page.table.runs.index(1, NOTE).data(Qt.ItemDataRole.DecorationRole) is None


def test_a_copy_of_a_living_run_is_no_run_whose_panel_died() -> None:
    copy = replace(made_runs(0.0)[1], clean=True, complete=True, copied=1.0, live=False, problem="")
    assert state_of(copy, None) == (Tone.GOOD, "Live copy")
    assert state_of(replace(copy, clean=False), None)[1] == "Panel died"


def test_figures_that_nobody_counted_are_not_shown_as_none(open_page: Open, stopped: FakeDesk) -> None:
    stopped.kept_runs = (replace(made_runs(1.0)[0], live=False, complete=False, tasks=0, failed=0),)
    page = open_page(stopped)
    assert (column(page, TASKS), column(page, FAILED), column(page, STATE)) == (
        ["–"],
        ["–"],
        ["Not read yet"],
    )
    hint = page.table.runs.index(0, TASKS).data(Qt.ItemDataRole.ToolTipRole)
    assert "opening it reads its ledger" in hint


def test_a_click_on_a_head_sorts_and_the_choice_stays(
    open_page: Open, stopped: FakeDesk, qtbot: QtBot
) -> None:
    page = open_page(stopped)
    run = choose(page, 2)
    head = page.table.horizontalHeader()
    at = head.sectionViewportPosition(TASKS) + 10
    for _ in range(2):
        qtbot.mouseClick(head.viewport(), Qt.MouseButton.LeftButton, pos=QPointF(at, 10).toPoint())
    figures = numbers(page)
    assert figures in (sorted(figures), sorted(figures, reverse=True))
    assert page.table.current == run
    stopped.kept_runs = stopped.kept_runs[1:]
    page.refresh()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 5)
    again = numbers(page)
    assert again == [figure for figure in figures if figure != 2000], "also after a new look"


def test_a_list_read_again_keeps_the_choice_and_shows_what_changed(
    open_page: Open, stopped: FakeDesk, qtbot: QtBot
) -> None:
    page = open_page(stopped)
    run = choose(page, 2)
    fresh = replace(made_runs(stopped.born + 5)[0], folder=Path("runs/fresh"))
    stopped.kept_runs = (fresh, *(replace(r, tasks=7) if r == run else r for r in stopped.kept_runs))
    page.refresh()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 7)
    assert page.table.current is not None
    assert (page.table.current.folder, page.table.current.tasks) == (run.folder, 7)
    assert page.verbs.chosen == page.table.current


def test_an_overtaken_list_is_dropped(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    stopped.hold = True
    page.refresh()
    stopped.kept_runs = stopped.kept_runs[:2]
    page.refresh()
    first, second = (pair for pair in stopped.pending if pair[0].verb == "runs")
    second[1].set_result(stopped.kept_runs)
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 2)
    first[1].set_result(made_runs(stopped.born))
    qtbot.wait(30)
    assert page.table.runs.rowCount() == 2


def test_without_a_run_it_says_what_to_do(open_page: Open, stopped: FakeDesk) -> None:
    stopped.kept_runs = ()
    page = open_page(stopped)
    assert not page.table.isVisible()
    assert "No run yet" in [label.text() for label in page.findChildren(type(page.hint)) if label.isVisible()]
    assert not page.shell.commands["run.pack"].isEnabled()
    assert page.shell.commands["run.open_file"].isEnabled()


def test_the_least_telling_columns_make_room(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    page.window().resize(1500, 900)
    qtbot.waitUntil(lambda: not page.table.isColumnHidden(LASTED))
    page.window().resize(*SMALLEST)
    qtbot.waitUntil(lambda: page.table.isColumnHidden(LASTED))
    assert page.table.isColumnHidden(TWICE)
    assert page.table.columnWidth(NOTE) > 80


# -- opening


def test_enter_and_a_double_click_open_the_run(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    run = choose(page, 1)
    qtbot.keyClick(page.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.window().bridge.snapshot.recorded == run.folder)
    assert stopped.called("open_run") == [(run.folder,)]
    page.shell.go("runs")
    assert column(page, STATE)[1] == "Open"
    assert "It is open already" in page.shell.commands["run.open"].toolTip()
    assert "Close it first" in page.shell.commands["run.delete"].toolTip()
    assert not page.shell.commands["run.delete"].isEnabled()
    other = choose(page, 2)
    place = page.table.visualRect(page.table.currentIndex()).center()
    qtbot.mouseClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: stopped.recorded == other.folder)


def test_an_opened_run_is_said_in_the_header_and_nothing_of_it_can_be_started(
    open_page: Open, stopped: FakeDesk, qtbot: QtBot
) -> None:
    page = open_page(stopped)
    window = page.window()
    run = choose(page, 1)
    page.verbs.open_chosen()
    header = window.header
    qtbot.waitUntil(lambda: header.pill.word == "Recorded run, read only")
    assert run.folder.name in header.about.text()
    assert window.windowTitle() == "laptop, recorded – Celery Desk"
    assert not header.start.isVisible()
    for key in ("stack.start", "stack.save", "worker.add", "worker.edit:w1", "worker.start:w1"):
        assert not window.commands[key].isEnabled(), key
        assert "A recorded run is shown" in window.commands[key].toolTip()
    window.go("workers")
    assert not window.page.detail.queues.isEnabled()
    qtbot.mouseClick(header.close_run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: header.pill.word == "Stopped")
    assert header.start.isVisible()
    assert not header.close_run.isVisible()
    qtbot.waitUntil(window.page.detail.queues.isEnabled)
    assert window.commands["worker.add"].isEnabled()


def test_what_cannot_be_opened_says_why(open_page: Open, stopped: FakeDesk) -> None:
    page = open_page(stopped)
    action = page.shell.commands["run.open"]
    choose(page, 0)
    assert not action.isEnabled()
    assert "It is being recorded" in action.toolTip()
    choose(page, 5)
    assert not action.isEnabled()
    assert "newer Celery Desk" in action.toolTip()
    assert "newer Celery Desk" in page.about.text()
    page.table.opened.emit()
    assert stopped.called("open_run") == []


def test_while_a_stack_runs_no_run_is_opened(open_page: Open) -> None:
    page = open_page(FakeDesk())
    choose(page, 1)
    for key in ("run.open", "run.open_file"):
        assert "Stop the stack first" in page.shell.commands[key].toolTip()
        assert not page.shell.commands[key].isEnabled()
    assert page.shell.commands["run.pack"].isEnabled()


def mime(*paths: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path) for path in paths])
    return data


def drop(window: Window, data: QMimeData) -> bool:
    """Drag something over the window and let it fall; whether it was taken."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy, place = Qt.DropAction.CopyAction, QPointF(400, 300)
    enter = QDragEnterEvent(place.toPoint(), copy, data, left, none)
    enter.ignore()
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        return False
    fall = QDropEvent(place, copy, data, left, none)
    QApplication.sendEvent(window, fall)
    return fall.isAccepted()


# Qt 6.12 would have a QPointF, which 6.11 does not take.
@pytest.mark.filterwarnings("ignore:.*QDragEnterEvent:DeprecationWarning")
def test_a_zip_that_is_dropped_anywhere_is_opened(
    make_window: Callable[..., Window], stopped: FakeDesk, qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(stopped, pages=PAGES, page="workers")
    assert not drop(window, mime(str(tmp_path / "photo.png")))
    assert not drop(window, mime(str(tmp_path / "a.zip"), str(tmp_path / "b.zip")))
    assert drop(window, mime(str(tmp_path / "from-ada.zip")))
    qtbot.waitUntil(lambda: stopped.recorded == tmp_path / "from-ada.zip")
    assert drop(window, mime(str(tmp_path))), "a run folder too"


def test_opening_that_takes_long_shows_how_far_it_is(
    make_window: Callable[..., Window], stopped: FakeDesk, qtbot: QtBot
) -> None:
    window = make_window(stopped, pages=PAGES, page="workers")
    stopped.hold = True
    window.run_commands.open_run("big.zip")
    assert window.page.objectName() == "workers"
    qtbot.waitUntil(lambda: window.page.objectName() == "runs")
    strip = window.page.strip
    future = window.run_commands.busy.future
    future.doing, future.share = "Unpacking", 0.4
    qtbot.waitUntil(lambda: strip.words.text() == "Opening big.zip  ·  Unpacking  ·  40%")
    assert strip.bar.value() == 400
    qtbot.mouseClick(strip.cancel, Qt.MouseButton.LeftButton)
    assert future.cancelled()
    assert not strip.isVisible()
    assert window.bridge.snapshot.recorded is None


def test_a_run_that_cannot_be_opened_is_told(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    stopped.fail_next = DeskError("x.zip is no zip file.", "Ask for it once more.")
    page.verbs.open_run("x.zip")
    qtbot.waitUntil(lambda: [toast.text for toast in page.shell.toasts.shown] == ["x.zip is no zip file."])
    qtbot.waitUntil(lambda: page.verbs.busy is None)
    assert not page.strip.isVisible()


# -- packing


def test_packing_asks_for_a_place_and_can_be_cancelled(
    open_page: Open, stopped: FakeDesk, qtbot: QtBot
) -> None:
    page = open_page(stopped)
    run = choose(page, 1)
    qtbot.mouseClick(button(page, "run.pack"), Qt.MouseButton.LeftButton)
    (dialog,) = page.window().findChildren(QFileDialog)
    stopped.hold = True
    dialog.fileSelected.emit("elsewhere/shop.zip")
    dialog.close()
    assert stopped.called("pack_run") == [(run.folder, Path("elsewhere/shop.zip"))]
    assert page.strip.isVisible()
    assert not page.shell.commands["run.pack"].isEnabled()
    qtbot.mouseClick(page.strip.cancel, Qt.MouseButton.LeftButton)
    assert not page.strip.isVisible()
    assert page.shell.commands["run.pack"].isEnabled()
    assert page.shell.toasts.shown == []


def test_a_packed_run_is_told_with_the_way_to_it(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    page.verbs.pack_to(stopped.kept_runs[1], "elsewhere/shop.zip")
    qtbot.waitUntil(lambda: bool(page.shell.toasts.shown))
    (toast,) = page.shell.toasts.shown
    assert toast.text == "shop.zip was written."
    assert "Open folder" in [b.text() for b in toast.findChildren(QPushButton)]


# -- keep, note, delete


def test_keeping_is_one_click_and_the_word_turns(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    run = choose(page, 2)
    qtbot.mouseClick(button(page, "run.keep"), Qt.MouseButton.LeftButton)
    assert stopped.called("note_run") == [(run.folder, "", True)]
    qtbot.waitUntil(lambda: page.shell.commands["run.keep"].text() == "Keep no longer")
    qtbot.mouseClick(button(page, "run.keep"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.shell.commands["run.keep"].text() == "Keep run")
    assert stopped.called("note_run")[-1] == (run.folder, "", False)


def test_a_note_is_written(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    run = choose(page, 4)
    page.shell.commands["run.note"].trigger()
    (dialog,) = page.window().findChildren(NoteDialog)
    assert dialog.text.text() == "baseline"
    assert dialog.kept.isChecked()
    dialog.text.setText("  with the new broker ")
    qtbot.keyClick(dialog.text, Qt.Key.Key_Return)
    assert stopped.called("note_run") == [(run.folder, "with the new broker", True)]
    qtbot.waitUntil(lambda: "with the new broker" in column(page, NOTE))


def test_deleting_says_what_is_lost_and_asks(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> None:
    page = open_page(stopped)
    choose(page, 0)
    assert not page.shell.commands["run.delete"].isEnabled(), "it lives"
    run = choose(page, 4)
    page.shell.commands["run.delete"].trigger()
    (dialog,) = page.window().findChildren(Confirm)
    said = dialog.accessibleDescription()
    assert "40,000 tasks" in said
    assert "marked to be kept" in said
    assert "baseline" in said
    dialog.cancel.click()
    let_go()
    assert stopped.called("delete_run") == []
    page.shell.commands["run.delete"].trigger()
    (dialog,) = page.window().findChildren(Confirm)
    dialog.buttons[0].click()
    assert stopped.called("delete_run") == [(run.folder,)]
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 5)


def test_a_row_has_the_verbs_as_its_menu(open_page: Open, stopped: FakeDesk) -> None:
    page = open_page(stopped)
    choose(page, 1)
    place = page.table.visualRect(page.table.currentIndex()).center()
    page.table.customContextMenuRequested.emit(place)
    (menu,) = [menu for menu in page.findChildren(QMenu) if menu.isVisible()]
    assert [a.text() for a in menu.actions() if a.text()] == [
        *("Open run", "Pack run…", "Keep run", "Note…", "Open folder", "Delete run…")
    ]
    menu.close()


# -- the cap


@pytest.fixture
def cap_dialog(open_page: Open, stopped: FakeDesk, qtbot: QtBot) -> CapDialog:
    """The cap of 60 MB, which four runs are over."""
    stopped.the_cap = Cap(60 * MEGABYTE, 90.0, None)
    page = open_page(stopped)
    page.shell.commands["run.cap"].trigger()
    (dialog,) = page.window().findChildren(CapDialog)
    qtbot.waitUntil(lambda: dialog.plan is not None)
    return dialog


def going(dialog: CapDialog) -> list[str]:
    """What stands in the list of those that would go: their sizes."""
    return [dialog.going.item(row, 2).text() for row in range(dialog.going.rowCount())]


def test_what_would_go_stands_there_before_anything_goes(
    cap_dialog: CapDialog, stopped: FakeDesk, qtbot: QtBot
) -> None:
    assert going(cap_dialog) == ["2.0 MiB", "1.0 MiB", "9.0 MiB", "812 MiB"]
    assert cap_dialog.sum.text() == "4 runs (824 MiB) would be deleted; 47.0 MiB stay."
    assert cap_dialog.delete.text() == "Save, and delete 4 runs"
    window = cap_dialog.parentWidget()
    agreed = cap_dialog.plan
    cap_dialog.delete.click()
    qtbot.waitUntil(lambda: bool(stopped.called("prune")))
    assert stopped.called("set_cap") == [(Cap(60 * MEGABYTE, 90.0, None),)]
    assert stopped.called("prune") == [(agreed,)], "exactly what stood there"
    qtbot.waitUntil(lambda: window.page.table.runs.rowCount() == 2)


def test_the_list_follows_the_limits_and_saving_deletes_nothing(
    cap_dialog: CapDialog, stopped: FakeDesk, qtbot: QtBot
) -> None:
    cap_dialog.room.selectAll()
    qtbot.keyClicks(cap_dialog.room, "0.87")
    assert not cap_dialog.save.isEnabled(), "until the list is that of these limits"
    qtbot.waitUntil(lambda: cap_dialog.save.isEnabled())
    assert cap_dialog.sum.text() == "Nothing is over this cap; 871 MiB are there."
    assert not cap_dialog.delete.isVisible()
    cap_dialog.days.clear()
    qtbot.keyClicks(cap_dialog.runs, "20")
    qtbot.waitUntil(lambda: cap_dialog.plan is not None)
    cap_dialog.save.click()
    qtbot.waitUntil(lambda: bool(stopped.called("set_cap")))
    assert stopped.called("set_cap") == [(Cap(round(0.87 * 1024**3), None, 20),)]
    assert stopped.called("prune") == []


def test_what_is_no_limit_is_told_at_its_field(
    cap_dialog: CapDialog, stopped: FakeDesk, qtbot: QtBot
) -> None:
    qtbot.keyClicks(cap_dialog.runs, "1.5")
    qtbot.waitUntil(lambda: cap_dialog.fields["runs"].error == "A whole number, or nothing.")
    cap_dialog.days.setText("")
    qtbot.keyClicks(cap_dialog.days, "soon")
    qtbot.waitUntil(lambda: cap_dialog.fields["days"].error == "A number, or nothing.")
    assert not cap_dialog.save.isEnabled()
    assert stopped.called("set_cap") == []


def test_the_window_says_that_runs_are_over_the_cap(
    make_window: Callable[..., Window], stopped: FakeDesk, qtbot: QtBot
) -> None:
    window = make_window(stopped, pages=PAGES, page="overview")
    window.run_commands.look_at_cap()
    qtbot.wait(30)
    assert "over-cap" not in window.notices.shown
    stopped.the_cap = Cap(60 * MEGABYTE, None, None)
    window.run_commands.look_at_cap()
    qtbot.waitUntil(lambda: "over-cap" in window.notices.shown)
    notice = window.notices.shown["over-cap"]
    assert notice.text == "4 old runs (824 MiB) are over your cap."
    notice.choices[0][2]()
    assert window.findChildren(CapDialog)
    stopped.the_cap = Cap()
    window.run_commands.look_at_cap()
    qtbot.waitUntil(lambda: "over-cap" not in window.notices.shown)


def test_limits_are_said_in_words() -> None:
    assert limits_of(Cap(1, 90.0, 20)) == ["none older than 90 days", "at most 20 runs"]
    assert limits_of(Cap(1, None, None)) == ["no limit of age or number"]
    assert limits_of(Cap(None, None, None)) == ["everything is kept"]


def test_over_its_room_is_said_in_words_and_by_the_bar(open_page: Open, stopped: FakeDesk) -> None:
    stopped.the_cap = Cap(60 * MEGABYTE, 90.0, None)
    page = open_page(stopped)
    assert page.room.text() == "871 MiB of 60.0 MiB, over the cap"
    assert page.bar.value() == page.bar.maximum()
    assert page.bar.accessibleName() == "Room that runs take: 871 MiB of 60.0 MiB, over the cap"
    assert QAccessible.queryAccessibleInterface(page.table) is not None
