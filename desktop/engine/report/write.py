"""Reports of one or several runs, written as files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from desktop.engine.api import DeskError
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.report.gather import gather
from desktop.engine.report.model import Format, Report
from desktop.engine.runs.folders import writers
from desktop.engine.runs.opening import open_place
from desktop.engine.runs.underway import Progress
from desktop.engine.stack.problems import did_you_mean

ENDINGS: Mapping[Format, str] = {
    Format.HTML: ".html",
    Format.MARKDOWN: ".md",
    Format.JSON: ".json",
    Format.JUNIT: ".junit.xml",
}


def check_formats(formats: Sequence[str]) -> tuple[Format, ...]:
    """In their order, each once. Raises DeskError."""
    known = [one.value for one in Format]
    for word in formats:
        if word not in known:
            step = f"{did_you_mean(word, known)}Allowed: {', '.join(known)}."
            raise DeskError(f"'{word}' is no format of a report.", step)
    if not formats:
        raise DeskError("No format was named.", f"Allowed: {', '.join(known)}.")
    return tuple(dict.fromkeys(Format(word) for word in formats))


def write_reports(
    runs: Sequence[Path], to: Path, formats: Sequence[str], progress: Progress
) -> tuple[Path, ...]:
    """One report over all these run folders or zips, a file for each format in the folder `to`.

    The files bear the name of the run, or of the first one and how many they are. A run that is being
    recorded is told of as it is now. Imports Celery and computes: for a process, or a command line. Raises
    DeskError, and StoppedError when it was cancelled; then nothing was written.
    """
    wanted = check_formats(formats)
    if not runs:
        raise DeskError("No run was named.", "`celery-desk runs` lists the ones there are.")
    reports = [_report(run, progress) for run in runs]
    name = reports[0].run if len(reports) == 1 else f"{reports[0].run}-and-{len(reports) - 1}-more"
    progress.doing("Writing the report")
    texts = [(to / f"{name}{ENDINGS[one]}", _writer(one)(reports)) for one in wanted]
    progress.check()
    return tuple(_write(path, text) for path, text in texts)


def _report(run: Path, progress: Progress) -> Report:
    if run.is_dir() and writers().write(run):
        reader = RunReader.open(run, live=True)
        with contextlib.closing(reader):
            return gather(run, reader, progress, live=True)
    place = open_place(run, progress)
    try:
        with contextlib.closing(place.record(progress)) as record:
            return gather(place.folder, record, progress)
    finally:
        place.close()


def _writer(format: Format) -> Callable[[Sequence[Report]], str]:
    """Each is imported where it is wanted: the page brings Jinja2 with it."""
    match format:
        case Format.HTML:
            from desktop.engine.report.as_html import html

            return html
        case Format.MARKDOWN:
            from desktop.engine.report.as_markdown import markdown

            return markdown
        case Format.JSON:
            from desktop.engine.report.as_json import as_json

            return as_json
        case Format.JUNIT:
            from desktop.engine.report.as_junit import junit

            return junit


def _write(path: Path, text: str) -> Path:
    """As a whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8", errors="replace")
        os.replace(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise DeskError(
            f"{path.name} could not be written: {error.strerror}.",
            f"Look at the rights and the room of {path.parent}.",
        ) from error
    return path
