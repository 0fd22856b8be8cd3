"""An audit that trusts nothing of Celery Desk but the ids of tasks.

The tasks of `witness_tasks` tell a file themselves that they began and ended, and what is left of them in
the broker is read from its bare keys. What the ledger says is compared with this.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

MODULE = "witness_tasks"
TASKS = frozenset({"witness.wait", "witness.compute", "witness.fail"})
FOLDER = Path(__file__).parent
VARIABLE = "WITNESS_FILE"
_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")  # kombu's keys for the priorities of a queue


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of tasks, as the witness saw it; ids."""

    once: frozenset[str]  # ended once, by themselves or by an exception of their own
    more: frozenset[str]  # ended more than once
    gone: frozenset[str]  # did not end, and no message is left that would run them
    still: frozenset[str]  # did not end, and a message is left
    twice: frozenset[str]  # began more than once
    own: frozenset[str]  # ended by an exception of their own


class Witness:
    """Reads what the tasks wrote to `file`, and what lies in the broker at `url`."""

    def __init__(self, file: Path, url: str, queues: Iterable[str]) -> None:
        self._file = file
        self._client: redis.Redis = redis.Redis.from_url(url)
        self._queues = tuple(queues)

    def fates(self, ids: Iterable[str]) -> Fates:
        """Of these tasks, at this moment: only meant while nothing runs."""
        began, ended, own = self._written()
        left = self.left()
        known = frozenset(ids)
        unended = frozenset(task for task in known if not ended[task])
        return Fates(
            once=frozenset(task for task in known if ended[task] == 1),
            more=frozenset(task for task in known if ended[task] > 1),
            gone=frozenset(task for task in unended if not left[task]),
            still=frozenset(task for task in unended if left[task]),
            twice=frozenset(task for task in known if began[task] > 1),
            own=frozenset(task for task in known if task in own),
        )

    def seen(self) -> frozenset[str]:
        """Every task of `TASKS` that began, or of which a message is left."""
        return frozenset(self._written()[0]) | frozenset(self.left())

    def _written(self) -> tuple[Counter[str], Counter[str], set[str]]:
        began: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        own: set[str] = set()
        for line in self._file.read_text().splitlines() if self._file.exists() else ():
            word, task, _pid, _t = line.split()
            if word == "b":
                began[task] += 1
            else:
                ended[task] += 1
            if word == "f":
                own.add(task)
        return began, ended, own

    def left(self) -> Counter[str]:
        """Messages of `TASKS` in the broker, by id: waiting and unacknowledged ones."""
        return Counter(headers["id"] for headers in self._messages() if headers["task"] in TASKS)

    def _messages(self) -> Iterator[dict[str, Any]]:
        for queue in self._queues:
            for step in _STEPS:
                for raw in self._client.lrange(f"{queue}{step}", 0, -1):
                    yield json.loads(raw)["headers"]
        for raw in self._client.hvals("unacked"):
            yield json.loads(raw)[0]["headers"]

    def close(self) -> None:
        """Let go of the broker."""
        self._client.close()
