"""The dialog that adds or edits a worker."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError
from desktop.engine.stack.model import Autoscale, Pool, Restart, WorkerSpec
from desktop.ui.page import PAGES
from desktop.ui.pages.workers_form import WorkerDialog
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def form(make_window: Callable[..., Window]) -> Callable[..., WorkerDialog]:
    """Opens the form of a worker, or of a new one."""

    def opened(desk: FakeDesk, name: str = "") -> WorkerDialog:
        window = make_window(desk, pages=PAGES, page="workers")
        return window.worker_commands.open_form(name)

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
