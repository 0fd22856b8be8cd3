"""A relay process of a test's own, spoken to as the panel does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import redis

from desktop.engine.relay.conditions import Conditions, Counters
from desktop.engine.relay.door import shared_port
from desktop.engine.relay.service import MODULE
from tests.support.valkey import ValkeyServer

ROOT = Path(__file__).parents[2]


class Relayed:
    """A real relay in front of a real server, with a door for each worker. Use as a context."""

    def __init__(self, server: ValkeyServer, *workers: str) -> None:
        self.server = server
        self._kept = {worker: shared_port() for worker in workers}
        self.ports = {worker: int(kept.getsockname()[1]) for worker, kept in self._kept.items()}
        self._clients: list[redis.Redis] = []
        self._number = 0
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Relayed:
        self._say({"broker": self.server.port, "doors": self.ports})
        assert self._answer()["n"] == 0
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self.end()
        for kept in self._kept.values():
            kept.close()

    def end(self) -> tuple[int, str]:
        """End its input, as the end of the panel does; its exit code, and its log at the first time."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        code, errors = self.process.wait(10), self.process.stderr
        assert errors is not None
        if errors.closed:
            return code, ""
        with errors:
            return code, errors.read().decode()

    def ask(self, do: str, **more: Any) -> dict[str, Counters]:
        """A command, and the counters when it was done."""
        self._number += 1
        self._say({"n": self._number, "do": do, **more})
        answer = self._answer()
        assert (answer["n"], answer["problems"]) == (self._number, {})
        return {worker: Counters(**counted) for worker, counted in answer["counters"].items()}

    def set(self, worker: str, conditions: Conditions) -> Counters:
        """Put one worker's network under these conditions."""
        return self.ask("set", conditions={worker: asdict(conditions)})[worker]

    def count(self, worker: str) -> Counters:
        """Its counters now."""
        return self.ask("count")[worker]

    def client(self, worker: str, timeout: float | None = 10.0) -> redis.Redis:
        """A client that goes through the relay, and tries once only."""
        client = redis.Redis(
            port=self.ports[worker],
            password=self.server.password,
            socket_timeout=timeout,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
        self._clients.append(client)
        return client

    def connect(self, worker: str) -> socket.socket:
        """A plain socket through the relay."""
        return socket.create_connection(("127.0.0.1", self.ports[worker]), timeout=10)

    def _say(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer
