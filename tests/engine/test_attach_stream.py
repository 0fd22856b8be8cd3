"""The stream over a real broker: batches, other databases, breaks, a broker that cuts us off."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis import Redis

from desktop.engine.attach import pipe
from desktop.engine.attach.gaps import BROKEN, RESTARTED, SLOW, UNREADABLE
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.stream import EventStream
from tests.engine.attach_support import Reader, dispatcher, kinds
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

LIFE = ["received", "started", "ended"]


def stream(url: str, **settings: object) -> Reader:
    """A stream that hears already."""
    made = Reader(EventStream(AttachOptions.of(url, settings), ask=False))
    eventually(lambda: made.stream.connected, "events are heard")
    return made


def test_batches_and_single_events_of_our_database_and_no_other(valkey: ValkeyServer) -> None:
    reader = stream(valkey.url)
    other = valkey.url.removesuffix("/0") + "/1"
    with dispatcher(valkey.url) as here, dispatcher(other, "w9@elsewhere") as elsewhere:
        elsewhere.heartbeat()
        here.heartbeat(kind="online")
        ids = [here.task() for _ in range(30)]
        here.flush()
        reader.until(lambda: len(reader.of("ended")) == 30, "every task is told")
    reader.stream.close()
    assert [line["id"] for line in reader.of("ended")] == ids
    assert kinds(reader.lines) == ["open", "ready", *LIFE * 30]
    assert list(reader.stream.nodes) == ["w1@there"]
    assert not reader.stream.gaps.all


def test_a_key_prefix_and_another_exchange_are_followed(valkey: ValkeyServer) -> None:
    settings = {"broker_transport_options": {"global_keyprefix": "qa[1]:"}, "event_exchange": "told"}
    reader = stream(valkey.url, **settings)
    with dispatcher(valkey.url, **settings) as here:
        here.task()
        here.flush()
        reader.until(lambda: reader.of("ended"), "the task is told")
    reader.stream.close()


def test_a_socket_file_instead_of_a_port(
    tmp_path: Path, start_valkey: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_valkey(unixsocket=f'"{tmp_path / "s"}"')
    reader = stream(f"redis+socket://:{server.password}@{tmp_path / 's'}?virtual_host=0")
    with dispatcher(server.url) as here:
        here.task()
        here.flush()
        reader.until(lambda: reader.of("ended"), "the task is told")
    reader.stream.close()


def test_a_broken_connection_is_made_again_and_what_was_missed_is_counted(valkey: ValkeyServer) -> None:
    reader = stream(valkey.url)
    with dispatcher(valkey.url) as here, Redis.from_url(valkey.url) as redis:
        here.heartbeat()
        here.task()
        here.flush()
        reader.until(lambda: reader.of("ended"), "the first task is told")
        redis.client_kill_filter(_type="pubsub")
        for _ in range(5):
            here.task(told=False)
        reader.until(lambda: reader.of("gap") and reader.stream.connected, "the break is told")
        here.task()
        here.flush()
        for _ in range(3):
            here.heartbeat()
        reader.until(lambda: reader.stream.gaps.all[0].missed, "what was missed is counted")
    reader.stream.close()
    (gap,) = reader.stream.gaps.all
    assert (gap.why, gap.missed, gap.by_node) == (BROKEN, 5, {"w1@there": 5})
    assert len(reader.of("ended")) == 2
    assert reader.of("gap")[-1]["text"] == gap.sentence()


def test_a_restarted_broker_is_told_as_one(valkey: ValkeyServer) -> None:
    reader = stream(valkey.url)
    valkey.kill()
    reader.until(lambda: reader.stream.problem, "the broker is missed")
    assert "s3cret" not in reader.stream.problem
    assert valkey.password not in reader.stream.problem
    assert not reader.stream.connected
    reader.until(lambda: reader.of("gap"), "the break is told while it lasts")
    valkey.start()
    reader.until(lambda: reader.stream.gaps.all[-1].until is not None, "events are heard again")
    with dispatcher(valkey.url) as here:
        here.task()
        here.flush()
        reader.until(lambda: reader.of("ended"), "tasks are told again")
    reader.stream.close()
    assert [gap.why for gap in reader.stream.gaps.all] == [RESTARTED]


def test_a_broker_that_cuts_us_off_is_noticed(
    start_valkey: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes what the thread reads: it stops reading, and the server's buffer for us overflows."""
    server = start_valkey(**{"client-output-buffer-limit": "pubsub 64kb 64kb 1"})
    monkeypatch.setattr(pipe, "HELD", 1)
    reader = stream(server.url)
    with dispatcher(server.url) as here, Redis.from_url(server.url) as redis:
        here.heartbeat()
        here.flush()

        def cut() -> int:
            for _ in range(200):
                here.task()
            here.flush()
            return int(redis.info("stats")["client_output_buffer_limit_disconnections"])  # type: ignore[index]

        eventually(cut, "the server cuts us off", every=0.0)
        monkeypatch.setattr(pipe, "HELD", 1 << 30)
        reader.until(lambda: reader.stream.gaps.all and reader.stream.connected, "the cut is told")
        for _ in range(3):
            here.heartbeat()
        reader.until(lambda: reader.stream.gaps.all[0].missed, "what was missed is counted")
        seen = len(reader.of("started"))
        assert reader.stream.gaps.all[0].missed == here.processed - seen
    reader.stream.close()
    (gap,) = reader.stream.gaps.all
    assert gap.why == SLOW


def test_events_that_are_not_json_are_told(valkey: ValkeyServer) -> None:
    reader = stream(valkey.url)
    with dispatcher(valkey.url, event_serializer="pickle", accept_content=["pickle"]) as here:
        here.heartbeat()
        reader.until(lambda: reader.stream.gaps.all, "that it cannot be read")
    reader.stream.close()
    assert reader.stream.gaps.all[0].why == UNREADABLE
    assert not reader.stream.nodes


def test_a_silent_worker_is_silent_and_nothing_else(valkey: ValkeyServer) -> None:
    reader = stream(valkey.url)
    with dispatcher(valkey.url) as here:
        here.heartbeat()
        reader.until(lambda: reader.stream.nodes, "the worker is heard")
        node = reader.stream.nodes["w1@there"]
        node.freq = 0.01
        node.heard = time.time() - 2
        reader.stream._opened_at = node.heard
        told = reader.stream.told()["nodes"][0]
        assert (told["silent"], told["gone"], told["local"]) == (True, False, False)
        here.heartbeat()
        reader.until(lambda: node.heard > time.time() - 1, "it is heard again")
    assert reader.stream.told()["nodes"][0]["silent"] is False
    reader.stream.close()


class Records:
    """A socket that gives one record of TLS at a time, however much is asked for."""

    def __init__(self, count: int) -> None:
        self.left = count

    def setblocking(self, _blocking: bool) -> None: ...

    def recv_into(self, buffer: bytearray) -> int:
        if not self.left:
            raise ssl.SSLWantReadError
        self.left -= 1
        return 16_384


def test_all_that_is_there_is_read_before_more_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "GATHER", 60.0)
    connection = SimpleNamespace(_sock=Records(500), disconnect=lambda: None)
    opened = pipe.Opened(time.time(), None, "")
    monkeypatch.setattr(pipe.Pipe, "_open", lambda _self, _client: (connection, opened, b""))
    made = pipe.Pipe(AttachOptions.of("redis://127.0.0.1:1/0"), b"*")
    eventually(lambda: connection._sock.left == 0, "every record was read", within=10)
    made.close()
    assert sum(len(item.data) for item in made.take(1 << 30) if isinstance(item, pipe.Piece)) == 500 * 16_384
