"""Faults done to a real stack: the account and the outcome as the desk tells them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.api import (
    DrillSpec,
    Expect,
    FaultKind,
    FaultSpec,
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
