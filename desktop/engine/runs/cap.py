"""The cap on old runs: remembered in the config folder; what it would delete is said before anything is."""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path

from desktop.engine import paths
from desktop.engine.api import Cap, DeskError, PrunePlan, RunInfo
from desktop.engine.runs.folders import delete_folder, note_of, writers
from desktop.engine.supervise.outcome import plural

_HEAD = """\
# How much of old runs Celery Desk keeps. A line that is not here: no limit of that kind.
# Nothing is ever deleted before it was shown.
"""
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def _file() -> Path:
    return paths.config_folder() / "runs.toml"


def read_cap() -> Cap:
    """As a person set it; where the file is not there or says nothing sensible, as it is shipped."""
    try:
        said = tomllib.loads(_file().read_text(encoding="utf-8"))
        cap = Cap(said.get("bytes"), said.get("days"), said.get("runs"))
        check_cap(cap)
    except (OSError, ValueError, DeskError):
        return Cap()
    return cap


def write_cap(cap: Cap) -> None:
    """Remember it. Raises DeskError."""
    check_cap(cap)
    pairs = (("bytes", cap.bytes), ("days", cap.days), ("runs", cap.runs))
    text = _HEAD + "".join(f"{key} = {value!r}\n" for key, value in pairs if value is not None)
    fresh = _file().with_suffix(".new")
    try:
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, _file())
    except OSError as error:
        raise DeskError(
            f"The cap could not be written: {error.strerror}.", f"Look at the rights of {_file().parent}."
        ) from error


def check_cap(cap: Cap) -> None:
    """Raises DeskError for what is no limit."""
    for word, value, kinds in (
        ("size", cap.bytes, (int,)),
        ("age", cap.days, (int, float)),
        ("number of runs", cap.runs, (int,)),
    ):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < 2**60:
            raise DeskError(f"A {word} of {value} is no limit.", "Give a number from 0, or none.")


def plan(
    cap: Cap, runs: Sequence[RunInfo], spared: Collection[Path] = (), now: float | None = None
) -> PrunePlan:
    """What the cap would delete, oldest first. Living, kept and `spared` runs stay; they still count."""
    now = time.time() if now is None else now
    can_go = [run for run in runs if not run.live and not run.kept and run.folder not in spared]
    can_go.sort(key=lambda run: run.began)
    size, count = sum(run.size for run in runs), len(runs)
    going: list[tuple[RunInfo, str]] = []
    for run in can_go:
        reason = _reason(cap, run, size, count, now)
        if reason:
            going.append((run, reason))
            size, count = size - run.size, count - 1
    return PrunePlan(cap, tuple(going), sum(run.size for run, _ in going), size)


def _reason(cap: Cap, run: RunInfo, size: int, count: int, now: float) -> str:
    ended = run.ended if run.ended is not None else run.began
    if cap.days is not None and now - ended > cap.days * 86400:
        return f"older than {cap.days:g} {'day' if cap.days == 1 else 'days'}"
    if cap.runs is not None and count > cap.runs:
        return f"more than {plural(cap.runs, 'run')}"
    if cap.bytes is not None and size > cap.bytes:
        return f"all runs take more than {told_size(cap.bytes)}"
    return ""


def prune(agreed: PrunePlan, spared: Collection[Path] = ()) -> str:
    """Delete exactly what the plan names, but for what is written, kept or open by now; what was done.

    Raises DeskError, with how far it came, for a folder that cannot be deleted.
    """
    now, gone, freed, stays = writers(), 0, 0, 0
    for run, _ in agreed.runs:
        folder = run.folder
        if not folder.exists():
            continue
        if now.write(folder) or folder in spared or note_of(folder).kept:
            stays += 1
            continue
        try:
            delete_folder(folder)
        except DeskError as error:
            raise DeskError(f"{_deleted(gone, freed)} {error.what}", error.next_step) from error
        gone, freed = gone + 1, freed + run.size
    stay = f" {plural(stays, 'run')} {'is' if stays == 1 else 'are'} kept or in use by now." if stays else ""
    return _deleted(gone, freed) + stay


def _deleted(count: int, freed: int) -> str:
    if not count:
        return "Nothing was deleted."
    return (
        f"{plural(count, 'old run')} {'was' if count == 1 else 'were'} deleted; {told_size(freed)} are free."
    )


def told_size(size: float) -> str:
    """Bytes for people: "812 KiB", "4.1 GiB"."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1024
    return (
        f"{size:.0f} {unit}" if size >= 100 or unit == "bytes" or size == int(size) else f"{size:.1f} {unit}"
    )


def over_the_cap(agreed: PrunePlan) -> str:
    """A sentence on what waits to be deleted; empty when nothing does."""
    if not agreed.runs:
        return ""
    many = len(agreed.runs)
    return (
        f"{plural(many, 'old run')} ({told_size(agreed.freed)}) {'is' if many == 1 else 'are'} over your cap."
    )
