"""The ids of all messages that wait in a queue, for when something about them is in doubt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from desktop.engine.messages import envelope
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.link import Link

if TYPE_CHECKING:
    from redis import Redis


class Lister:
    """Reads whole queues over one connection of its own. Not for several threads at once."""

    def __init__(self, url: str, options: Mapping[str, Any], timeout: float = 2.0) -> None:
        self._link = Link(url, timeout)
        self._keys = Keys.of(options)

    def ids(self, queue: str, most: int) -> Collection[str] | None:
        """The ids of the tasks in all its lists at one moment, an id as often as it is there.

        None where the broker does not answer, or where more than `most` messages wait.
        """

        def ask(client: Redis) -> list[Any]:
            with client.pipeline(transaction=True) as pipe:
                for key in self._keys.lists(queue):
                    pipe.lrange(key, 0, most)
                return list(pipe.execute(raise_on_error=False))

        replies = self._link.ask(ask)
        if replies is None:
            return None
        raws = [raw for reply in replies if isinstance(reply, list) for raw in reply]
        if len(raws) > most:
            return None
        messages = (envelope.envelope(raw) for raw in raws)
        ids = (envelope.task_id(message) for message in messages if message is not None)
        return [task_id for task_id in ids if task_id is not None]

    def close(self) -> None:
        """Close the connection."""
        self._link.close()
