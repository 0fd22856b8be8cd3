"""The sum over all queues: exact, loud when it is wrong, quiet while it moves."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from desktop.engine.api import (
    Balance,
    StackSnapshot,
)
from desktop.ui.pages.queues_sum import judge
from desktop.ui.states import Tone
from tests.support.dressed_desk import Dressed
from tests.support.fake_queues import balance_of
from tests.ui.page_queues import Open

LEFT = Qt.MouseButton.LeftButton


def test_the_sum_adds_up_and_says_so(open_page: Open) -> None:
    page = open_page(Dressed())
    balance = page.shell.bridge.snapshot.balance
    assert balance is not None
    assert balance.difference == 0
    assert page.sum.verdict.word == "Adds up"
    assert page.sum.cells["submitted"].accessibleName() == f"{balance.submitted:,} submitted"
    assert not page.sum.sentence.isVisibleTo(page)


@pytest.mark.parametrize(
    ("missing", "exact", "word", "tone"),
    [
        (3, True, "3 missing", Tone.BAD),
        (-2, True, "2 too many", Tone.BAD),
        (3, False, "Settling…", Tone.BUSY),
        (0, False, "Settling…", Tone.BUSY),
    ],
)
def test_a_difference_is_loud_only_once_nothing_moves(
    open_page: Open, missing: int, exact: bool, word: str, tone: Tone
) -> None:
    desk = Dressed()

    def dress(snapshot: StackSnapshot) -> StackSnapshot:
        return replace(snapshot, balance=balance_of(snapshot.queues, snapshot.totals, missing, exact))

    desk.dress = dress
    page = open_page(desk)
    page.shell.bridge.pause()
    begun = time.monotonic()
    page.sum._clock = lambda: begun
    page.sum.show_balance(dress(desk.snapshot()).balance)
    assert page.sum.verdict.word == "Settling…"
    page.sum._clock = lambda: begun + 60.0
    page.sum.tick()
    assert (page.sum.verdict.word, page.sum.verdict.tone) == (word, tone)
    assert page.sum.sentence.isVisibleTo(page) == (tone is Tone.BAD)


def test_lost_ones_are_said_with_the_ended() -> None:
    tone, word, _ = judge(Balance(submitted=5, ended=5, lost=2), still=False)
    assert (tone, word) == (Tone.GOOD, "Adds up")


def test_a_stack_that_stopped_settles_no_more() -> None:
    tone, word, _ = judge(Balance(submitted=5, ended=3, exact=False), still=True, over=True)
    assert (tone, word) == (Tone.IDLE, "When it stopped")


def test_copies_are_a_part_of_the_sum_only_where_there_are_any(open_page: Open) -> None:
    desk = Dressed()
    page = open_page(desk)
    assert not page.sum.cells["copies"].isVisibleTo(page)
    desk.dress = lambda snapshot: replace(snapshot, balance=Balance(5, waiting=2, ended=5, copies=2))
    page.shell.bridge.pull()
    assert page.sum.cells["copies"].isVisibleTo(page)
    assert page.sum.verdict.word == "Adds up"


def test_numbers_of_the_sum_are_exact_even_where_it_is_narrow(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed()
    large = Balance(9_930_063, 1_433_502, 358_005, 116, 34_916, 320, 8_103_204, 1_044, exact=True)
    desk.dress = lambda snapshot: replace(snapshot, balance=large)
    page = open_page(desk)
    page.window().resize(1024, 680)
    qtbot.waitUntil(lambda: page.window().width() == 1024)
    assert page.sum.cells["ended"].accessibleName() == "8,103,204 ended, 1,044 lost"
    edge = max(cell.mapTo(page, QPoint(cell.width(), 0)).x() for cell in page.sum.cells.values())
    assert edge <= page.width()
