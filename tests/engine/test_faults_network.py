"""Faults of the network on a real stack: landed, told, undone; a relay that dies; a stack without one."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop.engine.api import (
    DeskError,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Light,
    Pick,
    ServiceEvent,
    ServiceSnapshot,
    StackState,
    State,
    StopHow,
    Target,
    TaskShare,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import parse_stack
from tests.support.waiting import eventually

STACK = """
name = "net"
[broker]
relay = true
[celery]
task_acks_late = true
broker_transport_options = { visibility_timeout = 3600 }
[[worker]]
name = "w1"
pool = "threads"
concurrency = 2
[[worker]]
name = "w2"
pool = "solo"
queues = ["other"]
"""
W1 = Target(Pick.NAME, "w1")


@pytest.fixture
def open_desk(nothing_left: None) -> Iterator[Callable[[str], LocalDesk]]:
    desks: list[LocalDesk] = []

    def make(text: str) -> LocalDesk:
        desks.append(LocalDesk(parse_stack(text)))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


def worker(desk: LocalDesk, name: str) -> WorkerSnapshot:
    found = desk.snapshot().worker(name)
    assert found is not None
    return found


def fault(desk: LocalDesk, kind: FaultKind, seconds: float, **options: float) -> FaultRecord:
    number = desk.inject(FaultSpec(kind, W1, seconds, options)).result(20)
    return next(record for record in desk.snapshot().faults if record.id == number)


def of_relay(desk: LocalDesk) -> ServiceSnapshot:
    found = desk.snapshot().relay
    assert found is not None
    return found


def over(desk: LocalDesk, number: int) -> FaultRecord:
    return next(record for record in desk.snapshot().faults if record.id == number)


def submit(desk: LocalDesk, count: int, seconds: float = 0.0) -> None:
    desk.submit(Workload((TaskShare("tasks.sleep", kwargs={"seconds": seconds}),), count=count)).result(20)


def test_the_network_of_one_worker_is_broken_and_mended(open_desk: Callable[[str], LocalDesk]) -> None:
    desk = open_desk(STACK)
    said: list[ServiceEvent] = []
    desk.subscribe(said.append)
    desk.start().result(60)
    shown = desk.snapshot()
    assert shown.relay is not None
    assert (shown.relay.state, shown.relay.process, shown.relay.answers) == (State.READY, Light.ON, Light.ON)
    assert shown.relay.log_file == Path(str(shown.run_folder), "logs", "relay.001.log")
    assert shown.broker is not None
    pid = worker(desk, "w1").service.pid
    environment = Path(f"/proc/{pid}/environ").read_text()
    port = shown.broker.address.partition(":")[2]
    assert f":{port}/" not in environment  # the only way to the broker is the relay's
    way = environment.partition("@127.0.0.1:")[2].partition("/")[0]

    # Half-open: the worker holds its tasks and does not answer; its neighbour does.
    submit(desk, 4, 0.2)
    eventually(lambda: worker(desk, "w1").done == 4, "the tasks pass")
    half = fault(desk, FaultKind.HALF_OPEN, 0)
    assert (half.state, half.targets, half.ends_at) == (FaultState.UNDER_WAY, ("w1",), None)
    assert "connections) is half-open" in half.text
    submit(desk, 2)
    eventually(lambda: worker(desk, "w1").service.state is State.SILENT, "w1 falls silent")
    assert "its network to the broker is half-open" in worker(desk, "w1").service.detail
    assert worker(desk, "w2").service.state is State.READY
    assert worker(desk, "w1").done == 4
    assert "0 bytes passed meanwhile" in desk.undo_fault(half.id).result(20)
    eventually(lambda: worker(desk, "w1").service.state is State.READY, "w1 answers again")
    eventually(lambda: worker(desk, "w1").done == 6, "what was held up has passed")
    assert worker(desk, "w1").service.pid == pid

    # Late and slow, both at once, for a time.
    late = fault(desk, FaultKind.LATENCY, 0.2, delay=0.01)
    slow = fault(desk, FaultKind.SLOW, 0.2, rate=100_000)
    assert "is delayed by 0.01 s" in late.text
    assert "passes 100,000 bytes/s" in slow.text
    for record in (late, slow):
        eventually(lambda id=record.id: over(desk, id).state is FaultState.OVER, "its time is over")  # type: ignore[misc]

    # The relay dies during a cut: told, started again at the same ports, under the same conditions. Mended,
    # the worker comes back by itself.
    cut = fault(desk, FaultKind.CUT, 0)
    assert "connections reset) is cut" in cut.text
    os.kill(shown.relay.pid or 0, signal.SIGKILL)
    eventually(lambda: any(e.service == "relay" and e.state is State.EXITED for e in said), "it is told")
    eventually(lambda: of_relay(desk).restarts == 1, "it is started again")
    eventually(lambda: of_relay(desk).state is State.READY, "it answers")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(way)), timeout=10)
    desk.undo_fault(cut.id).result(20)
    submit(desk, 2)
    eventually(lambda: worker(desk, "w1").done == 8, "w1 is back by itself", within=60)
    assert worker(desk, "w1").service.pid == pid
    assert [e.detail for e in said if e.service == "relay" and "SIGKILL" in e.detail]
    desk.stop(StopHow.KILL).result(20)
    texts = "".join(log.read_text() for log in Path(str(shown.run_folder), "logs").glob("relay.*.log"))
    assert "w1" in texts
    assert environment.partition("redis://:")[2].partition("@")[0] not in texts


def test_a_stack_without_a_relay_says_how_to_get_one(open_desk: Callable[[str], LocalDesk]) -> None:
    desk = open_desk('name = "bare"\n[[worker]]\nname = "w1"\npool = "solo"\n')
    desk.start().result(60)
    assert desk.snapshot().relay is None
    with pytest.raises(DeskError) as refused:
        fault(desk, FaultKind.CUT, 1.0)
    assert "relay = true" in refused.value.next_step
    assert [record.state for record in desk.snapshot().faults] == [FaultState.MISSED]

    # Its only worker is killed: the stack is troubled until that answers again, not starting.
    told: list[tuple[State, StackState]] = []
    desk.subscribe(lambda event: told.append((event.state, desk.snapshot().state)))
    desk.send_signal("w1", "KILL").result(10)
    eventually(lambda: told and told[-1][0] is State.READY, "w1 answers again")
    assert [state for state, _ in told] == [State.EXITED, State.BACKING_OFF, State.STARTING, State.READY]
    assert [stack for _, stack in told] == [*[StackState.TROUBLED] * 3, StackState.RUNNING]
