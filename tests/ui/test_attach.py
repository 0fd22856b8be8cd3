"""Attaching from the window: the dialog, what it keeps of an address, the header, the notices, the verbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtWidgets import QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, StackSnapshot, StackState, State
from desktop.ui.attach_dialog import RECENT, AttachDialog, remembered, with_password, without_password
from desktop.ui.page import PAGES
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

ADDRESS = "broker.example:6379/0"
GAP = "10:14:02: the broker cut us off, because we read too slowly; at least 12 tasks started unseen."


class Attached(FakeDesk):
    """A fake that is attached; `mute` workers send no events, `unseen` is what is not known."""

    mute: frozenset[str] = frozenset({"w2"})
    unseen: tuple[str, ...] = (GAP, "10:01:00: the broker was restarted.")
    mine = False

    def snapshot(self) -> StackSnapshot:
        shown = super().snapshot()
        if self.mine:
            return shown
        workers = tuple(replace(w, mute=w.name in self.mute) for w in shown.workers)
        return replace(shown, attached=ADDRESS, workers=workers, gaps=self.unseen)


@pytest.fixture
def opened(make_window: Callable[..., Window]) -> tuple[Window, FakeDesk, AttachDialog]:
    desk = FakeDesk(state=StackState.STOPPED, hold=True)
    window = make_window(desk)
    return window, desk, window.attach_commands.open_dialog()


def test_a_pasted_password_goes_where_nobody_reads_it(opened: tuple[Window, FakeDesk, AttachDialog]) -> None:
    _, desk, dialog = opened
    assert dialog.password.echoMode() is QLineEdit.EchoMode.Password
    dialog.url.setEditText("redis://me:s%40cret@host:6380/1")
    line = dialog.url.lineEdit()
    assert line is not None
    line.editingFinished.emit()
    assert dialog.url.currentText() == "redis://me@host:6380/1"
    assert dialog.password.text() == "s@cret"
    dialog.prefix.setText("qa:")
    dialog.attach.click()
    assert desk.called("attach") == [("redis://me:s%40cret@host:6380/1?global_keyprefix=qa%3A",)]
    assert not dialog.attach.isEnabled()
    desk.settle("attach", "Attached.")


def test_the_dialog_stays_and_tells_why_a_broker_was_not_taken(
    opened: tuple[Window, FakeDesk, AttachDialog], qtbot: QtBot
) -> None:
    window, desk, dialog = opened
    dialog.attach.click()
    desk.settle("attach", DeskError("The broker refuses the password of the broker URL.", "Give it."))
    qtbot.waitUntil(lambda: "refuses" in dialog.form.fields["password"].error)
    assert dialog.isVisible()
    assert dialog.attach.isEnabled()
    dialog.attach.click()
    desk.settle("attach", DeskError("The broker at localhost:6379 cannot be reached.", "Is it running?"))
    qtbot.waitUntil(lambda: "cannot be reached" in dialog.form.fields["url"].error)
    assert not dialog.form.fields["password"].error
    assert not window.memory.get(RECENT)


def test_an_address_is_remembered_without_its_password(
    opened: tuple[Window, FakeDesk, AttachDialog], qtbot: QtBot
) -> None:
    window, desk, dialog = opened
    dialog.url.setEditText("redis://:geheim@host:6380/1")
    dialog.attach.click()
    with qtbot.waitSignal(dialog.finished):
        desk.settle("attach", "Attached to host:6380/1: 2 workers answer.")
    assert window.memory.get(RECENT) == ["redis://host:6380/1"]
    again = window.attach_commands.open_dialog()
    assert again.url.currentText() == "redis://host:6380/1"
    assert again.password.text() == ""


def test_an_empty_url_is_not_tried(opened: tuple[Window, FakeDesk, AttachDialog]) -> None:
    _, desk, dialog = opened
    dialog.url.setEditText("  ")
    dialog.attach.click()
    assert dialog.form.fields["url"].error
    assert not desk.called("attach")


@pytest.mark.parametrize(
    "url",
    ["redis://host:6379/0", "redis+socket:///run/s?virtual_host=1", "rediss://u@[::1]:1/2", "nonsense", ""],
)
def test_urls_and_passwords_come_apart_and_together(url: str) -> None:
    assert without_password(url) == (url, "")
    assert with_password(url, "") == url
    if "://" in url and "@" not in url:
        assert without_password(with_password(url, "a@b:c/d?e")) == (url, "a@b:c/d?e")


def test_recent_addresses_are_few_and_each_once() -> None:
    kept = remembered([f"redis://h{n}" for n in range(20)], "redis://h3")
    assert kept[0] == "redis://h3"
    assert len(kept) == len(set(kept)) == 8
    assert remembered("redis://one") == ["redis://one"]  # a list of one, as some platforms give it back
    assert remembered(None) == []


def test_the_header_tells_whose_stack_it_is_and_lets_go_of_it(make_window: Callable[..., Window]) -> None:
    desk = Attached()
    window = make_window(desk)
    header = window.header
    assert header.pill.word == "Attached"
    assert ADDRESS in header.chooser.accessibleName()
    assert header.detach.isVisible()
    assert not any(b.isVisible() for b in (header.start, header.stop, header.cold, header.kill))
    assert "attached" in window.windowTitle()
    assert not window.commands["attach.open"].isEnabled()
    header.detach.click()
    assert desk.called("stop")


def test_without_an_attachment_there_is_nothing_to_detach(make_window: Callable[..., Window]) -> None:
    desk = Attached()
    desk.mine = True
    window = make_window(desk)
    assert not window.header.detach.isVisible()
    assert not window.commands["attach.detach"].isEnabled()
    assert not window.commands["attach.events"].isEnabled()
    assert not window.notices.shown


def test_workers_without_events_are_told_and_asked_with_one_click(make_window: Callable[..., Window]) -> None:
    desk = Attached()
    window = make_window(desk)
    notice = window.notices.shown["attach-mute"]
    assert notice.text.startswith("w2 sends no events of tasks")
    [button] = [b for b in window.notices.findChildren(QPushButton) if b.text() == "Ask for their events"]
    button.click()
    assert desk.called("enable_events") == [(None,)]


def test_what_was_missed_is_told_at_the_top(make_window: Callable[..., Window], qtbot: QtBot) -> None:
    desk = Attached()
    window = make_window(desk)
    assert window.notices.shown["attach-gaps"].text == f"{GAP} And 1 more note."
    window.notices.close_notice(window.notices.shown["attach-gaps"])
    desk.unseen = ("10:20:00: the broker was restarted.", *desk.unseen)
    qtbot.waitUntil(lambda: "attach-gaps" in window.notices.shown)
    desk.unseen, desk.mute = (), frozenset()
    qtbot.waitUntil(lambda: not window.notices.shown)


def test_verbs_that_remote_control_lacks_are_not_offered(make_window: Callable[..., Window]) -> None:
    window = make_window(Attached(), pages=PAGES, page="workers")
    commands = window.commands
    for verb in ("start", "cold", "restart", "kill", "edit", "remove"):
        assert not commands[f"worker.{verb}:w1"].isEnabled()
        assert "Somebody else started it" in commands[f"worker.{verb}:w1"].toolTip()
    assert commands["worker.stop:w1"].isEnabled()
    assert not commands["worker.add"].isEnabled()


def test_a_foreign_worker_is_stopped_only_after_a_question(
    make_window: Callable[..., Window], qtbot: QtBot
) -> None:
    desk = Attached()
    window = make_window(desk)
    window.commands["worker.stop:w1"].trigger()
    [dialog] = [w for w in window.findChildren(object) if type(w).__name__ == "Confirm"]
    assert not desk.called("stop_service")
    assert "will not come back" in dialog.accessibleDescription()
    with qtbot.waitSignal(dialog.finished):
        dialog.buttons[0].click()
    assert desk.called("stop_service")[0][0] == "w1"


def test_a_worker_that_is_no_longer_heard_leaves_the_list(make_window: Callable[..., Window]) -> None:
    desk = Attached()
    desk.states["w1"] = (State.SILENT, "is not heard")
    window = make_window(desk)
    window.commands["worker.remove:w1"].trigger()
    assert desk.called("remove_worker")[0][0] == "w1"


def test_closing_the_window_asks_nothing_of_a_foreign_stack(make_window: Callable[..., Window]) -> None:
    window = make_window(Attached())
    closed: list[Any] = []
    window.closed.connect(lambda: closed.append(True))
    window.close()
    assert closed
