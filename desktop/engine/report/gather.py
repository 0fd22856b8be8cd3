"""From a run folder to a `Report`."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from desktop.engine.api import Account, FaultRecord, Record, RunInfo, TaskRow, Verdict
from desktop.engine.drills.library import shipped_folder
from desktop.engine.report import judging, setup
from desktop.engine.report.graphs import graphs_of
from desktop.engine.report.logs import around_faults
from desktop.engine.report.model import Judged, Report, Scenario, Story
from desktop.engine.report.scrub import scrubbed
from desktop.engine.report.story import story_of
from desktop.engine.runs.catalog import info_of
from desktop.engine.runs.folders import LOGS, STACK
from desktop.engine.runs.opened import read_spec
from desktop.engine.runs.underway import Progress

ROWS = 50  # of each list of ids that are told with name and worker
_MARKS = 400
_TEXT = 200_000  # characters of a stack or drill file


def gather(folder: Path, record: Record, progress: Progress, *, live: bool = False) -> Report:
    """Everything that a report says of a run. Raises DeskError where it cannot be read, StoppedError."""
    info = info_of(folder, live)
    progress.doing(f"Reading {info.folder.name}")
    verdict, unread = judging.verdict_of(folder)
    account = verdict.account if verdict is not None else judging.account_of(record)
    progress.tell(0.3)
    faults, recovery = judging.faults_of(folder, record, verdict)
    progress.tell(0.5)
    spec, why = read_spec(folder)
    known = record.settings()
    foreign = bool(known.get("attached"))
    began, ended = record.span()
    marks = record.marks()
    workers = [worker.name for worker in spec.workers]
    graphs = graphs_of(record, workers, began, ended)
    progress.tell(0.7)
    logs = around_faults(folder / LOGS, faults, marks)
    progress.tell(0.9)
    text = _read(folder / STACK)
    return scrubbed(
        Report(
            run=folder.name,
            stack=info.stack,
            began=began,
            ended=ended,
            zero=verdict.began if verdict is not None else began,
            made=time.time(),
            made_with=version("celery-desk"),
            judged=_judged(verdict) if verdict is not None else None,
            scenario=_scenario(folder, verdict) if verdict is not None else None,
            account=account,
            rows=_rows(record, account),
            stories=_stories(record, account, verdict, faults),
            faults=faults,
            recovery=recovery,
            differences=setup.differences(spec.celery),
            celery=setup.celery_version(),
            workers=setup.worker_lines(spec, known=not foreign),
            broker=setup.broker_line(spec) if not foreign else f"somebody else's: {known['attached']}",
            versions=info.versions,
            machine=_table(known.get("machine")),
            graphs=graphs,
            marks=marks[:_MARKS],
            marks_left_out=max(len(marks) - _MARKS, 0),
            logs=logs,
            stack_text=setup.clean_file(text) if text else "",
            gaps=tuple(_gaps(info, known, account, (unread, why))),
            note=info.note,
            live=live,
        )
    )


def _judged(verdict: Verdict) -> Judged:
    return Judged(
        finding=verdict.verdict,
        reason=verdict.reason,
        began=verdict.began,
        ended=verdict.ended,
        checks=verdict.checks,
        number=verdict.number,
        halted=verdict.halted,
        gives=verdict.gives,
        settled_after=verdict.settled_after,
        judged_in=verdict.judged_in,
    )


def _scenario(folder: Path, verdict: Verdict) -> Scenario:
    """As the drill's file tells it; its prose is read as plain TOML, so that any version's will do."""
    text = judging.read_drill_text(folder)[:_TEXT]
    try:
        said = tomllib.loads(text)
    except ValueError:
        said = {}

    def prose(key: str) -> str:
        value = said.get(key, "")
        return " ".join(value.split()) if isinstance(value, str) else ""

    return Scenario(
        name=verdict.drill,
        seed=verdict.seed,
        title=prose("title"),
        teaches=prose("teaches"),
        change=prose("change"),
        text=setup.clean_file(text) if text else "",
        shipped=bool(text) and _read(shipped_folder() / f"{verdict.drill}.toml") == text,
    )


def _rows(record: Record, account: Account) -> Mapping[str, TaskRow]:
    """The first tasks of each list of ids."""
    lists: tuple[Iterable[str], ...] = (account.lost, account.ended_more, account.ran_twice)
    wanted = {one: None for ids in lists for one in list(ids)[:ROWS]}
    found = {}
    for task_id in wanted:
        detail = judging.task_of(record, task_id)
        if detail is not None:
            found[task_id] = detail.row
    return found


def _stories(
    record: Record, account: Account, verdict: Verdict | None, faults: Sequence[FaultRecord]
) -> tuple[Story, ...]:
    """The first that was lost, the first that ran twice, and a failure where those fail the drill."""
    firsts = [("lost", account.lost), ("ran twice", (*account.ended_more, *account.ran_twice))]
    checks = verdict.checks if verdict is not None else ()
    if any(check.name == "failed" and not check.ok for check in checks):
        firsts.append(("failed", tuple(task_id for task_id, _ in account.failed[:1])))
    found = (story_of(record, why, ids[0], faults) for why, ids in firsts if ids)
    return tuple(story for story in found if story is not None)


def _gaps(info: RunInfo, known: Mapping[str, Any], account: Account, why: Iterable[str]) -> Iterable[str]:
    """What the report cannot know, in sentences."""
    told: list[str] = [one for one in why if one]
    if info.live:
        told.append(
            "The run was still being recorded when this report was made: what came later is not in it."
        )
    if info.copied is not None:
        told.append("The run was packed while it ran: what came later is not in it.")
    if not info.clean:
        told.append("The panel died while it recorded: the record was completed from the ledger afterwards.")
    if known.get("attached"):
        told.append(
            "The stack was started by somebody else: its tasks are known by Celery's events, which a killed "
            "worker takes with it, and not by a ledger."
        )
    said = known.get("gaps")
    told += [str(gap) for gap in said] if isinstance(said, (list, tuple)) else []
    return dict.fromkeys((*told, *account.gaps))


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:_TEXT]
    except OSError:
        return ""
