"""Drills: a workload, faults and expectations; and the verdict with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from desktop.engine.api.faults import FaultRecord, FaultSpec
from desktop.engine.api.loads import Workload
from desktop.engine.stack.model import StackSpec


class Finding(StrEnum):
    """What a drill found."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"  # a fault missed, the stack did not come to rest, or the ledger has a gap


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of a drill, and its moment: one of `at`, `when` and `every`."""

    spec: FaultSpec
    at: float | None = None  # seconds after the workload began
    at_latest: float | None = None  # with `at`: the moment is drawn between both, with the seed
    when: str | None = None  # a condition, as in the file: "2 active on w1"
    every: float | None = None  # seconds, on the mean: each gap is drawn with the seed
    times: int = 1  # with `every`
    line: int = 0  # in the drill file


@dataclass(frozen=True, slots=True)
class Expect:
    """What must hold at the end. None: it may be anything."""

    lost: int | None = 0  # at most
    duplicates: int | None = None  # tasks that ended more than once, at most
    failed: int | None = None  # tasks, at most
    still: int | None = 0  # tasks that are somewhere and not over, at most
    recovered_within: float | None = None  # seconds from each fault to the backlog as before
    noticed_within: float | None = None  # seconds from each fault until the panel showed it


@dataclass(frozen=True, slots=True)
class DrillSpec:
    """A drill file. Values here are valid."""

    name: str
    title: str = ""
    teaches: str = ""  # two sentences
    change: str = ""  # what to change, and to what
    stack: StackSpec | None = None  # None: the stack that lives
    stack_text: str = ""  # of an inline or named one, as TOML
    workloads: tuple[Workload, ...] = ()
    faults: tuple[PlannedFault, ...] = ()
    expect: Expect = Expect()
    gives: Finding | None = None  # the verdict that it is known to give
    repeat: int = 1
    seed: int = 0
    limit: float = 120.0  # seconds after the last fault within which the stack must come to rest
    path: Path | None = None
    text: str = ""  # the file, for the report


class Stage(StrEnum):
    """Where a drill stands."""

    PREPARING = "preparing"
    STARTING = "starting"  # the stack
    RUNNING = "running"  # the workload is sent, faults are done
    SETTLING = "settling"  # waiting until nothing moves
    JUDGING = "judging"
    STOPPING = "stopping"
    HALTING = "halting"  # a person's halt: everything is undone
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of every task that was submitted, from the ledger alone.

    submitted = ended_once + ended_more + failed + lost + otherwise + still + unknown: each task is in one of
    them, the first that is true of `lost`, `ended_more`, `failed`.
    """

    submitted: int = 0
    ended_once: int = 0  # succeeded, in one end
    ended_more: tuple[str, ...] = ()  # ids: came to more than one end that no retry asked for
    failed: tuple[tuple[str, str], ...] = ()  # (id, why) ended as a failure
    lost: tuple[str, ...] = ()
    otherwise: Mapping[str, int] = field(default_factory=dict)  # REVOKED, REJECTED, IGNORED, PURGED: how many
    still: Mapping[str, int] = field(default_factory=dict)  # waiting, reserved, …, stranded: how many
    unknown: int = 0  # the ledger does not tell
    ran_twice: tuple[
        str, ...
    ] = ()  # ids: started more than once that no retry asked for (ended_more among them)
    retried: int = 0  # tasks
    attempts: int = 0
    copies: int = 0  # messages of tasks that are over, still in the broker: they will run once more
    gaps: tuple[str, ...] = ()  # sentences: what the ledger does not know


@dataclass(frozen=True, slots=True)
class Recovery:
    """After one fault, seconds from the moment that it landed; None: it did not come to that."""

    fault: int  # FaultRecord.id
    noticed: float | None = None  # the panel showed it
    new_process: float | None = None  # started
    answers: float | None = None  # the new process answered
    first_done: float | None = None  # first task that ended on a target after it
    backlog: float | None = None  # as many tasks wait and are held as before the fault, or fewer


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation, and what was found."""

    name: str  # "lost"
    wanted: str  # "at most 0"
    found: str  # "2"
    ok: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a drill found, whole. `drill --json` prints it, and the run folder keeps it as `drill.json`."""

    drill: str
    verdict: Finding
    reason: str  # one sentence
    seed: int
    began: float
    ended: float
    account: Account
    checks: tuple[Check, ...] = ()
    recovery: tuple[Recovery, ...] = ()
    faults: tuple[FaultRecord, ...] = ()
    run_folder: Path | None = None
    number: int = 1  # of the repeats
    halted: bool = False
    gives: Finding | None = None  # what it is known to give
    settled_after: float | None = None  # seconds from the end of the load to rest
    judged_in: float | None = None  # seconds from rest to the verdict


@dataclass(frozen=True, slots=True)
class DrillSnapshot:
    """A drill that runs, or the last one that did."""

    spec: DrillSpec
    stage: Stage
    began: float
    seed: int
    doing: str = ""  # for people: "Waiting until 2 tasks are active on w1"
    number: int = 1  # which repeat
    of: int = 1
    share: float = 0.0  # how much of the whole is done, 0 to 1; a guess
    faults: tuple[FaultRecord, ...] = ()
    verdicts: tuple[Verdict, ...] = ()  # of the repeats that are over
    problem: str = ""  # why it could not go on


@dataclass(frozen=True, slots=True)
class DrillInfo:
    """A drill that can be chosen."""

    name: str
    title: str
    teaches: str
    change: str
    path: Path
    gives: Finding | None = None
    shipped: bool = True
    problem: str = ""  # why the file cannot be read
