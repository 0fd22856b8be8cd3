"""The load generator's side of the ledger: what it writes, and what it reads of the workers' lines."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from desktop.engine.api import DeskError

FORMAT_VERSION = 1
_READ = 1024 * 1024


class Parcel(NamedTuple):
    """A task on its way: its id is made before it is sent, and kept if it must be sent again."""

    id: str
    name: str
    queue: str
    share: int  # index in the workload's mix


class LedgerWriter:
    """Writes `load-<id>.001.<pid>.jsonl`, as `ledger/FORMAT.md` says. Raises OSError when it cannot."""

    def __init__(self, folder: Path, load_id: int, celery_version: str) -> None:
        self.service = f"load-{load_id}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.service}.001.{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._write(
            "open",
            v=FORMAT_VERSION,
            service=self.service,
            start=1,
            pid=os.getpid(),
            parent=os.getppid(),
            role="load",
            node=None,
            pool=None,
            celery=celery_version,
            python=platform.python_version(),
        )

    def sent(self, parcels: Iterable[Parcel]) -> None:
        """The broker confirmed them."""
        self._by_task("sent", parcels)

    def doubt(self, parcels: Iterable[Parcel]) -> None:
        """They were handed over when the connection broke."""
        self._by_task("doubt", parcels)

    def unsent(self, parcels: Collection[Parcel]) -> None:
        """They are known not to have arrived."""
        if parcels:
            self._write("unsent", ids=[parcel.id for parcel in parcels])

    def close(self) -> None:
        """The last line was written."""
        os.close(self._file)

    def _by_task(self, kind: str, parcels: Iterable[Parcel]) -> None:
        groups: dict[tuple[str, str], list[str]] = {}
        for parcel in parcels:
            groups.setdefault((parcel.name, parcel.queue), []).append(parcel.id)
        for (name, queue), ids in groups.items():
            self._write(kind, ids=ids, name=name, queue=queue)

    def _write(self, kind: str, **fields: Any) -> None:
        line = orjson.dumps({"k": kind, "t": time.time(), **fields}) + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError("the disk is full")


class Witness:
    """Tells which tasks the workers received, from the lines that their probes wrote."""

    def __init__(self, folder: Path, own_service: str) -> None:
        self._folder = folder
        self._own = f"{own_service}."

    def mark(self) -> dict[str, int]:
        """How long each worker's file is now: what is received later is written behind that."""
        return {entry.name: entry.stat().st_size for entry in self._files()}

    def received(self, ids: Collection[str], since: Mapping[str, int]) -> set[str]:
        """Those of `ids` that some worker received after `since` was taken.

        Raises DeskError when the lines cannot be read.
        """
        found: set[str] = set()
        try:
            for entry in self._files():
                found |= _received(Path(entry.path), since.get(entry.name, 0)).intersection(ids)
        except OSError as error:
            raise DeskError(
                f"The ledger cannot be read ({error.strerror or error}), so it is not known what arrived.",
                "See whether the run folder is still there.",
            ) from None
        return found

    def _files(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl") and not entry.name.startswith(self._own):
                    yield entry


def _received(path: Path, offset: int) -> set[str]:
    ids: set[str] = set()
    for line in _lines(path, offset):
        if b'"received"' not in line:
            continue
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # cut off: the disk was full
        if told.get("k") == "received":
            ids.add(told["id"])
    return ids


def _lines(path: Path, offset: int) -> Iterator[bytes]:
    """The whole lines behind `offset`, which lies at the start of one."""
    rest = b""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while part := file.read(_READ):
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
