"""Verbs that say what became of the tasks."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.engine.api import Account, DeskError, Record, Underway
from desktop.engine.run import Run
from desktop.engine.runs.opened import OpenedRun
from desktop.engine.runs.opening import open_place
from desktop.engine.runs.underway import Progress
from desktop.engine.supervise.outcome import plural
from desktop.engine.verdict.account import account_of
from desktop.engine.verdict.outcome import outcomes_of
from desktop.engine.verdict.settled import settled_record

if TYPE_CHECKING:
    from desktop.engine.attach.run import AttachedRun

_NOTHING = DeskError("Nothing is recorded yet.", "Start the stack, or open a run.")


class VerdictVerbs:
    """The part of `Desk` that draws up accounts and outcomes."""

    if TYPE_CHECKING:
        _workers: ThreadPoolExecutor
        _run: Run | AttachedRun | None
        _opened: OpenedRun | None

        def record(self) -> Record | None: ...
        def _changed(self) -> None: ...
        def _shown_folders(self) -> tuple[Path, ...]: ...

    def account(self, folder: Path | None = None) -> Future[Account]:
        return self._workers.submit(self._account, folder)

    def _account(self, folder: Path | None) -> Account:
        shown = self.record()
        if folder is None or (shown is not None and shown.info.folder.resolve() == folder.resolve()):
            return account_of(self._settled())
        progress = Progress(Underway[Account]())
        place = open_place(folder, progress)
        try:
            record = place.record(progress)
            try:
                return account_of(record)
            finally:
                record.close()
        finally:
            place.close()

    def judge_faults(self) -> Future[str]:
        return self._workers.submit(self._judge_faults)

    def _judge_faults(self) -> str:
        record = self._settled()
        judged = outcomes_of(record, record.faults())
        found = {one.id: one.outcome for one in judged if one.outcome is not None}
        run, opened = self._run, self._opened
        if opened is not None:
            opened.judge(found)
        elif isinstance(run, Run):
            run.faults.judge(found)
        self._changed()
        if not found:
            return "No fault has landed in this run."
        differ = sum(1 for outcome in found.values() if outcome.differs)
        moving = sum(1 for outcome in found.values() if not outcome.settled)
        said = [f"{plural(len(found), 'fault')} judged"]
        said.append(f"{differ:,} went otherwise than was said" if differ else "all as was said")
        if moving:
            said.append(f"{moving:,} of which some tasks are not over yet")
        return "; ".join(said) + "."

    # what is written

    def write_record(self) -> None:
        """Wait until all that is known of the run is in its record; at once where it was opened.

        Raises DeskError where its recorder does not answer, or the disk takes nothing.
        """
        run = self._run
        if self._opened is not None or run is None:
            return
        if run.over:
            run.live.feed.wait()
        else:
            run.live.feed.flush()

    def _settled(self) -> Record:
        record = settled_record(self)
        if record is None:
            raise _NOTHING
        return record
