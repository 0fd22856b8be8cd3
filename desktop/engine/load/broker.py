"""Handing tasks to a Redis broker, and finding again those of which nobody knows whether they arrived."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import orjson
import redis
from celery import Celery
from celery.exceptions import QueueNotFound
from kombu import compression, serialization
from kombu.exceptions import KombuError, SerializationError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from desktop.engine.api import DeskError, TaskShare
from desktop.engine.load.ledger_file import Parcel
from desktop.engine.load.plan import Plan

# What says that the broker, or the way to it, is broken.
BROKEN = (RedisError, KombuError, OSError)

_CONNECT_TIME = 2.0  # seconds
_ANSWER_TIME = 15.0  # seconds that the broker may be silent before the connection counts as broken
_LOOK_UP_TIME = 2.0  # the same, while it is only being looked at
_WHOLE_CHUNK = 1_000_000  # kombu's batch then only flushes at its end, never in between
_PAGE = 1000
_ENVIRONMENT = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
)


def make_app(plan: Plan) -> Celery:
    """A Celery app with the stack's settings: tasks are sent by their names alone."""
    for name in _ENVIRONMENT:
        os.environ.pop(name, None)  # Celery takes these before the plan's
    app = Celery("celery-desk-load", set_as_current=False)
    options = {**plan.celery.get("broker_transport_options", {}), **plan.transport_options}
    app.conf.update(
        {
            **plan.celery,
            "broker_url": plan.broker_url,
            "broker_read_url": None,
            "broker_write_url": plan.broker_url,
            "broker_transport_options": options,
            "result_backend": None,
        }
    )
    return app


class Link:
    """One connection to the broker, under a name of its own that the broker's client list shows."""

    def __init__(self, app: Celery, name: str, answer_time: float) -> None:
        self._connection = app.connection_for_write(
            transport_options={
                "socket_connect_timeout": _CONNECT_TIME,
                "socket_timeout": answer_time,
                **app.conf.broker_transport_options,
                # redis-py would send again by itself what may have arrived already.
                "retry_on_timeout": False,
                "client_name": name,
            }
        )
        try:
            # kombu would sleep for 2 s before its second attempt; the third and later are ours.
            self._connection.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, reraise_as_library_errors=False
            )
            self.channel = self._connection.channel()
        except BaseException:
            self._connection.release()
            raise

    def client(self) -> Any:
        """A plain redis-py client on it, without kombu's key prefix."""
        return redis.Redis(connection_pool=self.channel.pool)

    def cut(self) -> None:
        """Break it, from any thread: who waits for an answer gets an error instead."""
        self.channel.pool.disconnect(inuse_connections=True)

    def close(self) -> None:
        """Close it; whether it still works does not matter."""
        try:
            self._connection.release()
        except BROKEN:
            pass


class Sender:
    """Publishes tasks as Celery does, several at once where asked."""

    def __init__(self, app: Celery, plan: Plan) -> None:
        self._app = app
        self.names = f"celery-desk-load-{plan.load_id}-{os.getpid()}-{secrets.token_hex(4)}"
        self._made = 0
        self._link: Link | None = None
        self._producer: Any = None
        self._shares = plan.workload.mix
        self._queues = [self._queue_of(share) for share in self._shares]
        self._templates = [self._template(share) for share in self._shares]

    @property
    def connected(self) -> bool:
        """True until `close`."""
        return self._link is not None

    @property
    def queue_names(self) -> tuple[str, ...]:
        """Every queue that a task of this workload may lie in."""
        names = [queue.name for queue in self._queues]
        return tuple(dict.fromkeys([*names, *self._app.amqp.queues]))

    def parcel(self, task_id: str, share: int) -> Parcel:
        """A task of that share, with its queue as the app routes it."""
        return Parcel(task_id, self._shares[share].task, self._queues[share].name, share)

    def connect(self) -> None:
        """Raises one of `BROKEN` when the broker cannot be reached."""
        self._made += 1
        self._link = Link(self._app, f"{self.names}-{self._made}", _ANSWER_TIME)
        self._producer = self._app.amqp.Producer(self._link.channel, auto_declare=False)

    def send(self, parcels: Sequence[Parcel], batched: bool) -> None:
        """Publish them. When it raises one of `BROKEN`, any of them may have arrived or not."""
        publish, producer = self._app.amqp.send_task_message, self._producer
        with producer.batch(max_size=_WHOLE_CHUNK) if batched else nullcontext():
            for parcel in parcels:
                share = self._shares[parcel.share]
                extra = {} if share.priority is None else {"priority": share.priority}
                # Celery would publish again after an error, and so perhaps twice.
                publish(
                    producer,
                    parcel.name,
                    self._message(parcel),
                    queue=self._queues[parcel.share],
                    retry=False,
                    **extra,
                )

    def cut(self) -> None:
        """Break off what is under way, from any thread."""
        link = self._link
        if link is not None:
            link.cut()

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        link, self._link, self._producer = self._link, None, None
        if link is not None:
            link.close()

    def _queue_of(self, share: TaskShare) -> Any:
        options = {} if share.queue is None else {"queue": share.queue}
        try:
            route = self._app.amqp.router.route(options, share.task, share.args, dict(share.kwargs))
        except QueueNotFound:
            raise DeskError(
                f"There is no queue {share.queue!r}, and task_create_missing_queues is off.",
                "Choose a queue of task_queues, or turn that setting on.",
            ) from None
        queue = route.get("queue") or self._app.amqp.default_queue
        return self._app.amqp.queues[queue] if isinstance(queue, str) else queue

    def _template(self, share: TaskShare, task_id: str = "") -> Any:
        return self._app.amqp.as_task_v2(
            task_id,
            share.task,
            share.args,
            dict(share.kwargs),
            countdown=share.countdown,
            ignore_result=None,  # as the task itself has it
        )

    def _message(self, parcel: Parcel) -> Any:
        """All messages of a share are alike but for their ids, and for the time they are due."""
        share = self._shares[parcel.share]
        if share.countdown:
            return self._template(share, parcel.id)
        template = self._templates[parcel.share]
        return template._replace(
            headers={**template.headers, "id": parcel.id, "root_id": parcel.id},
            properties={**template.properties, "correlation_id": parcel.id},
        )


class Search:
    """Looks for tasks in the broker: in their queues, every priority, and among what workers hold."""

    def __init__(self, app: Celery, names: str) -> None:
        self._app = app
        self._names = names
        self._link: Link | None = None

    def open(self) -> None:
        """Connect, and make sure that nothing arrives any more over an earlier connection of `names`.

        A broker that was frozen still reads, later on, what had been written to a connection
        that we have long closed. Raises one of `BROKEN`.
        """
        self._link = Link(self._app, self._names.replace("load", "search", 1), _LOOK_UP_TIME)
        client = self._link.client()
        while stale := [c["id"] for c in client.client_list() if c.get("name", "").startswith(self._names)]:
            for number in stale:
                client.client_kill_filter(_id=number)

    def find(self, ids: Collection[str], queues: Iterable[str]) -> set[str]:
        """Those of `ids` that lie in the broker. Raises one of `BROKEN`."""
        assert self._link is not None, "open() comes first"
        channel, client = self._link.channel, self._link.client()
        prefix, wanted, found = channel.global_keyprefix, set(ids), set[str]()
        for queue in queues:
            for step in channel.priority_steps:
                key = f"{prefix}{queue}{channel.sep}{step}" if step else f"{prefix}{queue}"
                found.update(wanted.intersection(map(_id_of, _list_items(client, key))))
                if found == wanted:
                    return found
        # After the queues: a message goes from there to here, and no other way unless it is restored.
        for _, held in client.hscan_iter(f"{prefix}{channel.unacked_key}", count=_PAGE):
            found.update(wanted.intersection({_id_of(held)}))
        return found

    def cut(self) -> None:
        """Break off what is under way, from any thread."""
        link = self._link
        if link is not None:
            link.cut()

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


def _list_items(client: Any, key: str) -> Iterator[bytes]:
    """A queue's messages, newest first: what is pushed meanwhile moves them back, so none is passed over."""
    start = 0
    while page := client.lrange(key, start, start + _PAGE - 1):
        yield from page
        start += len(page)


def _id_of(raw: bytes) -> str:
    """The task id of a waiting message, or of one that a worker holds (the first of three things)."""
    try:
        message = orjson.loads(raw)
        if isinstance(message, list):
            message = message[0]
        return str(message["properties"]["correlation_id"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return ""  # not a task's message


def check_messages(app: Celery, mix: Sequence[TaskShare]) -> None:
    """Raises DeskError where the arguments of a task cannot be put into a message."""
    encode: Any = serialization.dumps
    shrink: Any = compression.compress
    for share in mix:
        try:
            _, _, body = encode([share.args, dict(share.kwargs), {}], app.conf.task_serializer)
            if app.conf.task_compression:
                shrink(body, app.conf.task_compression)
        except (SerializationError, KombuError, KeyError) as error:
            raise DeskError(
                f"The arguments of {share.task} cannot be put into a message ({error}).",
                "Change them, or the settings task_serializer and task_compression.",
            ) from None


def check_broker(app: Celery) -> str:
    """The broker's address, without a password. Raises DeskError where it is not a Redis."""
    with app.connection_for_write() as connection:
        if connection.transport.driver_type != "redis":
            raise DeskError(
                f"The load generator can send to Redis brokers, not to {connection.transport.driver_type}.",
                "Use a Redis broker.",
            )
        return f"{connection.hostname}:{connection.port or connection.default_port}"


def reason(error: BaseException) -> str:
    """Why the broker did not take something, as the end of a sentence. Never holds a message's content."""
    while isinstance(error, KombuError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BusyLoadingError):
        return "is still loading its data"
    if isinstance(error, OutOfMemoryError):
        return "has no memory left for more tasks (its setting maxmemory)"
    if isinstance(error, ResponseError):
        # redis-py puts the whole command before it.
        return f"refuses tasks ({str(error).rpartition('caused error: ')[2].rstrip('.')})"
    if isinstance(error, TimeoutError | redis.TimeoutError):
        return "does not answer"
    return "cannot be reached"


def refuses_us(error: BaseException) -> bool:
    """True where waiting does not help: the password is not its password."""
    causes = [error, error.__cause__]
    return any(isinstance(cause, AuthenticationError) for cause in causes)
