"""The parts of supervision: outcomes as sentences, the loop, ports, the broker's start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.api import DeskError
from desktop.engine.stack.model import BrokerSpec, Persistence
from desktop.engine.supervise import broker, ports
from desktop.engine.supervise import loop as loop_module
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.outcome import Outcome, duration, plural
from desktop.engine.supervise.process import ManagedProcess
from tests.support.waiting import eventually, runs


@pytest.fixture
def loop() -> Iterator[Loop]:
    running = Loop()
    running.start()
    yield running
    running.end()
    running.join(timeout=10)


def sleeper(
    tmp_path: Path, code: str = "import time; print('up', flush=True); time.sleep(60)"
) -> ManagedProcess:
    return ManagedProcess.start(
        [sys.executable, "-c", code], env=dict(os.environ), cwd=tmp_path, log_file=tmp_path / "out.log"
    )


@pytest.mark.parametrize(
    ("outcome", "running", "sentence"),
    [
        (Outcome(None, 9, 252.0), 2, "w2 was killed by SIGKILL after 4 min 12 s, while it ran 2 tasks"),
        (Outcome(None, 15, 3.25), 0, "w2 was ended by SIGTERM after 3.2 s"),
        (Outcome(1, None, 75.0), 1, "w2 exited with code 1 after 1 min 15 s, while it ran 1 task"),
        (Outcome(0, None, 7300.0), 0, "w2 exited with code 0 after 2 h 1 min"),
        (Outcome(None, None, 12.0), 0, "w2 ended after 12 s"),
        (Outcome(None, 99, 1.0), 0, "w2 was ended by signal 99 after 1.0 s"),
    ],
)
def test_an_exit_is_told_as_a_sentence(outcome: Outcome, running: int, sentence: str) -> None:
    assert outcome.sentence("w2", running) == sentence


def test_durations_and_plurals_read_as_one_says_them() -> None:
    assert [duration(s) for s in (0.04, 9.96, 59.6, 60, 3599.4, 7200)] == [
        "0.0 s",
        "10.0 s",
        "1 min 0 s",
        "1 min 0 s",
        "59 min 59 s",
        "2 h 0 min",
    ]
    assert (plural(1, "task"), plural(2, "process"), plural(1200, "task")) == (
        "1 task",
        "2 processes",
        "1,200 tasks",
    )


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "waiting-thread"])
def test_an_exit_wakes_the_loop_with_its_signal(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pidfd: bool
) -> None:
    monkeypatch.setattr(loop_module, "HAS_PIDFD", pidfd)
    process = sleeper(tmp_path)
    seen: list[Outcome] = []
    loop.ask(lambda: loop.watch_exit(process.pid, lambda: seen.append(process.reap()))).result(5)
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: seen, "the exit is seen")
    assert (seen[0].signal, seen[0].code) == (signal.SIGKILL, None)
    assert not runs(process.pid)


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "waiting-thread"])
def test_the_exit_of_a_process_that_is_no_child_is_seen(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pidfd: bool
) -> None:
    monkeypatch.setattr(loop_module, "HAS_PIDFD", pidfd)
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(p.pid, flush=True); p.wait()"
    )
    parent = sleeper(tmp_path, code)
    text = eventually(lambda: (tmp_path / "out.log").read_text(), "the grandchild's id is printed")
    grandchild = int(text)
    seen = threading.Event()
    watch = loop.ask(lambda: loop.watch_exit(grandchild, seen.set)).result(5)
    os.kill(grandchild, signal.SIGTERM)
    assert seen.wait(10)
    if pidfd:
        assert watch.status is not None
        assert os.waitstatus_to_exitcode(watch.status) == -signal.SIGTERM
    eventually(lambda: not parent.running, "its parent ends")
    parent.reap()


def test_a_watch_that_was_closed_does_not_fire(loop: Loop, tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    fired: list[int] = []
    watch = loop.ask(lambda: loop.watch_exit(process.pid, lambda: fired.append(1))).result(5)
    loop.ask(watch.close).result(5)
    process.kill_group()
    process.reap()
    loop.ask(lambda: None).result(5)
    assert fired == []


def test_watching_what_is_gone_says_so(loop: Loop) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(ProcessLookupError):
        loop.ask(lambda: loop.watch_exit(child.pid, lambda: None)).result(5)


def test_timers_run_in_order_and_can_be_cancelled(loop: Loop) -> None:
    ran: list[str] = []
    done = threading.Event()

    def plan() -> None:
        loop.later(0.03, lambda: (ran.append("second"), done.set()))  # type: ignore[func-returns-value]
        loop.later(0.0, lambda: ran.append("first"))
        loop.later(0.01, lambda: ran.append("never")).cancel()

    loop.call(plan)
    assert done.wait(5)
    assert ran == ["first", "second"]


def test_a_callback_that_fails_does_not_end_the_loop(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    loop.call(fail)
    assert loop.ask(lambda: 7).result(5) == 7
    assert "callback of the supervisor failed" in caplog.text
    with pytest.raises(ZeroDivisionError):
        loop.ask(fail).result(5)


def test_the_whole_group_goes_with_the_main_process(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(p.pid, flush=True); p.wait()"
    )
    process = sleeper(tmp_path, code)
    relative = int(eventually(lambda: (tmp_path / "out.log").read_text(), "the relative's id is printed"))
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.running, "the main process is dead")
    assert process.reap().signal == signal.SIGKILL
    eventually(lambda: not runs(relative), "its relative is dead")


def test_a_taken_port_names_its_holder_and_offers_the_next_free_one() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ports.PortTaken) as caught:
            broker.new_endpoint(BrokerSpec(port=port))
    error = caught.value
    assert (error.holder.pid, error.port) == (os.getpid(), port)
    assert error.free_port != port
    assert f"port {port} is held by" in str(error)
    assert str(error.free_port) in error.next_step


def test_the_password_is_in_no_argv_and_the_configuration_goes_over_stdin(tmp_path: Path) -> None:
    spec = BrokerSpec(persistence=Persistence.APPEND_ONLY)
    server = broker.choose_server(spec)
    endpoint = broker.new_endpoint(spec)
    process = ManagedProcess.start(
        broker.command(server),
        env=dict(os.environ),
        cwd=tmp_path,
        log_file=tmp_path / "broker.log",
        stdin=broker.configuration(server, spec, endpoint, tmp_path),
    )
    try:
        eventually(lambda: broker.answers(endpoint), "PONG")
        argv = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert endpoint.password not in argv
        with socket.create_connection(("127.0.0.1", endpoint.port)) as stranger:
            stranger.sendall(b"PING\r\n")
            assert b"NOAUTH" in stranger.recv(200)
    finally:
        process.kill_group()
        process.reap()
    assert endpoint.password not in (tmp_path / "broker.log").read_text()


def test_a_server_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeskError, match="is no Redis or Valkey server"):
        broker.choose_server(BrokerSpec(server=Path(sys.executable)))
    with pytest.raises(DeskError, match="cannot be run"):
        broker.choose_server(BrokerSpec(server=tmp_path / "nothing"))


def test_a_machine_without_any_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_servers", lambda: ())
    with pytest.raises(DeskError, match="apt install redis-server"):
        broker.choose_server(BrokerSpec())


def test_start_times_tell_a_reused_process_id_apart(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    assert process.running
    process.start_time = (process.start_time or 0) + 1
    assert not process.running
    process.signal(signal.SIGKILL)
    time.sleep(0)
    assert runs(process.pid)
    process.kill_group()
    process.reap()
