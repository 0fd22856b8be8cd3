"""From a path to a record that can be read: a zip is unpacked to a place of its own, and what the death of a
panel left out of a database is completed from its ledger.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from desktop.engine import paths
from desktop.engine.api import DeskError, Record
from desktop.engine.record import schema
from desktop.engine.record.facts import copied_of
from desktop.engine.runs.catalog import behind, read_meta, seems_to_run
from desktop.engine.runs.folders import DATABASE, LEDGER, is_run, writers
from desktop.engine.runs.underway import Progress
from desktop.engine.runs.unpack import check_zip, unpack
from desktop.engine.supervise.session import held

LOCK = "lock"
_YOUNG = 60.0  # seconds
_FACTS: tuple[tuple[str, type | tuple[type, ...], bool], ...] = (
    ("began", (int, float), True),
    ("ended", (int, float), False),
    ("stack", str, False),
    ("counts", dict, False),
    ("versions", dict, False),
)


@dataclass(slots=True)
class Place:
    """A run folder that is open, and, for one that came from a zip, what is deleted when it is closed."""

    folder: Path
    temporary: Path | None = None
    lock: int | None = None

    def record(self, progress: Progress) -> Record:
        """Read it; complete it first where its panel was killed. Raises DeskError."""
        from desktop.engine.record.reading.reader import RunReader

        if needs_completing(self.folder):
            complete(self.folder, progress)
        progress.doing("Opening the record")
        check_facts(self.folder)
        return RunReader.open(self.folder, live=False)

    def close(self) -> None:
        """Delete what was unpacked."""
        if self.temporary is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def check_path(path: Path) -> None:
    """Raises DeskError where a path is surely no run that can be opened; nothing is changed by asking."""
    if path.is_dir():
        _check_folder(path)
    elif path.is_file():
        check_zip(path)
    else:
        raise DeskError(
            f"There is no {path}.", "Name a run folder or a zip of one; `celery-desk runs` lists them."
        )


def open_place(path: Path, progress: Progress) -> Place:
    """The run folder that is meant; a zip is unpacked first. Raises DeskError."""
    sweep_unpacked()
    check_path(path)
    if path.is_dir():
        return Place(path.absolute())
    root = unpacked_folder() / secrets.token_hex(6)
    root.mkdir(parents=True, mode=0o700)
    lock = os.open(root / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    place = Place(root, root, lock)
    try:
        place.folder = unpack(path, root, progress)
    except BaseException:
        place.close()
        raise
    return place


def _check_folder(folder: Path) -> None:
    if not is_run(folder):
        raise DeskError(
            f"{folder} is no run folder: there is no {DATABASE} in it.",
            "`celery-desk runs` lists the ones there are.",
        )
    if writers().write(folder):
        raise DeskError(
            f"{folder.name} is being recorded now.", "Open it when it has ended, or pack it as it is."
        )
    if (folder / DATABASE).is_file() and not _remade(folder):
        schema.open_to_read(folder / DATABASE).close()


def _remade(folder: Path) -> bool:
    """Nothing is in its database, and its ledger makes another one."""
    return (folder / LEDGER).is_dir() and schema.stillborn(folder / DATABASE)


def check_facts(folder: Path) -> None:
    """That the database says of itself what every record does. Raises DeskError: it may come from anybody."""
    path = folder / DATABASE
    with contextlib.closing(schema.open_to_read(path)) as connection:
        try:
            meta = read_meta(connection)
        except (sqlite3.Error, ValueError) as error:
            raise schema.unreadable(path, error) from error
    for key, kinds, needed in _FACTS:
        if (needed or key in meta) and not isinstance(meta.get(key), kinds):
            raise schema.unreadable(path, ValueError(f"its {key} is {str(meta.get(key))[:40]!r}"))


# -- what was unpacked


def unpacked_folder() -> Path:
    """Runs from zips, each in a folder of its own with a lock that is held while it is open."""
    return paths.state_folder() / "opened"


def sweep_unpacked() -> None:
    """Delete what panels that are gone had unpacked."""
    with contextlib.suppress(OSError):
        for root in unpacked_folder().iterdir():
            young = time.time() - root.stat().st_mtime < _YOUNG  # its lock may not be there yet
            if not young and not held(root / LOCK):
                shutil.rmtree(root, ignore_errors=True)


# -- a run whose panel was killed


def needs_completing(folder: Path) -> bool:
    """Whether the ledger knows more than the database, or tasks seem to run that cannot. Raises DeskError."""
    path = folder / DATABASE
    if not path.is_file() or _remade(folder):
        return (folder / LEDGER).is_dir()
    with contextlib.closing(schema.open_to_read(path)) as connection:
        try:
            meta = read_meta(connection)
            if meta.get("clean") is True:
                return False
            cut = seems_to_run(meta) and copied_of(meta) is None
            return "ended" not in meta or cut or behind(folder, connection)
        except (sqlite3.Error, ValueError) as error:
            raise schema.unreadable(path, error) from error


def complete(folder: Path, progress: Progress) -> None:
    """Read the rest of the ledger into the database. Raises DeskError where the folder cannot be written."""
    from desktop.engine.record.recorder import recover

    progress.doing("Completing the record from its ledger")
    recover(folder, progress.check)
