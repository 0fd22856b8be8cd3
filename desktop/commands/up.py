"""`up`: a stack, supervised without a window."""

from __future__ import annotations

import json
import queue
import signal
import time
from types import FrameType

import click

from desktop.commands.lines import Lines
from desktop.engine.api import Leftover, ServiceEvent, State, StopHow
from desktop.engine.desk import LocalDesk
from desktop.engine.runs.cap import over_the_cap, plan, read_cap
from desktop.engine.runs.catalog import all_runs
from desktop.engine.stack.parse import read_stack

_WAYS = (StopHow.WARM, StopHow.COLD, StopHow.KILL)
_SAID = {
    StopHow.WARM: "Stopping warm: running tasks finish. Ctrl-C again stops cold.",
    StopHow.COLD: "Stopping cold: running tasks are cancelled. Ctrl-C again kills.",
    StopHow.KILL: "Killing.",
}


class Up:
    """One supervised run. Events go to stdout, what is said to a person to stderr."""

    def __init__(
        self,
        stack: str,
        *,
        as_json: bool,
        seconds: float | None,
        port: int | None,
        grace: float,
        leftovers: str,
    ) -> None:
        self._spec = read_stack(stack)
        self._as_json = as_json
        self._seconds = seconds
        self._port = port
        self._grace = grace
        self._leftovers = leftovers
        self._inbox: queue.SimpleQueue[ServiceEvent | signal.Signals | None] = queue.SimpleQueue()
        self._asked = 0
        self._crash_loop = False
        self._lines = Lines()
        self._stopping = False
        self._limit: float | None = None  # when running tasks are waited for no longer

    def run(self) -> int:
        """Exit code: 0, or 1 if a service ended in a crash loop or the broker could not be started."""
        desk = LocalDesk(self._spec)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)
        try:
            self._deal_with_leftovers(desk)
            desk.subscribe(self._inbox.put)
            if desk.snapshot().started_at is None:
                self._start(desk)
            self._announce(desk)
            self._supervise(desk)
        finally:
            desk.close()
        self._tell_cap()
        return 1 if self._crash_loop else 0

    def _tell_cap(self) -> None:
        """Nothing is deleted by itself; a line says that there is something to look at."""
        over = over_the_cap(plan(read_cap(), all_runs()))
        if over:
            self._say(f"{over} `celery-desk runs prune` shows and deletes them.")

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._inbox.put(signal.Signals(number))

    def _deal_with_leftovers(self, desk: LocalDesk) -> None:
        for leftover in desk.leftovers().result():
            self._say(_told(leftover))
            how = self._leftovers
            if how == "adopt" and (not leftover.adoptable or leftover.stack != self._spec.name):
                how = "stop"
            self._say(desk.resolve_leftover(leftover.session, how).result())

    def _start(self, desk: LocalDesk) -> None:
        started = desk.start(self._port)
        while not desk.broker_url and not started.done():
            time.sleep(0.002)
        if started.done() and started.exception() is not None and not desk.broker_url:
            started.result()

    def _announce(self, desk: LocalDesk) -> None:
        folder = desk.snapshot().run_folder
        if self._as_json:
            self._lines.write(json.dumps({"broker_url": desk.broker_url, "run_folder": str(folder)}))
        else:
            self._lines.write(f"'{self._spec.name}' runs in {folder}")

    def _supervise(self, desk: LocalDesk) -> None:
        until = None if self._seconds is None else time.monotonic() + self._seconds
        while True:
            try:
                heard = self._inbox.get(timeout=self._patience(until))
            except queue.Empty:
                heard = None
            if isinstance(heard, ServiceEvent):
                self._tell(heard)
            elif heard is not None:
                self._stop(desk, by_hand=True)
            if self._lines.gone or (until is not None and time.monotonic() >= until):
                self._stop(desk, by_hand=False)
            self._hurry(desk)
            if self._stopping and desk.stopped() and self._inbox.empty():
                return

    def _patience(self, until: float | None) -> float:
        if self._stopping:
            return 0.05
        return 1.0 if until is None else max(0.0, min(1.0, until - time.monotonic()))

    def _stop(self, desk: LocalDesk, by_hand: bool) -> None:
        """Stop a step harder than before; by itself only once."""
        if self._stopping and not by_hand:
            return
        how = _WAYS[min(self._asked, len(_WAYS) - 1)]
        self._asked += 1
        self._stopping = True
        self._limit = None if by_hand else time.monotonic() + self._grace
        if by_hand:
            self._say(_SAID[how])
        desk.stop(how)

    def _hurry(self, desk: LocalDesk) -> None:
        """Kill what has no reason to run on: idle workers that hang, and everything after the grace."""
        if not self._stopping:
            return
        if self._limit is not None and time.monotonic() > self._limit:
            self._limit = None
            self._say(f"Tasks still run {self._grace:g} s after the end of --for: they are killed.")
            desk.stop(StopHow.KILL)
        for name in desk.stuck():
            self._say(f"{name} runs nothing and does not end: it is killed.")
            desk.stop_service(name, StopHow.KILL)

    def _tell(self, event: ServiceEvent) -> None:
        self._crash_loop = self._crash_loop or event.state is State.CRASH_LOOP
        if self._as_json:
            self._lines.write(json.dumps(event.as_dict()))
            return
        clock = time.strftime("%H:%M:%S", time.localtime(event.t))
        pid = f" [{event.pid}]" if event.pid else ""
        self._lines.write(f"{clock}  {event.service:<10} {event.state.value:<12} {event.detail}{pid}")

    def _say(self, text: str) -> None:
        click.echo(text, err=True)


def _told(leftover: Leftover) -> str:
    names = ", ".join(f"{name} (pid {pid})" for name, pid in leftover.processes)
    return f"A panel that ran '{leftover.stack}' (pid {leftover.panel_pid}) crashed and left: {names}."
