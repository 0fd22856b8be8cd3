"""What a fault is before it is done: the catalogue, the choice of targets, and how it is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.engine.api import (
    Count,
    DeskError,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Finding,
    Forecast,
    Kind,
    Outcome,
    Pick,
    PoolProcess,
    Rule,
    RunningTask,
    ServiceSnapshot,
    StackSnapshot,
    State,
    Target,
    Verdict,
    WorkerSnapshot,
)
from desktop.engine.api.drills import Account, Check, Recovery
from desktop.engine.faults.catalog import check_fault, fault_kinds, info_of, option, seconds_of
from desktop.engine.faults.doers import doer_of
from desktop.engine.faults.kept import NAME, append_record, from_json, read_faults, to_json
from desktop.engine.faults.rolling import plan
from desktop.engine.faults.targets import Aim, choose, chosen_names, of_the_living
from desktop.engine.stack.model import Pool, StackSpec, WorkerSpec

# the catalogue


def test_every_kind_is_explained_and_can_be_done() -> None:
    infos = fault_kinds()
    assert {info.kind for info in infos} == set(FaultKind)
    assert len(infos) == len(FaultKind)
    for info in infos:
        assert doer_of(info.kind) is not None
        assert info.what.endswith(".")
        assert info.aims_at in ("worker", "process", "broker", "stack")
        assert bool(info.undo) == info.lasts
        assert info.lasts or info.seconds is None
        check_fault(FaultSpec(info.kind))
        check_fault(FaultSpec(info.kind, options={known.name: known.default for known in info.options}))
        for known in info.options:
            assert option(FaultSpec(info.kind), known.name) == known.default
            if known.kind == "choice":
                assert known.default in known.choices


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (FaultSpec(FaultKind.WARM, options={"than": "stay"}), "no option 'than'. Did you mean `then`"),
        (FaultSpec(FaultKind.KILL_WORKER, options={"x": 1}), "no option 'x'. Take it out"),
        (FaultSpec(FaultKind.WARM, options={"then": "wait"}), "'then' of 'warm-shutdown' is 'wait'"),
        (FaultSpec(FaultKind.LATENCY, options={"delay": -1.0}), "'delay' of 'latency' is -1. It goes from 0"),
        (
            FaultSpec(FaultKind.POISON, options={"count": 2.5}),
            "'count' of 'poison' is 2.5, which is no whole",
        ),
        (
            FaultSpec(FaultKind.POISON, options={"count": True}),
            "'count' of 'poison' is True, which is no whole",
        ),
        (
            FaultSpec(FaultKind.POISON, options={"count": 0}),
            "'count' of 'poison' is 0. It goes from 1 to 1,000",
        ),
        (FaultSpec(FaultKind.SLOW, options={"rate": float("nan")}), "'rate' of 'slow-network' is nan"),
        (FaultSpec(FaultKind.KILL_WORKER, seconds=3), "over in a moment: it has no `seconds`"),
        (FaultSpec(FaultKind.FREEZE_WORKER, seconds=-1), "`seconds` of 'freeze-worker' is -1"),
        (FaultSpec(FaultKind.FREEZE_WORKER, seconds=1e6), "to 86,400 s"),
        (FaultSpec(FaultKind.KILL_BROKER, Target(Pick.ALL)), "hits the broker: it has no target"),
        (FaultSpec(FaultKind.KILL_WORKER, Target(Pick.NAME)), "has no name. Name a worker"),
        (FaultSpec(FaultKind.KILL_WORKER, Target(Pick.RUNS)), "has no name. Name a task"),
        (FaultSpec(FaultKind.KILL_WORKER, Target(Pick.RANDOM, "w1")), "picked by 'random', and named 'w1'"),
        (FaultSpec(FaultKind.KILL_WORKER, Target(Pick.NAME, "w1", 7)), "cannot be a process id"),
        (FaultSpec(FaultKind.KILL_PROCESS, Target(Pick.RUNS, "t", 7)), "cannot be a process id"),
    ],
)
def test_a_spec_that_could_never_be_done_is_refused_by_name(spec: FaultSpec, told: str) -> None:
    with pytest.raises(DeskError) as error:
        check_fault(spec)
    assert told in str(error.value)
    assert error.value.next_step


def test_how_long_a_fault_lasts() -> None:
    assert seconds_of(FaultSpec(FaultKind.FREEZE_WORKER)) == info_of(FaultKind.FREEZE_WORKER).seconds
    assert seconds_of(FaultSpec(FaultKind.FREEZE_WORKER, seconds=2.5)) == 2.5
    assert seconds_of(FaultSpec(FaultKind.FREEZE_WORKER, seconds=0)) is None, "until it is undone by hand"
    assert seconds_of(FaultSpec(FaultKind.KILL_WORKER)) is None


# whom it hits


def a_worker(
    name: str,
    pool: Pool = Pool.PREFORK,
    running: tuple[tuple[str, str, int], ...] = (),
    *,
    reserved: int = 0,
    idle: tuple[int, ...] = (),
    pid: int | None = 1,
) -> WorkerSnapshot:
    return WorkerSnapshot(
        ServiceSnapshot(name, Kind.WORKER, State.READY if pid else State.STOPPED, pid=pid),
        WorkerSpec(name, pool),
        f"{name}@t",
        reserved=reserved,
        running=tuple(RunningTask(task, called, 1.0, process) for task, called, process in running),
        processes=tuple(PoolProcess(process) for process in (*idle, *(one[2] for one in running))),
    )


SNAPSHOT = StackSnapshot(
    1.0,
    StackSpec("t"),
    workers=(
        a_worker("w1", running=(("id1", "tasks.sleep", 11),), idle=(10,)),
        a_worker("w2", running=(("id2", "tasks.sleep", 21), ("id3", "tasks.mail", 22))),
        a_worker("w3", Pool.THREADS, (("id4", "tasks.mail", 3), ("id5", "tasks.mail", 3)), reserved=4),
        a_worker("gone", pid=None),
    ),
)


@pytest.mark.parametrize(
    ("kind", "target", "aims"),
    [
        (FaultKind.KILL_WORKER, Target(), (Aim("w3"),)),
        (FaultKind.KILL_WORKER, Target(Pick.NAME, "w1"), (Aim("w1"),)),
        (FaultKind.KILL_WORKER, Target(Pick.ALL), (Aim("w1"), Aim("w2"), Aim("w3"))),
        (FaultKind.KILL_WORKER, Target(Pick.RUNS, "id1"), (Aim("w1"),)),
        (FaultKind.KILL_WORKER, Target(Pick.RUNS, "tasks.sleep"), (Aim("w2"),)),
        (FaultKind.KILL_PROCESS, Target(), (Aim("w2", 21),)),
        (FaultKind.KILL_PROCESS, Target(Pick.RUNS, "tasks.mail"), (Aim("w2", 22),)),
        (FaultKind.KILL_PROCESS, Target(Pick.NAME, "w1"), (Aim("w1", 11),)),
        (FaultKind.KILL_PROCESS, Target(Pick.NAME, "w1", 10), (Aim("w1", 10),)),
        (FaultKind.KILL_PROCESS, Target(Pick.ALL), (Aim("w1", 11), Aim("w2", 21))),
        (FaultKind.SHRINK, Target(Pick.ALL), (Aim("w1"), Aim("w2"))),
        (FaultKind.KILL_BROKER, Target(), ()),
        (FaultKind.ROLLING, Target(), (Aim("w1"), Aim("w2"), Aim("w3"))),
        (FaultKind.ROLLING, Target(Pick.NAME, "w1"), (Aim("w1"),)),
    ],
)
def test_targets(kind: FaultKind, target: Target, aims: tuple[Aim, ...]) -> None:
    spec = FaultSpec(kind, target)
    assert choose(spec, SNAPSHOT) == aims
    if info_of(kind).aims_at == "broker":
        assert chosen_names(spec, SNAPSHOT) == ("broker",)


def test_a_random_target_is_the_seeds() -> None:
    def drawn(kind: FaultKind, seed: int) -> tuple[Aim, ...]:
        return choose(FaultSpec(kind, Target(Pick.RANDOM), seed=seed), SNAPSHOT)

    for kind, everybody in ((FaultKind.KILL_WORKER, 3), (FaultKind.KILL_PROCESS, 3)):
        assert [drawn(kind, seed) for seed in range(20)] == [drawn(kind, seed) for seed in range(20)]
        assert len({drawn(kind, seed) for seed in range(50)}) == everybody


@pytest.mark.parametrize(
    ("kind", "target", "told"),
    [
        (FaultKind.KILL_WORKER, Target(Pick.NAME, "w9"), "no worker named 'w9'. It has: w1, w2, w3, gone"),
        (FaultKind.KILL_WORKER, Target(Pick.NAME, "gone"), "gone has no process: it is stopped"),
        (FaultKind.KILL_WORKER, Target(Pick.RUNS, "tasks.x"), "No worker runs tasks.x"),
        (FaultKind.KILL_PROCESS, Target(Pick.NAME, "w3"), "w3 has no pool processes: its pool is threads"),
        (FaultKind.KILL_PROCESS, Target(Pick.RUNS, "id4"), "w3 has no pool processes"),
        (FaultKind.SHRINK, Target(Pick.NAME, "w3"), "The threads pool of w3 cannot shrink"),
    ],
)
def test_nobody_to_hit(kind: FaultKind, target: Target, told: str) -> None:
    with pytest.raises(DeskError) as error:
        choose(FaultSpec(kind, target), SNAPSHOT)
    assert told in str(error.value)
    assert error.value.next_step


def test_the_dead_are_not_aimed_at() -> None:
    me = os.getpid()
    dead = 2**22 + 1  # above the largest pid there can be
    snapshot = replace(
        SNAPSHOT,
        workers=(
            a_worker("w1", running=(("id1", "t", dead), ("id2", "t", me)), idle=(dead,), pid=me),
            a_worker("w2", pid=dead),
        ),
    )
    assert choose(FaultSpec(FaultKind.KILL_PROCESS), of_the_living(snapshot)) == (Aim("w1", me),)
    assert chosen_names(FaultSpec(FaultKind.KILL_WORKER, Target(Pick.ALL)), of_the_living(snapshot)) == (
        "w1",
    )


def test_the_clock_of_rolling_kills_is_the_seeds() -> None:
    options: dict[str, Any] = {"kills": 40, "mean": 5.0, "least": 2.0, "order": "in-turn"}
    spec = FaultSpec(FaultKind.ROLLING, options=options, seed=7)
    clock = list(plan(spec, ("w1", "w2")))
    assert clock == list(plan(spec, ("w1", "w2")))
    assert [kill.worker for kill in clock[:4]] == ["w1", "w2", "w1", "w2"]
    assert clock[0].after == 0
    assert all(kill.after >= 2.0 for kill in clock[1:])
    assert clock != list(plan(replace(spec, seed=8), ("w1", "w2")))
    drawn = list(plan(replace(spec, options={**options, "order": "random"}), ("w1", "w2")))
    assert {kill.worker for kill in drawn} == {"w1", "w2"}


# how it is kept

texts = st.text(max_size=20)
moments = st.floats(0, 4e9)
counts = st.builds(Count, st.integers(0, 9), st.integers(0, 9))
names = st.lists(texts, max_size=3).map(tuple)
specs = st.builds(
    FaultSpec,
    st.sampled_from(FaultKind),
    st.builds(Target, st.sampled_from(Pick), texts, st.none() | st.integers(1, 2**22)),
    st.none() | st.floats(0, 100),
    st.dictionaries(texts, st.integers() | st.floats(allow_nan=False) | texts, max_size=3),
    st.integers(0, 2**32),
)
forecasts = st.builds(
    Forecast,
    moments,
    names,
    names,
    *(st.integers(0, 9), st.integers(0, 9), counts, counts, counts, counts),
    back_after=st.none() | moments,
    impossible=texts,
    rules=st.lists(st.builds(Rule, texts, texts, texts), max_size=2).map(tuple),
)
outcomes = st.builds(
    Outcome,
    st.booleans(),
    *(names, names, names, names),
    first_back=st.none() | moments,
    still=st.integers(0, 9),
    differs=names,
)
records = st.builds(
    FaultRecord,
    st.integers(1, 5),
    specs,
    st.sampled_from(FaultState),
    moments,
    names,
    st.lists(st.integers(1, 2**22), max_size=3).map(tuple),
    landed_at=st.none() | moments,
    ended_at=st.none() | moments,
    text=texts,
    forecast=st.none() | forecasts,
    outcome=st.none() | outcomes,
    by_drill=st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(records, max_size=6))
def test_what_is_kept_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, written: list[FaultRecord]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for record in written:
        append_record(folder, record)
    last = {record.id: record for record in written}
    assert read_faults(folder) == tuple(last[number] for number in sorted(last))


def test_a_torn_line_and_a_strange_one_are_passed_over(tmp_path: Path) -> None:
    assert read_faults(tmp_path) == ()
    first = FaultRecord(1, FaultSpec(FaultKind.KILL_WORKER), FaultState.OVER, 1.0)
    second = replace(first, id=2)
    append_record(tmp_path, first)
    append_record(tmp_path, second)
    with (tmp_path / NAME).open("a", encoding="utf-8") as file:
        file.write('{"id": 3, "spec": {"kind": "of-tomorrow"}, "state": "over", "asked_at": 1}\n[]\n7\n')
    append_record(tmp_path, replace(second, state=FaultState.MISSED))
    whole = (tmp_path / NAME).read_bytes()
    assert read_faults(tmp_path) == (first, replace(second, state=FaultState.MISSED))
    (tmp_path / NAME).write_bytes(whole[:-20])
    assert read_faults(tmp_path) == (first, second)


def test_a_verdict_goes_both_ways() -> None:
    account = Account(4, 1, ("a",), (("b", "why"),), ("c",), {"REVOKED": 1}, {"waiting": 2}, gaps=("g",))
    record = FaultRecord(1, FaultSpec(FaultKind.CUT), FaultState.OVER, 1.0)
    verdict = Verdict(
        "d",
        Finding.FAIL,
        "why",
        7,
        1.0,
        2.0,
        account,
        (Check("lost", "at most 0", "1", False),),
        (Recovery(1, 0.5),),
        (record,),
        run_folder=Path("/a/run"),
        gives=Finding.PASS,
    )
    assert from_json(Verdict, to_json(verdict)) == verdict
    with pytest.raises(ValueError, match="no Verdict"):
        from_json(Verdict, {"drill": "d"})
