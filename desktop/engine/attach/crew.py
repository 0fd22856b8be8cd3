"""What the workers of an attached stack answer of themselves: pool, size, bounds, prefetch, queues."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from desktop.engine.supervise.control import ControlClient

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two questions to a worker
ANSWER_WITHIN = 3.0
_POOLS = {
    "prefork": Pool.PREFORK,
    "processes": Pool.PREFORK,
    "thread": Pool.THREADS,
    "threads": Pool.THREADS,
    "gevent": Pool.GEVENT,
    "eventlet": Pool.EVENTLET,
    "solo": Pool.SOLO,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One worker, by its last answers. `asked`: when they were asked for; 0: it never answered."""

    name: str
    asked: float = 0.0
    pid: int = 0
    pool: Pool = Pool.PREFORK
    size: int = 0
    bounds: tuple[int, int] | None = None
    prefetch: int | None = None
    pids: tuple[int, ...] = ()
    started_at: float | None = None
    queues: tuple[str, ...] = ()
    transport_options: Mapping[str, Any] = field(default_factory=dict)

    def spec(self) -> WorkerSpec:
        """As a stack file would have it, as far as a worker tells."""
        scale = Autoscale(*self.bounds) if self.bounds is not None else None
        size = self.size if scale is None and self.size and self.pool is not Pool.SOLO else None
        return WorkerSpec(self.name, self.pool, scale, concurrency=size, queues=self.queues)

    def told(self, asked: float, stats: Mapping[str, Any]) -> Member:
        """With an answer to `inspect stats`."""
        pool, scaler = stats.get("pool") or {}, stats.get("autoscaler")
        kind = _POOLS.get(str(pool.get("implementation", "")).partition(":")[0].rpartition(".")[2])
        kind = kind or Pool.PREFORK
        pids = tuple(pool.get("processes") or ()) if kind is Pool.PREFORK else ()
        # Celery's own `max-concurrency` keeps the value of the start when a prefork pool grows.
        size = len(pids) or (scaler or {}).get("current") or pool.get("max-concurrency") or 0
        uptime = stats.get("uptime")
        return replace(
            self,
            asked=asked,
            pid=int(stats.get("pid") or 0),
            pool=kind,
            size=int(size),
            bounds=(int(scaler["min"]), int(scaler["max"])) if scaler else None,
            prefetch=stats.get("prefetch_count"),
            pids=pids,
            started_at=self._started(asked, uptime),
            transport_options=dict((stats.get("broker") or {}).get("transport_options") or {}),
        )

    def _started(self, asked: float, uptime: Any) -> float | None:
        if not isinstance(uptime, int | float):
            return None
        # Told in whole seconds: it must not seem to jump.
        began = round(asked - uptime)
        return self.started_at if self.started_at and abs(self.started_at - began) < 3 else float(began)


class Crew:
    """Asks now and then, and keeps the last answers. `members` may be read from any thread."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self.members: dict[str, Member] = {}

    def beat(self, names: Collection[str]) -> None:
        """Ask those whose turn it is. Never waits."""
        now = time.monotonic()
        due = [name for name in names if now - self._asked.get(name, -EVERY) >= EVERY]
        if due:
            self._asked.update(dict.fromkeys(due, now))
            self._ask(due)

    def ask_soon(self, name: str) -> None:
        """Something about it was changed."""
        self._asked.pop(name, None)

    def forget(self, name: str) -> None:
        """It is not shown any more."""
        with self._lock:
            self.members = {key: member for key, member in self.members.items() if key != name}
        self._asked.pop(name, None)

    def _ask(self, names: list[str]) -> None:
        asked = time.time()
        self._control.ask(
            "stats", {}, names, lambda node, reply: self._stats(node, asked, reply), ANSWER_WITHIN
        )
        self._control.ask("active_queues", {}, names, self._queues, ANSWER_WITHIN)

    def _stats(self, name: str, asked: float, reply: Any) -> None:
        try:
            self._take(name, lambda member: member.told(asked, reply))
        except (AttributeError, KeyError, TypeError, ValueError):
            log.debug("an answer to 'stats' that is none of Celery's")

    def _queues(self, name: str, reply: Any) -> None:
        try:
            queues = tuple(str(queue["name"]) for queue in reply)
        except (KeyError, TypeError):
            log.debug("an answer to 'active_queues' that is none of Celery's")
            return
        self._take(name, lambda member: replace(member, queues=queues))

    def _take(self, name: str, change: Any) -> None:
        with self._lock:
            known = self.members.get(name) or Member(name)
            self.members = {**self.members, name: change(known)}
