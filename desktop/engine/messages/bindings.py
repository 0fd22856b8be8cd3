"""Which queue a message belongs to, by the exchange and the key that it was sent with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from desktop.engine.messages.keys import is_queue


class Bindings:
    """The binding tables of the broker, as they were last read (kombu: `_kombu.binding.<exchange>`)."""

    def __init__(self, sep: str) -> None:
        self._sep = sep
        self._tables: dict[str, tuple[tuple[str, str, str], ...]] = {}

    def take(self, exchange: str, members: Iterable[bytes | str]) -> None:
        """The members of one exchange's set: routing key, pattern, queue."""
        rows = []
        for member in members:
            text = member.decode("utf-8", "replace") if isinstance(member, bytes) else member
            parts = text.split(self._sep)
            if len(parts) == 3:
                rows.append((parts[0], parts[1], parts[2]))
        self._tables[exchange] = tuple(sorted(rows))

    def keep(self, exchanges: Iterable[str]) -> None:
        """Forget every other exchange."""
        kept = set(exchanges)
        self._tables = {name: rows for name, rows in self._tables.items() if name in kept}

    def queues(self) -> tuple[str, ...]:
        """Every queue of tasks that is bound to something."""
        names = (queue for rows in self._tables.values() for _, _, queue in rows)
        return tuple(dict.fromkeys(name for name in names if is_queue(name)))

    def targets(self, exchange: str, routing_key: str) -> tuple[str, ...]:
        """The queues that kombu delivers to; empty where nothing is bound, and a message would be dropped.

        As `kombu.transport.virtual.exchange`: the anonymous exchange goes by the name of the queue, a direct
        one by the same key, a topic by its pattern (only topics have one).
        """
        if not exchange:
            return (routing_key,) if routing_key else ()
        found = [
            queue
            for key, pattern, queue in self._tables.get(exchange, ())
            if queue and (_matches(pattern, routing_key) if pattern else key == routing_key)
        ]
        return tuple(dict.fromkeys(found))

    def queue_of(self, exchange: str, routing_key: str) -> str:
        """The queue that it came from; where the bindings do not tell, the key: Celery's usual name of it."""
        targets = self.targets(exchange, routing_key)
        return targets[0] if targets else routing_key


def _matches(pattern: str, key: str) -> bool:
    try:
        return re.match(pattern, key) is not None
    except re.error:
        return False
