"""Tasks: the list, what is asked of the record, and that it holds still under a hand."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, TaskColumn, TaskFilter, TaskQuery, TaskState, TextIn
from desktop.ui.memory import Memory
from desktop.ui.models.task_columns import BY_KEY, COLUMNS
from desktop.ui.models.windows import WINDOW
from desktop.ui.pages.tasks import TasksPage
from tests.support.fake_record import FakeRecord
from tests.ui.tasks_page import NOON, Clock, Open, TasksDesk, move_on, settled, stopped

LEFT = Qt.MouseButton.LeftButton


def asked(record: FakeRecord) -> list[TaskQuery]:
    """Every question for rows, in turn."""
    return [args[0] for args in record.called("tasks")]


def texts(page: TasksPage, key: str, rows: int = 5) -> list[str]:
    model = page.list.model
    return [str(model.index(at, BY_KEY[key]).data()) for at in range(rows)]


# -- the list


def test_the_newest_tasks_stand_on_top(page: TasksPage, record: FakeRecord) -> None:
    model = page.list.model
    assert model.rowCount() == record.moment().count == 3_000
    assert [model.row(at).number for at in range(3)] == [3_000, 2_999, 2_998]
    assert page.list.summary.text() == "3,000 tasks  ·  newest first"


def test_it_is_a_sound_model(open_page: Open, clock: Clock, qtbot: QtBot) -> None:
    page = open_page(TasksDesk(FakeRecord(120, live=True, clock=clock)))
    tester = QAbstractItemModelTester(
        page.list.model, QAbstractItemModelTester.FailureReportingMode.Fatal, page.list.model
    )
    move_on(page, clock, 3.0, qtbot)
    page.list.filters.choose(TaskFilter(states=frozenset({TaskState.FAILURE})))
    settled(page, qtbot)
    page.list.filters.clear()
    settled(page, qtbot)
    assert tester.model() is page.list.model


def test_only_what_is_in_sight_is_read(open_page: Open, qtbot: QtBot) -> None:
    record = FakeRecord(100_000, clock=lambda: NOON)
    page = open_page(TasksDesk(record))
    page.list.table.choose(70_000)
    qtbot.waitUntil(lambda: page.list.model.row(70_000) is not None)
    assert page.list.model.row(40_000) is None
    read = {args[1] for args in record.called("tasks")}
    assert read <= {0, *range(69_800, 70_400, WINDOW)}
    assert all(args[2] <= WINDOW for args in record.called("tasks"))


def test_rows_that_are_not_there_yet_are_quiet(open_page: Open, qtbot: QtBot) -> None:
    record = FakeRecord(5_000, clock=lambda: NOON)
    page = open_page(TasksDesk(record))
    record.hold = True
    page.list.table.choose(4_000)
    qtbot.waitUntil(lambda: bool(record.pending))
    assert page.list.model.row(4_000) is None
    assert page.list.model.index(4_000, BY_KEY["name"]).data() == "…"
    page.grab()  # drawn without them
    record.hold = False
    record.settle()
    qtbot.waitUntil(lambda: page.list.model.row(4_000) is not None)


def test_what_was_scrolled_past_is_not_read_any_more(open_page: Open, qtbot: QtBot) -> None:
    record = FakeRecord(50_000, clock=lambda: NOON)
    page = open_page(TasksDesk(record))
    record.hold = True
    page.list.model.look_at(10_000, 10_020)
    passed = [future for _verb, future, _work in record.pending]
    page.list.model.look_at(40_000, 40_020)
    assert passed
    assert all(future.cancelled() for future in passed)
    record.settle()


def test_a_head_sorts_and_says_so(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    head = page.list.table.horizontalHeader()
    run = BY_KEY["run"]
    for wanted in (
        (TaskColumn.RUN, True, "Run ↓"),
        (TaskColumn.RUN, False, "Run ↑"),
        (TaskColumn.NUMBER, True, "Run"),
    ):
        head.sectionClicked.emit(run)
        settled(page, qtbot)
        query = page.list.model.query
        said = page.list.model.headerData(run, Qt.Orientation.Horizontal)
        assert (query.order, query.descending, said) == wanted
    head.sectionClicked.emit(BY_KEY["name"])
    settled(page, qtbot)
    assert texts(page, "name") == sorted(texts(page, "name"))
    before = len(asked(record))
    head.sectionClicked.emit(BY_KEY["error"])
    assert len(asked(record)) == before, "nothing can be sorted by its error"


def test_a_chosen_task_stays_in_sight_in_another_order(page: TasksPage, qtbot: QtBot) -> None:
    page.list.table.choose(7)
    number = page.list.table.current.number
    page.list.table.sort_wanted.emit(TaskColumn.WAIT, True)
    qtbot.waitUntil(lambda: page.list.table.current is not None and page.list.table.current.number == number)
    top, bottom = page.list.table.sight()
    assert top <= page.list.table.currentIndex().row() <= bottom


def test_columns_are_remembered(open_page: Open, record: FakeRecord) -> None:
    memory = Memory(None)
    page = open_page(TasksDesk(record), memory=memory)
    page.list.columns.show_column("number", True)
    page.list.columns.show_column("queue", False)
    again = open_page(TasksDesk(record), memory=memory)
    table = again.list.table
    assert not table.isColumnHidden(BY_KEY["number"])
    assert table.isColumnHidden(BY_KEY["queue"])
    again.list.columns.reset()
    assert table.isColumnHidden(BY_KEY["number"]) is not COLUMNS[BY_KEY["number"]].shown
    assert not memory.get("tasks/columns")


@pytest.mark.parametrize("kept", ["nonsense", "[1]", '[["gone", true, 90]]', '[["run", true, "wide"]]'])
def test_columns_that_cannot_be_read_any_more_do_no_harm(
    open_page: Open, record: FakeRecord, kept: str
) -> None:
    memory = Memory(None)
    memory.put("tasks/columns", kept)
    page = open_page(TasksDesk(record), memory=memory)
    assert not page.list.table.isColumnHidden(BY_KEY["name"])


# -- the filter


def test_what_is_chosen_is_asked(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    bar = page.list.filters
    bar.states[TaskState.FAILURE].click()
    bar.names.choose({"tasks.trouble.flaky"})
    bar.queues.choose({"mail"})
    bar.workers.choose({"w1"})
    bar.retried.click()
    settled(page, qtbot)
    wanted = TaskFilter(
        states=frozenset({TaskState.FAILURE}),
        names=frozenset({"tasks.trouble.flaky"}),
        queues=frozenset({"mail"}),
        workers=frozenset({"w1"}),
        retried=True,
    )
    assert asked(record)[-1].filter == wanted
    assert page.list.model.matching == len(record._order(TaskQuery(wanted)))
    assert set(texts(page, "state", page.list.model.matching)) == {"Failure"}
    said = page.list.summary.text()
    assert "failure, of tasks.trouble.flaky, in queue mail, on w1, tried more than once" in said


def test_text_is_looked_for_when_the_keys_rest(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    bar, before = page.list.filters, len(asked(record))
    bar.text_in.setCurrentIndex(bar.text_in.findData(TextIn.ERROR))
    qtbot.keyClicks(bar.text, "unlucky")
    assert len(asked(record)) == before
    qtbot.waitUntil(lambda: page.list.model.query.filter.text == "unlucky")
    settled(page, qtbot)
    assert asked(record)[-1].filter == TaskFilter(text="unlucky", text_in=TextIn.ERROR)
    assert sum(query.filter.text != "" for query in asked(record)) == 1, "one question, not seven"
    qtbot.keyClick(bar.text, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: page.list.model.query.filter.empty)


def test_one_click_clears_all(page: TasksPage, qtbot: QtBot) -> None:
    bar = page.list.filters
    assert not bar.reset.isVisible()
    bar.twice.click()
    bar.choose_span(NOON - 50, NOON - 20)
    settled(page, qtbot)
    assert "that ran twice" in page.list.summary.text()
    assert bar.span.text().count(":") == 4
    bar.reset.click()
    settled(page, qtbot)
    assert page.list.model.query.filter.empty
    assert not bar.reset.isVisible()
    assert page.list.graph.selected is None


def test_a_search_that_takes_long_says_so_and_can_be_given_up(
    page: TasksPage, record: FakeRecord, qtbot: QtBot
) -> None:
    record.hold = True
    page.list.filters.choose(TaskFilter(text="order"))
    qtbot.waitUntil(page.list.cancel.isVisible)
    assert page.list.searching.isVisible()
    assert page.list.model.matching == 3_000, "the rows are still those of before"
    under_way = next(future for verb, future, _work in record.pending if verb == "tasks")
    page.list.cancel.click()
    assert under_way.cancelled()
    assert not page.list.cancel.isVisible()
    assert page.list.filters.text.text() == ""
    record.hold = False
    record.settle()
    assert page.list.model.query.filter.empty


def test_an_answer_of_an_older_question_is_dropped(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    record.hold = True
    page.list.filters.choose(TaskFilter(names=frozenset({"tasks.basic.noop"})))
    page.list.filters.choose(TaskFilter(names=frozenset({"tasks.io.fetch"})))
    record.hold = False
    record.settle()
    settled(page, qtbot)
    assert set(texts(page, "name")) == {"tasks.io.fetch"}


def test_nothing_found_says_what_was_asked_and_the_way_out(page: TasksPage, qtbot: QtBot) -> None:
    page.list.filters.choose(TaskFilter(text="nowhere to be found"))
    settled(page, qtbot)
    shown = page.list.stage.currentWidget()
    assert shown.accessibleName() == (
        "No task passes the filter. You asked for tasks with “nowhere to be found”."
    )
    page.shell.commands["task.reset"].trigger()
    settled(page, qtbot)
    assert page.list.stage.currentWidget() is page.list.table


def test_counts_stand_on_the_chips(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    counts = dict(record.facets().result().states)
    chips = page.list.filters.states
    qtbot.waitUntil(lambda: chips[TaskState.SUCCESS].count == counts[TaskState.SUCCESS])
    assert chips[TaskState.WAITING].isVisible(), "always there, also with none"
    assert not chips[TaskState.UNKNOWN].isVisible()
    assert chips[TaskState.FAILURE].accessibleName() == f"Failure, {counts[TaskState.FAILURE]:,} tasks"


def test_several_names_are_chosen_while_the_menu_stays_open(page: TasksPage, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page.list.filters.names._choices != ())
    menu = page.list.filters.names.open_menu()
    first, second = (action for action in menu.actions()[:2])
    assert first.text().startswith("tasks.basic.noop\t")
    menu.setActiveAction(first)
    qtbot.keyClick(menu, Qt.Key.Key_Space)
    menu.setActiveAction(second)
    qtbot.keyClick(menu, Qt.Key.Key_Space)
    assert menu.isVisible()
    assert len(page.list.filters.filter.names) == 2
    menu.close()


# -- keys, clipboard, trouble


def test_enter_opens_and_escape_comes_back(page: TasksPage, qtbot: QtBot) -> None:
    table = page.list.table
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Down)
    qtbot.keyClick(table, Qt.Key.Key_Down)
    at = table.currentIndex().row()
    qtbot.keyClick(table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.stage.currentWidget() is page.detail)
    assert page.detail.id.text() == page.list.model.row(at).id
    qtbot.keyClick(page.detail, Qt.Key.Key_Escape)
    assert page.stage.currentWidget() is page.list
    assert table.currentIndex().row() == at
    qtbot.keyClick(table, Qt.Key.Key_Escape)
    assert not table.selectionModel().hasSelection()


def test_find_is_of_this_page(page: TasksPage, qtbot: QtBot) -> None:
    page.window().activateWindow()
    page.shell.commands["logs.find"].trigger()
    assert page.window().page is page
    qtbot.waitUntil(page.list.filters.text.hasFocus)
    qtbot.keyClick(page.list.filters.text, Qt.Key.Key_Down)
    assert page.list.table.currentIndex().row() == 0


def test_ids_of_what_is_selected_are_copied(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    table, texts_of = page.list.table, record.texts
    table.choose(1)
    qtbot.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().split() == [texts_of.id(2_999), texts_of.id(2_998)]
    table.selectAll()
    page.list.hand.copy_ids()
    qtbot.waitUntil(lambda: len(QGuiApplication.clipboard().text().split()) == 3_000)
    assert QGuiApplication.clipboard().text().split()[-1] == texts_of.id(1)


def test_without_a_record_it_says_what_to_do(open_page: Open) -> None:
    page = open_page(stopped())
    shown = page.stage.currentWidget()
    assert shown is not page.list
    assert "Start the stack" in page._empty.sentence.text()
    page.refresh()
    page.start_search()
    page.show_about("no such id")


def test_a_run_without_a_task_says_what_to_do(open_page: Open, record: FakeRecord, qtbot: QtBot) -> None:
    record.made.began += 10_000  # nothing was sent yet
    page = open_page(TasksDesk(None))
    page.shell.desk.shown = record  # type: ignore[attr-defined]
    page.show_snapshot(page.shell.bridge.snapshot)
    qtbot.waitUntil(lambda: page.stage.currentWidget() is page.list and not page.list.model.busy)
    assert page.list.stage.currentWidget().accessibleName().startswith("No task yet")


def test_a_record_that_cannot_be_read_is_told(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    record.fail_next = DeskError("run.db cannot be read: disk I/O error.", "Look at the disk.")
    page.list.filters.choose(TaskFilter(ran_twice=True))
    qtbot.waitUntil(lambda: bool(page.window().toasts.shown))
    assert "disk I/O error" in page.window().toasts.shown[0].text
    assert not page.list.model.busy


def test_rows_speak(page: TasksPage, record: FakeRecord) -> None:
    model = page.list.model
    role = Qt.ItemDataRole.AccessibleTextRole
    told = str(model.index(0, 0).data(role))
    assert told.startswith(model.row(0).name)
    assert model.data(QModelIndex(), role) is None
    assert page.list.table.accessibleName() == "Tasks, 3,000 tasks, newest first"
