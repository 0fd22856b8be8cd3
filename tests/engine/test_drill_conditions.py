"""Conditions of drills: what they say of a moment, and what a person is told about one that is none."""

from __future__ import annotations

import dataclasses

import pytest

from desktop.engine.api import (
    BrokerSnapshot,
    Held,
    LoadSnapshot,
    LoadState,
    QueueSnapshot,
    RunningTask,
    ServiceSnapshot,
    StackSnapshot,
    State,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.api.services import Kind
from desktop.engine.drills.conditions import parse_condition
from desktop.engine.drills.moments import now_due, plan
from desktop.engine.drills.parse import parse_drill
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.stack.problems import WrongError


def worker(name: str, running: int, state: State = State.READY) -> WorkerSnapshot:
    tasks = tuple(RunningTask(f"{name}-{n}", "tasks.sleep", 0.0, n) for n in range(running))
    service = ServiceSnapshot(name, Kind.WORKER, state)
    return WorkerSnapshot(service, WorkerSpec(name), f"{name}@t", reserved=3, scheduled=1, running=tasks)


MOMENT = StackSnapshot(
    t=0.0,
    spec=StackSpec("t"),
    broker=BrokerSnapshot(ServiceSnapshot("broker", Kind.BROKER, State.READY)),
    workers=(worker("w1", 2), worker("w2", 1, State.EXITED)),
    queues=(
        QueueSnapshot("celery", waiting=10, active=2, reserved=4, stranded=3, held=(Held("w2", stranded=3),)),
        QueueSnapshot("slow", waiting=1, active=1, reserved=2, scheduled=2),
    ),
)
LOADS = (LoadSnapshot(1, Workload(()), LoadState.SENDING, 0.0, sent=50, ended=20),)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("2 active on w1", True),
        ("3 active on w1", False),
        ("3 active", True),
        ("4 active", False),
        ("<= 3 active", True),
        ("< 3 active", False),
        ("= 3 active", True),
        ("> 3 active", False),
        (">= 3 active", True),
        ("2 active in celery", True),
        ("2 active in slow", False),
        ("10 waiting in celery", True),
        ("11 waiting", True),
        ("12 waiting", False),
        ("1 waiting in nowhere", False),
        ("3 reserved on w1", True),
        ("6 reserved", True),
        ("2 scheduled", True),
        ("3 stranded on w2", True),
        ("1 stranded on w1", False),
        ("3 stranded", True),
        ("50 sent", True),
        ("51 sent", False),
        ("20 ended", True),
        ("21 ended", False),
        ("all sent", False),
        ("w1 ready", True),
        ("w2 ready", False),
        ("w2 down", True),
        ("w9 down", False),
        ("broker ready", True),
        ("  2   active  on   w1 ", True),
    ],
)
def test_a_condition_is_looked_up_in_the_moment(text: str, holds: bool) -> None:
    assert parse_condition(text).holds(MOMENT, LOADS) is holds


def test_all_is_sent_when_every_load_is_over() -> None:
    done = dataclasses.replace(LOADS[0], state=LoadState.DONE)
    assert parse_condition("all sent").holds(MOMENT, (done,))
    assert not parse_condition("all sent").holds(MOMENT, (done, LOADS[0]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2 actve", "Did you mean `active`?"),
        ("2 ended on w1", 'Leave out "on w1".'),
        ("2 waiting on w1", 'asks what is "waiting" of a worker'),
        ("w1 redy", "Did you mean `ready`?"),
        ("all snt", "Did you mean `sent`?"),
        ("two active", "is no condition"),
        ("", "is no condition"),
        ("9999999999 active", "is no condition"),
        ("2 active on w1 and w2", "is no condition"),
    ],
)
def test_what_is_no_condition_is_told(text: str, told: str) -> None:
    with pytest.raises(WrongError) as caught:
        parse_condition(text)
    (fault,) = caught.value.faults
    assert told in f"{fault.what} {fault.next_step}"


def test_a_condition_is_looked_at_once_all_above_it_is_done() -> None:
    drill = parse_drill(
        'name = "t"\n[[workload]]\ntask = "t"\ncount = 1\n'
        '[[fault]]\nwhat = "kill-worker"\nat = 5\n'
        '[[fault]]\nwhat = "kill-worker"\nwhen = "w1 ready"\n'
        '[[fault]]\nwhat = "kill-worker"\nat = 1\n'
    )
    dues = plan(drill, 0)
    assert now_due(dues, frozenset(), None, MOMENT, LOADS) == []
    assert now_due(dues, frozenset(), 2.0, MOMENT, LOADS) == [2]
    assert now_due(dues, frozenset({2}), 6.0, MOMENT, LOADS) == [0]
    assert now_due(dues, frozenset({0, 2}), 6.0, MOMENT, LOADS) == [1]
