"""`attach --json`, as another program uses it: its lines, its exit codes, and no password anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from desktop.cli import main
from desktop.commands.attach import VARIABLES, url_of
from desktop.engine.api import TaskQuery
from desktop.engine.record.reading.reader import RunReader
from tests.engine.attach_support import Dispatcher, dispatcher
from tests.support.up import ROOT
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually


class Command:
    """A real `attach` in a process of its own."""

    def __init__(self, *words: str, stdin: str = "", **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "attach", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        self.lines: list[dict[str, Any]] = []
        assert self.process.stdin is not None
        self.process.stdin.write(stdin)
        self.process.stdin.close()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def ended(self, within: float = 30.0) -> tuple[int, str]:
        """The exit code, and what was said on stderr."""
        code = self.process.wait(within)
        self._reader.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process.stdout, self.process.stderr as errors:
            return code, errors.read()


@pytest.fixture
def worker(valkey: ValkeyServer) -> Iterator[Dispatcher]:
    """A worker's events, without the worker: nothing here answers to remote control."""
    with dispatcher(valkey.url) as sender:
        yield sender


def test_a_stack_is_watched_and_recorded_until_ctrl_c(valkey: ValkeyServer, worker: Dispatcher) -> None:
    command = Command("-", "--json", "--for", "60", stdin=f"{valkey.url}\n")

    def told(state: str) -> bool:
        worker.heartbeat()
        return any(line.get("service") == "w1@there" and line["state"] == state for line in command.lines)

    eventually(lambda: told("ready"), "the worker is told", every=0.1)
    for _ in range(30):
        worker.task()
    worker.flush()
    head = command.lines[0]
    assert head["broker_url"] == f"redis://127.0.0.1:{valkey.port}/0"
    folder = Path(head["run_folder"])
    with closing(RunReader.open(folder, live=True)) as record:
        eventually(
            lambda: record.tasks(TaskQuery(), 0, 1).result(5).total == 30,
            "every task is recorded",
            every=0.05,
        )
    command.process.send_signal(signal.SIGINT)
    code, errors = command.ended()
    assert (code, errors) == (0, "")
    for line in command.lines[1:]:
        assert "gap" in line or set(line) == {"t", "service", "kind", "state", "pid", "detail"}
    assert valkey.password not in json.dumps(command.lines)
    assert not [f for f in folder.rglob("*") if f.is_file() and valkey.password.encode() in f.read_bytes()]


def test_the_url_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://one/0")
    assert url_of(None) == "redis://one/0"
    monkeypatch.setenv("CELERY_DESK_URL", "redis://two/0")
    assert url_of(None) == "redis://two/0"
    assert url_of("redis://three/0") == "redis://three/0"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 64, "No broker URL"),
        (("amqp://localhost",), 64, "cannot attach to a broker of the kind 'amqp'"),
        (("redis://host/first",), 64, "'first' is no database"),
        (("redis://:geheim@127.0.0.1:1/0",), 1, "cannot be reached"),
    ],
)
def test_what_cannot_be_attached_to_is_told(
    words: tuple[str, ...],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own stay
    with pytest.raises(SystemExit) as ended:
        main(["attach", *words])
    said = capsys.readouterr()
    assert ended.value.code == code
    assert says in said.err
    assert "Traceback" not in said.err
    assert "geheim" not in said.err + said.out
