"""What a ledger file says: its process, by its name, and its lines (`FORMAT.md`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

_NAME = re.compile(r"(?P<service>.+)\.(?P<start>\d{3,})\.(?P<pid>\d+)(?:-\d+)?\.jsonl")


class Source(NamedTuple):
    """The process that wrote a file."""

    service: str
    start: int
    pid: int


class Line(NamedTuple):
    """One line, and who wrote it."""

    source: Source
    data: Mapping[str, Any]
    raw: bytes = b""


def payload_of(raw: bytes, data: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The args and kwargs of a `received` line, as JSON; None where the line has none.

    Cut out of the line as the probe wrote it, which is cheaper than writing them anew and keeps numbers
    that Python's floats cannot hold. Those of an attached stack are Python's `repr`, as its events have them.
    """
    if not raw and "repr" in data:
        return data["args"], data["kwargs"]
    end = raw.rfind(b',"retries":')  # behind it stand no texts of the task's
    middle = raw.rfind(b',"kwargs":', 0, end)
    begin = raw.find(b'"args":')
    if 0 < begin < middle and raw.find(b',"kwargs":', begin, middle) < 0:
        args, kwargs = raw[begin + 7 : middle], raw[middle + 10 : end]
        try:
            return (
                None if args == b"null" else args.decode(),
                None if kwargs == b"null" else kwargs.decode(),
            )
        except UnicodeDecodeError:
            pass
    return _dumped(data.get("args")), _dumped(data.get("kwargs"))


def _dumped(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))


def source_of(path: Path | str) -> Source | None:
    """The process whose file this is; None for a file that is not of the ledger."""
    match = _NAME.fullmatch(Path(path).name)
    return Source(match["service"], int(match["start"]), int(match["pid"])) if match else None


def parsed(line: bytes) -> dict[str, Any] | None:
    """The object on a line; None when it is none, as after a disk that was full."""
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:  # lone surrogates in a task's text: Python's own parser takes them
            data = json.loads(line)
        except ValueError:
            return None
    return data if isinstance(data, dict) and "k" in data else None
