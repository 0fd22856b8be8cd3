"""`runs`: what was recorded, and what can be done with it without a window."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from desktop.commands.following import follow
from desktop.engine.api import Cap, DeskError, PrunePlan, RunInfo
from desktop.engine.runs import cap as caps
from desktop.engine.runs import catalog
from desktop.engine.runs.folders import Note, delete_folder, find_run, note_of, write_note, writers
from desktop.engine.runs.pack import pack
from desktop.engine.runs.underway import begin
from desktop.engine.supervise.outcome import duration

_HEADS = ("RUN", "STACK", "STATE", "LASTED", "TASKS", "FAILED", "LOST", "TWICE", "SIZE", "NOTE")
_LEFT = frozenset({0, 1, 2, 9})


def list_runs(as_json: bool) -> int:
    """Exit code 0."""
    runs = catalog.all_runs()
    if as_json:
        for run in runs:
            click.echo(json.dumps(_as_dict(run)))
        return 0
    if not runs:
        click.echo("No run was recorded yet. `celery-desk up laptop` records one.")
        return 0
    _table([_HEADS, *(_row(run) for run in runs)])
    cap, size = caps.read_cap(), sum(run.size for run in runs)
    of = f" of {caps.told_size(cap.bytes)}" if cap.bytes is not None else ""
    click.echo(f"\n{len(runs)} runs, {caps.told_size(size)}{of}.")
    over = caps.over_the_cap(caps.plan(cap, runs))
    if over:
        click.echo(f"{over} `celery-desk runs prune` shows and deletes them.")
    return 0


def _as_dict(run: RunInfo) -> dict[str, Any]:
    return {
        "run": run.folder.name,
        "folder": str(run.folder),
        "stack": run.stack,
        "began": run.began,
        "ended": run.ended,
        "live": run.live,
        "clean": run.clean,
        "copied": run.copied,
        "complete": run.complete,
        "tasks": run.tasks,
        "failed": run.failed,
        "lost": run.lost,
        "ran_twice": run.ran_twice,
        "size": run.size,
        "note": run.note,
        "kept": run.kept,
        "versions": dict(run.versions),
        "problem": run.problem,
    }


def _row(run: RunInfo) -> tuple[str, ...]:
    lasted = (run.ended if run.ended is not None else time.time()) - run.began
    counts = (run.tasks, run.failed, run.lost, run.ran_twice)
    unsure = bool(run.problem) or (not run.complete and not run.tasks)
    return (
        run.folder.name,
        run.stack,
        _state(run),
        duration(max(0.0, lasted)),
        *("-" if unsure else f"{count:,}" for count in counts),
        caps.told_size(run.size),
        f"{'[kept] ' if run.kept else ''}{run.note}",
    )


def _state(run: RunInfo) -> str:
    if run.problem:
        return "unreadable"
    if run.live:
        return "live"
    if not run.clean:
        return "panel died"
    if run.copied is not None:
        return "packed while it ran"
    return "ended" if run.complete else "not read yet"


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [
            text.ljust(width) if at in _LEFT else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def pack_run(run: str, out: Path) -> int:
    """Exit code 0; 130 when it was broken off."""
    folder = find_run(run)
    if not folder.is_dir():
        raise DeskError(f"{folder} is no run folder.", "Only a folder can be packed.")
    click.echo(follow(begin(lambda progress: pack(folder, out.absolute(), progress), "pack-run")))
    return 0


def prune(older: float | None, size: int | None, most: int | None, yes: bool, dry_run: bool) -> int:
    """Show what would be deleted, ask, and delete that. Exit code 0."""
    cap = caps.read_cap()
    if older is not None or size is not None or most is not None:
        cap = Cap(bytes=size, days=older, runs=most)
    caps.check_cap(cap)
    plan = caps.plan(cap, catalog.all_runs())
    if not plan.runs:
        click.echo(f"Nothing to delete: {caps.told_size(plan.left)} of runs are within {_limits(cap)}.")
        return 0
    _show(plan)
    if dry_run or not (yes or _agreed(plan)):
        click.echo("Nothing was deleted.")
        return 0
    click.echo(caps.prune(plan))
    return 0


def _show(plan: PrunePlan) -> None:
    rows = [(run.folder.name, caps.told_size(run.size), reason, run.note) for run, reason in plan.runs]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for name, size, reason, note in rows:
        click.echo(
            f"{name.ljust(widths[0])}  {size.rjust(widths[1])}  {reason.ljust(widths[2])}  {note}".rstrip()
        )
    click.echo(f"\n{len(rows)} runs, {caps.told_size(plan.freed)}; {caps.told_size(plan.left)} stay.")


def _agreed(plan: PrunePlan) -> bool:
    if not sys.stdin.isatty():
        click.echo("Without a terminal to ask on, --yes says that they may go.", err=True)
        return False
    return click.confirm(f"Delete these {len(plan.runs)} runs?", default=False)


def _limits(cap: Cap) -> str:
    said = []
    if cap.bytes is not None:
        said.append(caps.told_size(cap.bytes))
    if cap.days is not None:
        said.append(f"{cap.days:g} days")
    if cap.runs is not None:
        said.append(f"{cap.runs} runs")
    return ", ".join(said) or "no limit at all"


def change_cap(size: str | None, days: str | None, most: str | None) -> int:
    """Remember other limits, and say what the cap is now. Exit code 0."""
    cap = caps.read_cap()
    if size is not None:
        cap = replace(cap, bytes=_limit(size, "--bytes", int))
    if days is not None:
        cap = replace(cap, days=_limit(days, "--days", float))
    if most is not None:
        cap = replace(cap, runs=_limit(most, "--runs", int))
    if (size, days, most) != (None, None, None):
        caps.write_cap(cap)
    click.echo(f"Cap on old runs: {_limits(cap)}.")
    over = caps.over_the_cap(caps.plan(cap, catalog.all_runs()))
    if over:
        click.echo(f"{over} `celery-desk runs prune` shows and deletes them.")
    return 0


def _limit(text: str, option: str, kind: type) -> Any:
    if text.lower() == "none":
        return None
    try:
        return kind(text)
    except ValueError:
        raise click.BadParameter(f"'{text}' is neither a number nor 'none'.", param_hint=option) from None


def note_run(run: str, text: str | None, keep: bool | None) -> int:
    """Exit code 0."""
    folder = find_run(run)
    known = note_of(folder)
    if text is not None or keep is not None:
        known = Note(known.text if text is None else text, known.kept if keep is None else keep)
        write_note(folder, known)
    click.echo(f"{folder.name}{' [kept]' if known.kept else ''}: {known.text or '(no note)'}")
    return 0


def delete_run(run: str, yes: bool) -> int:
    """Exit code 0."""
    folder = find_run(run)
    if writers().write(folder):
        raise DeskError(f"{folder.name} is being recorded.", "Stop its stack first.")
    info = catalog.info_of(folder)
    if not yes:
        if not sys.stdin.isatty():
            raise DeskError(f"{folder.name} was not deleted.", "--yes says that it may go.")
        kept = ", which is marked to be kept" if info.kept else ""
        asked = f"Delete {folder.name} ({info.tasks:,} tasks, {caps.told_size(info.size)}){kept}?"
        if not click.confirm(asked, default=False):
            return 0
    delete_folder(folder)
    click.echo(f"{folder.name} was deleted.")
    return 0
