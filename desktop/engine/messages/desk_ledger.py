"""What the panel itself did to messages, written into the ledger (`ledger/FORMAT.md`)."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from desktop.engine.api import DeskError

FORMAT_VERSION = 1
DESK = "desk"
SENDER = "load-0"  # the panel as a sender: its `sent` lines count like those of any load generator
LINE_IDS = 1000  # ids of one line at most

_lock = threading.Lock()


def write_ids(
    folder: Path, service: str, kind: str, ids: Sequence[str], t: float | None = None, **fields: Any
) -> None:
    """Write lines of `kind` with these ids, which happened now or at `t`. Raises DeskError if it cannot.

    A line that was written survives the death of this process.
    """
    now = time.time() if t is None else t
    pieces = [ids[start : start + LINE_IDS] for start in range(0, len(ids), LINE_IDS)]
    _append(folder, service, [{"k": kind, "t": now, "ids": list(piece), **fields} for piece in pieces])


def _append(folder: Path, service: str, lines: Sequence[Mapping[str, Any]]) -> None:
    path = folder / f"{service}.001.{os.getpid()}.jsonl"
    with _lock:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                size = os.fstat(file).st_size
                if not size:
                    _write(file, _opening(service))
                elif os.pread(file, 1, size - 1) != b"\n":
                    os.write(file, b"\n")  # the disk was full in the middle of a line
                for line in lines:
                    _write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise DeskError(
                f"The ledger {path.name} cannot be written: {error.strerror or error}.",
                "Make room on the disk of the run folder, then try again.",
            ) from None


def _write(file: int, line: Mapping[str, Any]) -> None:
    data = orjson.dumps(line) + b"\n"
    if os.write(file, data) != len(data):
        raise OSError("the disk is full")


def _opening(service: str) -> Mapping[str, Any]:
    return {
        "k": "open",
        "t": time.time(),
        "v": FORMAT_VERSION,
        "service": service,
        "start": 1,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "role": "desk" if service == DESK else "load",
        "node": None,
        "pool": None,
        "celery": None,
        "python": platform.python_version(),
    }
