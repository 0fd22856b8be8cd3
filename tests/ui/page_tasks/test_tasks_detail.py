"""A task's own page: its life, its texts, its relatives, and what can be done to it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import (
    TaskDetail,
    TaskFilter,
    TaskState,
)
from desktop.ui.models.task_words import filter_of
from desktop.ui.pages.tasks import TasksPage
from desktop.ui.widgets.confirm import Confirm
from tests.support.fake_record import FakeRecord
from tests.ui import scenes_tasks
from tests.ui.tasks_page import NOON, Clock, Open, TasksDesk, move_on, stopped


def show(page: TasksPage, record: FakeRecord, number: int, qtbot: QtBot) -> TaskDetail:
    """Open a task by its id."""
    task_id = record.texts.id(number)
    page.show_about(task_id)
    qtbot.waitUntil(lambda: page._shows_task and page.detail.detail.row.id == task_id)
    assert page.detail.detail is not None
    return page.detail.detail


def dialog_of(page: TasksPage) -> Confirm:
    dialog = page.window().findChild(Confirm)
    assert dialog is not None
    return dialog


# -- the page


def test_a_task_that_ran_twice_says_so_in_every_way(
    page: TasksPage, record: FakeRecord, qtbot: QtBot
) -> None:
    detail = show(page, record, record.twice(-1), qtbot)
    view = page.detail
    assert view.twice.isVisible()
    assert view.twice.word == "2 attempts, ran twice"
    assert "w2 died at" in view.story.text()
    assert [a.state for a in detail.attempts] == ["CUT", "SUCCESS"]
    assert "Stranded" in view.life.accessibleName()
    assert "w2 was killed by SIGKILL" in view.life.accessibleName()
    assert view.id.text() == detail.row.id
    view.grab()
    running = view.life.life.lanes[-1].stretches[-1]
    place = view.life._box(len(view.life.life.lanes) - 1, running).center()
    assert view.life.reading(place).startswith("Running on w1 for")
    assert view.life.reading(QPointF(2, 2)) == ""


def test_a_failure_shows_its_traceback_to_copy(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    number = scenes_tasks.failed(record)
    detail = show(page, record, number, qtbot)
    card = page.detail.error
    assert card.isVisible()
    assert card.text.toPlainText() == detail.attempts[-1].traceback.rstrip("\n")
    assert card.note.text() == detail.row.error
    assert card.text.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByKeyboard
    card.copy.click()
    assert QGuiApplication.clipboard().text().startswith("Traceback (most recent call last)")
    assert not page.detail.result.isVisible()


def test_the_tree_is_walked_by_clicks(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    head = scenes_tasks.headed(record)
    detail = show(page, record, head, qtbot)
    assert len(detail.children) == 4
    rows = [row for row in page.detail.family._rows if row.isVisible()]
    assert [row.here for row in rows] == [True, False, False, False, False]
    rows[2].click()
    qtbot.waitUntil(lambda: page.detail.detail.row.number == head + 2)
    parent = next(row for row in page.detail.family._rows if row.accessibleName().startswith("parent"))
    parent.click()
    qtbot.waitUntil(lambda: page.detail.detail.row.number == head)
    show(page, record, head - 5, qtbot)
    assert not page.detail.family.isVisible(), "it stands alone"


def test_above_and_below_go_by_the_list(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    page.list.filters.choose(TaskFilter(names=frozenset({"tasks.io.fetch"})))
    qtbot.waitUntil(lambda: not page.list.model.busy)
    rows = [page.list.model.row(at).number for at in range(4)]
    show(page, record, rows[1], qtbot)
    qtbot.waitUntil(lambda: page.detail.place.text().startswith("2 of "))
    page.detail.below.click()
    qtbot.waitUntil(lambda: page.detail.detail.row.number == rows[2])
    qtbot.keyClick(page.detail, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(page.detail, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: page.detail.detail.row.number == rows[0])
    assert not page.detail.above.isEnabled()
    page.detail.back.click()
    assert page.list.table.currentIndex().row() == 0


def test_a_task_outside_the_filter_is_shown_without_a_place(
    page: TasksPage, record: FakeRecord, qtbot: QtBot
) -> None:
    page.list.filters.choose(TaskFilter(states=frozenset({TaskState.FAILURE})))
    qtbot.waitUntil(lambda: not page.list.model.busy)
    show(page, record, record.twice(), qtbot)
    qtbot.waitUntil(lambda: bool(record.called("position")))
    assert page.detail.place.text() == "not in the list"
    assert not page.detail.above.isEnabled()
    assert not page.detail.below.isEnabled()


def test_a_task_that_came_after_the_list_is_found_in_it(
    page: TasksPage, record: FakeRecord, clock: Clock, qtbot: QtBot
) -> None:
    page.list.table.choose(2)
    clock.now += 10.0
    newest = record.moment().count
    show(page, record, newest, qtbot)
    qtbot.waitUntil(lambda: page.detail.place.text().startswith("1 of"))


def test_a_task_is_followed_while_it_goes_on(
    page: TasksPage, record: FakeRecord, clock: Clock, qtbot: QtBot
) -> None:
    number = record.number_of(TaskState.WAITING)
    show(page, record, number, qtbot)
    assert page.detail.pill.word == "Waiting"
    clock.now += 60.0
    for _ in range(12):
        page.tick()
    qtbot.waitUntil(lambda: page.detail.pill.word != "Waiting")
    assert page.detail.detail.row.state.over
    assert page.detail.detail.row.number == number


def test_an_unknown_id_is_told_and_the_list_stays(page: TasksPage, qtbot: QtBot) -> None:
    page.show_about("0b3e1f3a-5a0e-4b0c-9a2f-77cd0a1e0001")
    qtbot.waitUntil(lambda: bool(page.window().toasts.shown))
    assert "knows no task" in page.window().toasts.shown[0].text
    assert page.stage.currentWidget() is page.list


def test_other_pages_open_a_filtered_list(page: TasksPage, qtbot: QtBot) -> None:
    page.shell.go("tasks", "state:stranded queue:celery")
    qtbot.waitUntil(lambda: not page.list.model.busy)
    assert page.list.model.query.filter == filter_of("state:stranded queue:celery")
    assert page.list.filters.states[TaskState.STRANDED].isChecked()


def test_the_palette_opens_a_task_by_its_id(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    window = page.window()
    window.go("overview")
    window.commands["view.palette"].trigger()
    window.palette_box.line.setText(f"task {record.texts.id(1_500).upper()}")
    assert window.palette_box.offered[0].text.startswith("Show task")
    window.palette_box.run_chosen()
    qtbot.waitUntil(lambda: page._shows_task)
    assert window.page is page
    assert page.detail.detail.row.number == 1_500


# -- verbs


def verbs(page: TasksPage) -> dict[str, bool]:
    commands = page.shell.commands
    return {verb: commands[f"task.{verb}"].isEnabled() for verb in ("open", "retry", "revoke", "terminate")}


def test_verbs_are_about_the_chosen_task(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    assert verbs(page) == dict.fromkeys(("open", "retry", "revoke", "terminate"), False)
    assert "Choose a task" in page.shell.commands["task.retry"].toolTip()
    page.list.table.choose(0)
    assert verbs(page) == {"open": True, "retry": True, "revoke": True, "terminate": False}
    assert "does not run now" in page.shell.commands["task.terminate"].toolTip()
    page.shell.commands["task.open"].trigger()
    qtbot.waitUntil(lambda: page._shows_task)
    page.shell.go("overview")
    assert not any(verbs(page).values()), "nothing is in front of anybody"


def test_retry_says_that_it_is_a_new_task(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    task = show(page, record, scenes_tasks.failed(record), qtbot).row
    page.shell.commands["task.retry"].trigger()
    dialog = dialog_of(page)
    assert "sent as a new task with a new id" in dialog.accessibleDescription()
    desk = page.shell.desk
    dialog.cancel.click()
    assert desk.called("retry_task") == []  # type: ignore[attr-defined]
    page.shell.commands["task.retry"].trigger()
    button = next(b for b in page.window().findChildren(QPushButton) if b.text() == "Send again")
    button.click()
    assert desk.called("retry_task") == [(task.id,)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("verb", "word", "end"), [("revoke", "Revoke", False), ("terminate", "Terminate", True)]
)
def test_revoking_is_confirmed(
    page: TasksPage, record: FakeRecord, qtbot: QtBot, verb: str, word: str, end: bool
) -> None:
    moment, made = record.moment(), record.made.columns(3_000)
    on_prefork = (moment.state == list(TaskState).index(TaskState.ACTIVE)) & (made["worker"][:3_000] == 0)
    task = show(page, record, int(on_prefork.nonzero()[0][-1]) + 1, qtbot).row
    page.shell.commands[f"task.{verb}"].trigger()
    dialog = dialog_of(page)
    assert ("gets SIGTERM" in dialog.accessibleDescription()) is end
    next(b for b in dialog.buttons if b.text() == word).click()
    assert page.shell.desk.called("revoke_task") == [(task.id, end)]  # type: ignore[attr-defined]


def test_a_thread_cannot_be_terminated(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    moment, made = record.moment(), record.made.columns(3_000)
    on_threads = (moment.state == list(TaskState).index(TaskState.ACTIVE)) & (made["worker"][:3_000] == 1)
    show(page, record, int(on_threads.nonzero()[0][-1]) + 1, qtbot)
    assert not page.shell.commands["task.terminate"].isEnabled()
    assert "none can be ended alone" in page.shell.commands["task.terminate"].toolTip()


def test_a_finished_run_can_only_be_read(open_page: Open, qtbot: QtBot) -> None:
    record = FakeRecord(2_000, clock=lambda: NOON)
    page = open_page(TasksDesk(record, recorded=True))
    show(page, record, 1_990, qtbot)
    assert verbs(page) == {"open": True, "retry": False, "revoke": False, "terminate": False}
    assert "This run is over" in page.shell.commands["task.retry"].toolTip()
    page.shell.commands["task.copy"].trigger()
    assert QGuiApplication.clipboard().text() == record.texts.id(1_990)


def test_a_task_is_looked_for_in_the_logs(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    task = show(page, record, 2_000, qtbot).row
    page.shell.commands["task.logs"].trigger()
    logs = page.window().page
    assert logs.objectName() == "logs"
    assert logs.search.text == task.id


def test_find_a_task_goes_where_one_searches(open_page: Open, record: FakeRecord, qtbot: QtBot) -> None:
    page = open_page(TasksDesk(record))
    window = page.window()
    window.go("overview")
    window.activateWindow()
    window.commands["task.find"].trigger()
    assert window.page is page
    qtbot.waitUntil(page.list.filters.text.hasFocus)


def test_without_a_record_the_palette_offers_no_task(open_page: Open) -> None:
    page = open_page(stopped())
    window = page.window()
    window.commands["view.palette"].trigger()
    window.palette_box.line.setText("0b3e1f3a-5a0e-4b0c-9a2f-77cd0a1e0001")
    assert not any(action.key == "task.go" for action in window.palette_box.offered)


def test_verbs_follow_the_chosen_task_as_it_goes_on(page: TasksPage, clock: Clock, qtbot: QtBot) -> None:
    page.list.table.choose(0)
    assert page.shell.commands["task.revoke"].isEnabled()
    move_on(page, clock, 60.0, qtbot)
    assert not page.shell.commands["task.revoke"].isEnabled()
    assert "It is over" in page.shell.commands["task.revoke"].toolTip()
