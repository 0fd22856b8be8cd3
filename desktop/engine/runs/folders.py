"""Run folders on disk: which are there, how large they are, who writes them, and what a person noted."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from desktop.engine import paths
from desktop.engine.api import DeskError
from desktop.engine.stack.problems import did_you_mean
from desktop.engine.supervise import session as sessions

DATABASE, STACK, NOTE, LOGS, LEDGER = "run.db", "stack.toml", "run.toml", "logs", "ledger"
BESIDE = (NOTE, "faults.jsonl", "drill.json", "drill.toml")  # files beside the record that go with it
RECORDER = "recorder.lock"  # held by the recorder while it writes
GOING = ".deleted-"  # a folder that is being deleted has this before its name
_LONGEST_NOTE = 2_000


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, of whatever version."""
    return (folder / DATABASE).is_file() or ((folder / STACK).is_file() and (folder / LEDGER).is_dir())


def run_folders() -> list[Path]:
    """Every run folder of this user, the newest name first."""
    try:
        entries = list(paths.runs_folder().iterdir())
    except OSError:
        return []
    found = [entry for entry in entries if not entry.name.startswith(".") and is_run(entry)]
    return sorted(found, key=lambda entry: entry.name, reverse=True)


def find_run(text: str) -> Path:
    """The run that is meant: a path of a folder or a zip, the name of a run folder, or "latest".

    Raises DeskError where there is none.
    """
    names = [folder.name for folder in run_folders()]
    if text == "latest" and names:
        return paths.runs_folder() / names[0]
    if not text.strip() or "\0" in text:
        raise DeskError(
            "No run was named.", "Name a run folder or a zip of one; `celery-desk runs` lists them."
        )
    given = Path(text).expanduser()
    if given.exists():
        return given.absolute()
    if text in names:
        return paths.runs_folder() / text
    hint = did_you_mean(text, names) if given.name == text else ""
    raise DeskError(f"There is no run '{text}'.", f"{hint}`celery-desk runs` lists the ones there are.")


def size_of(folder: Path) -> int:
    """Bytes of all files in it; what vanishes meanwhile counts nothing."""
    return sum(entry.st_size for _, entry in files_of(folder))


def files_of(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every ordinary file in a folder. Links are not followed."""
    pending = [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(Path(entry.path))
                    elif stat.S_ISREG(found.st_mode):
                        yield Path(entry.path), found


@dataclass(frozen=True, slots=True)
class Writers:
    """Who writes run folders now."""

    folders: frozenset[Path]

    def write(self, folder: Path) -> bool:
        """Whether it grows: its panel lives, or has left workers, or its recorder has not ended yet."""
        return folder.resolve() in self.folders or sessions.held(folder / RECORDER)


def writers() -> Writers:
    """By the sessions of this user, as they are at this moment."""
    return Writers(frozenset(Path(record.run_folder).resolve() for record in sessions.recording()))


def stamp_of(name: str) -> float | None:
    """When a run of this folder name began; None for a name that is not of ours."""
    with contextlib.suppress(ValueError, OverflowError):
        return time.mktime(time.strptime(name[:15], "%Y%m%d-%H%M%S"))
    return None


# -- what a person noted


@dataclass(frozen=True, slots=True)
class Note:
    """What a person said of a run. It lies in `run.toml` beside the record, and goes into the zip with it."""

    text: str = ""
    kept: bool = False


def note_of(folder: Path) -> Note:
    """An empty one where there is none, or none that can be read."""
    try:
        said = tomllib.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Note()
    text, kept = said.get("note", ""), said.get("kept", False)
    return Note(text[:_LONGEST_NOTE] if isinstance(text, str) else "", kept is True)


def write_note(folder: Path, note: Note) -> None:
    """Replace it as a whole. Raises DeskError."""
    document = tomlkit.document()
    document["note"] = " ".join(note.text.split())[:_LONGEST_NOTE]
    document["kept"] = note.kept
    fresh = folder / f".{NOTE}.new"
    try:
        fresh.write_text(tomlkit.dumps(document), encoding="utf-8")
        os.replace(fresh, folder / NOTE)
    except OSError as error:
        raise DeskError(
            f"The note of {folder.name} could not be written: {error.strerror}.",
            f"Look at the rights of {folder}.",
        ) from error


# -- deleting


def delete_folder(folder: Path) -> None:
    """Delete a run folder: at once out of the list, then file by file. Raises DeskError.

    The caller has made sure that nobody needs it. A link is refused: what it leads to is not ours to delete.
    """
    root = paths.runs_folder().resolve()
    if folder.is_symlink() or folder.resolve().parent != root or folder.name.startswith("."):
        raise DeskError(f"{folder} is no run folder of Celery Desk.", "Delete it by hand if it should go.")
    going = folder.with_name(f"{GOING}{folder.name}")
    try:
        if going.exists():
            shutil.rmtree(going)
        folder.rename(going)
        shutil.rmtree(going)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DeskError(
            f"{folder.name} could not be deleted: {error.strerror}.",
            f"Look at the rights of {error.filename}.",
        ) from error


def sweep() -> None:
    """Go on with deletions that were broken off."""
    with contextlib.suppress(OSError):
        for entry in paths.runs_folder().glob(f"{GOING}*"):
            shutil.rmtree(entry, ignore_errors=True)
