"""What every test stands on: an offscreen Qt, folders of its own, a real broker, and nothing left behind."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before anything imports Qt.
os.environ["QT_QPA_PLATFORM"] = "offscreen"

from tests.support.leaks import MARK, Census
from tests.support.valkey import ValkeyServer

_count = itertools.count()

# Files that take longest, the longest first: side by side, what begins last must not be what takes long.
_LONG = (
    *("e2e/test_up.py", "engine/test_probe.py", "test_lint.py", "e2e/test_window.py", "test_setup.py"),
    *("engine/test_stack_broken.py", "engine/test_desk.py", "engine/test_signals.py"),
    *("engine/test_load_broken.py", "engine/test_messages_desk.py", "engine/test_stack_command.py"),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first in a process of several (`-n`)."""
    if hasattr(config, "workerinput"):
        places = {Path(__file__).parent / name: place for place, name in enumerate(_LONG)}
        items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def desk_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder under which everything of the panel's lies during this test."""
    home = tmp_path / "desk"
    monkeypatch.setenv("CELERY_DESK_HOME", str(home))
    for name in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / "xdg" / name.lower()))
    return home


@pytest.fixture(autouse=True)
def nothing_left(desk_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test that leaves a process, a thread, a listening port or a top-level widget."""
    mark = f"{os.getpid()}-{next(_count)}"
    monkeypatch.setenv(MARK, mark)
    census = Census(mark, tmp_path)
    yield
    left = census.leftovers()
    if left:
        pytest.fail("left behind by this test:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture
def start_valkey(nothing_left: None, tmp_path: Path) -> Iterator[Callable[..., ValkeyServer]]:
    """Starts further servers: `start_valkey(appendonly="yes")`. They end with the test."""
    servers: list[ValkeyServer] = []

    def start(**settings: str) -> ValkeyServer:
        server = ValkeyServer(tmp_path / f"valkey{len(servers)}", **settings)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def valkey(start_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A real server of this test's own: loopback, free port, password, nothing persisted."""
    return start_valkey()
