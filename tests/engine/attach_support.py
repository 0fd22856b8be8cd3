"""What tests of attaching share: a worker's events, published by Celery's own dispatcher or made by hand."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from desktop.engine.attach.stream import EventStream
from desktop.engine.ledger.lines import Line
from tests.support.waiting import eventually

_clock = itertools.count(1)


def event(kind: str, t: float, node: str = "w1@there", pid: int = 11, **more: Any) -> dict[str, Any]:
    """An event as Celery 5.7 sends it, with the fields that every one has."""
    common = {"type": kind, "timestamp": t, "hostname": node, "pid": pid, "clock": next(_clock)}
    return common | {"utcoffset": 0.0} | more


def heartbeat(
    t: float, processed: int = 0, active: int = 0, kind: str = "heartbeat", **more: Any
) -> dict[str, Any]:
    """A heartbeat, or "online" and "offline"."""
    fields = {
        "freq": 2.0,
        "active": active,
        "processed": processed,
        "sw_ver": "5.7.0",
        "sw_ident": "py-celery",
    }
    return event(f"worker-{kind}", t, **(fields | more))


def received(task_id: str, t: float, **more: Any) -> dict[str, Any]:
    """`task-received` of a task named "tasks.add"."""
    fields = {"name": "tasks.add", "args": "(1, 2)", "kwargs": "{}", "root_id": task_id, "parent_id": None}
    return event(
        "task-received", t, uuid=task_id, **(fields | {"retries": 0, "eta": None, "expires": None} | more)
    )


def life(task_id: str, t: float, **more: Any) -> list[dict[str, Any]]:
    """Received, started and succeeded, ten milliseconds apart."""
    started = event("task-started", t + 0.01, uuid=task_id, **more)
    ended = event("task-succeeded", t + 0.02, uuid=task_id, result="3", runtime=0.01, **more)
    return [received(task_id, t, **more), started, ended]


def kinds(lines: list[Line]) -> list[str]:
    """What the lines tell, worker's figures left out."""
    return [line.data["k"] for line in lines if line.data["k"] != "pool"]


class Dispatcher:
    """Celery's own sender of events, as one worker has it."""

    def __init__(self, app: Celery, connection: Any, node: str) -> None:
        self.node = node
        self._sender = app.events.Dispatcher(connection, hostname=node, buffer_group=["task"])
        self.processed = 0

    def heartbeat(self, active: int = 0, kind: str = "heartbeat") -> None:
        """Tell that it lives, and how many tasks it has started."""
        self._sender.send(f"worker-{kind}", freq=2.0, active=active, processed=self.processed, sw_ver="5.7.0")

    def task(self, told: bool = True) -> str:
        """Run one from beginning to end; without `told` only the counter knows of it."""
        self.processed += 1
        task_id = str(uuid.uuid4())
        if told:
            common = {"name": "tasks.add", "args": "(1, 2)", "kwargs": "{}", "root_id": task_id}
            self._sender.send("task-received", uuid=task_id, retries=0, eta=None, parent_id=None, **common)
            self._sender.send("task-started", uuid=task_id)
            self._sender.send("task-succeeded", uuid=task_id, result="3", runtime=0.001)
        return task_id

    def flush(self) -> None:
        """Send what is held for a batch."""
        self._sender.flush()


@contextmanager
def dispatcher(url: str, node: str = "w1@there", **settings: Any) -> Iterator[Dispatcher]:
    """A worker's sender of events, without the worker."""
    app = Celery("sender", broker=url, set_as_current=False)
    app.conf.update(settings)
    with app.connection_for_write() as connection:
        yield Dispatcher(app, connection, node)


class Reader:
    """Polls a stream until it told what is waited for."""

    def __init__(self, stream: EventStream) -> None:
        self.stream = stream
        self.lines: list[Line] = []

    def until(self, condition: Callable[[], object], what: str, within: float = 20.0) -> None:
        """Read on until it is so."""

        def step() -> object:
            self.lines += self.stream.poll()
            return condition()

        eventually(step, what, within)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [dict(line.data) for line in self.lines if line.data["k"] == kind]
