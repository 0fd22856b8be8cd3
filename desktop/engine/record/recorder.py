"""The recorder: `python -m desktop.engine.record.recorder`, one process for each living run.

stdin: messages of the panel (`told.packed`), the first of which says what to record. Its end is the end of
the panel: the recorder writes what there is and ends too, so it never outlives the panel by more than a
moment. stdout: answers, and the state up to ten times a second (`told.Told`).

    ("begin", {"source": "ledger", "folder": …, "facts": {…}})      the first
    ("ask", number, question, arguments)                            → ("answer", number, value)
    ("tell", what, arguments)
    ("finish",)                                                     the run has ended: write, and end
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError
from desktop.engine.record import moment, schema
from desktop.engine.record.facts import copied_of, facts_of
from desktop.engine.record.pipe import Pipe
from desktop.engine.record.recording import Recording
from desktop.engine.record.told import Told

log = logging.getLogger("recorder")

POLL = 0.1  # seconds between two looks at the ledger
PUSH = 0.1  # between two states
BEAT = 0.5  # between two commits
LOCK_TIME = 2.0  # seconds that the recorder of a panel that died may still need
CHECK = 0.1  # seconds between two questions whether a recovery is still wanted
FLUSH = 4.0  # seconds that the disk may take for what the panel waits for
LAST_LINES = 0.25  # seconds in which what the panel left comes to its end


class Recorder:
    """The loop: reads the ledger, answers the panel, writes the database."""

    def __init__(self, pipe: Pipe, recording: Recording) -> None:
        self._pipe = pipe
        self._recording = recording
        self._finished = False
        self._told = Told()
        self._said = True  # the panel has it
        self._kept: dict[str, Any] = {}
        self._tells: Mapping[str, Callable[..., None]] = {
            "cut": recording.cut,
            "sample": recording.sample,
            "mark": recording.mark,
            "put": recording.put,
            "text": recording.text,
            "broker": recording.broker,
            "queues": recording.queues,
        }
        self._questions: Mapping[str, Callable[..., Any]] = {
            "held": recording.held,
            "task_of": recording.task_of,
            "stranded": recording.stranded,
            "catch_up": recording.catch_up,
            "flush": self._flush,
        }

    def run(self) -> None:
        """Until the panel says that the run has ended, or is gone."""
        poll_at = push_at = beat_at = 0.0
        while not self._finished and not self._pipe.ended:
            now = time.monotonic()
            wait = 0.0 if self._recording.behind else min(poll_at, push_at, beat_at) - now
            for message in self._pipe.wait(wait):
                self._heard(message)
            now = time.monotonic()
            if now >= poll_at or self._recording.behind:
                self._recording.read()
                poll_at = now + POLL
            if now >= beat_at:
                self._keep()
                self._recording.beat()
                beat_at = now + BEAT
            if now >= push_at:
                self._push()
                push_at = now + PUSH
        if self._finished:
            self._recording.catch_up()
            self._draw()
            self._keep()
            self._recording.close(clean=True)
            self._push()
            self._pipe.drain(1.0)
        else:
            self._recording.close_after(LAST_LINES)

    def _draw(self) -> None:
        told = self._recording.told()
        if told is not None:
            if told.problem != self._told.problem:
                log.error("%s", told.problem or "The run's database is written again.")
            self._told = told
            self._said = False

    def _push(self) -> None:
        self._draw()
        if not self._said and self._pipe.free:
            self._pipe.say(("told", self._told))
            self._said = True

    def _keep(self) -> None:
        """Where all messages are, for whoever opens this run."""
        kept = moment.kept(self._told)
        if kept != self._kept:
            self._kept = kept
            self._recording.put(moment.MOMENT, kept)

    def _flush(self) -> bool:
        """All that is known now is in the database when this is answered."""
        self._recording.catch_up()
        self._draw()
        self._keep()
        return self._recording.flush(FLUSH)

    def _heard(self, message: Any) -> None:
        kind = message[0]
        if kind == "ask":
            _, number, question, arguments = message
            self._pipe.say(("answer", number, self._questions[question](*arguments)))
        elif kind == "tell":
            self._tells[message[1]](*message[2])
        elif kind == "finish":
            self._finished = True


def locked(folder: Path) -> int:
    """Be the only recorder of a run folder, once the one before has ended; the lock lasts while we do.

    Raises DeskError when that one does not end.
    """
    handle = os.open(folder / "recorder.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + LOCK_TIME
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(handle)
                raise DeskError(
                    f"The run folder {folder.name} is being recorded by another panel.",
                    "Close that one first.",
                ) from None
            time.sleep(0.01)
        else:
            return handle


def recover(folder: Path, check: Callable[[], None] = lambda: None) -> None:
    """Complete the record of a run whose panel and recorder were killed, in a process of its own.

    What still ran is cut, and the run is marked as one that did not end by itself. Raises DeskError.
    `check` is called some times a second; what it raises ends the process, and goes on to the caller: what
    was completed by then stays, and the next time goes on there.
    """
    root = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "desktop.engine.record.recorder", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        said = _heard_out(process, check)
    if process.returncode:
        last = (said.strip().splitlines() or [f"it ended with {process.returncode}"])[-1]
        raise DeskError(f"The record of {folder.name} could not be completed: {last}", "")


def _heard_out(process: subprocess.Popen[str], check: Callable[[], None]) -> str:
    """What it printed until its end."""
    try:
        while True:
            try:
                return process.communicate(timeout=CHECK)[0]
            except subprocess.TimeoutExpired:
                check()
    except BaseException:
        process.terminate()  # each commit is whole, so it may end anywhere
        try:
            process.wait(LOCK_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


def _copied(folder: Path) -> float | None:
    path = folder / schema.NAME
    if not path.exists() or schema.stillborn(path):
        return None
    with contextlib.closing(schema.open_to_read(path)) as connection:
        rows = connection.execute("SELECT key, value FROM meta WHERE key IN ('clean', 'copied')")
        return copied_of({key: json.loads(value) for key, value in rows})


def _recover(folder: Path) -> int:
    try:
        locked(folder)
        copied = _copied(folder)
        recording = Recording({"source": "ledger", "folder": str(folder), "facts": facts_of(folder)})
        if copied is None:
            recording.complete()
        else:  # its run lived on elsewhere: nothing was cut
            recording.close(clean=False, ended=copied)
    except (DeskError, OSError) as error:
        print(error)
        return 1
    return 0


def main() -> int:
    """Record until the panel's end; 0 unless that was not possible."""
    if len(sys.argv) > 1:
        return _recover(Path(sys.argv[1]))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    pipe = Pipe(sys.stdin.fileno(), sys.stdout.fileno())
    first = pipe.first()
    if first is None:
        return 0
    gc.set_threshold(100_000, 20, 50)  # tasks make no cycles: looking for some among them is in vain
    begin = first[1]
    try:
        locked(Path(begin["folder"]))
        Recorder(pipe, Recording(begin, pipe.wake)).run()
    except DeskError as error:
        log.error("%s", error)
        pipe.say(("failed", str(error)))
        pipe.drain(1.0)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
