"""Faults done to a real stack: the account and the outcome as the desk tells them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.api import (
    DeskError,
    DrillSpec,
    Expect,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Finding,
    Pick,
    PlannedFault,
    Target,
    TaskShare,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from desktop.engine.verdict.account import account_of
from desktop.engine.verdict.judge import judge
from desktop.engine.verdict.recovery import recovery_of
from desktop.engine.verdict.settled import settled_record
from tests.support.told_run import BEGAN, ToldRun, id_of
from tests.support.waiting import eventually

STACK = """
name = "judged"
[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
prefetch_multiplier = 2
restart = "always"
"""


@pytest.fixture
def desk(tmp_path: Path, nothing_left: None) -> Iterator[LocalDesk]:
    file = tmp_path / "stack.toml"
    file.write_text(STACK)
    opened = LocalDesk(read_stack(file))
    yield opened
    opened.close()


def at_rest(desk: LocalDesk) -> bool:
    balance = desk.snapshot().balance
    return (
        balance is not None and balance.exact and not (balance.active or balance.waiting or balance.reserved)
    )


def test_a_killed_worker_is_accounted_for(desk: LocalDesk) -> None:
    desk.start().result(60)
    desk.submit(Workload((TaskShare("tasks.sleep", kwargs={"seconds": 2.0}),), count=4)).result(10)

    def figures() -> tuple[int, int, int]:
        balance = desk.snapshot().balance
        return (balance.active, balance.reserved, balance.submitted) if balance is not None else (0, 0, 0)

    eventually(lambda: figures() == (2, 2, 4), "two run and two are held")
    number = desk.inject(FaultSpec(FaultKind.KILL_WORKER, Target(Pick.NAME, "w1"))).result(10)
    record = settled_record(desk)
    assert record is not None
    early = account_of(record)
    assert early.submitted == 4
    assert not early.ended_once
    assert early.attempts == 2
    eventually(lambda: at_rest(desk), "nothing moves: two are lost, two are stranded")
    account = desk.account().result(10)
    assert (account.submitted, account.ended_once, account.gaps) == (4, 0, ())
    assert len(account.lost) == 2
    assert account.still == {"stranded": 2}
    assert "1 fault judged" in desk.judge_faults().result(10)
    (fault,) = desk.snapshot().faults
    assert fault.id == number
    assert fault.outcome is not None
    assert set(fault.outcome.lost) == set(account.lost)
    assert fault.outcome.still == 2
    desk.restore_stranded().result(10)
    eventually(lambda: desk.account().result(10).ended_once == 2, "what was stranded ran")
    desk.judge_faults().result(10)
    (fault,) = desk.snapshot().faults
    assert fault.outcome is not None
    assert fault.outcome.settled
    assert len(fault.outcome.back) == 2
    assert not fault.outcome.again
    desk.write_record()
    after = recovery_of(record, fault)
    stages = [after.noticed, after.new_process, after.answers, after.first_done]
    known = [stage for stage in stages if stage is not None]
    assert len(known) == 4, after
    assert known == sorted(known), after
    assert after.backlog is not None
    drill = DrillSpec("kill", faults=(PlannedFault(fault.spec),), expect=Expect(lost=0, noticed_within=5.0))
    verdict = judge(drill, desk.account().result(10), [after], [fault], rested=True)
    assert (verdict.verdict, verdict.reason) == (Finding.FAIL, "2 of 4 tasks were lost (at most 0).")
    folder = record.info.folder
    desk.stop().result(60)
    assert desk.account(folder).result(30).lost == account.lost


def test_the_faults_of_an_opened_run_are_judged_and_nothing_is_written(
    desk: LocalDesk, desk_home: Path, tmp_path: Path
) -> None:
    run = ToldRun()
    run.sent("a", "b")
    run.received("a", 1.0, "w1")
    run.started("a", 1.1, "w1")
    run.died("w1", 10.0)
    run.ran("b", 12.0, "w2")
    spec, landed = FaultSpec(FaultKind.KILL_WORKER), BEGAN + 9.9
    run.faults.append(FaultRecord(1, spec, FaultState.OVER, landed, ("w1",), landed_at=landed))
    folder = tmp_path / "run"
    run.record(folder).close()
    kept = (folder / "faults.jsonl").read_bytes()
    desk.open_run(folder).result(30)
    assert [fault.outcome for fault in desk.snapshot().faults] == [None]
    assert desk.judge_faults().result(10) == "1 fault judged; all as was said."
    (fault,) = desk.snapshot().faults
    assert fault.outcome is not None
    assert fault.outcome.lost == desk.account().result(10).lost == (id_of("a"),)
    assert (folder / "faults.jsonl").read_bytes() == kept


def test_without_a_record_there_is_no_account(desk: LocalDesk) -> None:
    with pytest.raises(DeskError, match="Nothing is recorded yet"):
        desk.account().result(10)
