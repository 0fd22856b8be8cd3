"""`report`: a report of a run, or one of several, as files."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import click

from desktop.engine.api import Underway
from desktop.engine.report.write import check_formats, write_reports
from desktop.engine.runs.folders import find_run
from desktop.engine.runs.underway import begin


def report(runs: Sequence[str], to: str, out: Path) -> int:
    """Exit code 0; 130 when it was broken off. Raises DeskError."""
    formats = check_formats([word.strip() for word in to.split(",") if word.strip()])
    folders = [find_run(run) for run in runs]
    written = _follow(
        begin(lambda progress: write_reports(folders, out.absolute(), formats, progress), "report-run")
    )
    for path in written:
        click.echo(str(path))
    return 0


def _follow(future: Underway[tuple[Path, ...]]) -> tuple[Path, ...]:
    """Wait for it, and say on a terminal how far it is. Ctrl-C cancels it."""
    shows = sys.stderr.isatty()
    try:
        while not future.done():
            time.sleep(0.05)
            if shows:
                click.echo(f"\r\x1b[K{future.doing}: {future.share:.0%}", err=True, nl=False)
    except KeyboardInterrupt:
        future.cancel()
        raise click.Abort from None
    finally:
        if shows:
            click.echo("\r\x1b[K", err=True, nl=False)
    try:
        return future.result()
    except CancelledError:
        raise click.Abort from None
