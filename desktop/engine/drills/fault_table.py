"""A [[fault]] table of a drill file: what, at whom, when, for how long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from desktop.engine.api import (
    DeskError,
    FaultInfo,
    FaultKind,
    FaultOption,
    FaultSpec,
    Pick,
    PlannedFault,
    Target,
)
from desktop.engine.drills import durations
from desktop.engine.drills.conditions import parse_condition
from desktop.engine.drills.reader import DrillReader
from desktop.engine.faults.catalog import check_fault, info_of
from desktop.engine.stack import values
from desktop.engine.stack.model import StackSpec
from desktop.engine.stack.problems import did_you_mean, kind_of, shown, wrong

_WHEN = ("at", "when", "every")
_OWN = ("what", "target", *_WHEN, "times", "for")
_PICKS = ("random", "busiest", "all")
_MOST_TIMES = 1_000
_MOMENT_STEP = 'Write at = "5 s", when = "2 active on w1", or every = "10 s" with times = 3.'
Path = tuple[str | int, ...]


def read_fault(
    reader: DrillReader, table: Mapping[str, Any], path: Path, line: int, stack: StackSpec | None
) -> PlannedFault | None:
    """The fault of a table; None where something is wrong with it, which is noted."""
    before = len(reader.problems)
    if "what" not in table:
        reader.fault(path, "does not say what is done.", 'Write what = "kill-worker".')
    kind = reader.take(table, path, "what", values.member(FaultKind), None)
    if kind is None:
        return None
    info = info_of(kind)
    reader.unknown(table, path, (*_OWN, *(option.name for option in info.options)))
    spec = FaultSpec(
        kind=kind,
        target=_target(reader, table, path, info, _names(stack)),
        seconds=_seconds(reader, table, path, info),
        options=_options(reader, table, path, info),
    )
    at, at_latest = reader.take(table, path, "at", durations.moment, (None, None))
    planned = PlannedFault(
        spec=spec,
        at=at,
        at_latest=at_latest,
        when=reader.take(table, path, "when", _condition(_names(stack)), None),
        every=reader.take(table, path, "every", durations.seconds(0.1), None),
        times=reader.take(table, path, "times", values.whole(1, _MOST_TIMES), 1),
        line=line,
    )
    _check_moment(reader, table, path)
    if info.needs_relay and stack is not None and not stack.broker.relay:
        step = "Write relay = true in the stack's [broker]."
        reader.fault((*path, "what"), "needs the relay between workers and broker.", step)
    if len(reader.problems) == before:
        _check_whole(reader, spec, path)
    return planned if len(reader.problems) == before else None


def _check_whole(reader: DrillReader, spec: FaultSpec, path: Path) -> None:
    try:
        check_fault(spec)
    except DeskError as error:
        reader.fault(path, f"cannot be done: {error.what}", error.next_step or "Correct it.")


def _check_moment(reader: DrillReader, table: Mapping[str, Any], path: Path) -> None:
    said = [key for key in _WHEN if key in table]
    if not said:
        reader.fault(path, "has no moment.", _MOMENT_STEP)
    for key in said[1:]:
        reader.fault((*path, key), f"stands beside {said[0]}: a fault has one moment.", "Keep one of them.")
    if "times" in table and "every" not in table:
        reader.fault((*path, "times"), "belongs to every.", 'Write every = "10 s" beside it, or take it out.')


def _names(stack: StackSpec | None) -> tuple[str, ...] | None:
    """Names of workers; None where the stack is not known beforehand."""
    return tuple(worker.name for worker in stack.workers) if stack is not None else None


# whom


def _target(
    reader: DrillReader,
    table: Mapping[str, Any],
    path: Path,
    info: FaultInfo,
    names: Collection[str] | None,
) -> Target:
    if info.aims_at in ("broker", "stack"):
        if "target" in table:
            what = f"cannot be chosen: {info.kind} hits the {info.aims_at}."
            reader.fault((*path, "target"), what, "Take it out.")
        return Target()
    return reader.take(table, path, "target", lambda value: _read_target(value, names), Target())


def _read_target(value: Any, names: Collection[str] | None) -> Target:
    step = 'Allowed: a worker\'s name, "random", "busiest", "all", or { runs = "tasks.sleep" }.'
    if isinstance(value, dict):
        if list(value) == ["runs"]:
            return Target(Pick.RUNS, values.filled(value["runs"]))
        if list(value) == ["worker"]:
            return Target(Pick.NAME, _worker(value["worker"], names, step))
        raise wrong("must have the one key runs or worker.", step)
    if not isinstance(value, str):
        raise wrong(f"must be text or a table, not {kind_of(value)}.", step)
    if value in _PICKS:
        return Target(Pick(value))
    return Target(Pick.NAME, _worker(value, names, step))


def _worker(value: Any, names: Collection[str] | None, step: str) -> str:
    name = values.filled(value)
    if names is not None and name not in names:
        hint = did_you_mean(name, (*names, *_PICKS))
        has = f"The stack has: {', '.join(names) or 'no workers'}."
        raise wrong(f"is {shown(name)}, which is no worker of the stack.", f"{hint}{has} {step}")
    return name


def _condition(names: Collection[str] | None) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = values.filled(value)
        condition = parse_condition(text)
        for name in condition.workers if names is not None else ():
            if name not in (names or ()):
                hint = did_you_mean(name, names or ())
                has = f"The stack has: {', '.join(names or ()) or 'no workers'}."
                raise wrong(f"names {shown(name)}, which is no worker of the stack.", f"{hint}{has}")
        return text

    return read


# how


def _seconds(reader: DrillReader, table: Mapping[str, Any], path: Path, info: FaultInfo) -> float | None:
    if "for" in table and not info.lasts:
        reader.fault((*path, "for"), f"cannot be: {info.kind} is over in a moment.", "Take it out.")
        return None
    return reader.take(table, path, "for", durations.seconds(), None)


def _options(reader: DrillReader, table: Mapping[str, Any], path: Path, info: FaultInfo) -> dict[str, Any]:
    """Those of its kind."""
    found = {
        option.name: reader.take(table, path, option.name, _reader_of(option), None)
        for option in info.options
        if option.name in table
    }
    return {name: value for name, value in found.items() if value is not None}


def _reader_of(option: FaultOption) -> Callable[[Any], Any]:
    """How the value of an option is read: in its unit, and seconds as times may be written too."""
    low, high = option.low, option.high
    if option.kind == "choice":
        return values.word(option.choices)
    if option.kind == "str":
        return values.filled
    if option.kind == "int":
        return values.whole(int(low or 0), None if high is None else int(high), option.unit)
    if option.unit == "s":
        return durations.seconds(low or 0.0, durations.LONGEST if high is None else high)
    return lambda value: _number(value, option)


def _number(value: Any, option: FaultOption) -> float:
    low = -float("inf") if option.low is None else option.low
    high = float("inf") if option.high is None else option.high
    unit = f" {option.unit}" if option.unit else ""
    step = f"Allowed: a number from {low:g} to {high:g}{unit}, without quotes."
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"must be a number, not {kind_of(value)}.", step)
    if not low <= value <= high:
        raise wrong(f"cannot be {shown(value)}.", step)
    return float(value)
