"""The part of `FakeDesk` that stands for recorded runs and for a stack that somebody else started."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop.engine.api import Cap, PrunePlan, Record, RunInfo, Underway

DAY = 86400.0
MEGABYTE = 1024**2


class FakeRunVerbs:
    """Records the verbs. `shown` is the record that the window reads; `kept_runs` are the run folders, newest
    first. Opening, noting and deleting change what the next `runs` and `snapshot` show.
    """

    shown: Record | None = None
    kept_runs: tuple[RunInfo, ...] = ()
    recorded: Path | None = None
    the_cap: Cap = Cap()

    def _future(self, verb: str, args: tuple[Any, ...], result: Any) -> Future[Any]:
        raise NotImplementedError  # FakeDesk's

    def _underway(self, verb: str, args: tuple[Any, ...], result: str) -> Underway[str]:
        """Pending while the fake holds its verbs, so that it can be cancelled."""
        done, held = Underway[str](), self._future(verb, args, result)

        def end(ended: Future[Any]) -> None:
            if not done.set_running_or_notify_cancel():
                return
            if error := ended.exception():
                done.set_exception(error)
            else:
                done.set_result(ended.result())

        held.add_done_callback(end)
        return done

    def record(self) -> Record | None:
        return self.shown

    def runs(self) -> Future[tuple[RunInfo, ...]]:
        return self._future("runs", (), self.kept_runs)

    def open_run(self, path: Path) -> Underway[str]:
        under_way = self._underway("open_run", (path,), f"{path.name} is open, read only.")
        under_way.add_done_callback(lambda done: self._show(done, path))
        return under_way

    def _show(self, done: Future[str], path: Path | None) -> None:
        if not done.cancelled() and done.exception() is None:
            self.recorded = path

    def close_run(self) -> Future[str]:
        future = self._future("close_run", (), "The run was closed.")
        future.add_done_callback(lambda done: self._show(done, None))
        return future

    def pack_run(self, folder: Path, to: Path) -> Underway[str]:
        return self._underway("pack_run", (folder, to), f"{to.name} was written.")

    def note_run(self, folder: Path, note: str, kept: bool) -> Future[str]:
        self.kept_runs = tuple(
            replace(run, note=note, kept=kept) if run.folder == folder else run for run in self.kept_runs
        )
        return self._future("note_run", (folder, note, kept), "Noted.")

    def delete_run(self, folder: Path) -> Future[str]:
        self.kept_runs = tuple(run for run in self.kept_runs if run.folder != folder)
        return self._future("delete_run", (folder,), f"{folder.name} was deleted.")

    def cap(self) -> Cap:
        return self.the_cap

    def prune_plan(self, cap: Cap | None = None) -> Future[PrunePlan]:
        return self._future("prune_plan", (cap,), self._plan(cap or self.the_cap))

    def set_cap(self, cap: Cap) -> Future[PrunePlan]:
        self.the_cap = cap
        return self._future("set_cap", (cap,), self._plan(cap))

    def _plan(self, cap: Cap) -> PrunePlan:
        """By size alone: the oldest go first."""
        left = sum(run.size for run in self.kept_runs)
        going = []
        for run in sorted(self.kept_runs, key=lambda run: run.began):
            if cap.bytes is not None and left > cap.bytes and not run.kept and not run.live:
                going.append((run, "all runs together are over the cap"))
                left -= run.size
        return PrunePlan(cap, tuple(going), sum(run.size for run, _ in going), left)

    def prune(self, plan: PrunePlan) -> Future[str]:
        gone = {run.folder for run, _ in plan.runs}
        self.kept_runs = tuple(run for run in self.kept_runs if run.folder not in gone)
        return self._future("prune", (plan,), f"{len(gone)} runs were deleted.")

    def attach(self, url: str) -> Future[str]:
        return self._future("attach", (url,), "Attached.")

    def enable_events(self, worker: str | None = None) -> Future[str]:
        return self._future("enable_events", (worker,), "Task events are sent from now on.")


def made_runs(now: float, count: int = 6) -> tuple[RunInfo, ...]:
    """Run folders as a person has them: one lives, one was killed, one is kept and one cannot be opened."""
    root = Path("runs")
    runs = [
        RunInfo(
            folder=root / f"run-{at}",
            stack=("laptop", "the-shop-as-in-production", "gevent")[at % 3],
            began=now - DAY * 3.3 * at - 3600,
            ended=None if at == 0 else now - DAY * 3.3 * at - 3600 + 312 * (at + 1),
            tasks=(2_000, 1_204_331, 12_000, 180, 40_000, 0)[at % 6],
            failed=(3, 12_044, 0, 2, 0, 0)[at % 6],
            lost=(0, 6, 0, 0, 0, 0)[at % 6],
            ran_twice=(0, 88, 0, 1, 0, 0)[at % 6],
            size=(3, 812, 9, 1, 44, 2)[at % 6] * MEGABYTE,
            live=at == 0,
            clean=at != 3,
            complete=at != 3,
            problem="It was written by a newer Celery Desk (format 9)." if at == 5 else "",
            versions={"celery": "5.7.0", "python": "3.11.7"},
            note=("", "before the fix of the payments queue", "", "", "baseline", "")[at % 6],
            kept=at == 4,
        )
        for at in range(count)
    ]
    return tuple(runs)
