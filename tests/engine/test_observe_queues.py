"""Queue depths, read from a real server that real kombu fills."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Queue

from desktop.engine.api import DeskError
from desktop.engine.observe.queues import QueueReader
from tests.support.valkey import ValkeyServer


@pytest.fixture
def reader_of() -> Iterator[Callable[..., QueueReader]]:
    readers: list[QueueReader] = []

    def make(url: str, options: dict[str, Any] | None = None, timeout: float = 1.0) -> QueueReader:
        readers.append(QueueReader(url, options, timeout))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


def publish(url: str, queue: str, priorities: list[int], options: dict[str, Any] | None = None) -> None:
    with Connection(url, transport_options=options or {}) as connection:
        producer = connection.Producer()
        for priority in priorities:
            producer.publish(
                {"n": priority}, routing_key=queue, declare=[Queue(queue)], priority=priority, retry=False
            )


OPTIONS: list[dict[str, Any]] = [
    {},
    {"global_keyprefix": "qa:"},
    {"priority_steps": list(range(10)), "sep": ":"},
    {"global_keyprefix": "x.", "priority_steps": [2, 5]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["defaults", "prefix", "ten steps", "no step 0"])
def test_every_message_is_counted_at_kombus_own_step(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader], options: dict[str, Any]
) -> None:
    priorities = [0, 1, 3, 4, 5, 6, 9, 9]
    publish(valkey.url, "mails", priorities, options)
    publish(valkey.url, "other", [0], options)
    depths = reader_of(valkey.url, options).read(["mails", "empty"])

    assert depths is not None
    steps = options.get("priority_steps", [0, 3, 6, 9])
    with Connection(valkey.url, transport_options=options) as connection:
        channel = connection.default_channel
        expected = dict.fromkeys(steps, 0)
        for priority in priorities:
            expected[channel.priority(priority)] += 1
        assert channel._size("mails") == len(priorities)
    assert depths.queues == {"mails": (8, expected), "empty": (0, dict.fromkeys(steps, 0))}
    assert depths.unacked == 0


@pytest.mark.parametrize("options", [{}, {"global_keyprefix": "qa:"}, {"unacked_key": "held"}])
def test_what_a_consumer_holds_is_unacked(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader], options: dict[str, Any]
) -> None:
    publish(valkey.url, "mails", [0] * 5, options)
    reader = reader_of(valkey.url, options)
    held: list[Any] = []
    with (
        Connection(valkey.url, transport_options=options) as connection,
        Consumer(connection, [Queue("mails")], callbacks=[lambda _b, m: held.append(m)], prefetch_count=3),
    ):
        while len(held) < 3:
            connection.drain_events(timeout=10)
        depths = reader.read(["mails"])
        assert depths is not None
        assert (depths.queues["mails"][0], depths.unacked) == (2, 3)
        held[0].ack()
        depths = reader.read(["mails"])
        assert depths is not None
        assert depths.unacked == 2
        for message in held[1:]:
            message.ack()


def test_the_server_and_its_figures(valkey: ValkeyServer, reader_of: Callable[..., QueueReader]) -> None:
    reader = reader_of(valkey.url)
    depths = [reader.read([]) for _ in range(6)]
    for each in depths:
        assert each is not None
        assert each.server.split(" ")[0] in ("Valkey", "Redis")
        assert each.server.split(" ")[1][0].isdigit()
        assert each.clients >= 1
        assert each.used_memory > 100_000
    assert depths[0] is not None
    assert abs(depths[0].t - time.time()) < 60


def test_a_key_of_another_type_hides_no_other_queue(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader]
) -> None:
    publish(valkey.url, "mails", [0])
    with Connection(valkey.url) as connection:
        connection.default_channel.client.set("taken", "text")
    depths = reader_of(valkey.url).read(["taken", "mails"])
    assert depths is not None
    assert (depths.queues["taken"][0], depths.queues["mails"][0]) == (0, 1)


def test_a_killed_broker_gives_nothing_and_is_read_at_once_when_it_is_back(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reader = reader_of(valkey.url)
    assert reader.read(["mails"]) is not None
    valkey.kill()
    for _ in range(3):
        assert reader.read(["mails"]) is None
        assert reader.problem == f"The broker at 127.0.0.1:{valkey.port} cannot be reached."
    valkey.start()
    assert reader.read(["mails"]) is not None
    assert reader.problem == ""
    assert not [r for r in caplog.records if r.levelno >= logging.INFO]


def test_a_restart_between_two_reads_costs_no_read(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader]
) -> None:
    reader = reader_of(valkey.url)
    assert reader.read(["mails"]) is not None
    valkey.restart()
    assert reader.read(["mails"]) is not None


def test_a_frozen_broker_is_given_up_and_found_again(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader]
) -> None:
    reader = reader_of(valkey.url, timeout=0.2)
    assert reader.read(["mails"]) is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            assert reader.read(["mails"]) is None
            assert reader.problem.endswith("is there, but does not answer.")
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    depths = reader.read(["mails"])
    assert depths is not None
    assert depths.queues["mails"][0] == 0


def test_a_wrong_password_is_told_and_not_shown(
    valkey: ValkeyServer, reader_of: Callable[..., QueueReader], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for url in (f"redis://:guess-7391@127.0.0.1:{valkey.port}/0", f"redis://127.0.0.1:{valkey.port}/0"):
        reader = reader_of(url)
        assert reader.read(["mails"]) is None
        assert "password" in reader.problem
        assert "guess-7391" not in reader.problem + repr(reader) + caplog.text


def test_a_broker_of_another_kind_is_refused_in_words() -> None:
    for url in ("amqp://user:secret@localhost//", "sqs://secret@", ":secret@localhost:6379"):
        with pytest.raises(DeskError, match="cannot be read") as told:
            QueueReader(url)
        assert "secret" not in str(told.value)
    with pytest.raises(DeskError, match="port") as told:
        QueueReader("redis://:secret@localhost:http/0")
    assert "secret" not in str(told.value)


def test_a_unix_socket_is_read_by_kombus_spelling(
    start_valkey: Callable[..., ValkeyServer],
    reader_of: Callable[..., QueueReader],
    tmp_path: Any,
) -> None:
    path = tmp_path / "v.sock"
    server = start_valkey(unixsocket=f'"{path}"')
    publish(server.url.removesuffix("/0") + "/3", "mails", [0, 0])
    reader = reader_of(f"redis+socket://:{server.password}@{path}?virtual_host=3")
    depths = reader.read(["mails"])
    assert depths is not None, reader.problem
    assert depths.queues["mails"][0] == 2
    assert reader.address == str(path)
