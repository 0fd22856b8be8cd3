"""Sending a task once more, as a new one: the message as Celery would write it (protocol 2, JSON)."""

from __future__ import annotations

import base64
import json
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError
from desktop.engine.messages.desk_ledger import SENDER, write_ids
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.link import Link

ENCODING = "utf-8"
REPR_CAP = 1024  # characters of argsrepr and kwargsrepr, as Celery's `argsrepr_maxsize`


def new_message(
    task_id: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], queue: str, priority: int = 0
) -> str:
    """A task's message for the anonymous exchange, which delivers to the queue of that name.

    As `celery.app.amqp.AMQP.as_task_v2` and `kombu.transport.virtual.Channel.basic_publish` make it.
    """
    body = json.dumps(
        [list(args), dict(kwargs), {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    )
    return json.dumps(
        {
            "body": base64.b64encode(body.encode(ENCODING)).decode("ascii"),
            "content-encoding": ENCODING,
            "content-type": "application/json",
            "headers": _headers(task_id, name, args, kwargs),
            "properties": {
                "correlation_id": task_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": priority,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )


def _headers(task_id: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": name,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": _repr(tuple(args)),
        "kwargsrepr": _repr(dict(kwargs)),
        "origin": f"celery-desk{os.getpid()}@{socket.gethostname()}",
        "ignore_result": None,  # as the task itself has it
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def _repr(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= REPR_CAP else text[: REPR_CAP - 1] + "…"


def push(client: Any, keys: Keys, queue: str, message: str, priority: int = 0) -> int:
    """Put it into its queue, behind what waits there; how many wait now."""
    return int(client.lpush(keys.list_of(queue, priority), message))


def is_there(client: Any, keys: Keys, queue: str, message: str) -> bool:
    """Whether exactly this message waits, or is held by a worker: after a connection that broke."""
    for key in keys.lists(queue):
        start = 0
        # Newest first: what is pushed meanwhile moves them back, so none is passed over.
        while page := client.lrange(key, start, start + 999):
            if message.encode() in page:
                return True
            start += len(page)
    tag = json.loads(message)["properties"]["delivery_tag"]
    return bool(client.hexists(keys.unacked, tag))


def send_again(
    link: Link,
    keys: Keys,
    ledger: Path,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    queue: str,
    priority: int = 0,
) -> str:
    """Send it as a new task, and write that into the ledger; the new id.

    Raises DeskError when it was not sent, or when that cannot be told.
    """
    task_id = str(uuid.uuid4())
    message = new_message(task_id, name, args, kwargs, queue, priority)
    try:
        link.tell(lambda client: push(client, keys, queue, message, priority))
    except DeskError as error:
        _settle(link, keys, ledger, task_id, name, queue, message, error)
    write_ids(ledger, SENDER, "sent", [task_id], name=name, queue=queue)
    return task_id


def _settle(
    link: Link, keys: Keys, ledger: Path, task_id: str, name: str, queue: str, message: str, error: DeskError
) -> None:
    """The connection broke: did it arrive? Returns when it did."""
    arrived = link.ask(lambda client: is_there(client, keys, queue, message))
    if arrived:
        return
    if arrived is None:
        write_ids(ledger, SENDER, "doubt", [task_id], name=name, queue=queue)
        raise DeskError(
            f"{error.what} Whether the new task {task_id} arrived is not known.",
            "Look for it in the task list when the broker answers.",
        )
    raise DeskError(f"{error.what} Nothing was sent.", error.next_step)
