"""`report`: a report of a run, or one of several, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from desktop.commands.following import follow
from desktop.engine.report.write import check_formats, write_reports
from desktop.engine.runs.folders import find_run
from desktop.engine.runs.underway import begin


def report(runs: Sequence[str], to: str, out: Path) -> int:
    """Exit code 0; 130 when it was broken off. Raises DeskError."""
    formats = check_formats([word.strip() for word in to.split(",") if word.strip()])
    folders = [find_run(run) for run in runs]
    written = follow(
        begin(lambda progress: write_reports(folders, out.absolute(), formats, progress), "report-run")
    )
    for path in written:
        click.echo(str(path))
    return 0
