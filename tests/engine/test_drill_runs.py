"""Drills on real stacks: verdicts, halts at random moments, and that everything is as it was before."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from desktop.engine.api import (
    DeskError,
    DrillSnapshot,
    DrillSpec,
    Finding,
    Leftover,
    StackSnapshot,
    StackState,
    Stage,
    State,
    StopHow,
    Verdict,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.drills.parse import parse_drill
from desktop.engine.stack.parse import parse_stack
from desktop.engine.verdict.kept import read_verdict
from tests.support.waiting import eventually, runs

MINE = 'name = "mine"\n[[worker]]\nname = "w1"\npool = "threads"\nconcurrency = 2\n'
STACK = """
[stack.celery]
task_acks_late = false
worker_prefetch_multiplier = 1

[stack.celery.broker_transport_options]
visibility_timeout = 3
unacked_restore_interval = 1
unacked_restore_throttle = 1

[[stack.worker]]
name = "w1"
pool = "threads"
concurrency = 2
"""
LOAD = """
[[workload]]
task = "tasks.sleep"
kwargs = { seconds = 1.0 }
count = 6
"""
KILL = """
[[fault]]
what = "kill-worker"
when = "2 active on w1"
"""


def drill(*parts: str, limit: float = 20.0) -> DrillSpec:
    return parse_drill("\n".join([f'name = "trial"\nlimit = {limit}', *parts]))


@pytest.fixture
def desk(nothing_left: None) -> Iterator[LocalDesk]:
    """A desk with a stack of its own, not started."""
    opened = LocalDesk(parse_stack(MINE))
    yield opened
    opened.close()


def over(desk: LocalDesk, within: float = 60.0) -> DrillSnapshot:
    """The drill at its end."""

    def ended() -> DrillSnapshot | None:
        shown = desk.snapshot().drill
        return shown if shown is not None and shown.stage is Stage.OVER else None

    shown = eventually(ended, "the drill is over", within)
    assert shown is not None
    return shown


def only(shown: DrillSnapshot) -> Verdict:
    assert shown.problem == ""
    (verdict,) = shown.verdicts
    return verdict


def children() -> list[int]:
    """Processes of ours but the guardian, which lives as long as the desk."""
    mine = psutil.Process().children(recursive=True)
    return [one.pid for one in mine if runs(one.pid) and "guardian" not in " ".join(one.cmdline())]


def same(before: StackSnapshot, now: StackSnapshot) -> bool:
    return (before.spec, before.state, before.dirty, before.run_folder) == (
        now.spec,
        now.state,
        now.dirty,
        now.run_folder,
    )


def test_a_killed_worker_with_early_acks_loses_what_it_ran_and_the_desk_is_as_before(desk: LocalDesk) -> None:
    desk.add_worker(parse_stack(f'{MINE}[[worker]]\nname = "w2"\npool = "solo"\n').workers[1]).result(10)
    before = desk.snapshot()
    assert before.dirty
    desk.start_drill(drill(STACK, LOAD, KILL), seed=11).result(10)
    with pytest.raises(DeskError, match="The drill 'trial' runs"):
        desk.start_drill(drill(STACK, LOAD)).result(10)
    eventually(lambda: desk.snapshot().run_folder is not None, "the drill's stack is the desk's", 10)
    with pytest.raises(DeskError, match="Halt it to take another stack"):
        desk.open_stack("laptop").result(10)
    verdict = only(over(desk))
    assert verdict.verdict is Finding.FAIL
    assert (verdict.account.submitted, len(verdict.account.lost), verdict.account.ended_once) == (6, 2, 4)
    assert verdict.seed == 11
    (fault,) = verdict.faults
    assert fault.landed
    assert fault.by_drill
    assert fault.outcome is not None
    assert set(fault.outcome.lost) == set(verdict.account.lost)
    (recovery,) = verdict.recovery
    assert recovery.new_process is not None
    assert recovery.answers is not None
    assert recovery.new_process < recovery.answers
    assert verdict.run_folder is not None
    assert read_verdict(verdict.run_folder) == verdict
    assert (verdict.run_folder / "drill.toml").read_text("utf-8").startswith('name = "trial"')
    assert same(before, desk.snapshot())
    assert children() == []


_STAGES: tuple[tuple[Stage, str], ...] = (
    (Stage.STARTING, ""),
    (Stage.RUNNING, ""),
    (Stage.SETTLING, "freeze-worker is under way"),
)


def test_a_halt_at_any_stage_undoes_everything(desk: LocalDesk) -> None:
    """The moments within a stage are drawn with this seed."""
    draw = random.Random(4)
    freeze = '[[fault]]\nwhat = "freeze-worker"\nwhen = "2 active on w1"\nfor = "4 s"\n'
    spec = drill(STACK, LOAD.replace("6", "4"), freeze, "[expect]\nlost = 0")
    before = desk.snapshot()
    for stage, doing in _STAGES:
        desk.start_drill(spec).result(10)

        def there(stage: Stage = stage, doing: str = doing) -> bool:
            shown = desk.snapshot().drill
            return shown is not None and shown.stage is stage and doing in shown.doing

        eventually(there, f"it is {stage}", 30)
        threading.Event().wait(draw.uniform(0.0, 0.6))
        assert "as it was before" in desk.halt_drill().result(20)
        verdict = only(over(desk, 1))
        assert verdict.halted
        assert verdict.verdict is Finding.UNKNOWN
        assert same(before, desk.snapshot())
        assert children() == []
    assert desk.halt_drill().result(1) == "No drill runs."


def test_the_end_of_the_program_halts_it(nothing_left: None) -> None:
    desk = LocalDesk(parse_stack(MINE))
    desk.start_drill(drill(STACK, LOAD, KILL)).result(10)
    eventually(lambda: bool(children()), "its stack is being started", 10)
    desk.close()
    assert over(desk, 1).verdicts[0].halted
    assert children() == []


def test_the_living_stack_runs_on_and_what_missed_makes_it_unknown(
    desk: LocalDesk,
) -> None:
    warm = '[[fault]]\nwhat = "warm-shutdown"\ntarget = "w1"\nwhen = "1 ended"\nthen = "stay"\n'
    load = '[[workload]]\ntask = "tasks.noop"\ncount = 3\n'
    with pytest.raises(DeskError, match="Start the stack first"):
        desk.start_drill(drill(load, warm)).result(10)
    desk.start().result(60)
    with pytest.raises(DeskError, match="Stop it to run the drill"):
        desk.start_drill(drill(STACK, load, warm)).result(10)
    pid = desk.snapshot().workers[0].service.pid
    desk.start_drill(drill(load, warm)).result(10)
    verdict = only(over(desk))
    assert verdict.verdict is Finding.PASS
    assert verdict.account.submitted == 3
    now = desk.snapshot()
    assert now.state is StackState.RUNNING
    assert now.workers[0].service.state is State.READY
    assert now.workers[0].service.pid != pid
    never = '[[fault]]\nwhat = "kill-worker"\nwhen = "50 active"\n'
    missed = '[[fault]]\nwhat = "freeze-worker"\ntarget = { runs = "tasks.crash" }\nat = 0\n'
    for fault, why in ((never, "its moment never came"), (missed, "No worker runs tasks.crash")):
        desk.start_drill(drill(load, fault)).result(10)
        verdict = only(over(desk))
        assert verdict.verdict is Finding.UNKNOWN
        assert why in verdict.reason
        assert verdict.account.ended_once == 3
    # Halted, with a fault under way: it runs as before, and only the drill's own work is cancelled.
    freeze = '[[fault]]\nwhat = "freeze-worker"\nat = 0\nfor = "60 s"\n'
    desk.start_drill(drill(load, freeze)).result(10)
    pid = eventually(lambda: now_frozen(desk), "w1 is frozen", 20)
    desk.halt_drill().result(20)
    assert psutil.Process(pid).status() != psutil.STATUS_STOPPED
    assert desk.snapshot().workers[0].service.pid == pid
    desk.stop(StopHow.KILL).result(20)


def test_beside_what_a_crashed_panel_left_no_drill_begins(
    desk: LocalDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert desk.leftovers().result(10) == ()
    left = Leftover("s", "old", 4711, 0.0, (("w1", 4712),), tmp_path)
    monkeypatch.setattr(desk, "_leftovers", (left,))
    desk.save_stack(tmp_path / "mine.toml").result(10)  # the next snapshot is a new one
    with pytest.raises(DeskError, match="a crashed panel left of 'old'") as caught:
        desk.start_drill(drill(STACK, LOAD)).result(10)
    assert caught.value.next_step == "Take it over, stop it or leave it first."
    assert desk.snapshot().drill is None


def now_frozen(desk: LocalDesk) -> int:
    worker = desk.snapshot().workers[0]
    pid = worker.service.pid
    return pid if pid is not None and psutil.Process(pid).status() == psutil.STATUS_STOPPED else 0
