"""Verbs on drills."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from desktop.engine.api import DeskError, DrillInfo, DrillSpec

_NOT_YET = DeskError("This is being built.", "Come back with the next version.")


class DrillVerbs:
    """The part of `Desk` that reads, runs and halts drills."""

    def drills(self) -> Future[tuple[DrillInfo, ...]]:
        raise _NOT_YET

    def read_drill(self, path_or_name: str | Path) -> Future[DrillSpec]:
        raise _NOT_YET

    def start_drill(
        self, drill: DrillSpec, seed: int | None = None, repeat: int | None = None
    ) -> Future[str]:
        raise _NOT_YET

    def halt_drill(self) -> Future[str]:
        raise _NOT_YET
