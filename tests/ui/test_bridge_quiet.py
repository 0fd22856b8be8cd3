"""How often the window looks at the engine: rarely while nothing is under way."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from desktop.bridge import QUIET_TURNS, Bridge
from desktop.engine.api import StackSnapshot, StackState, State
from tests.support.fake_desk import FakeDesk

TURNS = 9


class Counting(FakeDesk):
    """Counts how often it is asked."""

    asked = 0

    def snapshot(self) -> StackSnapshot:
        self.asked += 1
        return super().snapshot()


def asked_in_turns(desk: Counting, qtbot: QtBot) -> int:
    """How often nine turns ask."""
    bridge = Bridge(desk)
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1

    bridge.ticked.connect(count)
    bridge.start()
    before = desk.asked
    qtbot.waitUntil(lambda: turns >= TURNS)
    bridge.close()
    return desk.asked - before


def test_every_turn_asks_while_tasks_run(qtbot: QtBot) -> None:
    assert asked_in_turns(Counting(), qtbot) == TURNS


@pytest.mark.parametrize("state", [StackState.STARTING, StackState.STOPPING])
def test_every_turn_asks_while_services_change(qtbot: QtBot, state: StackState) -> None:
    assert asked_in_turns(Counting(state=state, workers=0), qtbot) == TURNS


def test_every_third_turn_asks_while_nothing_is_under_way(qtbot: QtBot) -> None:
    assert asked_in_turns(Counting(state=StackState.STOPPED), qtbot) == TURNS // QUIET_TURNS


def test_an_event_is_seen_at_once_all_the_same(qtbot: QtBot) -> None:
    desk = Counting(state=StackState.STOPPED)
    bridge = Bridge(desk)
    with qtbot.waitSignal(bridge.service_event):
        desk.push("w1", State.EXITED, "w1 was killed")
    worker = bridge.snapshot.worker("w1")
    assert worker is not None
    assert worker.service.state is State.EXITED
    bridge.close()
