"""The slow local server: many connections at once, wrong requests, a clean end."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tasks import io


class SlowServer:
    """The server in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tasks.slow_http", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()

    @property
    def port(self) -> int:
        return int(self.first_line.rpartition(":")[2])

    def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and what it wrote to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def server() -> Iterator[SlowServer]:
    started = SlowServer("--port", "0")
    yield started
    started.end()


def test_it_says_where_it_listens_and_ends_cleanly_with_requests_open(server: SlowServer) -> None:
    assert server.first_line == f"listening on 127.0.0.1:{server.port}\n"
    with socket.create_connection(("127.0.0.1", server.port)) as waiting:
        waiting.sendall(b"GET /ping HTTP/1.1\r\n\r\nGET /wait/60 HTTP/1.1\r\n\r\n")
        assert waiting.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert server.end() == (0, "")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/ping", "GET", 200),
        ("/wait/0", "GET", 200),
        ("/wait/0.01?x=1", "GET", 200),
        ("/wait/60.5", "GET", 400),
        ("/wait/-1", "GET", 400),
        ("/wait/nan", "GET", 400),
        ("/wait/soon", "GET", 400),
        ("/", "GET", 404),
        ("/ping", "POST", 405),
    ],
)
def test_what_is_answered(server: SlowServer, path: str, method: str, status: int) -> None:
    answered, body = server.get(path, method)
    assert answered == status
    assert body["ok"] is (status == 200)
    assert (status == 200) or str(body["error"]).endswith(".")


@pytest.mark.parametrize("request_", [b"hello\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_answered_and_closed(server: SlowServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request_)
        assert connection.recv(4096).startswith(b"HTTP/1.1 4")
    assert server.get("/ping")[0] == 200


def test_hundreds_wait_at_the_same_time(server: SlowServer) -> None:
    """400 requests of 0.5 s each: one after the other they would take 200 s, more than a test may."""

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /wait/0.5 HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def ask_all() -> list[bytes]:
        return await asyncio.gather(*(ask() for _ in range(400)))

    answers = asyncio.run(ask_all())
    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)


def test_a_client_that_goes_away_does_no_harm(server: SlowServer) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /wait/0.05 HTTP/1.1\r\n\r\n")
    assert server.get("/wait/0.2")[0] == 200
    assert server.end(signal.SIGINT) == (0, "")


def test_a_port_that_is_taken_is_told_in_a_sentence(server: SlowServer) -> None:
    second = SlowServer("--port", str(server.port))
    code, errors = second.end()
    assert code == 1
    assert "cannot listen on port" in errors
    assert "Traceback" not in errors


def test_the_http_tasks_call_it(server: SlowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(io.SLOW_HTTP, f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert io.http_calls(calls=3, wait=0.01) == 3
    assert io.mixed(limit=100, calls=1, wait=0.01) == 25
    server.end()
    with pytest.raises(io.SlowServerMissing, match="See whether the stack's web service runs"):
        io.http_calls()
