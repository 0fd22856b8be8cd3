"""The panel's side of a report: its process, what it is asked, what it tells."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from desktop.engine.api import DeskError
from desktop.engine.runs.underway import Progress, StoppedError

MODULE = "desktop.engine.report.process"
_LOOK = 0.05  # seconds between two looks at whether it is still wanted
_LAST = 5.0  # seconds until a process that was told to end is killed
_NOISE = 2_000  # bytes of what it wrote to stderr that are told


def report_in_process(
    runs: Sequence[Path], to: Path, formats: Sequence[str], progress: Progress
) -> tuple[Path, ...]:
    """As `write.write_reports`, computed elsewhere: for a thread of the panel. The process ends with it."""
    asked = {"runs": [str(run) for run in runs], "to": str(to), "formats": list(formats)}
    with tempfile.TemporaryFile() as noise, contextlib.ExitStack() as ends:
        process = _spawn(noise)
        ends.callback(_end, process)
        answer = _ask(process, asked, progress)
        if "written" in answer:
            return tuple(Path(path) for path in answer["written"])
        if "what" in answer:
            raise DeskError(answer["what"], answer["next_step"])
        noise.seek(0)
        last = noise.read()[-_NOISE:].decode("utf-8", "replace").strip().splitlines()
        why = f": {last[-1]}" if last else f", with code {process.poll()}"
        raise DeskError(f"The report's process ended before it was done{why}.", "Try it once more.")


def _spawn(noise: IO[bytes]) -> subprocess.Popen[str]:
    # The module is found beside this one, whatever the folder that the panel was started in.
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    try:
        return subprocess.Popen(
            # -P: a celery.py in the folder where the panel was started is not ours to import.
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    except OSError as error:
        raise DeskError(
            f"The report's process could not be started: {error.strerror}.", "Try it once more."
        ) from error


def _ask(process: subprocess.Popen[str], asked: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Its last answer; an empty one where it ended without. Raises StoppedError."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
    stopped = threading.Event()
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(process, progress, ended, stopped), name="report-watch", daemon=True
    )
    watch.start()
    answer: dict[str, Any] = {}
    doing = ""
    try:
        for line in process.stdout:
            answer = json.loads(line)
            if answer.get("doing", doing) != doing:
                doing = answer["doing"]
                progress.doing(doing)
            if "share" in answer:
                progress.tell(answer["share"])
    finally:
        ended.set()
        watch.join()
    if stopped.is_set():
        raise StoppedError
    return answer


def _watch(
    process: subprocess.Popen[str], progress: Progress, ended: threading.Event, stopped: threading.Event
) -> None:
    """Closes its stdin when nobody wants the report any more: then it takes back what it made, and ends."""
    while not ended.wait(_LOOK):
        try:
            progress.check()
        except StoppedError:
            stopped.set()
            _end(process)
            return


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout if process.poll() is not None else None):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(_LAST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdout is not None and threading.current_thread().name != "report-watch":
            process.stdout.close()
