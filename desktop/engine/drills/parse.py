"""Drill files: read and validated as a whole, with every problem told at once, by line and key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import DrillSpec, Expect, Finding, PlannedFault, Workload
from desktop.engine.drills import durations
from desktop.engine.drills.fault_table import read_fault
from desktop.engine.drills.library import find_drill
from desktop.engine.drills.reader import DrillReader
from desktop.engine.drills.workload_table import read_workload
from desktop.engine.stack import values
from desktop.engine.stack.compose import compose_stack
from desktop.engine.stack.model import StackSpec
from desktop.engine.stack.parse import read_stack, stack_of, stack_text
from desktop.engine.stack.positions import locate
from desktop.engine.stack.problems import Fault, StackFileError, WrongError, kind_of, wrong
from desktop.engine.stack.shipped import find_stack
from desktop.engine.stack.text import load, plain, read_text, too_deep

_ROOT = (
    *("name", "title", "teaches", "change", "gives", "seed", "repeat", "limit", "stack"),
    *("workload", "fault", "expect"),
)
_EXPECT = ("lost", "duplicates", "failed", "still", "recovered_within", "noticed_within")
_LATER = {
    "faults": "Write each fault as [[fault]]. ",
    "workloads": "Write each workload as [[workload]]. ",
    "worker": "Write [[stack.worker]]. ",
    "broker": "Write [stack.broker]. ",
    "celery": "Write [stack.celery]. ",
    "app": "Write [stack.app]. ",
}
_LONGEST_LIMIT = 86_400.0


def read_drill(path_or_name: str | Path) -> DrillSpec:
    """The drill of a file, or of one that ships or lies in the user's own folder by its bare name.

    Raises StackFileError, which names every problem, and nothing else.
    """
    path = find_drill(path_or_name)
    return parse_drill(read_text(path, "drill"), path)


def parse_drill(text: str, path: Path | None = None) -> DrillSpec:
    """The drill that a text describes. Relative paths in it are relative to the folder of `path`.

    Raises StackFileError, which names every problem, and nothing else.
    """
    file = path.name if path else "drill file"
    try:
        data = load(text, file, "drill")
        reader = DrillReader(locate(plain(text)))
        spec = _drill(reader, data, path, text)
    except RecursionError:
        raise too_deep(file) from None
    if reader.problems:
        raise StackFileError(file, reader.problems)
    return spec


def _drill(reader: DrillReader, data: Mapping[str, Any], path: Path | None, text: str) -> DrillSpec:
    reader.unknown(data, (), _ROOT, lambda key: _LATER.get(key, ""))
    name = _name(reader, data, path)
    stack, composed = _stack(reader, data, path, name)
    return DrillSpec(
        name=name,
        title=reader.take(data, (), "title", values.filled, name),
        teaches=reader.take(data, (), "teaches", _prose, ""),
        change=reader.take(data, (), "change", _prose, ""),
        stack=stack,
        stack_text=composed,
        workloads=_workloads(reader, data),
        faults=_faults(reader, data, stack),
        expect=_expect(reader, data),
        gives=reader.take(data, (), "gives", values.member(Finding), None),
        repeat=reader.take(data, (), "repeat", values.whole(1, 10_000), 1),
        seed=reader.take(data, (), "seed", values.whole(0, 2**31 - 1), 0),
        limit=reader.take(data, (), "limit", durations.seconds(1.0, _LONGEST_LIMIT), DrillSpec("").limit),
        path=path,
        text=text,
    )


def _name(reader: DrillReader, data: Mapping[str, Any], path: Path | None) -> str:
    if "name" in data:
        return reader.take(data, (), "name", values.name, "drill")
    stem = path.stem if path else ""
    if not values.NAME.fullmatch(stem) or len(stem) > 60:
        reader.fault((), "has no name.", 'Write name = "…" as its first key.')
        return "drill"
    return stem


def _prose(value: Any) -> str:
    """Sentences, which may stand on several lines."""
    if isinstance(value, str):
        value = " ".join(value.split())
    return values.filled(value)


# the stack


def _stack(
    reader: DrillReader, data: Mapping[str, Any], path: Path | None, name: str
) -> tuple[StackSpec | None, str]:
    """The drill's own stack and its text; None where it is that which lives, or is wrong."""
    if "stack" not in data:
        return None, ""
    if isinstance(data["stack"], dict):
        return _inline(reader, data["stack"], path, name)
    found = reader.take(data, (), "stack", lambda value: _named(value, path), None)
    if found is None:
        return None, ""
    return found, stack_text(found)


def _inline(
    reader: DrillReader, table: Mapping[str, Any], path: Path | None, name: str
) -> tuple[StackSpec | None, str]:
    inner = reader.inside("stack")
    named = {"name": name, **table}
    found = dataclasses.replace(stack_of(inner, named, path, ""), path=None, about="")
    reader.take_over("stack", inner)
    if inner.problems:
        return None, ""
    return found, compose_stack(found)


def _named(value: Any, path: Path | None) -> StackSpec:
    """A stack file beside the drill's, or a shipped one by its bare name."""
    if not isinstance(value, str):
        raise wrong(
            f"must be the name of a stack or a table, not {kind_of(value)}.",
            'Write stack = "laptop", or a table [stack] with [[stack.worker]] in it.',
        )
    given = values.filled(value)
    beside = path.parent / given if path is not None else Path(given)
    try:
        return read_stack(beside if _is_file(beside) else find_stack(given))
    except StackFileError as error:
        if error.problems and error.problems[0].whole:
            problem = error.problems[0]
            raise wrong(f"names {error.file}, which {problem.what}", problem.next_step) from None
        raise WrongError(Fault(f"cannot be used: {error}", "Correct that file.")) from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


# workloads, faults, expectations


def _workloads(reader: DrillReader, data: Mapping[str, Any]) -> tuple[Workload, ...]:
    tables = reader.tables(data, "workload")
    if "workload" not in data or data["workload"] == []:
        step = 'Write [[workload]] with task = "tasks.sleep" and count = 20.'
        reader.fault((), "has no workload.", step)
    read = [read_workload(reader, table, ("workload", index)) for index, table in enumerate(tables)]
    return tuple(workload for workload in read if workload is not None)


def _faults(
    reader: DrillReader, data: Mapping[str, Any], stack: StackSpec | None
) -> tuple[PlannedFault, ...]:
    tables = reader.tables(data, "fault")
    read = [
        read_fault(reader, table, ("fault", index), reader.line(("fault", index)), stack)
        for index, table in enumerate(tables)
    ]
    return tuple(fault for fault in read if fault is not None)


def _expect(reader: DrillReader, data: Mapping[str, Any]) -> Expect:
    table = reader.table(data, "expect", _EXPECT)
    path, usual = ("expect",), Expect()

    def number(key: str, default: int | None) -> int | None:
        return reader.take(table, path, key, _number_or_allowed, default)

    def within(key: str) -> float | None:
        return reader.take(table, path, key, durations.seconds(above=True), None)

    return Expect(
        lost=number("lost", usual.lost),
        duplicates=number("duplicates", usual.duplicates),
        failed=number("failed", usual.failed),
        still=number("still", usual.still),
        recovered_within=within("recovered_within"),
        noticed_within=within("noticed_within"),
    )


def _number_or_allowed(value: Any) -> int | None:
    if value == "allowed":
        return None
    if isinstance(value, str):
        raise wrong(f'cannot be "{value[:40]}".', 'Allowed: a whole number of tasks, at most, or "allowed".')
    read: Callable[[Any], int] = values.whole(0, 100_000_000, 'tasks, at most; or "allowed"')
    return read(value)
