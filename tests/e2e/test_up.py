"""`up --json`, as another program uses it: a real stack, killed, frozen, loaded, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kombu import Connection

from desktop.engine.ledger import read
from tests.support.up import ROOT, Up, all_gone
from tests.support.waiting import eventually, runs


@pytest.fixture
def one(tmp_path: Path) -> Callable[[str], Path]:
    """A stack file with one worker, `w1`, of a pool."""

    def write(pool: str) -> Path:
        size = "" if pool == "solo" else "concurrency = 2\n"
        file = tmp_path / f"{pool}.toml"
        file.write_text(f'name = "{pool}"\n[[worker]]\nname = "w1"\npool = "{pool}"\n{size}')
        return file

    return write


@pytest.fixture
def up(nothing_left: None) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(stack: str | Path, *options: str) -> Up:
        started.append(Up(stack, *options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


def test_the_default_stack_comes_up_and_is_told_line_by_line(up: Callable[..., Up]) -> None:
    desk = up("laptop")
    ready = desk.wait_all_ready("broker", "w1", "w2", "web")
    assert set(desk.head) == {"broker_url", "run_folder"}
    for event in desk.events[1:]:
        assert set(event) == {"t", "service", "kind", "state", "pid", "detail"}
    assert {name: event["kind"] for name, event in ready.items()} == {
        "broker": "broker",
        "w1": "worker",
        "w2": "worker",
        "web": "web",
    }
    with Connection(desk.head["broker_url"], connect_timeout=5) as client:
        client.connect()
    listening = [
        c.laddr.ip
        for event in ready.values()
        for c in psutil.Process(event["pid"]).net_connections()
        if c.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    assert desk.end() == 0
    states = [event["state"] for event in desk.events[1:] if event["service"] == "w1"]
    assert states == ["starting", "ready", "stopping", "exited", "stopped"]
    order = [event["service"] for event in desk.events[1:] if event["state"] == "stopped"]
    assert order.index("broker") > max(order.index("w1"), order.index("w2"))


def test_the_password_is_nowhere_but_in_the_first_line(up: Callable[..., Up]) -> None:
    desk = up("laptop")
    desk.wait_all_ready("broker", "w1", "w2")
    password = desk.head["broker_url"].partition("redis://:")[2].partition("@")[0]
    assert len(password) > 20
    for pid in [desk.process.pid, *desk.started()]:
        assert password not in " ".join(psutil.Process(pid).cmdline())
    assert desk.end() == 0
    assert password not in repr(desk.events[1:])
    assert password not in desk.errors
    for file in desk.run_folder.rglob("*"):
        if file.is_file():
            assert password.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet", "solo"])
def test_a_killed_worker_of_each_pool_comes_back_and_the_ledger_is_complete(
    up: Callable[..., Up], one: Callable[[str], Path], pool: str
) -> None:
    desk = up(one(pool))
    first = desk.wait_all_ready("broker", "w1")["w1"]
    sent = load(desk, "--task", "tasks.sleep", "--arg", "seconds=0.02", "--count", "40", "--rate", "100")
    assert sent == 40
    ledger = desk.run_folder / "ledger"
    eventually(lambda: read(ledger).totals().succeeded >= 10, "ten tasks ended")
    family = [first["pid"], *(child.pid for child in psutil.Process(first["pid"]).children(recursive=True))]
    os.kill(first["pid"], signal.SIGKILL)
    exited = desk.wait_for(service="w1", state="exited")
    assert "w1 was killed by SIGKILL after" in exited["detail"]
    assert exited["pid"] == first["pid"]
    assert desk.wait_for(service="w1", state="backing-off")["detail"].endswith("starts again in 0.5 s")
    assert desk.wait_for(service="w1", state="ready")["pid"] != first["pid"]
    all_gone(family)
    assert load(desk, "--task", "tasks.noop", "--count", "20") == 20
    eventually(
        lambda: all_submitted_accounted(ledger, first["pid"]), "every task is over, or was held by the dead"
    )
    account = read(ledger)
    assert account.totals().submitted == 60
    for task in account.tasks():
        assert task.load in (1, 2)
        for attempt in task.attempts:
            assert (attempt.service, attempt.task_id) == ("w1", task.id)
            assert attempt.ended is None or attempt.ended >= attempt.started
    assert desk.end() == 0


def all_submitted_accounted(ledger: Path, dead: int) -> bool:
    """Each task is over, or only the killed worker ever had it: lost with it, or stranded for an hour."""
    account = read(ledger)
    held = [task for task in account.tasks() if not task.over and task.received is not None]
    stranded = sum(1 for task in held if all(attempt.start == 1 for attempt in task.attempts))
    over = sum(1 for task in account.tasks() if task.over)
    return over + stranded == 60 and over >= 30


def load(desk: Up, *options: str) -> int:
    """Submit with the real `load` command; how many it says it sent."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "load", str(desk.run_folder), "--json", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    return int(json.loads(last)["sent"])


def test_a_frozen_worker_is_silent_and_answers_again_when_thawed(
    up: Callable[..., Up], one: Callable[[str], Path]
) -> None:
    desk = up(one("solo"))
    pid = desk.wait_all_ready("broker", "w1")["w1"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert "frozen" in desk.wait_for(service="w1", state="silent")["detail"]
    os.kill(pid, signal.SIGCONT)
    desk.wait_for(service="w1", state="ready")
    assert desk.end() == 0


def test_the_broker_is_started_again_and_no_worker_with_it(
    up: Callable[..., Up], one: Callable[[str], Path]
) -> None:
    desk = up(one("solo"))
    ready = desk.wait_all_ready("broker", "w1")
    os.kill(ready["broker"]["pid"], signal.SIGKILL)
    desk.wait_for(service="broker", state="exited")
    back = desk.wait_for(service="broker", state="ready")
    assert back["pid"] != ready["broker"]["pid"]
    assert runs(ready["w1"]["pid"])
    with Connection(desk.head["broker_url"], connect_timeout=5) as client:
        client.connect()
    assert desk.end() == 0
    assert not [e for e in desk.events[1:] if e["service"] == "w1" and e["state"] == "backing-off"]


def test_a_worker_that_cannot_start_is_a_crash_loop_with_its_last_lines(
    up: Callable[..., Up], tmp_path: Path
) -> None:
    app = tmp_path / "broken_app.py"
    app.write_text("raise RuntimeError('no such database')\n")
    stack = tmp_path / "broken.toml"
    stack.write_text(
        f'name = "broken"\n[app]\ntarget = "broken_app"\ndirectory = "{tmp_path}"\n'
        '[[worker]]\nname = "w1"\npool = "solo"\n'
    )
    desk = up(stack)
    desk.next()
    loop = desk.wait_for(service="w1", state="crash-loop", within=110)
    assert "no such database" in loop["detail"]
    assert "6 times" in loop["detail"]
    assert desk.end() == 1


def test_for_stops_by_itself(up: Callable[..., Up]) -> None:
    desk = up("solo", "--for", "0.5")
    assert desk.process.wait(60) == 0
    desk.close()
    assert desk.events[-1]["state"] == "stopped"


def test_a_taken_port_is_explained_before_anything_starts(up: Callable[..., Up], tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        desk = up("solo", "--port", str(port))
        assert desk.process.wait(60) == 64
        desk.close()
    assert f"port {port} is held by" in desk.errors
    assert f"pid {os.getpid()}" in desk.errors
    assert "Traceback" not in desk.errors
    assert desk.events == []


@pytest.mark.parametrize("guardian_first", [False, True], ids=["panel", "guardian-then-panel"])
def test_nothing_outlives_a_killed_panel(up: Callable[..., Up], guardian_first: bool) -> None:
    desk = up("laptop")
    desk.wait_all_ready("broker", "w1", "w2")
    pids = desk.started()
    assert len(pids) >= 5
    if guardian_first:
        guardians = [
            child.pid
            for child in psutil.Process(desk.process.pid).children()
            if "guardian" in " ".join(child.cmdline())
        ]
        assert len(guardians) == 1
        os.kill(desk.process.pid, signal.SIGSTOP)
        os.kill(guardians[0], signal.SIGKILL)
        desk.kill()
        assert [pid for pid in pids if runs(pid)]
        second = up("laptop", "--for", "0")
        assert second.process.wait(60) == 0
        second.close()
        assert "crashed and left" in second.errors
    else:
        desk.kill()
    all_gone(pids)


def test_bad_input_is_one_message_and_code_64(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "x"\n[[worker]]\nname = "w1"\npool = "thread"\n')
    for argv in (["up", str(bad)], ["up", "nothing"], ["up"], ["nonsense"], ["load", "nothing"]):
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *argv],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 64, argv
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()
