"""`attach`: a stack that somebody else started, watched and recorded without a window."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import time
from types import FrameType

import click

from desktop.commands.lines import Lines
from desktop.engine.api import DeskError, ServiceEvent
from desktop.engine.attach.options import AttachOptions
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.model import StackSpec

VARIABLES = ("CELERY_DESK_URL", "CELERY_BROKER_URL")
LOOK = 0.5  # seconds between two looks for what is not told by events


def url_of(given: str | None) -> str:
    """The URL that was given, that of stdin for `-`, or that of the environment. Raises UsageError."""
    if given == "-":
        given = sys.stdin.readline().strip()
    if given:
        return given
    found = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    if not found:
        raise click.UsageError(
            f"No broker URL: give one, - to read it from stdin, or set {' or '.join(VARIABLES)}."
        )
    return found


class Attach:
    """One attachment. Events go to stdout, what is said to a person to stderr."""

    def __init__(self, url: str, *, as_json: bool, seconds: float | None, enable_events: bool) -> None:
        """Raises DeskError where the URL is none that can be attached to."""
        self._url = url
        self._options = AttachOptions.of(url)
        self._as_json = as_json
        self._seconds = seconds
        self._enable_events = enable_events
        self._inbox: queue.SimpleQueue[ServiceEvent | signal.Signals] = queue.SimpleQueue()
        self._gaps: set[str] = set()
        self._lines = Lines()

    def run(self) -> int:
        """Exit code: 0, or 1 where the broker cannot be reached."""
        desk = LocalDesk(StackSpec(name="attached"))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._caught)
        desk.subscribe(self._inbox.put)
        try:
            return self._watch(desk)
        except DeskError as error:
            self._say(f"celery-desk: {error}")
            return 1
        finally:
            desk.close()

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self._inbox.put(signal.Signals(number))

    def _watch(self, desk: LocalDesk) -> int:
        said = desk.attach(self._url).result()
        folder = desk.snapshot().run_folder
        if self._as_json:
            first = {"broker_url": self._options.shown_url, "run_folder": str(folder)}
            self._lines.write(json.dumps(first))
        else:
            self._lines.write(f"{said} It is recorded in {folder}")
        if self._enable_events:
            self._say(desk.enable_events().result())
        until = None if self._seconds is None else time.monotonic() + self._seconds
        while not self._lines.gone and (until is None or time.monotonic() < until):
            left = LOOK if until is None else min(LOOK, max(until - time.monotonic(), 0.0))
            try:
                heard = self._inbox.get(timeout=left)
            except queue.Empty:
                self._tell_gaps(desk)
                continue
            if not isinstance(heard, ServiceEvent):
                break
            self._tell(heard)
        self._tell_gaps(desk)
        said = desk.stop().result()
        if not self._as_json:
            self._lines.write(said)
        return 0

    def _tell(self, event: ServiceEvent) -> None:
        if self._as_json:
            self._lines.write(json.dumps(event.as_dict()))
            return
        clock = time.strftime("%H:%M:%S", time.localtime(event.t))
        pid = f" [{event.pid}]" if event.pid else ""
        self._lines.write(f"{clock}  {event.service:<20} {event.state.value:<10} {event.detail}{pid}")

    def _tell_gaps(self, desk: LocalDesk) -> None:
        """What the record does not know, each sentence once."""
        for gap in desk.snapshot().gaps:
            if gap not in self._gaps:
                self._gaps.add(gap)
                line = json.dumps({"t": round(time.time(), 6), "gap": gap}) if self._as_json else f"  ! {gap}"
                self._lines.write(line)

    def _say(self, text: str) -> None:
        click.echo(text, err=True)
