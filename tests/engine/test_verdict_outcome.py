"""What a fault did to the tasks in its reach: each thing is the doing of one fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop.engine.api import Count, FaultKind, FaultRecord, FaultSpec, FaultState, Forecast, Outcome
from desktop.engine.verdict.outcome import outcome_of, outcomes_of
from tests.support.told_run import BEGAN, ToldRun, id_of

AT = 10.0  # when the first fault lands, seconds after the beginning


def fault(
    kind: FaultKind,
    *targets: str,
    at: float = AT,
    number: int = 1,
    pids: tuple[int, ...] = (),
    forecast: Forecast | None = None,
) -> FaultRecord:
    landed = BEGAN + at
    return FaultRecord(
        number,
        FaultSpec(kind),
        FaultState.OVER,
        asked_at=landed - 0.01,
        targets=targets or ("broker",),
        pids=pids,
        landed_at=landed,
        ended_at=landed,
        forecast=forecast,
    )


class Judged:
    """Judges runs in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self, run: ToldRun, *faults: FaultRecord) -> list[Outcome]:
        run.faults.extend(faults)
        record = run.record(self._folder / "run")
        try:
            found = outcomes_of(record, record.faults())
            assert found[0].outcome == outcome_of(record, faults[0]), "one alone is judged as all are"
            return [one.outcome for one in found if one.outcome is not None]
        finally:
            record.close()

    def one(self, run: ToldRun, one: FaultRecord) -> Outcome:
        (found,) = self.all(run, one)
        return found


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    return Judged(tmp_path)


def ids(*tasks: str) -> tuple[str, ...]:
    return tuple(map(id_of, tasks))


def busy(run: ToldRun, *tasks: str, worker: str = "w1", t: float = 8.0, start: int = 1) -> None:
    """Received and started, and nothing more is told."""
    for task in tasks:
        run.received(task, t, worker, start)
        run.started(task, t + 0.1, worker, start)


def held(run: ToldRun, *tasks: str, worker: str = "w1", t: float = 8.0) -> None:
    for task in tasks:
        run.received(task, t, worker)


# a worker that is killed


def test_a_killed_worker_loses_what_it_ran_and_what_it_held_comes_back(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "c", "d", "done", "waiting", "elsewhere")
    run.ran("done", 5.0, "w1")
    busy(run, "a", "b")
    held(run, "c", "d")
    busy(run, "elsewhere", worker="w2")
    run.died("w1", AT + 0.004)
    run.ended("elsewhere", AT + 1, "w2", run=2.9)
    run.ran("waiting", AT + 2, "w2")
    run.ran("c", AT + 90, "w2")
    run.ran("d", AT + 91, "w2")
    found = judged.one(run, fault(FaultKind.KILL_WORKER, "w1"))
    assert (found.lost, found.back, found.again, found.failed) == (ids("a", "b"), ids("c", "d"), (), ())
    assert found.settled
    assert found.still == 0
    assert found.first_back == pytest.approx(90.0, abs=1e-3)


def test_with_late_acks_what_it_ran_starts_once_more(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    busy(run, "a", "b")
    run.died("w1", AT + 0.004)
    run.ran("a", AT + 30, "w2")
    run.unacked["b"] = 8.0
    found = judged.one(run, fault(FaultKind.KILL_WORKER, "w1"))
    assert (found.lost, found.again) == ((), ids("a"))
    assert found.still == 1, "b is stranded: nothing is said of it yet"
    assert not found.settled
    assert found.first_back == pytest.approx(30.0, abs=1e-3)


def test_of_two_kills_each_has_its_own(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "c")
    busy(run, "a")
    held(run, "c")
    run.died("w1", AT + 0.004)
    busy(run, "b", t=AT + 3, start=2)
    run.received("c", AT + 3, "w1", 2)
    run.died("w1", AT + 5.004, start=2)
    run.ran("c", AT + 60, "w2")
    first, second = judged.all(
        run, fault(FaultKind.KILL_WORKER, "w1"), fault(FaultKind.KILL_WORKER, "w1", at=AT + 5, number=2)
    )
    assert (first.lost, first.back) == (ids("a"), ids("c"))
    assert (second.lost, second.back) == (ids("b"), ids("c")), "c was held by the second process as well"


def test_rolling_kills_are_what_their_kills_are(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "c")
    busy(run, "a")
    busy(run, "b", worker="w2")
    held(run, "c")
    run.died("w1", AT + 0.004)
    run.died("w2", AT + 5.004)
    run.ran("c", AT + 60, "w1", start=2)
    clock = fault(FaultKind.ROLLING, "w1", "w2", pids=(11, 12))
    first = fault(FaultKind.KILL_WORKER, "w1", number=2, pids=(11,))
    second = fault(FaultKind.KILL_WORKER, "w2", number=3, pids=(12,), at=AT + 5)
    whole, *kills = judged.all(run, clock, first, second)
    assert [kill.lost for kill in kills] == [ids("a"), ids("b")], "though the clock landed with the first"
    assert (whole.lost, whole.back, whole.settled) == (ids("a", "b"), ids("c"), True)
    assert whole.first_back == pytest.approx(60.0, abs=1e-3)


def test_what_another_fault_did_later_to_the_same_run_is_not_counted(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    busy(run, "a")
    held(run, "b")
    run.died("w1", AT + 20.004)
    freeze = fault(FaultKind.FREEZE_WORKER, "w1")
    run.ran("b", AT + 40, "w2")
    first, second = judged.all(run, freeze, fault(FaultKind.KILL_WORKER, "w1", at=AT + 20, number=2))
    assert (first.lost, first.back, first.again) == ((), (), ())
    assert (second.lost, second.back) == (ids("a"), ids("b"))


def test_what_an_earlier_process_had_held_is_not_in_reach(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    held(run, "a", t=2.0)
    run.died("w1", 4.0)
    run.received("b", 8.0, "w1", 2)
    run.died("w1", AT + 0.004, start=2)
    run.ran("a", AT + 60, "w2")
    run.ran("b", AT + 61, "w2")
    assert judged.one(run, fault(FaultKind.KILL_WORKER, "w1")).back == ids("b")


def test_what_was_delivered_elsewhere_since_is_not_in_reach(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a")
    held(run, "a", t=2.0)
    held(run, "a", t=6.0, worker="w2")
    run.unacked["a"] = 6.0
    run.died("w1", AT + 0.004)
    assert judged.one(run, fault(FaultKind.KILL_WORKER, "w1")) == Outcome(settled=True)


def test_what_had_run_twice_before_a_later_fault_is_not_its_doing(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a")
    busy(run, "a")
    run.ran("a", AT + 12, "w2")
    run.died("w1", AT + 20.004)
    freeze, kill = judged.all(
        run, fault(FaultKind.FREEZE_WORKER, "w1"), fault(FaultKind.KILL_WORKER, "w1", at=AT + 20, number=2)
    )
    assert (freeze.again, kill.again) == (ids("a"), ())


def test_what_was_given_back_at_a_warm_end_comes_back_at_once(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    busy(run, "a")
    held(run, "b")
    run.ended("a", AT + 1, "w1", run=2.9)
    run.died("w1", AT + 1.5, gave_back=True)
    run.ran("b", AT + 4, "w1", start=2)
    found = judged.one(run, fault(FaultKind.WARM, "w1"))
    assert (found.lost, found.again, found.back) == ((), (), ids("b"))


# a pool process


def test_a_pool_process_takes_only_its_own_task_with_it(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "c", "d")
    for task, pid in (("a", 77), ("b", 78)):
        run.received(task, 8.0, "w1")
        run.started(task, 8.1, "w1", pid=pid)
    held(run, "c", "d")
    run.ended(
        "a", AT + 0.1, "w1", "FAILURE", pid=77, by_main=True, run=2.0, error="WorkerLostError: signal 9"
    )
    run.ended("b", AT + 1.0, "w1", pid=78, run=2.9)
    run.started("c", AT + 1.1, "w1")
    run.ended("c", AT + 1.6, "w1")
    run.died("w1", AT + 40, gave_back=True)
    run.ran("d", AT + 50, "w2")
    found = judged.one(run, fault(FaultKind.KILL_PROCESS, "w1", pids=(77,)))
    assert (found.failed, found.lost, found.again, found.back) == (ids("a"), (), (), ())


def test_a_task_that_went_back_to_its_queue_runs_again(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a")
    run.received("a", 8.0, "w1")
    run.started("a", 8.1, "w1", pid=77)
    lost = "WorkerLostError: signal 9"
    run.ended("a", AT + 0.1, "w1", "REJECTED", pid=77, by_main=True, run=2.0, error=lost, requeue=True)
    run.ran("a", AT + 12, "w1")
    found = judged.one(run, fault(FaultKind.KILL_PROCESS, "w1", pids=(77,)))
    assert (found.again, found.failed) == (ids("a"), ())


def test_a_retry_in_place_of_a_lost_task_is_one_that_nobody_asked_for(judged: Judged) -> None:
    """`task_retry_on_worker_lost`: Celery counts it as a retry."""
    run = ToldRun()
    run.sent("a", "own")
    for task, pid, error in (("a", 77, "WorkerLostError: signal 9"), ("own", 77, "ConnectionError: reset")):
        run.received(task, 8.0, "w1")
        run.started(task, 8.1, "w1", pid=pid)
        run.ended(task, AT + 0.1, "w1", "RETRY", pid=pid, run=2.0, error=error)
        run.received(task, AT + 0.2, "w1", retries=1)
        run.started(task, AT + 5, "w1", retries=1)
        run.ended(task, AT + 5.5, "w1")
    found = judged.one(run, fault(FaultKind.KILL_PROCESS, "w1", pids=(77,)))
    assert found.again == ids("a")


@pytest.mark.parametrize(
    ("error", "traceback", "counts"),
    [
        ("WorkerLostError: Worker exited prematurely: signal 15 (SIGTERM) Job: 3.", None, True),
        ("TimeLimitExceeded: 5", None, True),
        ("NotImplementedError", None, True),
        ("after the task had returned: ConnectionError: Error 111", None, True),
        ("ValueError: no such user", None, False),
        ("ConnectionError: reset", 'File "shop/mail.py", line 3, in send', False),
        ("ConnectionError: Error 111", 'File "x/celery/backends/redis.py", line 3, in set', True),
    ],
)
def test_a_failure_counts_where_it_is_not_the_tasks_own(
    judged: Judged, error: str, traceback: str | None, counts: bool
) -> None:
    run = ToldRun()
    run.sent("a")
    busy(run, "a")
    run.ended("a", AT + 1, "w1", "FAILURE", run=2.9, error=error, traceback=traceback)
    found = judged.one(run, fault(FaultKind.COLD, "w1"))
    assert found.failed == (ids("a") if counts else ())


# a worker that freezes


def test_frozen_past_the_visibility_timeout_tasks_run_twice(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    busy(run, "a")
    held(run, "b")
    run.ran("a", AT + 12, "w2")
    run.ran("b", AT + 12.1, "w2")
    run.ended("a", AT + 15, "w1", run=16.9)
    run.started("b", AT + 15.1, "w1")
    run.ended("b", AT + 15.6, "w1")
    found = judged.one(run, fault(FaultKind.FREEZE_WORKER, "w1"))
    assert (set(found.again), found.back, found.lost) == (set(ids("a", "b")), (), ())
    assert found.first_back == pytest.approx(12.0, abs=1e-3)


def test_frozen_for_a_moment_nothing_happens(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    busy(run, "a")
    held(run, "b")
    run.ended("a", AT + 15, "w1", run=16.9)
    run.started("b", AT + 15.1, "w1")
    run.ended("b", AT + 15.6, "w1")
    found = judged.one(run, fault(FaultKind.FREEZE_WORKER, "w1"))
    assert found == Outcome(settled=True)


# the broker


def test_a_flushed_broker_loses_what_waited_and_runs_what_was_held(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "lost one", "lost two", "done")
    run.sent("later", t=AT + 1)
    run.ran("done", 5.0, "w1")
    busy(run, "a")
    held(run, "b", worker="w2")
    run.ended("a", AT + 1, "w1", run=2.9)
    run.started("b", AT + 1, "w2")
    run.ended("b", AT + 1.5, "w2")
    run.ran("later", AT + 2, "w1")
    found = judged.one(run, fault(FaultKind.FLUSH_BROKER))
    assert (found.lost, found.again, found.back) == (ids("lost one", "lost two"), (), ())
    assert found.settled


def test_of_several_faults_of_the_broker_the_first_that_destroys_lost_what_waited(judged: Judged) -> None:
    run = ToldRun()
    run.sent("early")
    run.sent("late", t=AT + 12)
    found = judged.all(
        run,
        fault(FaultKind.FREEZE_BROKER),
        fault(FaultKind.KILL_BROKER, at=AT + 10, number=2),
        fault(FaultKind.FLUSH_BROKER, at=AT + 20, number=3),
    )
    assert [outcome.lost for outcome in found] == [(), ids("early"), ids("late")]
    assert all(outcome.settled for outcome in found)


def test_tasks_that_still_wait_after_a_brokers_fault_are_not_settled(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "done")
    run.waiting += ["a", "b"]
    run.ran("done", 5.0, "w1")
    found = judged.one(run, fault(FaultKind.FREEZE_BROKER))
    assert not found.settled
    assert found.still == 2


def test_a_message_that_was_stranded_when_the_broker_forgot_it_is_the_brokers(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b")
    busy(run, "a")
    held(run, "b")
    run.died("w1", AT + 0.004)
    kill, flush = judged.all(
        run, fault(FaultKind.KILL_WORKER, "w1"), fault(FaultKind.FLUSH_BROKER, at=AT + 30, number=2)
    )
    assert (kill.lost, flush.lost) == ((), ids("a", "b"))


# beside the forecast


def test_what_is_not_as_it_was_said_differs(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a", "b", "c")
    busy(run, "a", "b")
    held(run, "c")
    run.died("w1", AT + 0.004)
    run.ran("c", AT + 20, "w2")
    said = Forecast(BEGAN + AT, ("w1",), ("…",), lost=Count(1, 1), back=Count(2, 3), again=Count(0, 1))
    found = judged.one(run, fault(FaultKind.KILL_WORKER, "w1", forecast=said))
    assert found.differs == (
        "2 tasks were lost; the forecast said 1.",
        "1 task was delivered again; the forecast said 2 to 3.",
    )


def test_what_is_not_over_may_still_become_what_was_said(judged: Judged) -> None:
    run = ToldRun()
    run.sent("a")
    held(run, "a")
    run.unacked["a"] = 8.0
    run.died("w1", AT + 0.004)
    said = Forecast(BEGAN + AT, ("w1",), ("…",), back=Count(1, 1))
    found = judged.one(run, fault(FaultKind.KILL_WORKER, "w1", forecast=said))
    assert found.still == 1
    assert found.differs == ()


def test_a_fault_that_missed_has_no_outcome(tmp_path: Path) -> None:
    run = ToldRun()
    run.faults.append(FaultRecord(1, FaultSpec(FaultKind.KILL_WORKER), FaultState.MISSED, BEGAN + AT))
    record = run.record(tmp_path / "run")
    try:
        assert outcomes_of(record, record.faults())[0].outcome is None
        assert outcome_of(record, record.faults()[0]) is None
    finally:
        record.close()
