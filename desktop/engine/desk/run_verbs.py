"""Verbs on recorded runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.engine.api import (
    Cap,
    DeskError,
    Leftover,
    LogLine,
    PrunePlan,
    Record,
    RunInfo,
    Series,
    StackSnapshot,
    Underway,
)
from desktop.engine.runs import cap as caps
from desktop.engine.runs import catalog
from desktop.engine.runs.folders import Note, delete_folder, is_run, write_note, writers
from desktop.engine.runs.opened import OpenedRun
from desktop.engine.runs.opening import Place, open_place
from desktop.engine.runs.pack import pack
from desktop.engine.runs.underway import Progress, begin
from desktop.engine.supervise.outcome import plural

if TYPE_CHECKING:
    from desktop.engine.attach.run import AttachedRun
    from desktop.engine.run import Run
    from desktop.engine.supervise.loop import Loop

RECORDED = "A recorded run is shown, which can only be looked at."


class RunVerbs:
    """The part of `Desk` that keeps, opens and deletes run folders."""

    _opened: OpenedRun | None = None
    _opened_place: Place | None = None  # where the opened run lies

    if TYPE_CHECKING:
        _workers: ThreadPoolExecutor
        _loop: Loop
        _run: Run | AttachedRun | None

        def _must_be_stopped(self, to_do: str) -> None: ...
        def _changed(self) -> None: ...

    def record(self) -> Record | None:
        opened, run = self._opened, self._run
        if opened is not None:
            return opened.record
        try:
            return run.record() if run is not None else None
        except DeskError:
            return None  # its database is just being made; or is not, and then the snapshot's gaps say why

    # one that is open

    def open_run(self, path: Path) -> Underway[str]:
        return begin(lambda progress: self._open_run(path, progress), "open-run")

    def _open_run(self, path: Path, progress: Progress) -> str:
        """In a thread of its own; what was opened is shown only if it is still wanted then."""
        to_do = "look at a recorded run"
        self._loop.ask(lambda: self._must_be_stopped(to_do)).result()
        place = open_place(path, progress)
        try:
            opened = OpenedRun(place.folder, place.record(progress))
        except BaseException:
            place.close()
            raise

        def show() -> None:
            self._must_be_stopped(to_do)
            progress.check()
            self._let_go_of_opened()
            self._opened, self._opened_place = opened, place
            self._changed()

        try:
            self._loop.ask(show).result()
        except BaseException:
            opened.close()
            place.close()
            raise
        tasks = plural(opened.info.tasks, "task")
        return f"The run of '{opened.info.stack}' with its {tasks} is open, read only."

    def close_run(self) -> Future[str]:
        def close() -> str:
            if self._opened is None:
                return "No recorded run is open."
            self._let_go_of_opened()
            return "The run was closed; the stack is shown again."

        return self._loop.ask(close)

    def _let_go_of_opened(self) -> None:
        """In the loop. Its threads end elsewhere: they may be reading."""
        self._workers.submit(_close, *self._take_opened())

    def _take_opened(self) -> tuple[OpenedRun | None, Place | None]:
        """In the loop: it is shown no more, and somebody must close it."""
        shown = self._opened, self._opened_place
        self._opened = self._opened_place = None
        self._changed()
        return shown

    def _close_opened(self) -> None:
        """At the end of the program."""
        _close(*self._loop.ask(self._take_opened).result())

    def _must_be_live(self, next_step: str = "Close it to go on with the stack.") -> None:
        """Raises DeskError while a recorded run is shown."""
        if self._opened is not None:
            raise DeskError(RECORDED, next_step)

    def _draw_opened(self, leftovers: Sequence[Leftover]) -> StackSnapshot | None:
        opened = self._opened
        return opened.snapshot(leftovers) if opened is not None else None

    def _opened_series(self, name: str, seconds: float) -> Series | None:
        opened = self._opened
        return opened.series(name, seconds) if opened is not None else None

    def _opened_lines(self, after: int, limit: int) -> Sequence[LogLine] | None:
        opened = self._opened
        return opened.log_lines(after, limit) if opened is not None else None

    def _shown_folders(self) -> tuple[Path, ...]:
        """Run folders that this panel shows, and so must stay."""
        place, run = self._opened_place, self._run
        shown = [place.folder] if place is not None else []
        return (*shown, *([run.live.run_folder] if run is not None else []))

    # all of them

    def runs(self) -> Future[tuple[RunInfo, ...]]:
        return self._workers.submit(catalog.all_runs)

    def pack_run(self, folder: Path, to: Path) -> Underway[str]:
        return begin(lambda progress: pack(folder, to, progress), "pack-run")

    def note_run(self, folder: Path, note: str, kept: bool) -> Future[str]:
        def write() -> str:
            if not is_run(folder):
                raise DeskError(f"{folder.name} is gone.", "Read the list of runs again.")
            write_note(folder, Note(note, kept))
            return f"{folder.name} is kept, whatever the cap says." if kept else "The note was written."

        return self._workers.submit(write)

    def delete_run(self, folder: Path) -> Future[str]:
        return self._workers.submit(self._delete_run, folder)

    def _delete_run(self, folder: Path) -> str:
        if writers().write(folder):
            raise DeskError(f"{folder.name} is being recorded.", "Stop its stack first.")
        self._loop.ask(lambda: self._stop_showing(folder)).result()
        delete_folder(folder)
        return f"{folder.name} was deleted."

    def _stop_showing(self, folder: Path) -> None:
        """Of a run that goes, this window shows nothing more."""
        if self._opened_place is not None and self._opened_place.folder == folder:
            raise DeskError(f"{folder.name} is open.", "Close it first.")
        run = self._run
        if run is not None and run.live.run_folder == folder:
            self._must_be_stopped("delete its record")
            self._run = None
            run.let_go()
            self._changed()

    # the cap

    def cap(self) -> Cap:
        return caps.read_cap()

    def prune_plan(self, cap: Cap | None = None) -> Future[PrunePlan]:
        return self._workers.submit(self._plan, cap)

    def _plan(self, cap: Cap | None) -> PrunePlan:
        wanted = caps.read_cap() if cap is None else cap
        caps.check_cap(wanted)
        return caps.plan(wanted, catalog.all_runs(), self._shown_folders())

    def set_cap(self, cap: Cap) -> Future[PrunePlan]:
        def remember() -> PrunePlan:
            caps.write_cap(cap)
            return self._plan(cap)

        return self._workers.submit(remember)

    def prune(self, plan: PrunePlan) -> Future[str]:
        return self._workers.submit(lambda: caps.prune(plan, self._shown_folders()))


def _close(opened: OpenedRun | None, place: Place | None) -> None:
    if opened is not None:
        opened.close()
    if place is not None:
        place.close()
