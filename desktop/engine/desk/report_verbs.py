"""Verbs that write reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from desktop.engine.api import Underway
from desktop.engine.report.client import report_in_process
from desktop.engine.runs.underway import begin


class ReportVerbs:
    """The part of `Desk` that writes reports of runs."""

    def report_run(self, folder: Path, to: Path, formats: Sequence[str]) -> Underway[tuple[Path, ...]]:
        wanted = tuple(formats)
        return begin(lambda progress: report_in_process([folder], to, wanted, progress), "report-run")
