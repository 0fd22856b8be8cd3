"""A [[workload]] table of a drill file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from desktop.engine.api import DeskError, TaskShare, Workload
from desktop.engine.drills import durations
from desktop.engine.drills.reader import DrillReader
from desktop.engine.load.plan import check, target
from desktop.engine.stack import values
from desktop.engine.stack.problems import kind_of, shown, wrong

_SHARE = ("task", "args", "kwargs", "queue", "weight", "countdown", "priority")
_OWN = ("mix", "count", "rate", "seconds", "name", "seed")
_MOST = 10_000_000
Path = tuple[str | int, ...]


def read_workload(reader: DrillReader, table: Mapping[str, Any], path: Path) -> Workload | None:
    """The workload of a table; None where something is wrong with it, which is noted."""
    before = len(reader.problems)
    reader.unknown(table, path, (*_SHARE, *_OWN))
    mix = _mix(reader, table, path)
    workload = Workload(
        mix=mix,
        count=reader.take(table, path, "count", values.whole(1, _MOST), None),
        rate=reader.take(table, path, "rate", _rate, None),
        seconds=reader.take(table, path, "seconds", durations.seconds(above=True), None),
        name=reader.take(table, path, "name", values.filled, ""),
        seed=reader.take(table, path, "seed", values.whole(0, 2**31 - 1), 0),
    )
    if len(reader.problems) == before:
        _check(reader, workload, path)
    return workload if len(reader.problems) == before else None


def _check(reader: DrillReader, workload: Workload, path: Path) -> None:
    try:
        check(workload)
    except DeskError as error:
        what = error.what[:1].lower() + error.what[1:]
        reader.fault(path, f"cannot be sent: {what}", error.next_step)
        return
    number = target(workload)
    if number is None:
        step = "Write count, or seconds beside rate: a drill comes to an end."
        reader.fault(path, "would be sent for ever.", step)
    elif number > _MOST:
        reader.fault(path, f"sends {number:,} tasks.", f"Allowed: up to {_MOST:,}.")


def _mix(reader: DrillReader, table: Mapping[str, Any], path: Path) -> tuple[TaskShare, ...]:
    if "mix" not in table:
        if "task" not in table:
            reader.fault(path, "names no task.", 'Write task = "tasks.sleep", or mix = [{ task = "…" }, …].')
        return (_share(reader, table, path),)
    for key in _SHARE:
        if key in table:
            reader.fault((*path, key), "stands beside mix.", "Write it into each entry of mix.")
    mix = table["mix"]
    if not isinstance(mix, list) or not mix or not all(isinstance(share, dict) for share in mix):
        step = 'Write mix = [{ task = "tasks.sleep", weight = 3 }, { task = "tasks.noop" }].'
        reader.fault((*path, "mix"), f"must be a list of tables, not {kind_of(mix)}.", step)
        return ()
    for index, share in enumerate(mix):
        here = (*path, "mix", index)
        reader.unknown(share, here, _SHARE)
        if "task" not in share:
            reader.fault(here, "names no task.", 'Write task = "…".')
    return tuple(_share(reader, share, (*path, "mix", index)) for index, share in enumerate(mix))


def _share(reader: DrillReader, table: Mapping[str, Any], path: Path) -> TaskShare:
    return TaskShare(
        task=reader.take(table, path, "task", values.filled, "?"),
        args=reader.take(table, path, "args", _args, ()),
        kwargs=reader.take(table, path, "kwargs", _kwargs, {}),
        queue=reader.take(table, path, "queue", lambda value: values.queues([value])[0], None),
        weight=reader.take(table, path, "weight", values.whole(0, 1_000_000), 1),
        countdown=reader.take(table, path, "countdown", durations.seconds(), None),
        priority=reader.take(table, path, "priority", values.whole(0, 9), None),
    )


def _rate(value: Any) -> float:
    step = "Allowed: a number of tasks a second, more than 0, without quotes."
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"must be a number, not {kind_of(value)}.", step)
    if not 0 < value <= 1_000_000:
        raise wrong(f"cannot be {shown(value)}.", step)
    return float(value)


def _args(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise wrong(f"must be a list, not {kind_of(value)}.", "Write args = [1, 2].")
    _sendable(value)
    return tuple(value)


def _kwargs(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(f"must be a table, not {kind_of(value)}.", "Write kwargs = { seconds = 2 }.")
    _sendable(value)
    return value


def _sendable(value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise wrong(
            "holds a date, or a number that is none: no message can carry it.",
            "Use numbers, text, true and false, lists and tables.",
        ) from None
