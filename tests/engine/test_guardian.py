"""No process outlives the panel: the guardian, the session file, and what a next start finds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.supervise import session as sessions
from tests.support.waiting import eventually, runs

PANEL = """
import os, subprocess, sys, time
from dataclasses import replace
from pathlib import Path
from desktop.engine.supervise.guard import MARKER, Guard
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.process import ManagedProcess
from desktop.engine.supervise.session import Record, Registered, Session

folder = Path(sys.argv[1])
loop = Loop()
loop.start()
session = Session()
session.open()
guard = Guard(loop, session.id, (session.file,))
guard.open()
env = {**os.environ, MARKER: session.id}
nap = "import time; time.sleep(60)"
child = f"p = subprocess.Popen([sys.executable, '-c', {nap!r}])"
family = f"import subprocess, sys; {child}; print(p.pid, flush=True); {nap}"

def start(name, code, register):
    argv, log_file = [sys.executable, "-c", code], folder / f"{name}.log"
    process = ManagedProcess.start(argv, env=env, cwd=folder, log_file=log_file)
    if register:
        loop.ask(lambda: guard.add(process.pid)).result()
    return process

registered = start("registered", family, True)
unknown = start("unknown", nap, False)
while not (folder / "registered.log").read_text():
    time.sleep(0.01)
child = int((folder / "registered.log").read_text())
born = guard.start_of(registered.pid)
service = Registered("w1", "worker", registered.pid, born, registered.started_at, 1, "")
record = Record(session.id, os.getpid(), "laptop", "", "name = 'laptop'", str(folder), time.time())
session.write(replace(record, services=(service,)))
print(registered.pid, child, unknown.pid, guard.pid, session.id, flush=True)
for line in sys.stdin:
    if line == "guardian?\\n":
        print(guard.pid, flush=True)
"""


class Panel:
    """A real panel's session without a stack: two families of processes, one not registered yet."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PANEL), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.started = [int(word) for word in words[:3]]
        self.guardian = int(words[3])
        self.session = words[4]

    def ask_guardian(self) -> int | None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("guardian?\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return None if answer == "None" else int(answer)  # None: one has died, the next is not there yet

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    @property
    def survivors(self) -> list[int]:
        return [pid for pid in [*self.started, self.guardian] if runs(pid)]


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(tmp_path)
    yield panel
    panel.kill()
    for pid in panel.survivors:
        os.kill(pid, signal.SIGKILL)


def test_the_guardian_ends_all_that_a_killed_panel_started(panel: Panel) -> None:
    panel.kill()
    eventually(lambda: not panel.survivors, "everything is gone, also what was not registered yet")
    eventually(lambda: not list(sessions.paths.sessions_folder().glob("*.json")), "the session file is gone")
    assert sessions.crashed() == ()


def test_a_killed_guardian_is_replaced_and_the_next_one_knows_everything(panel: Panel) -> None:
    os.kill(panel.guardian, signal.SIGKILL)
    second = eventually(
        lambda: (pid := panel.ask_guardian()) not in (None, panel.guardian) and pid, "another guardian"
    )
    panel.guardian = second
    panel.kill()
    eventually(lambda: not panel.survivors, "everything is gone")


def test_what_both_left_is_found_told_and_ended_by_the_next_start(panel: Panel) -> None:
    assert [record.id for record in sessions.living()] == [panel.session]
    os.kill(panel.process.pid, signal.SIGSTOP)  # so that it cannot start another guardian
    os.kill(panel.guardian, signal.SIGKILL)
    panel.kill()
    eventually(lambda: len(panel.survivors) == 3, "only panel and guardian are dead")
    (record,) = sessions.crashed()
    leftover = sessions.leftover_of(record)
    assert (leftover.stack, leftover.session) == ("laptop", panel.session)
    assert ("w1", panel.started[0]) in leftover.processes
    assert panel.started[2] in [pid for _, pid in leftover.processes]
    assert sessions.end_leftover(record) == 2
    eventually(lambda: not panel.survivors, "everything is gone")
    assert sessions.crashed() == ()


def test_only_its_owner_may_read_a_session_file(panel: Panel) -> None:
    file = sessions.paths.sessions_folder() / f"{panel.session}.json"
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["stack"] == "laptop"


def test_a_session_file_that_is_broken_is_tidied_away() -> None:
    folder = sessions.paths.sessions_folder()
    (folder / "broken.json").write_text("{half")
    (folder / "broken.lock").touch()
    assert sessions.crashed() == ()
    assert not list(folder.iterdir())
