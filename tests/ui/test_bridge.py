"""The bridge: bulk is pulled, events are pushed, verbs come back to the GUI thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThread
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.bridge import Bridge
from desktop.engine.api import DeskError, ServiceEvent, StackSnapshot, StackState, State
from tests.support.fake_desk import FakeDesk
from tests.ui.conftest import let_go


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def still(clock: Clock) -> FakeDesk:
    """A fake whose clock stands still: no two snapshots differ by themselves."""
    return FakeDesk(clock=clock)


@pytest.fixture
def bridge(qapp: QApplication, still: FakeDesk) -> Iterator[Bridge]:
    made = Bridge(still)
    yield made
    made.close()


class Receiver(QObject):
    """Waits for verbs."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []
        self.errors: list[DeskError] = []
        self.threads: list[bool] = []

    def take(self, result: Any) -> None:
        self.done.append(result)
        self.threads.append(QThread.isMainThread())

    def fail(self, error: DeskError) -> None:
        self.errors.append(error)


def elsewhere(run: Any) -> None:
    """Run it in another thread, and wait until it has ended."""
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_change_is_told_once_and_sameness_never(
    bridge: Bridge, still: FakeDesk, clock: Clock, qtbot: QtBot
) -> None:
    told: list[StackSnapshot] = []
    bridge.snapshot_changed.connect(told.append)
    bridge.start()
    for _ in range(3):
        with qtbot.waitSignal(bridge.ticked):
            pass
    assert told == [], "only the time went on"
    still.state = StackState.STOPPED
    with qtbot.waitSignal(bridge.snapshot_changed):
        pass
    for _ in range(2):
        with qtbot.waitSignal(bridge.ticked):
            pass
    assert [s.state for s in told] == [StackState.STOPPED]
    assert bridge.snapshot is told[0]


def test_an_event_of_another_thread_is_pushed_with_a_fresh_snapshot_before_it(
    bridge: Bridge, still: FakeDesk, qtbot: QtBot
) -> None:
    seen: list[tuple[ServiceEvent, State, bool]] = []

    def hear(event: ServiceEvent) -> None:
        worker = bridge.snapshot.worker("w1")
        assert worker is not None
        seen.append((event, worker.service.state, QThread.isMainThread()))

    bridge.service_event.connect(hear)
    assert not bridge.pulling, "no timer runs: what comes was pushed"
    with qtbot.waitSignal(bridge.service_event):
        elsewhere(lambda: still.push("w1", State.EXITED, "w1 was killed by SIGKILL"))
    assert [(e.service, e.state, shown, main) for e, shown, main in seen] == [
        ("w1", State.EXITED, State.EXITED, True)
    ]


def test_events_come_through_while_paused_and_none_after_closing(
    bridge: Bridge, still: FakeDesk, qtbot: QtBot
) -> None:
    heard: list[ServiceEvent] = []
    bridge.service_event.connect(heard.append)
    bridge.start()
    bridge.pause()
    with qtbot.waitSignal(bridge.service_event):
        elsewhere(lambda: still.push("w2", State.READY))
    bridge.close()
    still.push("w2", State.EXITED)
    let_everything_come(qtbot)
    assert [e.state for e in heard] == [State.READY]


def let_everything_come(qtbot: QtBot) -> None:
    """What is queued already is delivered before this ends: the queue is in order."""
    marker = Receiver()
    probe = Bridge(FakeDesk())
    probe.run(done_future("x"), marker.take)
    qtbot.waitUntil(lambda: marker.done == ["x"])
    probe.close()


def done_future(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def test_a_result_comes_back_to_the_gui_thread(bridge: Bridge, qtbot: QtBot) -> None:
    receiver, future = Receiver(), Future[str]()
    bridge.run(future, receiver.take, receiver.fail)
    elsewhere(lambda: future.set_result("w1 answers again."))
    qtbot.waitUntil(lambda: bool(receiver.done))
    assert receiver.done == ["w1 answers again."]
    assert receiver.threads == [True]
    assert receiver.errors == []


def test_an_error_comes_back_and_a_strange_one_becomes_a_sentence(
    bridge: Bridge, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, known, strange = Receiver(), Future[str](), Future[str]()
    bridge.run(known, receiver.take, receiver.fail)
    bridge.run(strange, receiver.take, receiver.fail)
    known.set_exception(DeskError("w1 is not there.", "Add it."))
    elsewhere(lambda: strange.set_exception(KeyError("w9")))
    qtbot.waitUntil(lambda: len(receiver.errors) == 2)
    assert [e.what for e in receiver.errors] == ["w1 is not there.", "That did not work: 'w9'."]
    assert receiver.errors[1].next_step
    assert "KeyError" in caplog.text, "whoever looks into it needs the traceback"


def test_an_error_nobody_handles_is_told_by_failed(bridge: Bridge, qtbot: QtBot) -> None:
    future = Future[str]()
    with qtbot.waitSignal(bridge.failed) as failed:
        bridge.run(future)
        future.set_exception(DeskError("No."))
    assert failed.args[0].what == "No."


def test_nobody_is_called_when_the_receiver_is_gone(bridge: Bridge, qtbot: QtBot) -> None:
    gone, there, future = Receiver(), Receiver(), Future[str]()
    called: list[str] = []
    bridge.run(future, called.append, receiver=gone)
    gone.deleteLater()
    let_go()
    bridge.run(future, there.take)
    future.set_result("done")
    qtbot.waitUntil(lambda: there.done == ["done"])
    assert called == []


def test_a_cancelled_verb_calls_nobody(bridge: Bridge, qtbot: QtBot) -> None:
    receiver, future = Receiver(), Future[str]()
    bridge.run(future, receiver.take, receiver.fail)
    assert future.cancel()
    let_everything_come(qtbot)
    assert (receiver.done, receiver.errors) == ([], [])


def test_a_verb_that_ends_after_closing_calls_nobody(bridge: Bridge, qtbot: QtBot) -> None:
    receiver, future = Receiver(), Future[str]()
    bridge.run(future, receiver.take)
    bridge.close()
    elsewhere(lambda: future.set_result("late"))
    let_everything_come(qtbot)
    assert receiver.done == []


def test_a_verb_brings_its_effect_with_it(bridge: Bridge, still: FakeDesk, qtbot: QtBot) -> None:
    receiver = Receiver()
    bridge.run(still.stop(), receiver.take)
    qtbot.waitUntil(lambda: bool(receiver.done))
    assert bridge.snapshot.state is StackState.STOPPED


def test_an_engine_that_speaks_while_it_holds_its_lock_does_no_harm(
    bridge: Bridge, still: FakeDesk, qtbot: QtBot
) -> None:
    lock = threading.Lock()
    inner = still.snapshot

    def locked() -> StackSnapshot:
        assert lock.acquire(timeout=5), "snapshot() was called inside the engine's own call"
        with_lock = inner()
        lock.release()
        return replace(with_lock)

    still.snapshot = locked  # type: ignore[method-assign]
    with qtbot.waitSignal(bridge.service_event), lock:
        still.push("w1", State.STOPPING)
