"""Faults as JSON: what is kept of them in a run folder, and both ways for every dataclass of the api.

`faults.jsonl` has one line for each change of a fault, each the whole `FaultRecord`: the last line of an id
counts. It is written line by line and flushed, so that it survives the panel.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from desktop.engine.api import FaultRecord

T = TypeVar("T")

NAME = "faults.jsonl"


def to_json(value: Any) -> Any:
    """A dataclass, and all that is in it, as what `json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def from_json(kind: type[T], data: Any) -> T:
    """The dataclass that `to_json` made this of.

    What it does not know is passed over and what is missing takes its default: a file of another version is
    read as far as it goes. Raises ValueError where it is something else.
    """
    try:
        value: T = _decoded(kind, data)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"this is no {kind.__name__}: {error}") from error
    return value


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _decoded(kind: Any, data: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if data is None else _decoded(next(one for one in inner if one is not type(None)), data)
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_decoded(inner[0], item) for item in data)
        return tuple(_decoded(one, item) for one, item in zip(inner, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {_decoded(inner[0], key): _decoded(inner[1], item) for key, item in data.items()}
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast("type", kind))
        names = [item.name for item in dataclasses.fields(kind) if item.name in data]
        return typing.cast("type", kind)(**{name: _decoded(hints[name], data[name]) for name in names})
    if isinstance(kind, type) and (issubclass(kind, (Enum, Path)) or kind is float):
        return kind(data)
    return data


def append_record(folder: Path, record: FaultRecord) -> None:
    """Write one change of a fault into a run folder. Raises OSError where the disk does not take it."""
    line = json.dumps(to_json(record), ensure_ascii=False, separators=(",", ":")) + "\n"
    # One write, opened for appending: a line of another process is never in the middle of it.
    with (folder / NAME).open("ab", buffering=0) as file:
        file.write(line.encode())


def read_faults(folder: Path) -> tuple[FaultRecord, ...]:
    """Every fault of a run, by its number; none where there is no such file.

    A line that is torn, because the machine or the disk gave out while it was written, is passed over.
    """
    try:
        lines = (folder / NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    found: dict[int, FaultRecord] = {}
    for line in lines:
        try:
            record = from_json(FaultRecord, json.loads(line))
        except ValueError:
            continue
        found[record.id] = record
    return tuple(found[number] for number in sorted(found))
