"""Workers: rows, detail, verbs, kill menus, live shaping, the form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, Light, StackState, State, StopHow
from desktop.engine.stack.model import Autoscale, Pool, Restart, WorkerSpec
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
    desk = FakeDesk()
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


# -- the form


@pytest.fixture
def form(open_page: Open, qtbot: QtBot) -> Callable[..., WorkerDialog]:
    """Opens the form of a worker, or of a new one."""

    def opened(desk: FakeDesk, name: str = "") -> WorkerDialog:
        page = open_page(desk)
        return page.shell.worker_commands.open_form(name)

    return opened


def choose(dialog: WorkerDialog, qtbot: QtBot, segmented: str, word: str) -> None:
    """Click a segment of a field."""
    field = getattr(dialog.fields, segmented)
    qtbot.mouseClick(next(b for b in field.findChildren(QToolButton) if b.text() == word), LEFT)


def test_the_command_line_follows_every_edit(form: Callable[..., WorkerDialog], qtbot: QtBot) -> None:
    dialog = form(FakeDesk(), "w1")
    assert "--autoscale=4,1" in dialog.command.line
    qtbot.mouseClick(dialog.fields.high.more, LEFT)
    assert "--autoscale=5,1" in dialog.command.line
    choose(dialog, qtbot, "pool", "gevent")
    assert "--pool=gevent" in dialog.command.line
    dialog.fields.queues.clear()
    qtbot.keyClicks(dialog.fields.queues, "a, b")
    assert dialog.command.line.endswith("-Q a,b")
    dialog.close()


def test_a_pool_that_cannot_scale_says_why_and_offers_a_fixed_size(
    form: Callable[..., WorkerDialog], qtbot: QtBot
) -> None:
    dialog = form(FakeDesk(), "w1")
    choose(dialog, qtbot, "pool", "threads")
    assert dialog.fields.mode.current == "fixed"
    assert dialog.fields.why_fixed.text().startswith("The threads pool cannot autoscale.")
    assert dialog.fields.why_fixed.isVisible()
    assert "--autoscale" not in dialog.command.line
    choose(dialog, qtbot, "pool", "prefork")
    assert not dialog.fields.why_fixed.isVisible()
    dialog.close()


def test_it_tells_beforehand_whether_it_works_live(form: Callable[..., WorkerDialog], qtbot: QtBot) -> None:
    dialog = form(FakeDesk(), "w1")
    assert not dialog.accept_button.isEnabled(), "nothing changed yet"
    qtbot.mouseClick(dialog.fields.high.more, LEFT)
    assert dialog.note.text() == "At once. Celery's autoscaler takes the new bounds at once."
    assert dialog.accept_button.text() == "Apply"
    choose(dialog, qtbot, "pool", "gevent")
    assert dialog.note.text() == "By a restart. A pool is chosen when a worker starts."
    assert dialog.accept_button.text() == "Restart and apply"
    dialog.close()


def test_apply_hands_over_the_whole_spec(form: Callable[..., WorkerDialog], qtbot: QtBot) -> None:
    desk = FakeDesk()
    dialog = form(desk, "w1")
    fields = dialog.fields
    choose(dialog, qtbot, "mode", "Fixed")
    for editor, text in (
        (fields.concurrency, "3"),
        (fields.prefetch, "1"),
        (fields.per_child, "100"),
        (fields.child_memory, "200"),
        (fields.soft_limit, "5"),
        (fields.hard_limit, "10"),
        (fields.extra, "--without-gossip -O fair"),
    ):
        editor.clear()
        qtbot.keyClicks(editor, text)
    choose(dialog, qtbot, "restart", "always")
    choose(dialog, qtbot, "method", "spawn")
    fields.no_prefetch.click()
    fields.level.setCurrentText("DEBUG")
    qtbot.mouseClick(dialog.accept_button, LEFT)
    ((name, spec),) = desk.called("edit_worker")
    assert name == "w1"
    assert spec == WorkerSpec(
        name="w1",
        pool=Pool.PREFORK,
        concurrency=3,
        queues=("celery", "mail"),
        restart=Restart.ALWAYS,
        prefetch_multiplier=1,
        disable_prefetch=True,
        max_tasks_per_child=100,
        max_memory_per_child=200 * 1024,
        soft_time_limit=5.0,
        time_limit=10.0,
        pool_start_method="spawn",
        log_level="DEBUG",
        extra_args=("--without-gossip", "-O", "fair"),
    )


def test_a_new_worker_gets_a_free_name(form: Callable[..., WorkerDialog], qtbot: QtBot) -> None:
    desk = FakeDesk()
    dialog = form(desk)
    assert dialog.fields.name.text() == "w3"
    qtbot.mouseClick(dialog.accept_button, LEFT)
    ((spec,),) = desk.called("add_worker")
    assert spec == WorkerSpec("w3", autoscale=Autoscale(1, 4))


@pytest.mark.parametrize(
    ("field", "text", "error"),
    [
        ("name", "w1", "There is a worker w1 already."),
        ("name", "a b", "Letters, figures, dots, dashes"),
        ("queues", " , ", "at least one queue"),
        ("extra", "--x 'open", "quotation mark"),
    ],
)
def test_errors_stand_at_their_field(
    form: Callable[..., WorkerDialog], qtbot: QtBot, field: str, text: str, error: str
) -> None:
    dialog = form(FakeDesk())
    editor = getattr(dialog.fields, field)
    editor.clear()
    qtbot.keyClicks(editor, text)
    assert error in dialog.fields.form.fields[field].error
    assert not dialog.accept_button.isEnabled()
    dialog.close()


def test_limits_that_contradict_each_other(form: Callable[..., WorkerDialog], qtbot: QtBot) -> None:
    dialog = form(FakeDesk())
    qtbot.keyClicks(dialog.fields.soft_limit, "20")
    qtbot.keyClicks(dialog.fields.hard_limit, "10")
    assert "Shorter than the hard limit" in dialog.fields.form.fields["soft_limit"].error
    dialog.close()


def test_what_the_engine_refuses_stands_at_its_field(
    form: Callable[..., WorkerDialog], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FakeDesk()
    dialog = form(desk, "w1")
    said = (
        "worker w1, extra_args.0: cannot hold --autoscale: the stack sets it. Use the key `autoscale`.\n"
        "worker w1, autoscale.max: cannot be 900. Allowed on prefork: 1 to 200.\nThe broker is gone."
    )

    def refuse(spec: WorkerSpec) -> str:
        raise DeskError(said)

    monkeypatch.setattr(desk, "command_line", refuse)
    dialog.review()
    fields = dialog.fields.form.fields
    assert fields["extra"].error == "Cannot hold --autoscale: the stack sets it. Use the key `autoscale`."
    assert fields["size"].error == "Cannot be 900. Allowed on prefork: 1 to 200."
    assert dialog.error.text() == "The broker is gone."
    assert dialog.note.text().startswith("Extra arguments: Cannot hold")
    assert not dialog.accept_button.isEnabled()
    dialog.close()


def test_a_name_that_is_wrong_does_not_change_the_size(
    form: Callable[..., WorkerDialog], qtbot: QtBot
) -> None:
    dialog = form(FakeDesk())
    dialog.fields.name.selectAll()
    qtbot.keyClicks(dialog.fields.name, "w 9!")
    assert dialog.fields.mode.current == "auto"
    assert dialog.fields.form.fields["name"].error
    dialog.close()
