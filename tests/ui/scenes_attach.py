"""A stack that somebody else started, in pictures: workers of other machines, mute and silent ones, gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from desktop.engine.api import (
    DeskError,
    Light,
    Mark,
    MarkKind,
    QueueSnapshot,
    StackSnapshot,
    StackState,
    State,
)

ADDRESS = "broker.production.shop.example:6379/0"
MUTE = "reports@shop-prod-4"
GAPS = (
    f"{MUTE} sends no events of tasks: what they run is not in the record.",
    "10:14:02 – 10:14:05: the broker cut us off, because we read too slowly; at least 1,234 tasks started "
    "unseen (1,000 of w1@shop-prod-3, 234 of w2@shop-prod-3).",
    "The clock of w2@shop-prod-3 differs from ours by 3.2 s: its times are shifted.",
)


def attached(snapshot: StackSnapshot) -> StackSnapshot:
    """Three workers on other machines: one is well, one is silent, one tells of no task."""
    workers = []
    for index, worker in enumerate(snapshot.workers[:3]):
        node = f"{worker.name}@shop-prod-{4 if index == 2 else 3}"
        remote: dict[str, Any] = {"name": node, "cpu": 0.0, "memory": 0, "threads": 0, "log_file": None}
        if index == 1:
            detail = "is not heard: no heartbeat for more than 4 s. What it ran is not taken for lost"
            remote |= {"state": State.SILENT, "detail": detail, "process": Light.NO, "answers": Light.NO}
        else:
            remote |= {"state": State.READY, "detail": "is heard (Celery 5.7.0)"}
        service = replace(worker.service, **remote)
        spec = replace(worker.spec, name=node)
        told = {"node": node, "command": "", "processes": (), "mute": node == MUTE}
        workers.append(replace(worker, service=service, spec=spec, **told))
    nodes = {worker.name: told.name for worker, told in zip(snapshot.workers, workers, strict=False)}
    queues = tuple(_of_nodes(queue, nodes) for queue in snapshot.queues)
    gap = Mark(snapshot.t - 75, MarkKind.GAP, "broker", "the broker cut us off, because we read too slowly")
    return replace(
        snapshot,
        state=StackState.TROUBLED,
        spec=replace(snapshot.spec, name=ADDRESS, workers=tuple(w.spec for w in workers)),
        workers=tuple(workers),
        queues=queues,
        web=None,
        attached=ADDRESS,
        gaps=GAPS,
        marks=(*snapshot.marks, gap),
    )


def _of_nodes(queue: QueueSnapshot, nodes: Mapping[str, str]) -> QueueSnapshot:
    """A queue whose workers have the names of the attached ones; of the others nothing is known."""
    held = tuple(replace(one, worker=nodes[one.worker]) for one in queue.held if one.worker in nodes)
    consumers = tuple(nodes[name] for name in queue.consumers if name in nodes)
    return replace(queue, held=held, consumers=consumers)


def dialog(window: Any) -> object:
    """Asking for a broker, of which the password was wrong."""
    asked = window.attach_commands.open_dialog()
    asked.url.setEditText("redis://:not-this-one@broker.production.shop.example:6379/0")
    asked.whole_url()
    what = f"The broker at {ADDRESS.removesuffix('/0')} refuses the password of the broker URL."
    asked._failed(DeskError(what, "Give the password that the workers are given."))
    return asked
