"""The end of a repeat: the drill's own stack is stopped, the living one runs as it ran before."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TypeVar

from desktop.engine.api import Desk, StackSnapshot, StackState, State, StopHow

T = TypeVar("T")

POLL = 0.02  # seconds
_STOP_LIMIT = 12.0  # seconds that a warm stop may take before it is a kill
_BACK_LIMIT = 30.0  # seconds in which what a fault took down must be up again


def stop_own(desk: Desk, halted: threading.Event, warm: bool) -> str | None:
    """Stop everything: warm, and by SIGKILL where that takes too long or the drill is halted.

    Why it could not be stopped, or None.
    """
    if warm and not halted.is_set():
        stopped = desk.stop(StopHow.WARM)
        until = time.monotonic() + _STOP_LIMIT
        while not stopped.done() and time.monotonic() < until and not halted.is_set():
            time.sleep(POLL)
        if stopped.done():
            return None
    return ended(desk.stop(StopHow.KILL), _STOP_LIMIT)


def put_back_up(desk: Desk, before: StackSnapshot) -> None:
    """Start again what lived before the drill and does not now, and wait for it."""
    names = [worker.name for worker in before.workers if worker.service.pid is not None]
    if before.broker is not None and before.broker.service.pid is not None:
        names.insert(0, "broker")
    until = time.monotonic() + _BACK_LIMIT
    while time.monotonic() < until:
        moment = desk.snapshot()
        down = [name for name in names if not _up(moment, name)]
        if moment.state in (StackState.STOPPED, StackState.STOPPING) or not down:
            return
        for name in down:
            if _state(moment, name) not in (State.BACKING_OFF, State.STARTING):
                ended(desk.start_service(name), 2.0)
        time.sleep(0.1)


def _state(moment: StackSnapshot, name: str) -> State | None:
    if name == "broker":
        return moment.broker.service.state if moment.broker is not None else None
    worker = moment.worker(name)
    return worker.service.state if worker is not None else None


def _up(moment: StackSnapshot, name: str) -> bool:
    """Up again; a worker that somebody removed is not waited for."""
    return _state(moment, name) in (None, State.READY, State.SILENT)


def ended(future: Future[T], limit: float) -> str | None:
    """Wait for it, halted or not; why it failed, or None."""
    try:
        future.result(limit)
    except TimeoutError:
        return f"it did not end within {limit:g} s"
    except Exception as error:
        return str(error)
    return None
