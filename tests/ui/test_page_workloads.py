"""Workloads: the form made from the catalog, presets, mixes, progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLineEdit, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, LoadState, Param, StackState, TaskInfo, TaskShare, Workload
from desktop.engine.stack.model import AppSpec
from desktop.ui.page import PAGES
from desktop.ui.pages.workloads import WorkloadsPage
from desktop.ui.pages.workloads_args import ArgumentForm, BadValue, parse
from desktop.ui.pages.workloads_presets import PRESETS, offered, sentence
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

LEFT = Qt.MouseButton.LeftButton
PRIMES = "tasks.cpu.count_primes"
Open = Callable[..., WorkloadsPage]


@pytest.fixture
def open_page(make_window: Callable[..., Window], qtbot: QtBot) -> Open:
    """Opens the workloads page and waits for its catalog."""

    def opened(desk: FakeDesk) -> WorkloadsPage:
        page = make_window(desk, pages=PAGES, page="workloads").page
        assert isinstance(page, WorkloadsPage)
        qtbot.waitUntil(lambda: bool(page.catalog.rows) or desk.hold or page.catalog.note.text() != "")
        return page

    return opened


@pytest.fixture
def page(open_page: Open, qtbot: QtBot) -> WorkloadsPage:
    """The page of a running stack, with its catalog there."""
    made = open_page(FakeDesk())
    qtbot.waitUntil(lambda: bool(made.catalog.rows))
    return made


def calls(page: WorkloadsPage) -> FakeDesk:
    """The desk behind a page."""
    desk = page.shell.desk
    assert isinstance(desk, FakeDesk)
    return desk


def fill(qtbot: QtBot, editor: QLineEdit, text: str) -> None:
    """Type into a field, in place of what is there."""
    editor.clear()
    qtbot.keyClicks(editor, text)


def argument(page: WorkloadsPage, name: str) -> QLineEdit:
    """The editor of an argument."""
    editor = page.form.arguments.editors[name]
    assert isinstance(editor, QLineEdit)
    return editor


def test_the_catalog_is_grouped_with_summaries(page: WorkloadsPage) -> None:
    assert list(page.catalog.rows) == [
        PRIMES,
        "tasks.cpu.hash_password",
        "tasks.io.fetch",
        "tasks.trouble.flaky",
        "tasks.basic.noop",
    ]
    assert page.catalog.rows[PRIMES].accessibleName().endswith("Counts primes in pure Python: holds the GIL.")


def test_tasks_are_found_by_name_and_by_summary(page: WorkloadsPage, qtbot: QtBot) -> None:
    fill(qtbot, page.catalog.search, "GIL")
    shown = [name for name, row in page.catalog.rows.items() if row.isVisible()]
    assert shown == [PRIMES, "tasks.cpu.hash_password"]


def test_one_task_with_arguments_is_submitted_as_it_was_set(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    fill(qtbot, argument(page, "limit"), "50000")
    fill(qtbot, page.form.count, "2000")
    fill(qtbot, page.form.rate, "50")
    page.form.queue.setCurrentText("mail")
    assert page.form.submit.text() == "Submit 2,000"
    assert page.form.says.text() == "Sends 2,000 tasks at 50 a second, about 40 s."
    qtbot.mouseClick(page.form.submit, LEFT)
    assert calls(page).called("submit") == [
        (
            Workload(
                mix=(TaskShare(PRIMES, (), {"limit": 50000}, queue="mail"),),
                count=2000,
                rate=50.0,
                name="count_primes",
            ),
        )
    ]


def test_a_mix_is_submitted_with_its_weights(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    add(page, qtbot, "tasks.io.fetch")
    for _ in range(2):
        qtbot.mouseClick(named(page, QToolButton, f"Weight of {PRIMES}: more"), LEFT)
    assert page.form._shares[PRIMES].text() == "75%"
    fill(qtbot, page.form.count, "8")
    qtbot.mouseClick(page.form.submit, LEFT)
    ((workload,),) = calls(page).called("submit")
    assert [(share.task, share.weight) for share in workload.mix] == [(PRIMES, 3), ("tasks.io.fetch", 1)]
    assert workload.name == "count_primes, fetch"


def test_a_task_is_taken_out_of_the_mix(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    add(page, qtbot, "tasks.io.fetch")
    qtbot.mouseClick(named(page, QToolButton, f"Take {PRIMES} out of the mix"), LEFT)
    assert [task.info.name for task in page.form.draft.tasks] == ["tasks.io.fetch"]
    assert not page.catalog.rows[PRIMES].isChecked()
    assert page.catalog.rows["tasks.io.fetch"].isChecked()


def test_each_task_of_a_mix_keeps_its_own_arguments(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    fill(qtbot, argument(page, "limit"), "7")
    add(page, qtbot, "tasks.io.fetch")
    fill(qtbot, argument(page, "seconds"), "1.5")
    qtbot.mouseClick(page.form.buttons[PRIMES], LEFT)
    assert argument(page, "limit").text() == "7"
    assert [task.values for task in page.form.draft.tasks] == [{"limit": 7}, {"seconds": 1.5}]


def test_a_wrong_argument_is_told_at_its_field_and_nothing_is_sent(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    fill(qtbot, page.form.count, "10")
    fill(qtbot, argument(page, "limit"), "many")
    assert page.form.arguments.fields["limit"].error == "A whole number, such as 20000."
    assert not page.form.submit.isEnabled()
    fill(qtbot, argument(page, "limit"), "12")
    assert page.form.submit.isEnabled()


def test_a_needed_argument_must_be_given(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows["tasks.trouble.flaky"], LEFT)
    fill(qtbot, page.form.count, "10")
    fill(qtbot, argument(page, "chance"), "0.5")
    assert page.form.submit.isEnabled()
    page.form.arguments.editors["chance"].setFocus()
    qtbot.keyClick(argument(page, "chance"), Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(argument(page, "chance"), Qt.Key.Key_Delete)
    assert page.form.arguments.fields["chance"].error == "The task needs it."
    assert not page.form.submit.isEnabled()


def test_without_a_shape_there_is_nothing_to_submit(page: WorkloadsPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    for field in (page.form.count, page.form.rate, page.form.seconds):
        field.clear()
    page.form.review()
    assert not page.form.submit.isEnabled()
    assert page.form.says.text() == "Say how many tasks, or how many a second."


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"count": 2000}, "Sends 2,000 tasks as fast as the broker takes them."),
        ({"rate": 20.0}, "Sends 20 tasks a second until it is cancelled."),
        ({"rate": 20.0, "seconds": 60.0}, "Sends 20 tasks a second for 60 s."),
        ({"count": 100, "rate": 50.0}, "Sends 100 tasks at 50 a second, about 2 s."),
    ],
)
def test_shapes_in_words(shape: dict[str, float], words: str) -> None:
    assert sentence(Workload((TaskShare("t"),), **shape)) == words  # type: ignore[arg-type]


def test_a_stopped_stack_takes_no_workload_and_says_why(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk(state=StackState.STOPPED))
    qtbot.waitUntil(lambda: bool(page.catalog.rows))
    qtbot.mouseClick(page.catalog.rows[PRIMES], LEFT)
    fill(qtbot, page.form.count, "10")
    assert not page.form.submit.isEnabled()
    assert page.form.says.text().endswith("Start the stack first.")


def test_an_app_that_cannot_be_read_is_told_in_its_place(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    desk.fail_next = DeskError("The app tasks.app cannot be imported.", "See its log.")
    page = open_page(desk)
    qtbot.waitUntil(lambda: page.catalog.note.text().startswith("The app"))
    assert page.catalog.note.text() == "The app tasks.app cannot be imported."
    assert page.catalog.step.text() == "See its log."
    qtbot.mouseClick(page.catalog.read_again, LEFT)
    qtbot.waitUntil(lambda: bool(page.catalog.rows))
    assert not page.catalog.note.isVisible()
    assert not page.catalog.read_again.isVisible()


def test_tasks_of_another_app_do_not_stay(page: WorkloadsPage, qtbot: QtBot) -> None:
    desk = page.shell.desk
    assert isinstance(desk, FakeDesk)
    desk.hold = True
    desk.spec = replace(desk.spec, name="shop", app=AppSpec("shop.app"))
    qtbot.waitUntil(lambda: not page.catalog.rows)
    assert page.form.draft.tasks == []
    assert not page.form.submit.isEnabled()
    desk.spec = replace(desk.spec, app=AppSpec("mail.app"))
    qtbot.waitUntil(lambda: len(desk.pending) == 2)
    desk.settle("catalog", (TaskInfo("shop.pay"),))
    desk.settle("catalog", (TaskInfo("mail.send"),))
    qtbot.waitUntil(lambda: bool(page.catalog.rows))
    assert list(page.catalog.rows) == ["mail.send"], "what the first app answered late is not shown"
    page.shell.commands["view.refresh"].trigger()
    qtbot.waitUntil(lambda: bool(page.catalog.rows))


# -- presets


def test_presets_use_only_tasks_that_the_sample_app_has() -> None:
    from tasks.app import app

    app.loader.import_default_modules()
    known = {name for name in app.tasks if name.startswith("tasks.")}
    assert offered(known) == PRESETS
    assert offered({"other.task"}) == ()


def test_a_preset_fills_the_whole_form(page: WorkloadsPage, qtbot: QtBot) -> None:
    tasks = tuple(TaskInfo(share.task) for share in PRESETS[0].mix)
    page._show_catalog(page._read_for, tasks)
    chip = named(page, QPushButton, "Preset: Mixed, 2,000 tasks")
    qtbot.waitUntil(chip.isVisible)
    qtbot.mouseClick(chip, LEFT)
    qtbot.mouseClick(page.form.submit, LEFT)
    assert calls(page).called("submit") == [(PRESETS[0],)]


# -- what was submitted


def test_progress_is_exact(page: WorkloadsPage) -> None:
    card = page.loads.cards[2]
    assert card.sent.text() == "1,104 of 2,000 sent, 49.8 a second"
    assert card.ended.text() == "874 ended, 230 on their way"
    assert not card.doubt.isVisible()
    assert card.sent_bar.value() == 1104


def test_messages_in_doubt_are_said(page: WorkloadsPage) -> None:
    loads = page.shell.bridge.snapshot.loads
    page.loads.show_loads((replace(loads[0], in_doubt=3, state=LoadState.WAITING), *loads[1:]))
    card = page.loads.cards[2]
    assert card.doubt.isVisible()
    assert card.doubt.text().startswith("3 in doubt")


def test_pause_resume_and_cancel(page: WorkloadsPage, qtbot: QtBot) -> None:
    card = page.loads.cards[2]
    qtbot.mouseClick(card.pause, LEFT)
    assert calls(page).called("pause_load") == [(2,)]
    card.show_load(replace(page.shell.bridge.snapshot.loads[0], state=LoadState.PAUSED))
    assert not card.pause.isVisible()
    qtbot.waitUntil(card.resume.isVisible)
    qtbot.mouseClick(card.resume, LEFT)
    qtbot.mouseClick(card.cancel, LEFT)
    assert calls(page).called("resume_load") == [(2,)]
    assert calls(page).called("cancel_load") == [(2,)]


def test_what_is_over_has_no_buttons(page: WorkloadsPage) -> None:
    card = page.loads.cards[1]
    assert not card.cancel.isVisible()
    assert card.sent.text().startswith("500 of 500 sent in 10 s")


def test_the_newest_stands_first(page: WorkloadsPage) -> None:
    body = page.loads._list.body
    assert [body.itemAt(i).widget().id for i in range(2)] == [2, 1]


def test_without_workloads_it_says_what_to_do(page: WorkloadsPage) -> None:
    page.loads.show_loads(())
    assert page.loads._stage.currentIndex() == 0


# -- arguments


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "1_000", 1000),
        ("int", "20,000", 20000),
        ("float", "0.25", 0.25),
        ("str", " kept ", " kept "),
        ("json", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_texts_become_values(kind: str, text: str, value: object) -> None:
    assert parse(Param("p", kind), text) == value


@pytest.mark.parametrize(("kind", "text"), [("int", "1.5"), ("float", "x"), ("json", "{")])
def test_texts_that_are_no_value(kind: str, text: str) -> None:
    with pytest.raises(BadValue):
        parse(Param("p", kind, default=1), text)


def test_editors_fit_their_kind(qtbot: QtBot, theme: object) -> None:
    form = ArgumentForm()
    qtbot.addWidget(form)
    form.show_params(
        (
            Param("how", "choice", "exit", choices=("exit", "kill")),
            Param("deep", "bool", False),
            Param("n", "int", 3),
        ),
        {"how": "kill"},
    )
    assert isinstance(form.editors["how"], QComboBox)
    assert form.read() == ({"how": "kill"}, {})
    form.editors["deep"].click()  # type: ignore[attr-defined]
    assert form.read() == ({"how": "kill", "deep": True}, {})


def add(page: WorkloadsPage, qtbot: QtBot, task: str) -> None:
    """Press the + of a task."""
    qtbot.mouseClick(named(page, QToolButton, f"Add {task} to the mix"), LEFT)


def named(page: WorkloadsPage, kind: type, name: str) -> QPushButton:
    """The button of an accessible name; a mix that was rebuilt may hold an old one that is going."""
    return [b for b in page.findChildren(kind) if b.accessibleName() == name and not b.isHidden()][-1]
