"""A zip of a run, opened again. It may come from anybody, so nothing in it is believed.

Only the files of a run are taken out, by name; what would lead out of the folder, is a link, is encrypted or
would unpack to more than it can be is refused as a whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sqlite3
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from desktop.engine.api import DeskError
from desktop.engine.runs.cap import told_size
from desktop.engine.runs.folders import BESIDE, DATABASE, LEDGER, LOGS, STACK
from desktop.engine.runs.underway import Progress

_CHUNK = 1 << 20
_MOST_FILES = 20_000
_RATIO, _HARMLESS = 300, 256 << 20  # a ledger gets 7 times smaller, a database 2 to 3 times
_ROOM = 256 << 20  # bytes that stay free on the disk
_NOT_OURS = "It is no run that Celery Desk packed, or it was changed since."
_TIME = struct.Struct("<HHBI")  # as `pack` writes it
_DATABASE_HEAD = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the run in the zip."""

    info: zipfile.ZipInfo
    name: str  # within the run folder: "ledger/w1.001.4242.jsonl"


def check_zip(path: Path) -> tuple[Entry, ...]:
    """What would be taken out of it. Raises DeskError with the reason where it is refused."""
    with _opened(path) as archive:
        entries = _entries(path, archive)
        database = next((entry for entry in entries if entry.name == DATABASE), None)
        if database is not None:
            with archive.open(database.info) as file:
                check_version(path.name, file.read(100))
    return entries


def unpack(path: Path, into: Path, progress: Progress) -> Path:
    """Take a run out of its zip; its folder, below `into`. Raises DeskError, and leaves nothing then."""
    entries = check_zip(path)
    total = sum(entry.info.file_size for entry in entries)
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(into).free
    if total + _ROOM > free:
        raise DeskError(
            f"{path.name} needs {told_size(total)} unpacked, and only {told_size(free)} are free.",
            f"Make room on the disk of {into}.",
        )
    folder = into / _run_name(path)
    progress.doing("Unpacking")
    try:
        folder.mkdir(mode=0o700)
        for part in (LOGS, LEDGER):
            (folder / part).mkdir(mode=0o700)
        with _opened(path) as archive:
            _extract(archive, entries, folder, progress)
        check_database(folder / DATABASE)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _run_name(path: Path) -> str:
    """The folder takes the name of the file: that is what a person has called it."""
    word = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in path.stem)
    return word.strip(".-")[:120] or "run"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        struct.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DeskError(
            f"{path.name} is no zip file, or a damaged one: {error}.", "Ask for it once more."
        ) from error
    except OSError as error:
        raise DeskError(
            f"{path.name} cannot be read: {error.strerror or error}.", "Check the path."
        ) from error


def _entries(path: Path, archive: zipfile.ZipFile) -> tuple[Entry, ...]:
    infos = archive.infolist()
    if len(infos) > _MOST_FILES:
        raise _refused(path, f"It holds {len(infos):,} files.")
    for info in infos:
        _check_entry(path, info)
    root = _root(infos)
    entries = tuple(
        Entry(info, name) for info in infos if (name := _wanted(info.filename, root)) and not info.is_dir()
    )
    names = [entry.name for entry in entries]
    if DATABASE not in names and STACK not in names:
        raise _refused(path, "There is no run in it.")
    if len(set(names)) != len(names):
        raise _refused(path, "It holds two files of one name.")
    total = sum(entry.info.file_size for entry in entries)
    if total > _HARMLESS and total > _RATIO * max(path.stat().st_size, 1):
        raise _refused(path, f"Its {told_size(path.stat().st_size)} would become {told_size(total)}.")
    return entries


def _check_entry(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = PurePosixPath(name).parts
    if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or ":" in name:
        raise _refused(path, f"It has a file that would lie elsewhere: {name[:80]!r}.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(path, f"It has a link or a device in it: {name[:80]!r}.")
    if info.flag_bits & 0x1:
        raise DeskError(f"{path.name} is encrypted.", "Unpack it with its password, and open the folder.")


def _root(infos: list[zipfile.ZipInfo]) -> str:
    """The one folder under which the run lies, or "" where it lies at the top."""
    for info in infos:
        place = PurePosixPath(info.filename)
        if place.name in (DATABASE, STACK) and len(place.parts) <= 2 and not info.is_dir():
            return "" if len(place.parts) == 1 else f"{place.parts[0]}/"
    return ""


def _wanted(name: str, root: str) -> str:
    """Its name within the run folder; "" for what is no part of a run."""
    if not name.startswith(root):
        return ""
    place = PurePosixPath(name[len(root) :])
    if str(place) in (DATABASE, STACK, *BESIDE):
        return str(place)
    return str(place) if len(place.parts) == 2 and place.parts[0] in (LOGS, LEDGER) else ""


def _extract(archive: zipfile.ZipFile, entries: tuple[Entry, ...], folder: Path, progress: Progress) -> None:
    total, done = max(sum(entry.info.file_size for entry in entries), 1), 0
    for entry in entries:
        # No more comes out than the entry said: `zipfile` reads no further, and compares the sum of it.
        with archive.open(entry.info) as source, (folder / entry.name).open("xb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                done += len(chunk)
                progress.tell(done / total)
        _set_time(folder / entry.name, entry.info)


def _set_time(path: Path, info: zipfile.ZipInfo) -> None:
    """When it was written: by that the zone of a log's lines is told."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 0x5455 and size >= 5 and len(extra) >= _TIME.size:
            written = _TIME.unpack_from(extra)[3]
            os.utime(path, (written, written))
            return
        extra = extra[4 + size :]


def check_version(what: str, head: bytes) -> None:
    """By the first 100 bytes of a database: that it is one, and not of a later format than ours.

    Raises DeskError.
    """
    from desktop.engine.record.schema import VERSION

    if not head.startswith(_DATABASE_HEAD) or len(head) < 100:
        raise DeskError(f"The database in {what} is none.", _NOT_OURS)
    version = int.from_bytes(head[60:64], "big")  # PRAGMA user_version, by SQLite's file format
    if version > VERSION:
        raise DeskError(
            f"{what} was recorded by a newer Celery Desk (format {version}; this one reads up to {VERSION}).",
            "Update Celery Desk to open it.",
        )


def check_database(database: Path) -> None:
    """Only our own views beside the tables: others would run somebody else's words. Raises DeskError."""
    if not database.is_file():
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            if not _programs(connection) <= _our_programs():
                raise DeskError(
                    f"The database in {database.parent.name} holds views that are not ours.", _NOT_OURS
                )
    except sqlite3.Error as error:
        raise DeskError(
            f"The database in {database.parent.name} cannot be read: {error}.", _NOT_OURS
        ) from error


def _programs(connection: sqlite3.Connection) -> set[str]:
    """The views and triggers of a database, as SQL."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE type NOT IN ('table', 'index')")
    return {str(sql) for (sql,) in found}


@functools.cache
def _our_programs() -> frozenset[str]:
    """Those of a fresh database of ours."""
    from desktop.engine.record import schema

    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(schema.create(Path(folder, schema.NAME))) as connection,
    ):
        return frozenset(_programs(connection))


def _refused(path: Path, why: str) -> DeskError:
    return DeskError(f"{path.name} is not opened. {why}", _NOT_OURS)
