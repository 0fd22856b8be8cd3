"""Queues: rows, the sum, and what is wrong with a queue said loudly."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QPushButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import (
    Held,
    QueueSnapshot,
    StackSnapshot,
    StackState,
    State,
)
from desktop.ui.pages.queues_banners import stranded_sentence
from desktop.ui.pages.queues_messages import PAGE
from desktop.ui.pages.queues_places import Place, numbers_of, shares
from desktop.ui.pages.queues_tables import PriorityBars
from desktop.ui.queue_commands import restore_sentences, stranded_of
from desktop.ui.theme import Theme
from tests.support.dressed_desk import STILL, Dressed
from tests.support.fake_desk import FakeDesk
from tests.support.fake_queues import balance_of, stranded
from tests.ui.page_queues import Open, dialog_of, press

LEFT = Qt.MouseButton.LeftButton


def with_stranded(snapshot: StackSnapshot) -> StackSnapshot:
    """Six messages of `celery` went down with `reports`."""
    first, *rest = snapshot.queues
    queues = (stranded(first, "reports", 6, STILL + 52, STILL + 58), *rest)
    return replace(snapshot, queues=queues, balance=balance_of(queues, snapshot.totals))


def lonely(snapshot: StackSnapshot) -> StackSnapshot:
    """Nobody consumes `celery`."""
    first, *rest = snapshot.queues
    return replace(snapshot, queues=(replace(first, consumers=(), held=()), *rest))


def countdown(sentence: str) -> tuple[int, int]:
    """The seconds that a sentence about stranded messages says."""
    whose = "6 delivered to reports"
    found = re.fullmatch(rf"{whose}: the first is back in (\d+) s, the last in (\d+) s\.", sentence)
    assert found, sentence
    return int(found[1]), int(found[2])


# -- rows and places


def test_a_row_tells_all_that_it_draws(open_page: Open) -> None:
    page = open_page(Dressed(with_stranded))
    name = page.list.rows["celery"].accessibleName()
    queue = page.shell.bridge.snapshot.queues[0]
    for place in (Place.WAITING, Place.RESERVED, Place.STRANDED):
        assert f"{numbers_of(queue)[place]:,} {place}" in name
    assert "the oldest waits" in name
    assert name.endswith("consumed by w1, w2")


def test_one_message_among_a_million_is_seen_in_the_bar() -> None:
    widths = shares([1_000_000, 1, 0, 500_000, 2], 200.0)
    assert widths[1] == widths[4] == 4.0
    assert widths[2] == 0
    assert sum(widths) == pytest.approx(200.0)
    assert widths[0] == pytest.approx(2 * widths[3])
    assert shares([0, 0], 200.0) == [0.0, 0.0]
    assert sum(shares([1, 1, 1], 6.0)) <= 12.0


def test_choosing_a_row_shows_its_detail_and_reads_its_messages(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed()
    page = open_page(desk)
    assert page.detail.name == "celery"
    qtbot.mouseClick(page.list.rows["mail"], LEFT)
    assert page.detail.name == "mail"
    assert desk.called("messages")[-1] == ("mail", 0, PAGE)
    page.window().activateWindow()
    page.list.rows["mail"].setFocus()
    qtbot.waitUntil(page.list.rows["mail"].hasFocus)
    qtbot.keyClick(page.list.rows["mail"], Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: page.detail.name == "reports")


def test_another_page_can_ask_for_a_queue(open_page: Open) -> None:
    page = open_page(Dressed())
    page.shell.go("queues", "reports")
    assert page.detail.name == "reports"
    page.shell.go("overview")
    page.shell.commands["queue.look:mail"].trigger()
    assert page.detail.name == "mail"


def test_a_queue_that_is_gone_leaves_the_list_and_the_palette(open_page: Open) -> None:
    desk = Dressed()
    page = open_page(desk)
    desk.dress = lambda snapshot: replace(snapshot, queues=snapshot.queues[1:])
    page.shell.bridge.pull()
    assert list(page.list.rows) == ["mail", "reports"]
    assert "queue.purge:celery" not in page.shell.commands
    assert page.detail.name == "mail"


def test_priorities_have_bars_only_where_there_are_several(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(Dressed())
    shown = {q.name: q.by_priority for q in page.shell.bridge.snapshot.queues}
    assert len(shown["celery"]) == 2
    assert page.detail.places.priorities.isVisibleTo(page)
    assert f"priority 6: {shown['celery'][6]:,}" in page.detail.places.priorities.accessibleName()
    page.list.choose("mail")
    assert not page.detail.places.priorities.isVisibleTo(page)


def test_a_priority_that_ran_empty_keeps_its_bar(theme: Theme, qtbot: QtBot) -> None:
    bars = PriorityBars()
    qtbot.addWidget(bars)
    bars.show_steps({0: 5, 3: 0, 6: 0})
    assert bars.isHidden()
    bars.show_steps({0: 5, 3: 2, 6: 0})
    bars.show_steps({0: 5, 3: 0, 6: 0})
    assert bars.accessibleName().endswith("priority 0: 5, priority 3: 0")
    bars.begin()
    bars.show_steps({0: 5, 3: 0, 6: 0})
    assert bars.isHidden()


def test_where_it_leads_is_said_beside_the_rates(open_page: Open) -> None:
    desk = Dressed()
    page = open_page(desk)

    def flow(queue: QueueSnapshot, rate_in: float, rate_out: float, waiting: int) -> str:
        shown = replace(queue, rate_in=rate_in, rate_out=rate_out, waiting=waiting)
        page.detail.flow.show_queue(shown, STILL)
        return page.detail.flow.rate_out.hint.text()

    queue = page.shell.bridge.snapshot.queues[0]
    assert flow(queue, 10, 30, 200) == "empty in 10 s"
    assert flow(queue, 30, 10, 200) == "grows 20.0/s"
    assert flow(queue, 30, 30, 200) == "stays as it is"
    assert flow(queue, 30, 30, 0) == "keeps up"


# -- nobody consumes it


def test_nobody_consumes_it_is_loud_and_one_click_mends_it(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(lonely)
    page = open_page(desk)
    assert "No worker consumes this queue" in page.list.rows["celery"].accessibleName()
    assert page.detail.unserved.isVisibleTo(page)
    assert page.detail.pill.word == "No consumer"
    press(qtbot, page, "Let w1 consume celery")
    assert desk.called("add_queue") == [("w1", "celery")]
    desk.dress = lambda snapshot: snapshot
    page.shell.bridge.pull()
    assert not page.detail.unserved.isVisibleTo(page)
    assert "queue.consume:celery:w1" not in page.shell.commands


def test_who_consumes_a_queue_is_changed_by_registered_verbs(open_page: Open) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    menu = QMenu(page)
    page.detail._fill_more(menu)
    commands = page.shell.commands
    assert menu.actions()
    assert all(commands[action.objectName()] is action for action in menu.actions())
    commands["queue.leave:celery:w1"].trigger()
    assert desk.called("cancel_queue") == [("w1", "celery")]
    assert "queue.consume:celery:w1" not in commands, "one or the other"


def test_a_worker_that_would_consume_it_is_offered_first(open_page: Open, qtbot: QtBot) -> None:
    def dress(snapshot: StackSnapshot) -> StackSnapshot:
        dead = replace(snapshot.workers[2].service, state=State.EXITED)
        workers = (*snapshot.workers[:2], replace(snapshot.workers[2], service=dead))
        *rest, last = snapshot.queues
        queues = (*rest, replace(last, consumers=(), held=()))
        return replace(snapshot, workers=workers, queues=queues)

    desk = Dressed(dress)
    page = open_page(desk)
    page.list.choose("reports")
    assert "reports would, but does not run" in page.detail.unserved.sentence.text()
    press(qtbot, page, "Start reports")
    assert desk.called("start_service") == [("reports",)]


def test_a_stopped_stack_is_no_reason_to_shout(open_page: Open) -> None:
    desk = Dressed()
    page = open_page(desk)
    desk.dress = lambda snapshot: replace(lonely(snapshot), state=StackState.STOPPED)
    page.shell.bridge.pull()
    assert not page.detail.unserved.isVisibleTo(page)
    assert page.detail.pill.word == "When it stopped"


def test_a_stack_that_stopped_is_asked_for_nothing_more(open_page: Open) -> None:
    desk = Dressed(with_stranded)
    page = open_page(desk)
    assert page.detail.messages.isVisibleTo(page)
    desk.dress = lambda snapshot: replace(with_stranded(snapshot), state=StackState.STOPPED)
    page.shell.bridge.pull()
    before = len(desk.called("messages"))
    for _ in range(40):
        page.tick()
    assert len(desk.called("messages")) == before
    assert not page.detail.messages.isVisibleTo(page)
    assert page.detail.stranded.title.text() == "6 messages were stranded when it stopped"
    assert not page.detail.stranded.buttons.isVisibleTo(page)
    assert "when it stopped" in page.hint.text()


# -- stranded messages


def test_stranded_messages_count_down_and_come_back_after_a_question(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(with_stranded)
    page = open_page(desk)
    banner = page.detail.stranded
    assert banner.title.text() == "6 messages are stranded"
    first, last = countdown(banner.sentence.text())
    assert 48 <= first <= 52, "and a moment has passed since"
    assert last == first + 6
    desk.now += 20
    page.shell.bridge.pull()
    page.tick()
    assert 26 <= countdown(banner.sentence.text())[0] <= 32
    qtbot.mouseClick(next(b for b in banner.findChildren(QPushButton) if b.text() == "Bring back now"), LEFT)
    dialog = dialog_of(page)
    assert dialog.windowTitle() == "Bring back 6 stranded messages of celery?"
    assert "What a living worker holds is never touched." in dialog.accessibleDescription()
    assert desk.called("restore_stranded") == []
    qtbot.mouseClick(dialog.buttons[0], LEFT)
    assert desk.called("restore_stranded") == [("celery", None)]


def test_all_stranded_messages_can_be_brought_back_from_the_palette(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(with_stranded)
    page = open_page(desk)
    verb = page.shell.commands["queue.restore"]
    assert verb.isEnabled()
    verb.trigger()
    qtbot.mouseClick(dialog_of(page).buttons[0], LEFT)
    assert desk.called("restore_stranded") == [(None, None)]
    desk.dress = lambda snapshot: snapshot
    page.shell.bridge.pull()
    assert not verb.isEnabled()
    assert not page.shell.commands["queue.restore:celery"].isEnabled()


def test_stranded_messages_of_nobody_known_are_counted_too() -> None:
    queue = QueueSnapshot("q", stranded=5, held=(Held("w1", stranded=2, back_at=9.0),))
    assert [(h.worker, h.stranded) for h in stranded_of([queue])] == [("w1", 2), ("", 3)]
    assert [h.worker for h in stranded_of([queue], worker="w1")] == ["w1"]
    said = restore_sentences(stranded_of([queue]), 10.0)
    assert said[0] == "2 messages delivered to w1; by themselves they would be back any moment."
    assert said[1] == "3 messages delivered to an unknown worker."


@pytest.mark.parametrize(
    ("back_at", "all_back_at", "words"),
    [
        (None, None, "back after the visibility timeout"),
        (152.0, 158.0, "the first is back in 52 s, the last in 58 s"),
        (152.0, None, "back in 52 s"),
        (98.0, 108.0, "the first may be back any moment, the last in 8.0 s"),
        (90.0, 99.0, "back as soon as a living worker looks for them"),
    ],
)
def test_when_they_are_back(back_at: float | None, all_back_at: float | None, words: str) -> None:
    held = Held("w2", stranded=1_204, back_at=back_at, all_back_at=all_back_at)
    assert stranded_sentence(held, 100.0) == f"1,204 delivered to w2: {words}."


def test_the_table_by_worker_has_its_countdown_only_while_something_is_stranded(open_page: Open) -> None:
    desk = Dressed(with_stranded)
    page = open_page(desk)
    table = page.detail.held
    rows = [[table.model.index(r, c).data() for c in range(6)] for r in range(table.model.rowCount())]
    assert rows[-1][0] == "reports"
    assert rows[-1][4] == "6"
    assert re.fullmatch(r"(4[89]|5[012]) s", rows[-1][5])
    assert not table.view.isColumnHidden(5)
    page.list.choose("mail")
    assert table.view.isColumnHidden(5)


# -- nothing there


def test_a_stopped_stack_says_what_to_do(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(state=StackState.STOPPED)
    page = open_page(desk)
    assert page.off.isVisibleTo(page)
    assert "celery, mail and reports" in page.off.sentence.text()
    press(qtbot, page, "Start")
    assert desk.called("start") == [(None,)]


def test_a_finished_run_and_a_stack_without_queues_say_so(open_page: Open) -> None:
    desk = Dressed(lambda snapshot: replace(snapshot, queues=(), balance=None))
    page = open_page(desk)
    assert page.none.title.text() == "No queue yet"
    desk.dress = lambda snapshot: replace(snapshot, queues=(), recorded=Path("runs/x"))
    page.shell.bridge.pull()
    assert page.none.title.text() == "A finished run has no queues"
