"""The judge, and what is kept of the verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desktop.engine.api import (
    Account,
    DeskError,
    DrillSpec,
    Expect,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Finding,
    PlannedFault,
    Recovery,
    TaskShare,
    Verdict,
    Workload,
)
from desktop.engine.verdict.judge import judge
from desktop.engine.verdict.kept import (
    read_drill_text,
    read_verdict,
    verdict_as_dict,
    verdict_from_dict,
    write_verdict,
)
from tests.support.fake_faults import made_verdict

KILL = FaultSpec(FaultKind.KILL_WORKER)
DRILL = DrillSpec(
    "kill-early",
    workloads=(Workload((TaskShare("tasks.x"),), count=4),),
    faults=(PlannedFault(KILL, when="2 active on w1"),),
)
LANDED = FaultRecord(1, KILL, FaultState.OVER, 100.0, ("w1",), landed_at=100.1)
WHOLE = Account(submitted=4, ended_once=4, attempts=4)
LOST = Account(submitted=4, ended_once=2, lost=("a", "b"), attempts=4)


def verdict(
    account: Account = WHOLE,
    expect: Expect | None = None,
    recovery: tuple[Recovery, ...] = (),
    faults: tuple[FaultRecord, ...] = (LANDED,),
    rested: bool = True,
    **more: Any,
) -> tuple[Finding, str]:
    drill = DRILL if expect is None else replace(DRILL, expect=expect)
    found = judge(drill, account, recovery, faults, rested=rested, **more)
    return found.verdict, found.reason


def test_what_was_expected_and_came_is_a_pass() -> None:
    assert verdict() == (Finding.PASS, "All 4 tasks ended once; 1 fault landed.")


def test_what_was_expected_and_did_not_come_is_a_fail() -> None:
    assert verdict(LOST) == (Finding.FAIL, "2 of 4 tasks were lost (at most 0).")


def test_what_is_allowed_is_told_in_a_pass() -> None:
    finding, reason = verdict(LOST, Expect(lost=2))
    assert finding is Finding.PASS
    assert reason == "2 of 4 tasks ended once; 2 lost, as allowed; 1 fault landed."


@pytest.mark.parametrize(
    ("account", "expect", "says"),
    [
        (
            replace(WHOLE, ended_once=3, ended_more=("a",)),
            Expect(duplicates=0),
            "1 of 4 tasks ended more than once (at most 0).",
        ),
        (
            replace(WHOLE, ended_once=2, failed=(("a", "ValueError: x"), ("b", "ValueError: x"))),
            Expect(failed=1),
            "2 of 4 tasks failed (at most 1): ValueError: x.",
        ),
        (
            replace(WHOLE, ended_once=3, still={"stranded": 1}),
            Expect(),
            "1 of 4 tasks was not over (1 stranded; at most 0).",
        ),
    ],
)
def test_each_expectation_has_its_words(account: Account, expect: Expect, says: str) -> None:
    assert verdict(account, expect) == (Finding.FAIL, says)


def test_several_broken_expectations_are_one_sentence() -> None:
    account = Account(submitted=3, lost=("a",), still={"stranded": 2})
    finding, reason = verdict(account)
    assert finding is Finding.FAIL
    assert reason == "1 of 3 tasks was lost (at most 0); 2 of 3 tasks were not over (2 stranded; at most 0)."


def test_the_slowest_fault_decides_on_times() -> None:
    expect = Expect(recovered_within=5.0, noticed_within=1.0)
    fast, slow = Recovery(1, noticed=0.1, backlog=1.0), Recovery(2, noticed=0.2, backlog=7.5)
    both = (LANDED, replace(LANDED, id=2))
    assert verdict(WHOLE, expect, (fast,))[0] is Finding.PASS
    finding, reason = verdict(WHOLE, expect, (fast, slow), both)
    assert finding is Finding.FAIL
    assert "as before 7.5 s after fault 2, not within 5.0 s" in reason
    finding, reason = verdict(WHOLE, expect, (fast, Recovery(2, noticed=0.2)), both)
    assert finding is Finding.FAIL
    assert "not after fault 2" in reason


# UNKNOWN


def test_a_halted_drill_is_unknown_whatever_it_found() -> None:
    assert verdict(LOST, halted=True)[0] is Finding.UNKNOWN


def test_a_fault_that_missed_is_never_a_pass() -> None:
    missed = FaultRecord(1, KILL, FaultState.MISSED, 100.0, ("w1",), text="w1 was gone already.")
    assert verdict(faults=(missed,)) == (
        Finding.UNKNOWN,
        "The fault kill-worker (w1) did not land: w1 was gone already.",
    )


def test_a_fault_whose_moment_never_came_is_never_a_pass() -> None:
    assert verdict(faults=()) == (
        Finding.UNKNOWN,
        'The fault kill-worker was not done: its moment never came ("2 active on w1").',
    )


def test_every_one_of_several_times_counts() -> None:
    drill = replace(DRILL, faults=(PlannedFault(KILL, every=2.0, times=3),))
    found = judge(drill, WHOLE, (), (LANDED, replace(LANDED, id=2)), rested=True)
    assert found.verdict is Finding.UNKNOWN
    assert "was not done" in found.reason


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (replace(WHOLE, gaps=("w1 could not write.", "nor could w2.")), "and 1 more gap"),
        (replace(WHOLE, ended_once=3, unknown=1), "What became of 1 task the ledger does not tell."),
        (Account(), "No task was submitted."),
    ],
)
def test_what_the_ledger_does_not_tell_is_unknown(account: Account, says: str) -> None:
    finding, reason = verdict(account)
    assert finding is Finding.UNKNOWN
    assert says in reason


def test_what_seems_lost_beside_a_gap_may_have_run() -> None:
    assert verdict(replace(LOST, gaps=("w1 could not write.",)))[0] is Finding.UNKNOWN
    twice = replace(WHOLE, ended_once=3, ended_more=("a",), gaps=("w1 could not write.",))
    assert verdict(twice, Expect(duplicates=0))[0] is Finding.FAIL, "two ends were written"


def test_a_stack_that_does_not_come_to_rest_is_unknown_but_for_what_is_broken_for_good() -> None:
    moving = replace(WHOLE, ended_once=3, still={"waiting": 1})
    assert verdict(moving, rested=False, why_not="1 task waits") == (
        Finding.UNKNOWN,
        "The stack did not come to rest: 1 task waits.",
    )
    stranded = Account(submitted=4, ended_once=2, lost=("a",), still={"stranded": 1})
    assert verdict(stranded, rested=False) == (Finding.FAIL, "1 of 4 tasks was lost (at most 0).")
    held = replace(stranded, still={"reserved": 1})
    assert verdict(held, rested=False)[0] is Finding.UNKNOWN, "a worker may yet run what the broker forgot"


def test_a_message_that_will_run_once_more_is_no_pass_where_nothing_may_run_twice() -> None:
    copied = replace(WHOLE, copies=2)
    assert verdict(copied)[0] is Finding.PASS
    finding, reason = verdict(copied, Expect(duplicates=0))
    assert finding is Finding.UNKNOWN
    assert reason.startswith("2 tasks that ended lie in the broker once more")


# kept


@pytest.mark.parametrize("finding", list(Finding))
def test_a_verdict_comes_back_from_its_folder(finding: Finding, tmp_path: Path) -> None:
    made = made_verdict(1_790_000_000.0, finding, seed=7)
    made = replace(made, account=replace(made.account, failed=(("x", "ValueError: no"),), gaps=("a gap",)))
    write_verdict(tmp_path, made, 'name = "kill-early"\n')
    assert read_verdict(tmp_path) == made
    assert read_drill_text(tmp_path) == 'name = "kill-early"\n'
    assert {path.name for path in tmp_path.iterdir()} == {"drill.json", "drill.toml"}


def test_the_members_of_the_design_are_at_the_top() -> None:
    made = made_verdict(1_790_000_000.0, Finding.FAIL, seed=7)
    told = json.loads(json.dumps(verdict_as_dict(made)))
    assert set(told) >= {
        *("verdict", "reason", "seed", "submitted", "ended_once", "ended_more", "failed", "lost", "still"),
        *("recovery", "faults", "forecast", "run_folder"),
    }
    assert (told["verdict"], told["submitted"], len(told["lost"])) == ("FAIL", 200, 2)
    assert {"what", "target", "when", "landed"} <= set(told["faults"][0])
    assert told["forecast"][0]["lost"] == {"least": 2, "most": 2, "found": 2}


def test_a_run_that_was_no_drill_has_no_verdict(tmp_path: Path) -> None:
    assert read_verdict(tmp_path) is None
    assert read_drill_text(tmp_path) == ""


@pytest.mark.parametrize("text", ["{", "[]", '{"verdict": "MAYBE"}', '{"verdict": "PASS", "failed": 3}'])
def test_a_damaged_verdict_is_told_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "drill.json").write_text(text, encoding="utf-8")
    with pytest.raises(DeskError, match="cannot be read"):
        read_verdict(tmp_path)


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    made: Verdict = made_verdict(1_790_000_000.0, Finding.PASS, seed=7)
    with pytest.raises(DeskError, match="could not be written"):
        write_verdict(tmp_path / "gone", made, "")


def test_an_older_verdict_is_read_as_far_as_it_goes() -> None:
    told = verdict_as_dict(made_verdict(1_790_000_000.0, Finding.PASS, seed=7))
    del told["copies"]
    told["something new"] = 1
    assert verdict_from_dict(told).account.copies == 0
