"""The part of `FakeDesk` that stands for recorded runs and for a stack that somebody else started."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from desktop.engine.api import Cap, PrunePlan, Record, RunInfo


class FakeRunVerbs:
    """Records the verbs. `shown` is the record that the window reads; `kept_runs` are the run folders."""

    shown: Record | None = None
    kept_runs: tuple[RunInfo, ...] = ()

    def _future(self, verb: str, args: tuple[Any, ...], result: Any) -> Future[Any]:
        raise NotImplementedError  # FakeDesk's

    def record(self) -> Record | None:
        return self.shown

    def runs(self) -> Future[tuple[RunInfo, ...]]:
        return self._future("runs", (), self.kept_runs)

    def open_run(self, path: Path) -> Future[str]:
        return self._future("open_run", (path,), f"{path.name} is open.")

    def close_run(self) -> Future[str]:
        return self._future("close_run", (), "The run was closed.")

    def pack_run(self, folder: Path, to: Path) -> Future[str]:
        return self._future("pack_run", (folder, to), f"{to.name} was written.")

    def note_run(self, folder: Path, note: str, kept: bool) -> Future[str]:
        return self._future("note_run", (folder, note, kept), "Noted.")

    def delete_run(self, folder: Path) -> Future[str]:
        return self._future("delete_run", (folder,), f"{folder.name} was deleted.")

    def cap(self) -> Cap:
        return Cap()

    def set_cap(self, cap: Cap) -> Future[PrunePlan]:
        return self._future("set_cap", (cap,), PrunePlan(cap, (), 0, 0))

    def prune(self, plan: PrunePlan) -> Future[str]:
        return self._future("prune", (plan,), "Nothing was deleted.")

    def attach(self, url: str) -> Future[str]:
        return self._future("attach", (url,), "Attached.")
