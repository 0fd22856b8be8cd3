"""Publishes Celery events of a made-up run: `event_flood TASKS [SEED]`, to the broker of CELERY_BROKER_URL.

What busy workers of an event loop would send (24 events a message) and what their clients do, with the
fields that Celery 5.7 gives them. Says `ready` when the events are prepared, waits for a line on standard
input, then publishes them as fast as it can, and prints how many and how long it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from celery import Celery
from celery.events import EventDispatcher

from desktop.engine.ledger.records import CUT, Task
from tests.support.made_run import MAINS, MadeRun

GROUP = 24  # celery/worker/consumer/events.py: buffer_limit of a worker with an event loop
_ENDS = {"SUCCESS": "task-succeeded", "FAILURE": "task-failed", "RETRY": "task-retried"}

Event = tuple[str, str, Mapping[str, Any]]  # who sends it, its type, its fields


def events(count: int, seed: int) -> list[Event]:
    """Of every task of the run, in the order in which they happen."""
    found: list[tuple[float, Event]] = []
    for task in MadeRun(count, seed, open_share=0.0).tasks():
        found += _of(task)
    found.sort(key=lambda item: item[0])
    return [event for _, event in found]


def _of(task: Task) -> Iterator[tuple[float, Event]]:
    own = {"uuid": task.id}
    about: dict[str, Any] = {"name": task.name, "args": f"({task.args})", "kwargs": task.kwargs or "{}"}
    about |= {"root_id": task.root, "parent_id": task.parent, "eta": None, "expires": None}
    queue = {"queue": task.queue, "exchange": "", "routing_key": task.queue, "retries": 0}
    yield task.sent or 0.0, ("client", "task-sent", own | about | queue)
    for receipt in task.receipts:
        yield receipt.t, (receipt.service, "task-received", own | about | {"retries": receipt.retries})
    for attempt in task.attempts:
        yield attempt.started, (attempt.service, "task-started", own)
        if attempt.state != CUT and attempt.ended is not None:
            fields: dict[str, Any] = {"result": attempt.result or "None", "runtime": attempt.run}
            if attempt.state != "SUCCESS":
                fields = {"exception": attempt.error, "traceback": attempt.traceback}
            yield attempt.ended, (attempt.service, _ENDS[attempt.state], own | fields)


def publish(url: str, prepared: list[Event]) -> float:
    """Seconds that it took."""
    app = Celery("flood", broker=url, set_as_current=False)
    with app.connection_for_write() as connection:
        senders = {
            who: EventDispatcher(
                connection,
                hostname=f"{who}@flood",
                app=app,
                buffer_group=["task"],
                buffer_limit=GROUP,
            )
            for who in (*MAINS, "client")
        }
        began = time.perf_counter()
        for who, kind, fields in prepared:
            senders[who].send(kind, **fields)
        for sender in senders.values():
            sender.flush()
        took = time.perf_counter() - began
    app.close()
    return took


def main() -> None:
    """Until everything is published."""
    prepared = events(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7)
    print("ready", flush=True)
    sys.stdin.readline()
    took = publish(os.environ["CELERY_BROKER_URL"], prepared)
    print(json.dumps({"events": len(prepared), "seconds": took}), flush=True)


if __name__ == "__main__":
    main()
