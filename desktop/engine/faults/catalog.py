"""Every kind of fault: what it does, what can be set of it, how long it lasts; and the check of a spec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from desktop.engine.api import DeskError, FaultInfo, FaultKind, FaultOption, FaultSpec, Pick, Target
from desktop.engine.stack.problems import did_you_mean

LONGEST = 86_400.0  # seconds that a fault may last
_PICKS_WITH_NAME = (Pick.NAME, Pick.RUNS)

_THEN = FaultOption(
    "then",
    "choice",
    "restart",
    "restart: it is started again at once when it has ended, as a deploy does; stay: it stays stopped",
    choices=("restart", "stay"),
)


def _float(
    name: str, default: float, doc: str, unit: str = "", *, low: float = 0.0, high: float = LONGEST
) -> FaultOption:
    return FaultOption(name, "float", default, doc, unit, low, high)


def _int(name: str, default: int, doc: str, unit: str = "", *, low: int = 1, high: int) -> FaultOption:
    return FaultOption(name, "int", default, doc, unit, low, high)


def _choice(name: str, doc: str, *choices: str) -> FaultOption:
    return FaultOption(name, "choice", choices[0], doc, choices=choices)


_POOL_PROCESS = (
    FaultInfo(
        FaultKind.KILL_PROCESS,
        "Kill a pool process (SIGKILL)",
        "One pool process of a prefork worker gets SIGKILL; the worker lives on and replaces it.",
        "Pool process",
        "process",
        lasts=False,
    ),
    FaultInfo(
        FaultKind.FREEZE_PROCESS,
        "Freeze a pool process (SIGSTOP)",
        "One pool process of a prefork worker stands still, with its task.",
        "Pool process",
        "process",
        lasts=True,
        seconds=10.0,
        undo="SIGCONT: it goes on where it stood still.",
    ),
)

_WORKER = (
    FaultInfo(
        FaultKind.KILL_WORKER,
        "Kill a worker (SIGKILL)",
        "A worker's whole process group gets SIGKILL; its restart policy says what follows.",
        "Worker",
        "worker",
        lasts=False,
    ),
    FaultInfo(
        FaultKind.WARM,
        "Warm shutdown (SIGTERM)",
        "A worker's main process gets SIGTERM: it takes nothing more and finishes what runs.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.COLD,
        "Cold shutdown (SIGQUIT)",
        "A worker's main process gets SIGQUIT: it ends without waiting for what runs.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.SOFT,
        "Soft shutdown (SIGQUIT, with a soft timeout)",
        "A worker's main process gets SIGQUIT and waits up to worker_soft_shutdown_timeout for what runs.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.TERM_GROUP,
        "SIGTERM to the whole group",
        "Every process of a worker gets SIGTERM at once, as many deployments send by mistake.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.FREEZE_WORKER,
        "Freeze a worker (SIGSTOP)",
        "A worker's main process stands still; longer than the visibility timeout, what it holds runs twice.",
        "Worker",
        "worker",
        lasts=True,
        seconds=15.0,
        undo="SIGCONT: it goes on where it stood still.",
    ),
    FaultInfo(
        FaultKind.NODE_NAME,
        "A second worker of the same name",
        "Another worker is started under the node name of the target.",
        "Worker",
        "worker",
        lasts=True,
        seconds=20.0,
        undo="The second worker is stopped warm.",
    ),
    FaultInfo(
        FaultKind.ROLLING,
        "Rolling kills (SIGKILL, on a clock)",
        "One worker after the other is killed; the gaps between two kills are drawn with the seed.",
        "Worker",
        "worker",
        lasts=True,
        undo="No further worker is killed.",
        options=(
            _int("kills", 5, "how many", high=1_000),
            _float("mean", 8.0, "mean gap between two kills", "s", low=0.1, high=3_600.0),
            _float("least", 1.0, "least gap between two kills", "s", high=3_600.0),
            _choice("order", "each worker in turn, or one that the seed draws", "in-turn", "random"),
        ),
    ),
)

_BROKER = (
    FaultInfo(
        FaultKind.KILL_BROKER,
        "Kill the broker (SIGKILL)",
        "The broker gets SIGKILL and stays down; what it had not written to the disk is gone.",
        "Broker",
        "broker",
        lasts=True,
        seconds=3.0,
        undo="It is started again, with what it finds on its disk.",
    ),
    FaultInfo(
        FaultKind.STOP_BROKER,
        "Stop the broker (SIGTERM)",
        "The broker ends in order and stays down; with persistence it saves its data first.",
        "Broker",
        "broker",
        lasts=True,
        seconds=3.0,
        undo="It is started again, with what it finds on its disk.",
    ),
    FaultInfo(
        FaultKind.FREEZE_BROKER,
        "Freeze the broker (SIGSTOP)",
        "The broker stands still: connections stay open and nothing is answered.",
        "Broker",
        "broker",
        lasts=True,
        seconds=10.0,
        undo="SIGCONT: it goes on where it stood still.",
    ),
    FaultInfo(
        FaultKind.CUT_CLIENTS,
        "Cut every client (CLIENT KILL)",
        "The broker closes every connection but the panel's own; clients may connect again at once.",
        "Broker",
        "broker",
        lasts=False,
    ),
    FaultInfo(
        FaultKind.FILL_BROKER,
        "Out of memory (maxmemory, noeviction)",
        "The broker's limit of memory is put below what it uses, so that it refuses every write.",
        "Broker",
        "broker",
        lasts=True,
        seconds=10.0,
        undo="Its limit and its policy are put back as they were.",
        options=(_float("share", 0.5, "the new limit, as a share of what is used now", low=0.01, high=1.0),),
    ),
    FaultInfo(
        FaultKind.FLUSH_BROKER,
        "Flush the broker (FLUSHDB)",
        "Every message that waits and every one that a worker has not acknowledged is deleted.",
        "Broker",
        "broker",
        lasts=False,
        destructive=True,
    ),
)

_WAY = _choice("way", "which way of the two; of both, each for itself", "both", "to-broker", "to-worker")

_NETWORK = (
    FaultInfo(
        FaultKind.LATENCY,
        "Latency",
        "Everything between a worker and the broker arrives late.",
        "Network",
        "worker",
        lasts=True,
        seconds=10.0,
        undo="Everything passes at once again.",
        options=(
            _float("delay", 0.2, "how late each piece arrives", "s", high=60.0),
            _float("jitter", 0.0, "by how much that varies, more and less", "s", high=60.0),
            _WAY,
        ),
    ),
    FaultInfo(
        FaultKind.CUT,
        "Cut",
        "A worker's connections to the broker are reset, and new ones are refused.",
        "Network",
        "worker",
        lasts=True,
        seconds=10.0,
        undo="New connections are let through again.",
    ),
    FaultInfo(
        FaultKind.HALF_OPEN,
        "Half-open connections",
        "A worker's connections to the broker stay, and nothing passes either way.",
        "Network",
        "worker",
        lasts=True,
        seconds=10.0,
        undo="What was held up passes, in its order.",
    ),
    FaultInfo(
        FaultKind.SLOW,
        "A slow line",
        "A worker and the broker share a line of few bytes a second.",
        "Network",
        "worker",
        lasts=True,
        seconds=10.0,
        undo="The line is as fast as before.",
        options=(_float("rate", 20_000.0, "how much passes", "bytes/s", low=1.0, high=1e9), _WAY),
    ),
)

_TASKS = (
    FaultInfo(
        FaultKind.POISON,
        "Poison tasks",
        "Tasks that end the process they run in are sent to the target's first queue.",
        "Tasks",
        "worker",
        lasts=False,
        options=(
            _int("count", 1, "how many", high=1_000),
            _choice("how", "exit code 7, a segmentation fault, or SIGKILL to itself", "exit", "segv", "kill"),
            _float("after", 0.1, "how long each runs before", "s", high=3_600.0),
        ),
    ),
    FaultInfo(
        FaultKind.HOG,
        "Memory hogs",
        "Tasks that take memory and never give it back are sent to the target's first queue.",
        "Tasks",
        "worker",
        lasts=False,
        options=(
            _int("count", 4, "how many", high=1_000),
            _int("megabytes", 50, "how much each takes", "MB", high=10_000),
            _int("cap", 500, "what one process holds at most", "MB", high=100_000),
            _float("hold", 0.3, "how long each stays afterwards", "s", high=3_600.0),
        ),
    ),
)

_POOL = (
    FaultInfo(
        FaultKind.SHRINK,
        "Shrink the pool",
        "A pool loses processes or greenlets while it works (pool_shrink; the bounds of an autoscaler).",
        "Pool",
        "worker",
        lasts=True,
        seconds=10.0,
        undo="The pool grows again by what it lost.",
        options=(_int("by", 1, "how many it loses; one is left at least", high=1_000),),
    ),
)

_DISK = (
    FaultInfo(
        FaultKind.DISK_FULL,
        "A full disk for the log",
        "A worker is restarted warm with a log that cannot be written: each line ends in ENOSPC.",
        "Disk",
        "worker",
        lasts=True,
        seconds=20.0,
        undo="The worker is restarted warm, with a log file of its own.",
    ),
)

_ALL: Mapping[FaultKind, FaultInfo] = {
    info.kind: info for info in (*_POOL_PROCESS, *_WORKER, *_POOL, *_TASKS, *_DISK, *_BROKER, *_NETWORK)
}


def fault_kinds() -> tuple[FaultInfo, ...]:
    """Every kind, in the order in which people look for them."""
    return tuple(_ALL.values())


def info_of(kind: FaultKind) -> FaultInfo:
    """What a kind of fault is."""
    return _ALL[kind]


def option(spec: FaultSpec, name: str) -> Any:
    """The value of an option, or its default. The spec is one that `check_fault` let pass."""
    known = next(option for option in _ALL[spec.kind].options if option.name == name)
    return spec.options.get(name, known.default)


def seconds_of(spec: FaultSpec) -> float | None:
    """How long it lasts; None: it is over in a moment, or goes on until it is undone by hand."""
    info = _ALL[spec.kind]
    if not info.lasts:
        return None
    return (info.seconds if spec.seconds is None else spec.seconds) or None


def check_fault(spec: FaultSpec) -> None:
    """Raises DeskError, naming the option, where the spec is none that could ever be done."""
    info = _ALL[spec.kind]
    _check_options(info, spec.options)
    _check_seconds(info, spec.seconds)
    _check_target(info, spec.target)


def _check_options(info: FaultInfo, options: Mapping[str, Any]) -> None:
    known = {option.name: option for option in info.options}
    for name, value in options.items():
        if name not in known:
            names = ", ".join(known)
            hint = did_you_mean(name, list(known))
            raise DeskError(
                f"'{info.kind}' has no option '{name}'.",
                f"{hint}It has: {names}." if names else "Take it out: it has none.",
            )
        _check_value(info, known[name], value)


def _check_value(info: FaultInfo, option: FaultOption, value: Any) -> None:
    who = f"The option '{option.name}' of '{info.kind}'"
    if option.kind == "choice":
        if value not in option.choices:
            raise DeskError(f"{who} is {value!r}.", f"Choose {' or '.join(option.choices)}.")
        return
    if option.kind == "str":
        if not isinstance(value, str):
            raise DeskError(f"{who} is {value!r}, which is no text.", "Put it into quotes.")
        return
    _check_number(who, value, whole=option.kind == "int")
    low, high = option.low, option.high
    if (low is not None and value < low) or (high is not None and value > high):
        unit = f" {option.unit}" if option.unit else ""
        raise DeskError(f"{who} is {value:g}.", f"It goes from {low or 0:,g} to {high or math.inf:,g}{unit}.")


def _check_number(who: str, value: Any, *, whole: bool) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        kind = "whole number" if whole else "number"
        raise DeskError(f"{who} is {value!r}, which is no {kind}.", f"Give a {kind}.")
    if not math.isfinite(value):
        raise DeskError(f"{who} is {value}.", "Give a number.")


def _check_seconds(info: FaultInfo, seconds: float | None) -> None:
    if seconds is None:
        return
    who = f"`seconds` of '{info.kind}'"
    _check_number(who, seconds, whole=False)
    if not info.lasts:
        raise DeskError(f"'{info.kind}' is over in a moment: it has no `seconds`.", "Take them out.")
    if not 0 <= seconds <= LONGEST:
        raise DeskError(
            f"{who} is {seconds:g}.",
            f"It goes from 0 (until it is undone by hand) to {LONGEST:,.0f} s.",
        )


def _check_target(info: FaultInfo, target: Target) -> None:
    kind = info.kind
    if info.aims_at in ("broker", "stack"):
        if target != Target():
            raise DeskError(f"'{kind}' hits the {info.aims_at}: it has no target.", "Take the target out.")
        return
    named = target.pick in _PICKS_WITH_NAME
    if named and not target.name:
        missing = "a worker" if target.pick is Pick.NAME else "a task, by its name or id"
        raise DeskError(f"The target of '{kind}' has no name.", f"Name {missing}.")
    if target.name and not named:
        raise DeskError(
            f"The target of '{kind}' is picked by '{target.pick}', and named '{target.name}' too.",
            "Take one of them out.",
        )
    if target.pid is not None and (info.aims_at != "process" or target.pick is not Pick.NAME):
        raise DeskError(
            f"The target of '{kind}' cannot be a process id.",
            "Only faults of a pool process have one, with the name of its worker.",
        )
