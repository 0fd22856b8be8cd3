"""What the tests of the load generator share: loads that end with the test, and honest counts."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import redis

from desktop.engine.api import LoadSnapshot, LoadState, TaskShare, Workload
from desktop.engine.load.client import FINAL, Load
from desktop.engine.load.plan import Plan
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

_MUCH = 50_000  # bytes
NOOP = (TaskShare("tasks.noop"),)


class WatchedLoad(Load):
    """A load that keeps every snapshot it told."""

    def __init__(self, plan: Plan, log_file: Path) -> None:
        self.told: list[LoadSnapshot] = []
        super().__init__(plan, log_file=log_file, on_change=self.told.append)

    def until(self, condition: Callable[[LoadSnapshot], bool], what: str) -> LoadSnapshot:
        """The first snapshot told of which `condition` is true."""

        def found() -> LoadSnapshot | None:
            matching = next((s for s in list(self.told) if condition(s)), None)
            if matching is None and self.snapshot().state in FINAL and not condition(self.snapshot()):
                raise AssertionError(f"{what}: it ended before, as {self.snapshot()}")
            return matching

        return eventually(found, what) or self.snapshot()

    def state(self, state: LoadState) -> LoadSnapshot:
        """The first snapshot of that state."""
        return self.until(lambda s: s.state is state, f"state {state}")

    def last(self) -> LoadSnapshot:
        """The last snapshot, when it has ended."""
        assert self.wait(60), f"it did not end: {self.snapshot()}"
        return self.snapshot()


class Loads:
    """Starts loads; they end with the test."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger"
        self.log_file = folder / "load.log"
        self._started: list[WatchedLoad] = []

    def start(self, url: str, workload: Workload, **fields: Any) -> WatchedLoad:
        """Start one; its id is its number."""
        plan = Plan(len(self._started) + 1, workload, self.ledger, url)
        load = WatchedLoad(replace(plan, **fields), self.log_file)
        self._started.append(load)
        return load

    def close(self) -> None:
        """End them all."""
        for load in self._started:
            load.close()


def lines(ledger: Path, load: int = 1) -> list[dict[str, Any]]:
    """The lines that a load wrote into the ledger."""
    (path,) = ledger.glob(f"load-{load}.001.*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(told: list[dict[str, Any]], kind: str) -> list[str]:
    """The ids of the lines of that kind, in order."""
    return [task_id for line in told if line["k"] == kind for task_id in line["ids"]]


def in_queue(valkey: ValkeyServer, *keys: str) -> list[str]:
    """The ids of the messages in these lists, oldest first."""
    return [headers["id"] for headers in headers_of(valkey, *keys)]


def headers_of(valkey: ValkeyServer, *keys: str) -> list[dict[str, Any]]:
    """The headers of the messages in these lists, oldest first."""
    with redis.Redis.from_url(valkey.url) as client:
        raw = [item for key in keys or ("celery",) for item in reversed(client.lrange(key, 0, -1))]
    return [orjson.loads(item)["headers"] for item in raw]


class Relay:
    """A TCP relay to the broker that can be cut at a chosen place.

    `cut_after`: so many bytes of one connection's requests are passed on, then it is cut.
    `deaf`: over a connection on which much was asked, no answer comes back any more.
    `late`: what is asked on the first connection over which much is asked waits for this event.
    `closed`: who connects is turned away at once.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.cut_after: int | None = None
        self.deaf = False
        self.late: threading.Event | None = None
        self.closed = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    def close(self) -> None:
        """End it, and every connection."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(20)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.closed:
                client.close()
                continue
            broker = socket.create_connection(("127.0.0.1", self._to))
            asked = [0]
            for source, sink, requests in ((client, broker, True), (broker, client, False)):
                arguments = (source, sink, requests, asked)
                thread = threading.Thread(target=self._pass_on, args=arguments, name="relay")
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, requests: bool, asked: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if requests and self.cut_after is not None and asked[0] + len(data) > self.cut_after:
                    sink.sendall(data[: self.cut_after - asked[0]])
                    self._cut()
                    break
                if requests and self.late and asked[0] + len(data) > _MUCH:
                    late, self.late = self.late, None
                    late.wait(60)
                if not requests and self.deaf and asked[0] > _MUCH:
                    self.closed = True
                    continue
                asked[0] += len(data) if requests else 0
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if not requests:
            source.close()
            sink.close()

    def _cut(self) -> None:
        self.cut_after, self.closed = None, True


@contextlib.contextmanager
def relay_to(valkey: ValkeyServer) -> Iterator[Relay]:
    """A relay to that server, for a while."""
    relay = Relay(valkey.port)
    try:
        yield relay
    finally:
        relay.close()
