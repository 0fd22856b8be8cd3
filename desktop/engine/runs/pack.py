"""A run folder as one zip file, to hand to a colleague. A living run is packed as it is at that moment."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from desktop.engine.api import DeskError
from desktop.engine.record.schema import stillborn
from desktop.engine.runs.cap import told_size
from desktop.engine.runs.folders import BESIDE, DATABASE, LEDGER, LOGS, STACK, is_run, writers
from desktop.engine.runs.underway import Progress

_CHUNK = 1 << 20
_PAGES = 2_000  # of the database, between two looks at whether it was cancelled
_TIME = struct.Struct("<HHBI")  # "UT": when it was written, in UTC; a zip's own times are of no known zone
_LEVEL = 4  # a ledger gets 7 times smaller, a database 2.3; 6 takes twice as long for 3 to 10 % more


def pack(folder: Path, to: Path, progress: Progress) -> str:
    """Write the zip; a sentence that says so. What is there already is replaced at the very end.

    Only what belongs to the record is taken: database, stack file, note, faults, a drill's file and verdict,
    logs and ledger. The broker's own folder stays out, and with it whatever of the messages it has on disk.
    Raises DeskError.
    """
    if not is_run(folder):
        raise DeskError(f"{folder} is no run folder.", "`celery-desk runs` lists the ones there are.")
    if to.is_dir():
        raise DeskError(f"{to} is a folder.", "Name a file, such as run.zip.")
    part = to.with_name(f".{to.name}.part")
    try:
        with tempfile.TemporaryDirectory(prefix=".celery-desk-", dir=to.parent) as beside:
            _write(folder, part, Path(beside), progress)
        os.replace(part, to)
    except (OSError, sqlite3.Error) as error:
        raise DeskError(
            f"{to.name} could not be written: {getattr(error, 'strerror', None) or error}.",
            f"Look at the room and the rights of {to.parent}.",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return f"{to.name} was written ({told_size(to.stat().st_size)})."


def _write(folder: Path, part: Path, beside: Path, progress: Progress) -> None:
    files = list(_files(folder))
    database = folder / DATABASE
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        # First of all: what the ledger has beyond it, opening completes. The other way round would be a loss.
        if database.is_file() and not stillborn(database):
            progress.doing("Copying the database")
            copy = beside / DATABASE
            living = writers().write(folder)
            copy_database(database, copy, progress)
            if living:
                _say_copied(copy)
            files.insert(0, copy)
        progress.doing("Packing")
        _Packer(archive, folder, sum(path.stat().st_size for path in files), progress).add(files, beside)


def _files(folder: Path) -> Iterator[Path]:
    for name in (STACK, *BESIDE):
        if (folder / name).is_file() and not (folder / name).is_symlink():
            yield folder / name
    for name in (LOGS, LEDGER):
        with contextlib.suppress(FileNotFoundError):
            yield from sorted(p for p in (folder / name).iterdir() if p.is_file() and not p.is_symlink())


def copy_database(database: Path, copy: Path, progress: Progress) -> None:
    """A consistent copy of a database that somebody may be writing, with all that its WAL holds."""
    with (
        contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        # One read transaction: the writer does not wait, and its commits do not begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()

        def told(_status: int, remaining: int, total: int) -> None:
            progress.tell(1 - remaining / max(total, 1))

        source.backup(target, pages=_PAGES, progress=told, sleep=0)
        # One file without a companion: a WAL beside it would not be in the zip.
        target.execute("PRAGMA journal_mode = DELETE")


def _say_copied(copy: Path) -> None:
    """That its run lived: no panel died, and what is active in it was not cut."""
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        if connection.execute("SELECT 1 FROM meta WHERE key = 'clean' AND value = 'true'").fetchone() is None:
            connection.execute("INSERT OR REPLACE INTO meta VALUES('copied', ?)", (json.dumps(time.time()),))


class _Packer:
    """Puts files into a zip, under one folder that has the run's name."""

    def __init__(self, archive: zipfile.ZipFile, folder: Path, total: int, progress: Progress) -> None:
        self._archive, self._folder = archive, folder
        self._done, self._total, self._progress = 0, max(total, 1), progress

    def add(self, files: list[Path], beside: Path) -> None:
        for path in files:
            root = beside if path.parent == beside else self._folder
            name = f"{self._folder.name}/{path.relative_to(root).as_posix()}"
            with contextlib.suppress(FileNotFoundError), path.open("rb") as source:
                self._add(source, name)

    def _add(self, source: IO[bytes], name: str) -> None:
        found = os.fstat(source.fileno())
        entry = zipfile.ZipInfo(name, time.localtime(max(found.st_mtime, 315619200.0))[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o100600 << 16
        entry.extra = _TIME.pack(0x5455, 5, 1, int(found.st_mtime) & 0xFFFFFFFF)
        left = found.st_size  # a living log grows: it is taken as long as it was
        with self._archive.open(entry, "w", force_zip64=True) as target:
            while left > 0 and (chunk := source.read(min(_CHUNK, left))):
                target.write(chunk)
                left -= len(chunk)
                self._done += len(chunk)
                self._progress.tell(self._done / self._total)
