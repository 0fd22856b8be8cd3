"""What is known of a kind of fault, what a spec leaves to it, and the check of a spec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from desktop.engine.api import DeskError, FaultInfo, FaultKind, FaultOption, FaultSpec, Pick, Target
from desktop.engine.faults.kinds import KINDS, LONGEST
from desktop.engine.stack.problems import did_you_mean

_PICKS_WITH_NAME = (Pick.NAME, Pick.RUNS)


def fault_kinds() -> tuple[FaultInfo, ...]:
    """Every kind, in the order in which people look for them."""
    return tuple(KINDS.values())


def info_of(kind: FaultKind) -> FaultInfo:
    """What a kind of fault is."""
    return KINDS[kind]


def option(spec: FaultSpec, name: str) -> Any:
    """The value of an option, or its default. The spec is one that `check_fault` let pass."""
    known = next(option for option in KINDS[spec.kind].options if option.name == name)
    return spec.options.get(name, known.default)


def seconds_of(spec: FaultSpec) -> float | None:
    """How long it lasts; None: it is over in a moment, or goes on until it is undone by hand."""
    info = KINDS[spec.kind]
    if not info.lasts:
        return None
    return (info.seconds if spec.seconds is None else spec.seconds) or None


def check_fault(spec: FaultSpec) -> None:
    """Raises DeskError, naming the option, where the spec is none that could ever be done."""
    info = KINDS[spec.kind]
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
