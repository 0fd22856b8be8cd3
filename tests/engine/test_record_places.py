"""Where the messages of real workers are, in the snapshots and in the record, when workers stop and die."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop.engine.api import Balance, QueueSnapshot, StopHow, TaskFilter, TaskShare, TaskState, Workload
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from tests.support.waiting import eventually

STACK = """
name = "places"
[celery]
task_acks_late = {late}
worker_prefetch_multiplier = 4
[[worker]]
name = "w1"
pool = "{pool}"
concurrency = 2
restart = "never"
"""


@pytest.fixture
def start(tmp_path: Path, nothing_left: None) -> Iterator[Callable[..., LocalDesk]]:
    desks: list[LocalDesk] = []

    def begin(pool: str, late: bool, seconds: float) -> LocalDesk:
        """A worker that runs two of twelve tasks and holds eight, or is about to."""
        file = tmp_path / "places.toml"
        file.write_text(STACK.format(pool=pool, late=str(late).lower()))
        desk = LocalDesk(read_stack(file))
        desks.append(desk)
        desk.start().result(60)
        mix = (TaskShare("tasks.sleep", kwargs={"seconds": seconds}),)
        desk.submit(Workload(mix, count=12)).result(20)
        return desk

    yield begin
    for desk in desks:
        desk.close()


def queue_of(desk: LocalDesk) -> QueueSnapshot:
    (queue,) = desk.snapshot().queues
    return queue


def places(desk: LocalDesk) -> tuple[int, int, int, int]:
    """(waiting, reserved, active, stranded) of the queue."""
    queue = queue_of(desk)
    return queue.waiting, queue.reserved, queue.active, queue.stranded


def settled(desk: LocalDesk, **wanted: int) -> Balance:
    """The sum, once it is exact and says this."""
    found: list[Balance] = []

    def says() -> bool:
        balance = desk.snapshot().balance
        if balance is not None and balance.exact:
            found.append(balance)
        return bool(found) and all(getattr(found[-1], name) == count for name, count in wanted.items())

    eventually(says, f"{wanted}, to the task")
    assert found[-1].difference == 0
    return found[-1]


def recorded(desk: LocalDesk, state: TaskState) -> int:
    """How many tasks of a state the record has by now."""
    record = desk.record()
    assert record is not None
    return len(record.ids(TaskFilter(states=frozenset({state}))).result(10))


def test_early_acknowledged_tasks_of_a_killed_worker(start: Callable[..., LocalDesk]) -> None:
    desk = start("prefork", late=False, seconds=60)
    eventually(lambda: places(desk) == (2, 8, 2, 0), "the worker has ten of twelve")
    settled(desk, submitted=12, waiting=2, reserved=8, active=2)
    desk.send_signal("w1", "KILL").result(10)
    settled(desk, submitted=12, waiting=2, stranded=8, ended=2, lost=2)
    (held,) = queue_of(desk).held
    assert (held.worker, held.stranded, queue_of(desk).consumers) == ("w1", 8, ())
    assert held.back_at is not None
    assert held.all_back_at is not None
    assert time.time() + 3000 < held.back_at <= held.all_back_at < time.time() + 3600
    eventually(lambda: recorded(desk, TaskState.LOST) == 2, "the record says that two are lost")
    assert recorded(desk, TaskState.STRANDED) == 8
    assert "stranded:celery" in desk.record().series_names()  # type: ignore[union-attr]


def test_late_acknowledged_tasks_are_given_back_by_a_warm_stop_and_stranded_by_a_kill(
    start: Callable[..., LocalDesk],
) -> None:
    desk = start("threads", late=True, seconds=2)
    eventually(lambda: places(desk)[2] == 2, "two run")
    desk.stop_service("w1").result(30)
    ended = settled(desk, submitted=12, reserved=0, active=0, stranded=0).ended
    assert 2 <= ended < 8
    assert queue_of(desk).waiting == 12 - ended
    desk.start_service("w1").result(30)
    eventually(lambda: places(desk)[2] == 2 and places(desk)[1] > 0, "it runs and holds some again")
    desk.stop_service("w1", StopHow.KILL).result(30)
    balance = settled(desk, submitted=12, lost=0, reserved=0, active=0)
    assert balance.stranded >= 3
    eventually(lambda: recorded(desk, TaskState.STRANDED) == balance.stranded, "the record has them")
