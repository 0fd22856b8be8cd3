"""Verbs that write reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from desktop.engine.api import DeskError, Underway

_NOT_YET = DeskError("This is being built.", "Come back with the next version.")


class ReportVerbs:
    """The part of `Desk` that writes reports of runs."""

    def report_run(self, folder: Path, to: Path, formats: Sequence[str]) -> Underway[tuple[Path, ...]]:
        raise _NOT_YET
