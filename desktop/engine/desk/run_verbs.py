"""Verbs on recorded runs."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from desktop.engine.api import Cap, DeskError, PrunePlan, Record, RunInfo, Underway


class RunVerbs:
    """The part of `Desk` that keeps, opens and deletes run folders."""

    def record(self) -> Record | None:
        return None

    def runs(self) -> Future[tuple[RunInfo, ...]]:
        raise DeskError("Not built yet.")

    def open_run(self, path: Path) -> Underway[str]:
        raise DeskError("Not built yet.")

    def close_run(self) -> Future[str]:
        raise DeskError("Not built yet.")

    def pack_run(self, folder: Path, to: Path) -> Underway[str]:
        raise DeskError("Not built yet.")

    def note_run(self, folder: Path, note: str, kept: bool) -> Future[str]:
        raise DeskError("Not built yet.")

    def delete_run(self, folder: Path) -> Future[str]:
        raise DeskError("Not built yet.")

    def cap(self) -> Cap:
        return Cap()

    def prune_plan(self, cap: Cap | None = None) -> Future[PrunePlan]:
        raise DeskError("Not built yet.")

    def set_cap(self, cap: Cap) -> Future[PrunePlan]:
        raise DeskError("Not built yet.")

    def prune(self, plan: PrunePlan) -> Future[str]:
        raise DeskError("Not built yet.")
