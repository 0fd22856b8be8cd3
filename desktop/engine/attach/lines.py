"""Lines of the ledger (`ledger/FORMAT.md`), made of what Celery tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Any

Event = Mapping[str, Any]

# The caps of the ledger's texts, in characters.
PAYLOAD_CAP = 2048
RESULT_CAP = 1024
ERROR_CAP = 500
TRACEBACK_CAP = 6000


def received_line(t: float, task: Event, queue: str | None, eta: float | None) -> dict[str, Any]:
    """The line of a task that a worker received; `task` as Celery's event has it."""
    task_id = task["uuid"]
    args, kwargs = task.get("args"), task.get("kwargs")
    parent = task.get("parent_id")
    line = {
        "k": "received",
        "t": t,
        "id": task_id,
        "name": intern(task["name"] or ""),
        "queue": queue,
        "args": args,
        "kwargs": kwargs,
        "retries": task.get("retries") or 0,
        "eta": eta,
        "root": task.get("root_id"),
        "parent": parent if parent != task_id else None,  # a retry is its own parent
        "redelivered": False,
        "repr": True,
    }
    if (args and len(args) > PAYLOAD_CAP) or (kwargs and len(kwargs) > PAYLOAD_CAP):
        line["args"] = args if not args or len(args) <= PAYLOAD_CAP else None
        line["kwargs"] = kwargs if not kwargs or len(kwargs) <= PAYLOAD_CAP else None
        line["args_cut"] = True
    return line


def moment(text: str) -> float | None:
    """An ISO time as Celery writes it; without a zone it is UTC. None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def capped(text: Any, cap: int) -> str:
    """At most `cap` characters."""
    whole = text if isinstance(text, str) else str(text)
    return whole if len(whole) <= cap else whole[: cap - 1] + "…"


def capped_traceback(text: str) -> str:
    """The beginning and the end of a long one, with a line between them."""
    if len(text) <= TRACEBACK_CAP:
        return text
    first = TRACEBACK_CAP // 3
    last = TRACEBACK_CAP - first - 80
    return f"{text[:first]}\n  … {len(text) - first - last} characters left out …\n{text[-last:]}"


def ended_line(
    task_id: str, t: float, state: str, run: float | None, error: str | None, traceback: str | None = None
) -> dict[str, Any]:
    """The line of a task that came to an end; what it used of the CPU no event tells."""
    line: dict[str, Any] = {
        "k": "ended",
        "t": t,
        "id": task_id,
        "state": state,
        "run": run,
        "cpu": None,
        "error": capped(error, ERROR_CAP) if error else None,
    }
    if traceback:
        line["traceback"] = capped_traceback(traceback)
    return line


def open_line(t: float, node: str, start: int, pid: int, version: str) -> dict[str, Any]:
    """The first line of a worker's main process."""
    return {
        "k": "open",
        "t": t,
        "v": 1,
        "service": node,
        "start": start,
        "pid": pid,
        "parent": 0,
        "role": "main",
        "node": node,
        "pool": "",
        "celery": version,
        "python": "",
    }
