"""Workers: rows, detail, verbs, kill menus, live shaping, the form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import Light, StackState, State, StopHow
from desktop.engine.stack.model import Autoscale
from desktop.ui.page import PAGES
from desktop.ui.pages.kill_menu import KillButton, KillMenu, OfferButton
from desktop.ui.pages.workers import WorkersPage
from desktop.ui.pages.workers_form import WorkerDialog
from desktop.ui.pages.workers_list import lights
from desktop.ui.theme import Theme
from desktop.ui.widgets.confirm import Confirm
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

LEFT = Qt.MouseButton.LeftButton
Open = Callable[..., WorkersPage]
STILL = 1000038.0  # w1 runs 3 tasks then


@pytest.fixture
def open_page(make_window: Callable[..., Window]) -> Open:
    """Opens the workers page of a desk."""

    def opened(desk: FakeDesk) -> WorkersPage:
        page = make_window(desk, pages=PAGES, page="workers").page
        assert isinstance(page, WorkersPage)
        return page

    return opened


@pytest.fixture
def still() -> FakeDesk:
    """A desk whose clock stands at a moment at which w1 runs 3 tasks, one of them again."""
    desk = FakeDesk(clock=lambda: STILL)
    assert desk.snapshot().workers[0].busy >= 3
    return desk


def press(page: WorkersPage, qtbot: QtBot, name: str) -> None:
    """Click the button of that accessible name in the detail."""
    found = (b for b in page.detail.findChildren(QPushButton) if b.accessibleName() == name)
    button = next(b for b in found if b.isVisibleTo(page) and b.parent() is not None)
    qtbot.waitUntil(button.isVisible)
    qtbot.mouseClick(button, LEFT)


def answer(page: WorkersPage, qtbot: QtBot, word: str) -> Confirm:
    """Press a button of the confirmation that is open."""
    dialog = page.window().findChild(Confirm)
    assert dialog is not None
    qtbot.mouseClick(next(b for b in (*dialog.buttons, dialog.cancel) if b.text() == word), LEFT)
    return dialog


# -- the list


def test_rows_say_state_lights_and_load_in_words(open_page: Open, still: FakeDesk) -> None:
    page = open_page(still)
    assert list(page.list.rows) == ["w1", "w2", "reports"]
    name = page.list.rows["w1"].accessibleName()
    assert name.startswith("w1, prefork, ready, process runs, answers, ")
    assert "busy (1–4), CPU" in name


def test_both_lights_have_words() -> None:
    worker = FakeDesk(workers=4).snapshot().workers[3]
    assert [word for _, word in lights(worker)] == ["process runs", "silent while it computes"]
    service = replace(worker.service, process=Light.FROZEN, answers=Light.NO)
    frozen = replace(worker, service=service)
    assert [word for _, word in lights(frozen)] == ["process frozen", "does not answer"]


def test_choosing_a_row_shows_its_detail(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    assert page.detail.name == "w1"
    qtbot.mouseClick(page.list.rows["w2"], LEFT)
    assert page.detail.name == "w2"
    assert page.list.current == "w2"


def test_rows_are_reached_by_arrow_keys(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    rows = page.list.rows
    qtbot.waitUntil(lambda: rows["w2"].y() > rows["w1"].y())  # Qt looks where they lie
    page.list.rows["w1"].setFocus()
    qtbot.keyClick(page.list.rows["w1"], Qt.Key.Key_Down)
    assert page.list.current == "w2"
    qtbot.waitUntil(lambda: page.detail.name == "w2")


def test_another_page_can_ask_for_a_worker(open_page: Open) -> None:
    page = open_page(FakeDesk())
    page.shell.go("workers", "reports")
    assert page.detail.name == "reports"


def test_without_workers_it_says_what_to_do(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk(workers=0))
    button = next(
        b for b in page.findChildren(QPushButton) if b.accessibleName() == "Add worker…" and b.isVisible()
    )
    qtbot.mouseClick(button, LEFT)
    dialog = page.window().findChild(WorkerDialog)
    assert dialog is not None
    assert dialog.fields.name.text() == "w1"
    dialog.close()


def test_a_removed_worker_leaves_the_list_and_the_palette(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    assert "worker.kill:w1" in page.shell.commands
    desk.spec = replace(desk.spec, workers=desk.spec.workers[1:])
    page.shell.bridge.pull()
    assert list(page.list.rows) == ["w2", "reports"]
    assert page.detail.name == "w2"
    assert "worker.kill:w1" not in page.shell.commands


# -- verbs


def test_stop_is_warm_and_needs_no_question(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk(clock=lambda: STILL)  # else it has stopped before the second press of a slow machine
    page = open_page(desk)
    press(page, qtbot, "Stop w1")
    assert desk.called("stop_service") == [("w1", StopHow.WARM)]
    press(page, qtbot, "Restart w1")
    assert desk.called("restart_service") == [("w1", StopHow.WARM)]


def test_a_stopped_worker_can_be_started(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    desk.push("w1", State.STOPPED)
    qtbot.waitUntil(lambda: page.shell.commands["worker.start:w1"].isEnabled())
    press(page, qtbot, "Start w1")
    assert desk.called("start_service") == [("w1",)]


def test_in_a_stopped_stack_no_worker_starts_alone(open_page: Open) -> None:
    page = open_page(FakeDesk(state=StackState.STOPPED))
    verb = page.shell.commands["worker.start:w1"]
    assert not verb.isEnabled()
    assert "Start the stack" in verb.toolTip()


def test_kill_asks_first_and_says_what_is_lost(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    page.shell.commands["worker.kill:w1"].trigger()
    dialog = page.window().findChild(Confirm)
    assert dialog is not None
    assert "2 running tasks are lost, 6 come back in 1 h." in dialog.accessibleDescription()
    assert desk.called("stop_service") == []
    answer(page, qtbot, "Kill w1")
    assert desk.called("stop_service") == [("w1", StopHow.KILL)]


def test_stopping_says_for_how_many_tasks_it_waits(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    desk.state = StackState.STOPPING
    page.shell.bridge.pull()
    assert page.detail.sentence.text().startswith("Waits for 2 tasks to end.")


def test_the_context_menu_holds_every_verb(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page._open_menu("w1", page.mapToGlobal(page.rect().center()))
    from PySide6.QtWidgets import QMenu

    menu = next(m for m in page.findChildren(QMenu) if m.isVisible())
    words = [action.text() for action in menu.actions() if action.text()]
    assert words == [
        "Start w1",
        "Stop w1",
        "Cold stop w1",
        "Restart w1",
        "Kill w1",
        "Send a signal…",
        "More faults for w1…",
        "Edit w1…",
        "Remove w1…",
    ]
    menu.close()


# -- the kill menu


def test_the_kill_menu_says_what_each_signal_does_to_the_tasks(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    menu = signal_button(page, "w1").open_menu()
    assert [b.offer.signal for b in menu.buttons] == ["TERM", "INT", "QUIT", "KILL", "STOP", "CONT"]
    kill = offer(menu, "KILL")
    assert kill.accessibleName() == "Kill (SIGKILL): 2 running tasks are lost, 6 come back in 1 h."
    menu.close()


def test_a_harmless_signal_is_sent_at_once(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    qtbot.mouseClick(offer(signal_button(page, "w1").open_menu(), "STOP"), LEFT)
    assert desk.called("send_signal") == [("w1", "STOP", None)]


def test_a_destructive_signal_asks_first(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    qtbot.mouseClick(offer(signal_button(page, "w1").open_menu(), "KILL"), LEFT)
    assert desk.called("send_signal") == []
    answer(page, qtbot, "Cancel")
    assert desk.called("send_signal") == []
    qtbot.mouseClick(offer(signal_button(page, "w1").open_menu(), "KILL"), LEFT)
    answer(page, qtbot, "Send SIGKILL")
    assert desk.called("send_signal") == [("w1", "KILL", None)]


def test_each_pool_process_has_its_own_kill_menu(open_page: Open, qtbot: QtBot, still: FakeDesk) -> None:
    page = open_page(still)
    rows = [row for row in page.detail.processes.rows if row.isVisible()]
    pids = [process.pid for process in still.snapshot().workers[0].processes]
    assert [row.pid for row in rows] == pids
    menu = rows[1].kill.open_menu()
    qtbot.mouseClick(offer(menu, "CONT"), LEFT)
    assert still.called("send_signal") == [("w1", "CONT", pids[1])]


def test_the_kill_menu_works_by_keyboard(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    menu = signal_button(page, "w1").open_menu()
    qtbot.waitUntil(lambda: menu.isVisible())
    qtbot.keyClick(menu.buttons[0], Qt.Key.Key_Return)
    assert desk.called("send_signal") == [("w1", "TERM", None)]
    menu = signal_button(page, "w1").open_menu()
    qtbot.keyClick(menu, Qt.Key.Key_Escape)
    assert not menu.isVisible()


def signal_button(page: WorkersPage, name: str) -> KillButton:
    """The kill button of the worker that is shown."""
    return next(
        b for b in page.detail._head.findChildren(KillButton) if b.accessibleName() == f"Signal {name}"
    )


def offer(menu: KillMenu, signal: str) -> OfferButton:
    """One entry of a kill menu."""
    return next(b for b in menu.buttons if b.offer.signal == signal)


# -- detail


def test_a_task_that_runs_again_is_said_loudly(open_page: Open, still: FakeDesk) -> None:
    page = open_page(still)
    model = page.detail.running.model
    texts = [model.index(row, 4).data() for row in range(model.rowCount())]
    assert "2, again" in texts
    again = texts.index("2, again")
    view = page.detail.running.view
    page.detail.ensureWidgetVisible(view)
    picture = view.viewport().grab().toImage()

    def reds(row: int) -> int:
        box, bad = view.visualRect(model.index(row, 4)), Theme.current.color("bad_tint")
        places = ((x, y) for x in range(box.left(), box.right()) for y in range(box.top(), box.bottom()))
        return sum(picture.pixelColor(x, y) == bad for x, y in places)

    assert reds(again) > 400, "a pill"
    assert reds(texts.index("1")) == 0


def test_running_tasks_come_oldest_first_with_their_age(open_page: Open, still: FakeDesk) -> None:
    page = open_page(still)
    model = page.detail.running.model
    running = sorted(still.snapshot().workers[0].running, key=lambda task: task.since)
    assert [model.index(row, 1).data() for row in range(model.rowCount())] == [t.id for t in running]
    assert model.index(0, 3).data() == f"{STILL - running[0].since:.1f} s"


def test_only_prefork_has_pool_processes(open_page: Open, qtbot: QtBot, still: FakeDesk) -> None:
    page = open_page(still)
    assert page.detail.processes.isVisible()
    qtbot.mouseClick(page.list.rows["w2"], LEFT)
    assert not page.detail.processes.isVisible()


def test_the_command_line_is_copied(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    press(page, qtbot, "Copy the command line")
    assert QGuiApplication.clipboard().text() == "celery -A tasks.app worker -n w1@%h --pool=prefork"


def test_bounds_change_live_and_it_says_so_before(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    pool = page.detail.pool
    assert (pool.low.value, pool.high.value) == (1, 4)
    assert not pool.apply.isEnabled()
    qtbot.mouseClick(pool.high.more, LEFT)
    qtbot.mouseClick(pool.high.more, LEFT)
    assert pool.note.text() == "Celery's autoscaler takes the new bounds at once."
    assert pool.apply.text() == "Apply"
    qtbot.mouseClick(pool.apply, LEFT)
    ((name, spec),) = desk.called("edit_worker")
    assert name == "w1"
    assert spec.autoscale == Autoscale(1, 6)


def test_bounds_never_cross(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    pool = page.detail.pool
    for _ in range(5):
        qtbot.mouseClick(pool.low.more, LEFT)
    assert (pool.low.value, pool.high.value) == (6, 6)


def test_what_is_being_changed_is_not_overwritten_by_new_snapshots(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    pool = page.detail.pool
    qtbot.mouseClick(pool.high.more, LEFT)
    for _ in range(3):
        page.show_snapshot(page.shell.desk.snapshot())
    assert pool.high.value == 5


def test_a_change_that_needs_a_restart_says_so_on_the_button(
    open_page: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FakeDesk()
    monkeypatch.setattr(
        desk, "live_change", lambda _name, _spec: (False, "The threads pool has a fixed size.")
    )
    page = open_page(desk)
    page.list.choose("w2")
    qtbot.mouseClick(page.detail.pool.concurrency.more, LEFT)
    assert page.detail.pool.apply.text() == "Restart to apply"
    assert page.detail.pool.note.text() == "The threads pool has a fixed size."
    qtbot.mouseClick(page.detail.pool.apply, LEFT)
    assert desk.called("edit_worker")[0][1].concurrency == 9


def test_queues_are_added_and_cancelled(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    chip = next(
        b for b in page.detail.queues.findChildren(QToolButton) if b.accessibleName() == "Cancel queue mail"
    )
    qtbot.mouseClick(chip, LEFT)
    assert desk.called("cancel_queue") == [("w1", "mail")]
    qtbot.keyClicks(page.detail.queues.new, "reports")
    qtbot.keyClick(page.detail.queues.new, Qt.Key.Key_Return)
    assert desk.called("add_queue") == [("w1", "reports")]


def test_several_queues_are_added_at_once(open_page: Open, qtbot: QtBot, still: FakeDesk) -> None:
    page = open_page(still)
    qtbot.keyClicks(page.detail.queues.new, "reports, mail ,, imports")
    qtbot.keyClick(page.detail.queues.new, Qt.Key.Key_Return)
    ((name, spec),) = still.called("edit_worker")
    assert (name, spec.queues) == ("w1", ("celery", "mail", "reports", "imports"))
