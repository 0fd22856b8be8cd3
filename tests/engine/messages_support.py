"""What the tests of messages share: a real Celery app that sends, consumers that hold, the ledger's lines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import redis
from celery import Celery
from kombu import Connection, Consumer, Exchange, Queue

from desktop.engine.messages.link import Link
from tests.support.valkey import ValkeyServer

T = TypeVar("T")


class Sender:
    """Sends tasks as any client of Celery does, over one connection."""

    def __init__(self, url: str, options: dict[str, Any] | None = None, **conf: Any) -> None:
        self.app = Celery("sender", set_as_current=False)
        self.app.conf.update(broker_url=url, broker_transport_options=options or {}, **conf)
        self._connection = self.app.connection_for_write()
        self._producer = self.app.amqp.Producer(self._connection)

    def send(self, name: str, *args: Any, queue: Any = "celery", **options: Any) -> str:
        """Send one; its id."""
        return str(
            self.app.send_task(
                name, args, queue=queue, producer=self._producer, ignore_result=True, **options
            ).id
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.release()
        self.app.close()


@contextlib.contextmanager
def sending(url: str, options: dict[str, Any] | None = None, **conf: Any) -> Iterator[Sender]:
    """A sender, for a while."""
    sender = Sender(url, options, **conf)
    try:
        yield sender
    finally:
        sender.close()


@contextlib.contextmanager
def held(
    url: str, count: int, *queues: str | Queue, options: dict[str, Any] | None = None
) -> Iterator[list[Any]]:
    """`count` messages of these queues, delivered to a consumer that does not acknowledge them.

    Its connection is cut at the end, as by a death: nothing goes back by itself.
    """
    messages: list[Any] = []
    named = [queue if isinstance(queue, Queue) else Queue(queue) for queue in queues]
    with Connection(url, transport_options=options or {}) as connection:
        consumer = Consumer(
            connection.default_channel,
            named,
            callbacks=[lambda _body, message: messages.append(message)],
            accept=["json", "pickle"],
            prefetch_count=count,
        )
        connection.default_channel.qos.restore_at_shutdown = False
        with consumer:
            while len(messages) < count:
                connection.drain_events(timeout=10)
        yield messages


def topic_queue(name: str, pattern: str) -> Queue:
    """A queue that is bound to the topic exchange "news"."""
    return Queue(name, Exchange("news", type="topic"), routing_key=pattern)


def client_of(valkey: ValkeyServer) -> redis.Redis:
    """A plain client; close it."""
    return redis.Redis.from_url(valkey.url)


def told(url: str, command: Callable[[Any], T]) -> T:
    """What a command gives, over a link of its own."""
    link = Link(url)
    try:
        return link.tell(command)
    finally:
        link.close()


def lines(ledger: Path, kind: str) -> list[dict[str, Any]]:
    """The lines of that kind, of all files."""
    files = sorted(ledger.glob("*.jsonl"))
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [line for line in found if line["k"] == kind]


def ids(ledger: Path, kind: str) -> list[str]:
    """The ids of those lines."""
    return [task_id for line in lines(ledger, kind) for task_id in line["ids"]]
