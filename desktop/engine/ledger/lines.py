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
