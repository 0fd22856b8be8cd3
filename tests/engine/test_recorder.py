"""The recorder: what it records, that nothing is missing when it or the panel dies, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.engine.api import DeskError, Held, Mark, MarkKind, TaskFilter, TaskState
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.record import moment
from desktop.engine.record.client import MODULE, Recorder
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.recorder import recover
from desktop.engine.record.told import packed
from desktop.engine.runs.opened import OpenedRun
from desktop.engine.runs.underway import StoppedError
from tests.engine.ledger_lines import MAIN, POOL, ended, line, opened, pool, received, sent, started
from tests.support.up import ROOT
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually, runs


class Ledger:
    """Writes as probes do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def write(self, *lines: Line) -> None:
        for source, data, _ in lines:
            file = self.folder / f"{source.service}.{source.start:03d}.{source.pid}.jsonl"
            with file.open("a") as out:
                out.write(json.dumps(data) + "\n")

    def tasks(self, first: int, count: int) -> None:
        """That many tasks, sent and ended well."""
        ids = [f"t{number}" for number in range(first, first + count)]
        self.write(sent(*ids))
        for task in ids:
            self.write(received(task), started(task, 2), ended(task, 3))


@pytest.fixture
def folder(nothing_left: None, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def ledger(folder: Path) -> Ledger:
    ledger = Ledger(folder / "ledger")
    ledger.write(opened(MAIN), opened(POOL, "pool"))
    return ledger


@pytest.fixture
def recorders(folder: Path) -> Iterator[Callable[[], Recorder]]:
    made: list[Recorder] = []

    def make() -> Recorder:
        made.append(
            Recorder(beginning(folder), log_file=folder / "logs" / "recorder.001.log", env=os.environ)
        )
        made[-1].start()
        return made[-1]

    yield make
    for recorder in made:
        recorder.stop()


def beginning(folder: Path) -> dict[str, Any]:
    facts = {"stack": "made", "began": 1.0, "texts": [[1.0, 'name = "made"']]}
    return {"source": "ledger", "folder": str(folder), "facts": facts}


def states(folder: Path) -> dict[TaskState, int]:
    """What the record says, once it is closed."""
    record = RunReader.open(folder)
    try:
        return {state: count for state, count in record.facets().result(10).states if count}
    finally:
        record.close()


def test_what_the_ledger_says_is_told_and_recorded(
    folder: Path, ledger: Ledger, recorders: Callable[[], Recorder]
) -> None:
    recorder = recorders()
    eventually(lambda: recorder.told.t > 0, "it records")
    ledger.write(sent("a", "b", "c"), received("a"), received("b"), started("a", 2), pool(2.0, reserved=1))
    assert [task.id for task in recorder.held("w1", 1).running] == ["a"]
    assert recorder.task_of("w1", 1, POOL.pid) == "n"
    eventually(lambda: recorder.totals().started == 1, "the state is told")
    (queue,) = recorder.told.queues.values()
    assert (queue.name, queue.waiting, queue.held[0].reserved, queue.held[0].active) == ("q", 1, 1, 1)
    assert [task.id for task in recorder.running("w1", 1)] == ["a"]
    figures = recorder.pool("w1", 1)
    assert figures is not None
    assert (figures.reserved, recorder.pool("w1", 2), recorder.done("w1")) == (1, None, 0)
    recorder.mark(Mark(3.0, MarkKind.KILLED, "w1", "w1 was killed"))
    recorder.sample(3.0, {"cpu:w1": 7.0})
    recorder.put("note", "kept")
    recorder.cut("w1", 1)
    eventually(lambda: recorder.totals().cut == 1, "its run is cut")
    assert recorder.held("w1", 1).running == ()
    ledger.write(sent("d"))  # written, and not read when the run ends
    recorder.stop()
    assert states(folder) == {TaskState.STRANDED: 2, TaskState.WAITING: 2}
    record = RunReader.open(folder)
    assert [mark.text for mark in record.marks()] == ["w1 was killed"]
    assert record.series_names() == ("cpu:w1",)
    told = record.settings()
    assert (told["stack"], told["note"], told["texts"]) == ("made", "kept", [[1.0, 'name = "made"']])
    assert told["versions"]["celery"]
    assert record.info.clean
    record.close()


def test_a_recorder_that_is_killed_is_followed_by_one_that_goes_on(
    folder: Path, ledger: Ledger, recorders: Callable[[], Recorder]
) -> None:
    recorder = recorders()
    ledger.write(received("long"), started("long", 1))
    mark = Mark(3.0, MarkKind.SIGNAL, "w1", "once")
    for turn in range(2):
        ledger.tasks(turn * 400, 200)
        eventually(lambda done=200 + turn * 400: recorder.totals().succeeded == done, "they are told")  # type: ignore[misc]
        if not turn:
            recorder.mark(mark)
            recorder.catch_up()
        first = recorder.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        ledger.tasks(turn * 400 + 200, 200)
        eventually(lambda dead=first: recorder.pid not in (None, dead), "another one runs")  # type: ignore[misc]
    eventually(lambda: recorder.totals().succeeded == 800, "everything is told")
    assert (recorder.totals().received, recorder.totals().ran_twice, recorder.totals().running) == (
        801,
        0,
        1,
    )
    ledger.write(ended("long", 9))
    recorder.stop()
    assert states(folder) == {TaskState.SUCCESS: 801}
    record = RunReader.open(folder)
    assert record.marks() == (mark,)
    assert record.groups(TaskFilter()).result(10)[0].count == 801
    record.close()


def test_a_question_without_an_answer_gets_the_last_known(
    ledger: Ledger, recorders: Callable[[], Recorder]
) -> None:
    recorder = recorders()
    ledger.write(received("a"), started("a", 2))
    eventually(lambda: len(recorder.running("w1", 1)) == 1, "it is told")
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGSTOP)
    try:
        ledger.write(ended("a", 3))
        assert [task.id for task in recorder.held("w1", 1).running] == ["a"]
        assert recorder.task_of("w1", 1, POOL.pid) == "n"
    finally:
        os.kill(recorder.pid, signal.SIGCONT)
    eventually(lambda: not recorder.running("w1", 1), "it has read on")


def spawned(folder: Path) -> subprocess.Popen[bytes]:
    """A recorder without a client, as a panel has it that is killed."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    process.stdin.write(packed(("begin", beginning(folder))))
    process.stdin.flush()
    return process


def test_the_end_of_the_panel_loses_nothing(folder: Path, ledger: Ledger) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    other = Source("w2", 1, child.pid)
    with spawned(folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        eventually((folder / "run.db").exists, "it records")
        ledger.write(opened(other), received("x", source=other), started("x", 2, other))
        ledger.write(received("a"), started("a", 2), sent("b"))
        process.stdin.close()
        process.stdout.read()
        assert process.wait(10) == 0
    child.kill()
    child.wait()
    # w1 is dead, and what it ran with it; w2 lives on, and may be taken over
    assert states(folder) == {TaskState.STRANDED: 1, TaskState.WAITING: 1, TaskState.ACTIVE: 1}
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    assert meta["clean"] == "false"


def test_a_run_whose_recorder_died_too_is_completed(folder: Path, ledger: Ledger) -> None:
    with spawned(folder) as process:
        eventually((folder / "run.db").exists, "it begins to record")
        process.kill()  # perhaps before there is anything in it
    ledger.tasks(0, 50)
    ledger.write(received("a"), started("a", 2))
    recover(folder)
    assert states(folder) == {TaskState.SUCCESS: 50, TaskState.STRANDED: 1}
    (folder / "run.db").unlink()
    for left in folder.glob("run.db-*"):
        left.unlink()
    (folder / "stack.toml").write_text('name = "found"\n')
    recover(folder)
    assert states(folder) == {TaskState.SUCCESS: 50, TaskState.STRANDED: 1}
    record = RunReader.open(folder)
    assert (record.settings()["stack"], record.info.clean) == ("found", False)
    record.close()


@pytest.mark.parametrize("dies", ["panel", "recorder too"])
def test_after_a_kill_the_record_says_whose_messages_are_stranded(
    dies: str, folder: Path, ledger: Ledger
) -> None:
    with spawned(folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        eventually((folder / "run.db").exists, "it records")
        ledger.write(received("a"), received("b"), started("a", 2), sent("c"))
        if dies == "panel":
            process.stdin.close()
            process.stdout.read()
            assert process.wait(10) == 0
        else:
            process.kill()
    if dies != "panel":
        recover(folder)
    (folder / "stack.toml").write_text('name = "made"\n[[worker]]\nname = "w1"\n')
    run = OpenedRun(folder, RunReader.open(folder))
    shown = run.snapshot(())
    run.close()
    (queue,) = [one for one in shown.queues if one.name == "q"]
    assert (queue.waiting, queue.stranded, queue.held) == (1, 2, (Held("w1", stranded=2),))
    assert shown.balance is not None
    assert (shown.balance.stranded, shown.balance.difference) == (2, 0)


def test_completing_can_be_broken_off_and_done_later(folder: Path, ledger: Ledger) -> None:
    ledger.tasks(0, 5)
    asked = []

    def no_more() -> None:
        asked.append(children())
        raise StoppedError

    handle = os.open(folder / "recorder.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)  # it waits for this, so it is broken off in the middle
    try:
        with pytest.raises(StoppedError):
            recover(folder, no_more)
    finally:
        os.close(handle)
    (there,) = asked
    assert there
    assert not there & children(), "its process has ended"
    recover(folder)
    assert states(folder) == {TaskState.SUCCESS: 5}


def children() -> set[int]:
    """The processes that this one has started and that run."""
    return {child.pid for child in psutil.Process().children() if runs(child.pid)}


def test_a_completed_run_ended_when_its_ledger_did(folder: Path, ledger: Ledger) -> None:
    ledger.tasks(0, 5)
    ledger.write(received("a"), started("a", 2))
    for file in ledger.folder.iterdir():
        os.utime(file, (1_000.0, 1_000.0))
    recover(folder)
    record = RunReader.open(folder)
    assert record.span()[1] == 1_000.0
    assert record.info.ended == 1_000.0
    record.close()


def test_what_cannot_be_completed_is_said(folder: Path) -> None:
    (folder / "run.db").write_text("no database, but a letter to nobody" * 100)
    with pytest.raises(DeskError, match="could not be completed"):
        recover(folder)


def test_a_full_disk_is_told_and_nothing_is_missing_when_there_is_room(
    folder: Path, ledger: Ledger, recorders: Callable[[], Recorder]
) -> None:
    recorder = recorders()
    ledger.tasks(0, 10)
    eventually(lambda: recorder.totals().succeeded == 10, "it records")
    process = psutil.Process(recorder.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (65_536, before[1]))  # no file grows beyond that, as on a full disk
    ledger.tasks(10, 1_000)
    eventually(lambda: "database cannot be written" in recorder.problem, "the panel is told")
    eventually(lambda: recorder.totals().succeeded == 1_010, "it goes on with the account")
    process.rlimit(psutil.RLIMIT_FSIZE, before)
    eventually(lambda: not recorder.problem, "it writes again")
    assert recorder.pid == process.pid
    (gap,) = recorder.told.gaps
    assert "The run folder could not be written between" in gap
    recorder.stop()
    assert states(folder) == {TaskState.SUCCESS: 1_010}
    record = RunReader.open(folder)
    assert record.settings()["gaps"] == [gap], "whoever opens the run is told too"
    record.close()
    said = (folder / "logs" / "recorder.001.log").read_text()
    assert (said.count("cannot be written"), said.count("written again")) == (1, 1)


def test_what_a_worker_could_not_write_is_told_now_and_to_whoever_opens_the_run(
    folder: Path, ledger: Ledger, recorders: Callable[[], Recorder]
) -> None:
    recorder = recorders()
    ledger.write(line("dropped", 9, count=214, since=5, pid=MAIN.pid, why="ENOSPC"))
    eventually(lambda: recorder.told.gaps, "the panel is told")
    os.kill(recorder.pid, signal.SIGKILL)
    ledger.tasks(0, 1)
    eventually(lambda: recorder.totals().succeeded == 1, "the next one goes on")
    (gap,) = recorder.told.gaps
    assert gap.startswith("w1 could not write 214 lines between")
    recorder.stop()
    record = RunReader.open(folder)
    assert record.settings()["gaps"] == [gap]
    record.close()


def test_only_one_recorder_writes(ledger: Ledger, recorders: Callable[[], Recorder]) -> None:
    first = recorders()
    eventually(lambda: first.told.t > 0, "it records")
    second = recorders()
    eventually(lambda: "recorded by another panel" in second.problem, "the second one says so")
    second.stop()
    assert first.pid is not None
    assert runs(first.pid)


def test_the_password_is_written_nowhere(
    folder: Path, ledger: Ledger, recorders: Callable[[], Recorder], valkey: ValkeyServer
) -> None:
    recorder = recorders()
    recorder.queues(["q"])
    recorder.broker(valkey.url, {})
    eventually(lambda: "q" in recorder.told.queues, "it looks")
    assert recorder.told.queues["q"].seen == (0, {0: 0, 3: 0, 6: 0, 9: 0})
    eventually(lambda: recorder.told.balance is not None and recorder.told.balance.exact, "the sum is exact")
    password = valkey.url.partition("://:")[2].partition("@")[0]
    assert len(password) > 8
    proc = Path(f"/proc/{recorder.pid}")
    assert password.encode() not in (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
    recorder.stop()
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        (kept,) = connection.execute("SELECT value FROM meta WHERE key = 'moment'").fetchone()
    assert moment.balance_of(json.loads(kept)) == recorder.told.balance, "the last sum is kept"
    assert moment.queues_of(json.loads(kept))["q"].seen == (0, {})
    for file in folder.rglob("*"):
        if file.is_file():
            assert password.encode() not in file.read_bytes(), file
