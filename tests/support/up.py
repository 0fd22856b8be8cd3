"""Drives `celery-desk up --json` as another program would: its lines, its signals, its exit code."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop.engine.supervise.guardian import marked
from tests.support.waiting import eventually, runs

ROOT = Path(__file__).parents[2]
Event = dict[str, Any]


class Up:
    """A real `up` in a process of its own. `events` holds all it said; `wait_for` looks onward."""

    def __init__(self, stack: str | Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "up", str(stack), "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.events: list[Event] = []
        self.heard_at: list[float] = []
        self._fresh: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.errors = ""
        self._readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.head: Event = {}

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.heard_at.append(time.time())
                event = json.loads(line)
                self.events.append(event)
                self._fresh.put(event)
        self._fresh.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.errors += line

    def next(self, within: float = 60.0) -> Event | None:
        """The next line; None at the end of the output."""
        try:
            return self._fresh.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"`up` said nothing for {within:g} s after {self.events[-3:]}") from None

    def wait_for(self, within: float = 60.0, **wanted: Any) -> Event:
        """The next line with these values."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            event = self.next(until - time.monotonic())
            assert event is not None, f"`up` ended before {wanted}: {self.errors}"
            if all(event.get(key) == value for key, value in wanted.items()):
                return event
        raise AssertionError(f"`up` did not say {wanted} within {within:g} s")

    def wait_all_ready(self, *services: str, within: float = 60.0) -> dict[str, Event]:
        """The first line, then until each of these services is ready; their `ready` lines."""
        head = self.next(within)
        assert head is not None, self.errors
        self.head = head
        ready: dict[str, Event] = {}
        while set(services) - set(ready):
            event = self.next(within)
            assert event is not None, self.errors
            if event["state"] == "ready":
                ready[event["service"]] = event
        return ready

    @property
    def run_folder(self) -> Path:
        """As its first line says."""
        return Path(self.head["run_folder"])

    @property
    def session(self) -> str:
        """The marker that all its processes carry."""
        home = Path(os.environ["CELERY_DESK_HOME"])
        for file in (home / "state" / "sessions").glob("*.json"):
            try:
                record = json.loads(file.read_text())
            except (OSError, ValueError):
                continue
            if record["panel_pid"] == self.process.pid:
                return str(record["id"])
        return ""

    def started(self) -> list[int]:
        """Every process of its session, now."""
        return marked(self.session) if self.session else []

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, within: float = 60.0) -> int:
        """Ctrl-C until it ends; its exit code."""
        if self.process.poll() is None:
            self.interrupt()
        code = self.process.wait(within)
        self.close()
        return code

    def kill(self) -> None:
        """SIGKILL the panel itself."""
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Let go of its output."""
        for reader in self._readers:
            reader.join(10)


def all_gone(pids: list[int], within: float = 5.0, also: Callable[[], bool] = lambda: True) -> None:
    """Fails with what still runs."""
    eventually(lambda: not [pid for pid in pids if runs(pid)] and also(), f"all of {pids} are gone", within)
