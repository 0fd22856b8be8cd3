"""Celery's remote control, spoken directly over kombu: questions out, replies matched by ticket.

The envelope is the one of `kombu.pidbox` (`method`, `arguments`, `destination`, `ticket`,
`reply_to`). Celery itself is not needed for it, which saves the panel its import (0.7 s, 43 MB),
and a reply arrives when the worker sends it instead of at the end of a fixed time-out.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from desktop.engine.api import DeskError

log = logging.getLogger(__name__)

Heard = Callable[[str, Any], None]  # (node, reply)


@dataclass(slots=True)
class _Question:
    command: str
    arguments: Mapping[str, Any]
    nodes: list[str] | None
    ticket: str
    timeout: float


@dataclass(slots=True)
class _Pending:
    heard: Heard
    until: float
    nodes: set[str] = field(default_factory=set)


class ControlClient:
    """Asks workers over the broker. Two threads: one sends, one hears; neither is ever waited for.

    `heard` callbacks run in the hearing thread. While the broker is away questions are dropped:
    whoever asks sets a time-out anyway.
    """

    def __init__(self, url: str, transport_options: Mapping[str, Any], exchange: str = "celery") -> None:
        self._url = url
        self._options = dict(transport_options)
        self._exchange = exchange
        self._inbox = f"celery-desk-{uuid.uuid4()}"
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._pending: dict[str, _Pending] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, name="control-send", daemon=True),
            threading.Thread(target=self._hear, name="control-hear", daemon=True),
        ]
        # Here, before two threads could do it at the same time: kombu's package is a lazy module.
        from kombu.connection import Connection
        from kombu.entity import Exchange, Queue

        self._make_connection: Any = Connection
        self._make_exchange: Any = Exchange
        self._make_queue: Any = Queue
        for thread in self._threads:
            thread.start()

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        nodes: list[str] | None,
        heard: Heard,
        timeout: float = 2.0,
    ) -> str:
        """Ask `nodes` (None: all); `heard` is called for each reply that comes within `timeout` seconds."""
        ticket = str(uuid.uuid4())
        now = time.monotonic()
        with self._lock:
            for old in [key for key, pending in self._pending.items() if pending.until < now]:
                del self._pending[old]
            self._pending[ticket] = _Pending(heard, now + timeout, set(nodes or ()))
        self._questions.put(_Question(command, arguments, nodes, ticket, timeout))
        return ticket

    def request(self, command: str, arguments: Mapping[str, Any], node: str, timeout: float = 5.0) -> Any:
        """Ask one node and wait. Not from the GUI thread nor the loop.

        Raises DeskError when it does not answer or answers with an error.
        """
        replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ask(command, arguments, [node], lambda _, reply: replies.put(reply), timeout)
        try:
            reply = replies.get(timeout=timeout)
        except queue.Empty:
            raise DeskError(
                f"{node} did not answer '{command}' within {timeout:g} s.",
                "It may be busy (solo and greenlets are silent while they compute) or frozen: "
                "look at its two lights, or restart it.",
            ) from None
        if isinstance(reply, dict) and "error" in reply:
            raise DeskError(f"{node} refused '{command}': {reply['error']}.")
        return reply

    def close(self) -> None:
        """End both threads; waits for them at most two seconds."""
        self._closing.set()
        self._questions.put(None)
        for thread in self._threads:
            thread.join(timeout=2.0)

    def _connection(self) -> Any:
        options = {
            "socket_timeout": 2.0,
            "socket_connect_timeout": 1.0,
            **self._options,
            # Who asks goes on by itself: kombu would sleep for 2 s before it tries to connect again, also
            # while we want to end.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "client_name": "celery-desk-control",  # in the broker's list of clients, ours are told by it
        }
        return self._make_connection(self._url, transport_options=options, connect_timeout=1.0)

    def _send(self) -> None:
        connection: Any = None
        producer: Any = None
        exchange = self._make_exchange(
            f"{self._exchange}.pidbox", type="fanout", durable=False, delivery_mode=1
        )
        while (question := self._questions.get()) is not None:
            try:
                if connection is None:
                    connection = self._connection()
                    producer = connection.Producer(auto_declare=False)
                producer.publish(
                    {
                        "method": question.command,
                        "arguments": dict(question.arguments),
                        "destination": question.nodes,
                        "pattern": None,
                        "matcher": None,
                        "ticket": question.ticket,
                        "reply_to": {
                            "exchange": f"reply.{self._exchange}.pidbox",
                            "routing_key": self._inbox,
                        },
                    },
                    exchange=exchange.name,
                    declare=[exchange],
                    serializer="json",
                    headers={"clock": 0, "expires": time.time() + question.timeout},
                )
            except Exception as error:  # each transport raises its own kinds
                log.debug("control question dropped: %s", type(error).__name__)
                _close(connection)
                connection = None
        _close(connection)

    def _hear(self) -> None:
        while not self._closing.is_set():
            connection = None
            try:
                connection = self._connection()
                self._consume(connection)
            except Exception as error:  # each transport raises its own kinds
                log.debug("control replies interrupted: %s", type(error).__name__)
                self._closing.wait(0.1)
            finally:
                _close(connection)

    def _consume(self, connection: Any) -> None:
        exchange = self._make_exchange(
            f"reply.{self._exchange}.pidbox", type="direct", durable=False, delivery_mode=1
        )
        inbox = self._make_queue(
            f"{self._inbox}.{exchange.name}",
            exchange=exchange,
            routing_key=self._inbox,
            durable=False,
            auto_delete=True,
        )
        with connection.Consumer([inbox], callbacks=[self._reply], accept=["json"], no_ack=True) as consumer:
            while not self._closing.is_set():
                try:
                    connection.drain_events(timeout=1.0)
                except TimeoutError:
                    # A broker that was flushed has forgotten where replies go (`_kombu.binding.*`) and keeps
                    # the connection: nobody would seem to answer any more. kombu remembers that it had bound
                    # the queue, and would not do it again (virtual.Channel.queue_bind).
                    consumer.channel.state.queue_bindings_delete(inbox.name)
                    consumer.declare()

    def _reply(self, body: Any, message: Any) -> None:
        with self._lock:
            pending = self._pending.get(message.headers.get("ticket", ""))
        if pending is None or not isinstance(body, dict):
            return
        for node, reply in body.items():
            pending.heard(node, reply)


def _close(connection: Any) -> None:
    if connection is not None:
        try:
            connection.release()
        except Exception:  # a broken connection may raise anything while it closes
            log.debug("a control connection did not close cleanly")
