"""How long after a fault: shown, started, answered, done, and as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop.engine.api import (
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Kind,
    Mark,
    MarkKind,
    Recovery,
    ServiceEvent,
    State,
)
from desktop.engine.verdict.recovery import recovery_of
from tests.support.told_run import BEGAN, ToldRun

AT = 10.0


def fault(kind: FaultKind, *targets: str) -> FaultRecord:
    return FaultRecord(1, FaultSpec(kind), FaultState.OVER, BEGAN + AT, targets, landed_at=BEGAN + AT)


def mark(t: float, kind: MarkKind, service: str, text: str = "…") -> Mark:
    return Mark(BEGAN + t, kind, service, text)


def recovered(
    folder: Path, run: ToldRun, one: FaultRecord, events: tuple[ServiceEvent, ...] = ()
) -> Recovery:
    record = run.record(folder / "run")
    try:
        return recovery_of(record, one, events)
    finally:
        record.close()


def seconds(found: Recovery) -> list[float | None]:
    stages = (found.noticed, found.new_process, found.answers, found.first_done, found.backlog)
    return [None if stage is None else round(stage, 3) for stage in stages]


def steady(worker: str = "w1", gap: tuple[float, float] = (AT, AT + 5)) -> ToldRun:
    """A task a second, each done half a second later; none while the worker is away, then all at once."""
    run = ToldRun()
    run.marks.append(mark(1, MarkKind.READY, worker))
    for number in range(30):
        task, t = f"task {number}", float(number)
        run.sent(task, t=t)
        away = gap[0] <= t + 0.6 < gap[1]
        run.ran(task, gap[1] + number / 100 if away else t, worker)
    return run


def test_each_stage_of_a_killed_worker(tmp_path: Path) -> None:
    run = steady()
    run.marks += [
        mark(AT + 0.01, MarkKind.KILLED, "w1"),
        mark(AT + 0.02, MarkKind.KILLED, "w2"),
        mark(AT + 0.5, MarkKind.STARTED, "w1"),
        mark(AT + 2.5, MarkKind.RECOVERED, "w1"),
        mark(AT + 9.0, MarkKind.STARTED, "w1"),
    ]
    found = seconds(recovered(tmp_path, run, fault(FaultKind.KILL_WORKER, "w1")))
    assert found[:3] == [0.01, 0.5, 2.5]
    # Task 15 comes just then and is done in time; those that were held up end from 5.7 on.
    assert found[3] == pytest.approx(5.6, abs=0.01)
    assert found[4] is not None
    assert found[3] is not None
    assert found[3] <= found[4] <= 6.0


def test_of_several_targets_the_last_one_counts(tmp_path: Path) -> None:
    run = steady()
    run.marks += [mark(AT + 1, MarkKind.KILLED, "w1"), mark(AT + 2, MarkKind.KILLED, "w2")]
    run.marks += [mark(AT + 3, MarkKind.STARTED, "w1")]
    found = recovered(tmp_path, run, fault(FaultKind.KILL_WORKER, "w1", "w2"))
    assert seconds(found)[:2] == [2.0, None]


def test_a_frozen_worker_is_seen_by_its_state(tmp_path: Path) -> None:
    run = steady()
    run.marks += [
        mark(AT + 0.2, MarkKind.SIGNAL, "w1", "SIGSTOP sent to w1"),
        mark(AT + 0.4, MarkKind.SIGNAL, "w1", "w1 was frozen"),
        mark(AT + 5.0, MarkKind.SIGNAL, "w1", "w1 was thawed"),
    ]
    found = seconds(recovered(tmp_path, run, fault(FaultKind.FREEZE_WORKER, "w1")))
    assert found[:3] == [0.4, None, 5.0]


def test_silence_is_known_to_who_listened(tmp_path: Path) -> None:
    def event(t: float, state: State) -> ServiceEvent:
        return ServiceEvent(BEGAN + t, "w1", Kind.WORKER, state, 1, "…")

    events = (event(5.0, State.READY), event(AT + 4.5, State.SILENT), event(AT + 8, State.READY))
    found = seconds(recovered(tmp_path, steady(), fault(FaultKind.CUT, "w1"), events))
    assert found[:3] == [4.5, None, 8.0]


def test_a_brokers_fault_ends_with_the_first_task_of_any_worker(tmp_path: Path) -> None:
    run = steady("w3")
    run.marks += [mark(AT + 0.01, MarkKind.KILLED, "broker"), mark(AT + 3.0, MarkKind.STARTED, "broker")]
    found = seconds(recovered(tmp_path, run, fault(FaultKind.KILL_BROKER, "broker")))
    assert found[:3] == [0.01, 3.0, None]
    assert found[3] == pytest.approx(5.6, abs=0.01)


def test_a_backlog_that_stays_is_not_as_before(tmp_path: Path) -> None:
    run = ToldRun()
    run.sent("done")
    run.ran("done", 1.0, "w1")
    run.sent("a", "b", t=AT + 1)
    run.waiting += ["a", "b"]
    assert seconds(recovered(tmp_path, run, fault(FaultKind.KILL_WORKER, "w1"))) == [None] * 5
    run = ToldRun()
    run.marks.append(mark(AT + 2, MarkKind.READY, "w1"))
    run.sent("a", "b", t=AT + 1)
    run.waiting += ["a", "b"]
    again = recovered(tmp_path / "again", run, fault(FaultKind.KILL_WORKER, "w1"))
    assert again.backlog is None


def test_a_fault_that_missed_has_no_stages(tmp_path: Path) -> None:
    missed = FaultRecord(3, FaultSpec(FaultKind.KILL_WORKER), FaultState.MISSED, BEGAN + AT)
    assert recovered(tmp_path, steady(), missed) == Recovery(3)


def test_a_backlog_that_another_worker_works_off_is_as_before(tmp_path: Path) -> None:
    run = ToldRun()
    run.sent("a", "b")
    run.ran("a", AT + 3, "w2")
    run.waiting.append("b")
    found = seconds(recovered(tmp_path, run, fault(FaultKind.KILL_WORKER, "w1")))
    assert found == [None, None, None, None, 3.6]
