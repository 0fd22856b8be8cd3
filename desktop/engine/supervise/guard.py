"""The panel's side of the guardian: keeps one alive and tells it what to watch over."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from desktop.engine.supervise import guardian
from desktop.engine.supervise.loop import ExitWatch, Loop

log = logging.getLogger(__name__)

MARKER = guardian.MARKER
GUARDIAN_MARKER = "CELERY_DESK_GUARDIAN"


class Guard:
    """Owns the guardian process of one session. Used from the loop's thread only, but for `open`."""

    def __init__(self, loop: Loop, session: str, session_files: tuple[Path, ...]) -> None:
        self._loop = loop
        self._session = session
        self._files = session_files
        self._registered: dict[int, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._watch: ExitWatch | None = None

    @property
    def pid(self) -> int | None:
        """The guardian's process id."""
        return self._process.pid if self._process else None

    def open(self) -> None:
        """Start the guardian and tell it all that it must know."""
        env: Mapping[str, str] = {"PATH": os.environ.get("PATH", ""), GUARDIAN_MARKER: self._session}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, self._session],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd="/",
            start_new_session=True,
            text=True,
        )
        for file in self._files:
            self._say(f"session {file}")
        for pid, start in self._registered.items():
            self._say(f"add {pid} {start} 1")
        self._watch = self._loop.watch_exit(self._process.pid, self._died)

    def add(self, pid: int) -> None:
        """Watch over a process and its group."""
        start = guardian.start_time(pid)
        if start is not None:
            self._registered[pid] = start
            self._say(f"add {pid} {start} 1")

    def remove(self, pid: int) -> None:
        """It has ended."""
        if self._registered.pop(pid, None) is not None:
            self._say(f"del {pid}")

    def start_of(self, pid: int) -> str:
        """The start time under which a process was registered; empty when it was not."""
        return self._registered.get(pid, "")

    def close(self) -> None:
        """A clean end: the guardian leaves without killing anything."""
        if self._watch is not None:
            self._watch.close()
        self._say("bye")
        self._bury()

    def _died(self) -> None:
        """Somebody killed it: without one nothing would end our processes if the panel died now."""
        if self._process is not None:
            log.info("the guardian ended; another one is started")
            self._bury()
            self.open()

    def _bury(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                try:
                    process.stdin.close()
                except BrokenPipeError:
                    pass
            process.wait()

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):
                pass  # its exit is seen by the watch, and the next one is told everything
