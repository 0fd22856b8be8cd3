"""Workloads: what is submitted, and where it stands; the tasks that can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class LoadState(StrEnum):
    """Where a submitted workload stands."""

    STARTING = "starting"
    SENDING = "sending"
    PAUSED = "paused"
    WAITING = "waiting"  # for the broker
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskShare:
    """One task of a workload's mix."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None  # None: the app's routing
    weight: int = 1
    countdown: float | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """What is submitted: a mix of tasks, and how many or how fast or both.

    `count` alone is a burst, `rate` (tasks a second) alone runs until it is cancelled or
    `seconds` are over, both together send `count` at `rate`.
    """

    mix: tuple[TaskShare, ...]
    count: int | None = None
    rate: float | None = None
    seconds: float | None = None
    name: str = ""
    seed: int = 0  # the order of a mix is drawn with it


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """A workload that was submitted. `sent` is exact: confirmed by the broker."""

    id: int
    workload: Workload
    state: LoadState
    started_at: float
    sent: int = 0
    in_doubt: int = 0  # handed over when the broker broke; being looked up
    ended: int = 0  # of the sent ones
    rate: float = 0.0  # sent a second, of late
    detail: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """One argument of a task, as the submit form needs it."""

    name: str
    kind: str  # "int" | "float" | "str" | "bool" | "choice" | "json"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task that can be submitted."""

    name: str
    params: tuple[Param, ...] = ()
    summary: str = ""  # first sentence of its docstring
    doc: str = ""
    queue: str | None = None
    group: str = ""  # its module, for people: "cpu", "io", …
