"""Celery's remote control, as far as an attached stack needs it: collected answers, in words."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping
from typing import Any

from desktop.engine.api import DeskError, TaskInfo
from desktop.engine.supervise.control import ControlClient
from desktop.engine.supervise.outcome import plural

WITHIN = 2.0  # seconds
_STILL = 0.3  # seconds without a further answer, after the first


def answers(
    control: ControlClient, command: str, names: list[str] | None = None, **arguments: Any
) -> dict[str, Any]:
    """What workers answer within two seconds, all where no names are given. Not from the GUI thread."""
    heard: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    control.ask(command, arguments, names, lambda node, reply: heard.put((node, reply)), WITHIN)
    found: dict[str, Any] = {}
    until = time.monotonic() + WITHIN
    while (left := until - time.monotonic()) > 0 and (names is None or len(found) < len(names)):
        try:
            node, reply = heard.get(timeout=min(left, _STILL) if found and names is None else left)
        except queue.Empty:
            break
        found[node] = reply
    return found


def enable_events(control: ControlClient, names: list[str] | None) -> str:
    """Ask workers to send the events of their tasks. Raises DeskError where none answers, or one refuses."""
    replies = answers(control, "enable_events", names)
    if not replies:
        raise DeskError(
            "No worker answered to 'enable_events'.", "It may be busy or gone: try again when it is heard."
        )
    refused = {node: reply["error"] for node, reply in replies.items() if _error(reply)}
    if refused:
        node, why = next(iter(refused.items()))
        raise DeskError(f"{node} refused to send events: {why}.")
    new = [node for node, reply in replies.items() if "already" not in str(reply)]
    if not new:
        return f"{plural(len(replies), 'worker')} had task events enabled already."
    return f"{plural(len(new), 'worker')} will send task events from now on, until the end of its process."


def shut_down(control: ControlClient, name: str) -> None:
    """Celery's warm shutdown. The worker ends without an answer."""
    control.ask("shutdown", {}, [name], lambda _node, _reply: None)


def catalog(control: ControlClient) -> tuple[TaskInfo, ...]:
    """The tasks that workers have registered, by name; their arguments no worker tells."""
    names: set[str] = set()
    for reply in answers(control, "registered").values():
        if isinstance(reply, list):
            names.update(str(name).partition(" [")[0] for name in reply)
    return tuple(TaskInfo(name, group=name.rpartition(".")[0]) for name in sorted(names))


def _error(reply: Any) -> bool:
    return isinstance(reply, Mapping) and "error" in reply
