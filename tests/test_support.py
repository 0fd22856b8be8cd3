"""The net under every other test: does it hold what it should?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.leaks import MARK, Census
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually, runs


@pytest.fixture
def census(tmp_path: Path) -> Census:
    return Census(os.environ[MARK], tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.leaks.PATIENCE", 0.05)


def test_valkey_takes_only_its_password(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        assert client.ping()
    with (
        redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()
    assert valkey.password not in " ".join(psutil.Process(valkey.pid).cmdline())


def test_valkey_listens_on_loopback_only(valkey: ValkeyServer) -> None:
    listening = [c.laddr.ip for c in psutil.Process(valkey.pid).net_connections() if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_valkey_keeps_port_and_password_over_a_restart(
    start_valkey: Callable[..., ValkeyServer],
) -> None:
    server = start_valkey(appendonly="yes", appendfsync="always")
    url = server.url
    with redis.Redis.from_url(url) as client:
        client.set("k", "v")
    server.restart()
    assert server.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("k") == b"v"


def test_killed_valkey_is_gone(valkey: ValkeyServer) -> None:
    pid = valkey.pid
    valkey.kill()
    assert not valkey.running
    assert not psutil.pid_exists(pid)


@pytest.mark.usefixtures("impatient")
def test_a_left_child_is_named_and_ended(census: Census) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert census.leftovers() == [f"process {child.pid}: {sys.executable} -c input()"]
    assert not psutil.pid_exists(child.pid)
    child.communicate()


@pytest.mark.usefixtures("impatient")
def test_an_orphan_is_found_by_its_mark(census: Census) -> None:
    """Its parent is dead, its session is its own: it is nobody's child any more."""
    script = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True, stdout=-3, stderr=-3);"
        "print(p.pid)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd="/", check=True, capture_output=True, text=True)
    orphan = int(done.stdout)
    assert [s.split(":")[0] for s in census.leftovers()] == [f"process {orphan}"]
    assert not runs(orphan)


@pytest.mark.usefixtures("impatient")
def test_an_orphan_without_the_mark_is_found_by_its_folder(census: Census, tmp_path: Path) -> None:
    script = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True, stdout=-3, stderr=-3, env={});"
        "print(p.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert [s.split(":")[0] for s in census.leftovers()] == [f"process {int(done.stdout)}"]


@pytest.mark.usefixtures("impatient")
def test_a_left_thread_is_named(census: Census) -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="straggler")
    thread.start()
    said = census.leftovers()
    go.set()
    thread.join()
    assert said == ["thread 'straggler' (threading.Event.wait)"]


@pytest.mark.usefixtures("impatient")
def test_a_left_port_is_named(census: Census) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert census.leftovers() == [f"listening port 127.0.0.1:{port} (descriptor {server.fileno()})"]
    assert census.leftovers() == []


@pytest.mark.usefixtures("impatient", "qapp")
def test_a_left_widget_is_named_and_deleted(census: Census) -> None:
    from PySide6.QtWidgets import QWidget

    widget = QWidget()
    widget.setObjectName("straggler")
    assert census.leftovers() == ["top-level widget QWidget 'straggler'"]
    assert census.leftovers() == []


def test_a_tidy_test_leaves_nothing(census: Census) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert census.leftovers() == []


def test_folders_are_the_tests_own(desk_home: Path, tmp_path: Path) -> None:
    assert os.environ["CELERY_DESK_HOME"] == str(desk_home)
    assert desk_home.is_relative_to(tmp_path)


def test_eventually_says_what_did_not_come() -> None:
    assert eventually(lambda: "here", "something true") == "here"
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: the moon"):
        eventually(list, "the moon", within=0.02)
