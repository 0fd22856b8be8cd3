"""The names under which kombu keeps its messages in Redis: the one place that knows them."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Kombu's own defaults (kombu.transport.redis.Channel).
SEP = "\x06\x16"
STEPS = (0, 3, 6, 9)
UNACKED = "unacked"
UNACKED_INDEX = "unacked_index"
BINDING = "_kombu.binding."
VISIBILITY_TIMEOUT = 3600.0  # seconds

# A queue under purge is renamed to this and what follows, so that no worker takes from it any more.
PURGING = "celery-desk.purging"

# Lists and bindings that are kombu's or Celery's own ways of talking, and no queue of tasks.
_NO_QUEUE_ENDS = (".pidbox",)
_NO_QUEUE_BEGINS = ("celeryev.", "bcast.", PURGING)
# What Celery's result backends and kombu keep beside the queues: passed over by its name alone.
_NO_LIST_BEGINS = ("celery-task-meta-", "celery-taskset-meta-", "_kombu.")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one broker, by its `broker_transport_options`."""

    prefix: str = ""
    sep: str = SEP
    steps: tuple[int, ...] = STEPS
    unacked: str = UNACKED
    unacked_index: str = UNACKED_INDEX

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Keys:
        """Follows `global_keyprefix`, `sep`, `priority_steps`, `unacked_key` and `unacked_index_key`."""
        told = options or {}
        prefix = str(told.get("global_keyprefix", ""))
        return cls(
            prefix=prefix,
            sep=str(told.get("sep", SEP)),
            steps=tuple(int(step) for step in told.get("priority_steps") or STEPS),
            unacked=prefix + str(told.get("unacked_key", UNACKED)),
            unacked_index=prefix + str(told.get("unacked_index_key", UNACKED_INDEX)),
        )

    def lists(self, queue: str) -> tuple[str, ...]:
        """The lists of a queue, one a priority step, in the order in which workers take from them."""
        name = self.prefix + queue
        return tuple(f"{name}{self.sep}{step}" if step else name for step in self.steps)

    def list_of(self, queue: str, priority: int) -> str:
        """The list that kombu puts a message of this priority into."""
        return self.lists(queue)[bisect(self.steps, priority) - 1]

    def binding(self, exchange: str) -> str:
        """The set with what is bound to an exchange."""
        return f"{self.prefix}{BINDING}{exchange}"

    def exchange_of(self, key: str) -> str | None:
        """The exchange whose bindings this key holds; None for any other key."""
        start = self.prefix + BINDING
        return key.removeprefix(start) if key.startswith(start) else None

    def queue_of(self, key: str) -> str | None:
        """The queue that this key would be a list of; None for the keys that are known to be none."""
        if not key.startswith(self.prefix) or key in (self.unacked, self.unacked_index):
            return None
        name = key.removeprefix(self.prefix)
        if name.startswith(_NO_LIST_BEGINS):
            return None
        queue, sep, step = name.rpartition(self.sep)
        if sep:
            name = queue if step.isdigit() and int(step) in self.steps else ""
        return name if is_queue(name) else None


def is_queue(name: str) -> bool:
    """Whether tasks may lie in a queue of that name: not the inboxes of control and events."""
    return bool(name) and not name.endswith(_NO_QUEUE_ENDS) and not name.startswith(_NO_QUEUE_BEGINS)


def visibility_timeout(options: Mapping[str, Any] | None) -> float:
    """Seconds after which kombu delivers again what was not acknowledged."""
    try:
        return float((options or {}).get("visibility_timeout", VISIBILITY_TIMEOUT))
    except (TypeError, ValueError):
        return VISIBILITY_TIMEOUT
