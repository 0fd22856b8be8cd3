"""A recorded run instead of a stack: what the desk shows of it, and what it refuses meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.api import (
    Balance,
    Cap,
    DeskError,
    Held,
    MarkKind,
    StackState,
    TaskQuery,
    TaskShare,
    TaskState,
    Underway,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.record import moment
from desktop.engine.record.reading.front import Front
from desktop.engine.record.told import QueueTold, Told, packed
from desktop.engine.runs.catalog import info_of
from desktop.engine.runs.folders import run_folders
from desktop.engine.runs.opening import needs_completing, unpacked_folder
from desktop.engine.runs.pack import pack
from desktop.engine.runs.underway import Progress
from desktop.engine.stack.model import WorkerSpec
from desktop.engine.stack.parse import read_stack
from desktop.engine.supervise import session as sessions
from tests.support.small_run import BEGAN, OPEN, small_run
from tests.support.waiting import eventually

LONG = 30.0


@pytest.fixture
def desk(nothing_left: None) -> Iterator[LocalDesk]:
    """With the default stack, which is not started."""
    made = LocalDesk(read_stack("gevent"))
    yield made
    made.close()


def states(desk: LocalDesk) -> dict[TaskState, int]:
    """How many tasks of the record are in which state."""
    record = desk.record()
    assert record is not None
    return dict(record.facets().result(LONG).states)


def test_an_opened_run_is_shown_as_it_ended(desk: LocalDesk) -> None:
    folder = small_run(tasks=20)
    assert "'laptop' with its 20 tasks is open, read only" in desk.open_run(folder).result(LONG)
    shown = desk.snapshot()
    assert (shown.recorded, shown.run_folder, shown.state) == (folder, folder, StackState.STOPPED)
    assert shown.spec.name == "laptop"
    assert [(w.name, w.done, w.service.state.value) for w in shown.workers] == [("w1", 20, "stopped")]
    assert [queue.name for queue in shown.queues] == ["celery", "mail"]
    assert (shown.totals.succeeded, shown.totals.failed, shown.totals.cut) == (17, 2, 1)
    assert shown.totals.ran_twice == 1
    assert [(mark.kind, mark.service) for mark in shown.marks] == [(MarkKind.READY, "w1")]
    assert shown.started_at == BEGAN
    assert shown.t == BEGAN + 60
    record = desk.record()
    assert record is not None
    assert record.tasks(TaskQuery(), 0, 100).result(LONG).total == 20
    lines = eventually(desk.log_lines, "its log is read")
    assert [(line.service, line.text) for line in lines] == [("w1", "w1@laptop ready.")]
    points = eventually(lambda: desk.series("cpu:w1").v, "its graphs are read")
    assert max(points) == 90.0
    assert len(desk.series("nothing").v) == 0


def test_closing_it_shows_the_stack_again(desk: LocalDesk) -> None:
    desk.open_run(small_run()).result(LONG)
    record = desk.record()
    assert record is not None
    assert "closed" in desk.close_run().result(LONG)
    assert desk.snapshot().recorded is None
    assert desk.snapshot().spec.name == "gevent"
    assert desk.record() is None
    assert desk.log_lines() == ()
    assert "No recorded run" in desk.close_run().result(LONG)


def test_what_would_change_the_stack_is_refused_meanwhile(desk: LocalDesk) -> None:
    desk.open_run(small_run()).result(LONG)
    work = Workload((TaskShare("tasks.hash"),), count=1)
    for verb in (
        desk.start,
        desk.save_stack,
        lambda: desk.start_service("w1"),
        lambda: desk.submit(work),
        lambda: desk.add_worker(WorkerSpec("w9")),
        lambda: desk.edit_worker("g1", WorkerSpec("g1")),
        lambda: desk.remove_worker("g1"),
        lambda: desk.add_queue(desk.spec().workers[0].name, "more"),
    ):
        with pytest.raises(DeskError, match="A recorded run is shown"):
            verb().result(LONG)
    assert "stopped" in desk.stop().result(LONG)
    assert "mixed" not in desk.snapshot().spec.name
    desk.open_stack("laptop").result(LONG)
    assert desk.snapshot().recorded is None, "another stack takes the run's place"
    assert desk.snapshot().spec.name == "laptop"


def test_one_run_takes_the_place_of_another(desk: LocalDesk) -> None:
    one, two = small_run("20260921-151320-a", tasks=3), small_run("20260922-151320-b", tasks=5)
    desk.open_run(one).result(LONG)
    desk.open_run(two).result(LONG)
    assert desk.snapshot().recorded == two
    assert sum(states(desk).values()) == 5
    with pytest.raises(DeskError):
        desk.open_run(one / "logs").result(LONG)
    assert desk.snapshot().recorded == two, "a run that cannot be opened closes none"


def test_a_zip_is_unpacked_for_as_long_as_it_is_open(desk: LocalDesk, tmp_path: Path) -> None:
    folder = small_run(tasks=7)
    pack(folder, tmp_path / "from-ada.zip", Progress(Underway[str]()))
    desk.open_run(tmp_path / "from-ada.zip").result(LONG)
    shown = desk.snapshot().recorded
    assert shown is not None
    assert (shown.name, shown.parent.parent) == ("from-ada", unpacked_folder())
    assert run_folders() == [folder], "it is not among one's own runs"
    assert sum(states(desk).values()) == 7
    desk.close_run().result(LONG)
    eventually(lambda: not list(unpacked_folder().iterdir()), "it is deleted")


def test_what_a_crashed_panel_had_unpacked_is_swept(desk: LocalDesk) -> None:
    left = unpacked_folder() / "old"
    (left / "run").mkdir(parents=True)
    os.utime(left, (BEGAN, BEGAN))
    desk.open_run(small_run()).result(LONG)
    assert not left.exists()


def line(**said: object) -> str:
    return json.dumps(said) + "\n"


def lines_of(task_id: str, t: float, ended: bool) -> str:
    """What a worker's probe writes of one task."""
    said = {"id": task_id, "name": "tasks.hash", "args": "[]", "kwargs": "{}", "retries": 0}
    text = line(k="received", t=t, queue="celery", eta=None, redelivered=False, **said)
    text += line(k="started", t=t + 1, id=task_id, name="tasks.hash", retries=0)
    return (
        text + line(k="ended", t=t + 2, id=task_id, state="SUCCESS", run=1.0, cpu=0.5, error=None)
        if ended
        else text
    )


def recorded_until_killed(folder: Path) -> None:
    """A recorder writes the database, and is killed when it has three tasks."""
    begin = {"source": "ledger", "folder": str(folder), "facts": {"stack": "laptop", "began": BEGAN}}
    recorder = subprocess.Popen(
        [sys.executable, "-m", "desktop.engine.record.recorder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert recorder.stdin is not None
        recorder.stdin.write(packed(("begin", begin)))
        recorder.stdin.flush()
        eventually(lambda: (folder / "run.db").exists() and info_of(folder).tasks == 3, "it is recorded")
    finally:
        recorder.kill()
        recorder.communicate()


def test_a_run_whose_panel_was_killed_is_completed_first(desk: LocalDesk) -> None:
    """Its ledger has a task more than its database, and two that seem to run still."""
    folder = small_run(database=False)
    with (folder / "ledger" / "w1.001.4242.jsonl").open("a", encoding="utf-8") as file:
        file.write(lines_of("a", BEGAN, True) + lines_of("b", BEGAN, True) + lines_of("cut", BEGAN, False))
        file.flush()
        recorded_until_killed(folder)
        file.write(lines_of("late", BEGAN + 5, True) + lines_of("cut too", BEGAN + 5, False))
    (run,) = desk.runs().result(LONG)
    assert (run.clean, run.complete, run.tasks) == (False, False, 3)
    desk.open_run(folder).result(LONG)
    found = states(desk)
    assert found.get(TaskState.SUCCESS) == 3
    assert TaskState.ACTIVE not in found
    assert sum(found.values()) == 5
    shown = desk.snapshot()
    assert (shown.totals.started, shown.totals.succeeded, shown.totals.cut) == (5, 3, 2)
    assert shown.workers[0].done == 3
    (run,) = desk.runs().result(LONG)
    assert (run.clean, run.complete, run.tasks) == (False, True, 5)
    assert not needs_completing(folder)


def test_a_run_without_a_database_gets_one_from_its_ledger(desk: LocalDesk) -> None:
    folder = small_run(database=False)
    with (folder / "ledger" / "load-1.001.7.jsonl").open("w", encoding="utf-8") as file:
        file.write(line(**{**OPEN, "service": "load-1", "pid": 7, "role": "load"}))
        file.write(line(k="sent", t=BEGAN, ids=["a", "b"], name="tasks.hash", queue="celery"))
    desk.open_run(folder).result(LONG)
    assert sum(states(desk).values()) == 2
    assert desk.snapshot().spec.name == "laptop"
    assert {queue.name: queue.waiting for queue in desk.snapshot().queues} == {"celery": 2, "mail": 0}


@pytest.mark.parametrize("left", ["", "PRAGMA journal_mode = WAL", "CREATE TABLE meta(key, value)"])
def test_a_database_in_which_nothing_is_yet_is_made_anew(desk: LocalDesk, left: str) -> None:
    """Its recorder was killed in its first milliseconds."""
    folder = small_run(database=False)
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        connection.execute(left)
    (folder / "run.db").touch()
    with (folder / "ledger" / "w1.001.4242.jsonl").open("a", encoding="utf-8") as file:
        file.write(lines_of("a", BEGAN, True))
    (run,) = desk.runs().result(LONG)
    assert (run.problem, run.clean, run.complete) == ("", False, False)
    desk.open_run(folder).result(LONG)
    assert {state: count for state, count in states(desk).items() if count} == {TaskState.SUCCESS: 1}


def put(folder: Path, **facts: object) -> None:
    """Into what the database of a run says of itself."""
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        for key, value in facts.items():
            connection.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, json.dumps(value)))


def test_an_opened_run_shows_the_last_sum_and_where_messages_were(desk: LocalDesk) -> None:
    folder = small_run(tasks=20)
    exact = Balance(submitted=20, waiting=2, ended=20, lost=1, copies=2)
    seen = QueueTold("mail", seen=(2, {0: 1, 9: 1}), oldest_since=BEGAN, held=(Held("w1"),))
    put(folder, moment=moment.kept(Told(balance=exact, queues={"mail": seen})))
    desk.open_run(folder).result(LONG)
    shown = desk.snapshot()
    assert shown.balance == exact
    mail = next(queue for queue in shown.queues if queue.name == "mail")
    assert (mail.waiting, mail.by_priority, mail.oldest_since, mail.held) == (
        2,
        {0: 1, 9: 1},
        BEGAN,
        (Held("w1"),),
    )


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {"balance": {"submitted": "many"}, "queues": {"mail": [], "x": {"held": 3}}},
        moment.kept(Told(balance=Balance(submitted=19, ended=19))),  # its recorder died before the last task
        moment.kept(Told(balance=Balance(submitted=20, ended=20, lost=1, waiting=9, exact=False))),
    ],
    ids=["none", "nonsense", "nonsense within", "earlier", "not exact"],
)
def test_without_a_last_sum_the_tasks_say_where_they_were(desk: LocalDesk, said: object) -> None:
    folder = small_run(tasks=20)
    put(folder, moment=said)
    desk.open_run(folder).result(LONG)
    shown = desk.snapshot()
    assert shown.balance == Balance(submitted=20, ended=20, lost=1, exact=False)
    assert shown.balance.difference == 0
    assert [queue.name for queue in shown.queues] == ["celery", "mail"]


def test_a_run_that_was_packed_while_it_ran_was_not_cut(desk: LocalDesk, tmp_path: Path) -> None:
    folder = small_run(database=False)
    with (folder / "ledger" / "w1.001.4242.jsonl").open("a", encoding="utf-8") as file:
        file.write(lines_of("a", BEGAN, True) + lines_of("runs", BEGAN, False))
        file.write(lines_of("b", BEGAN, True))
        file.flush()
        recorded_until_killed(folder)
        file.write(lines_of("late", BEGAN + 5, True))
    with (folder / "recorder.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a living recorder does
        pack(folder, tmp_path / "live.zip", Progress(Underway[str]()))
    put(folder, said="the run itself goes on")
    desk.open_run(tmp_path / "live.zip").result(LONG)
    found = {state: count for state, count in states(desk).items() if count}
    assert found == {TaskState.SUCCESS: 3, TaskState.ACTIVE: 1}
    shown = desk.snapshot().recorded
    assert shown is not None
    told = info_of(shown)
    assert (told.clean, told.complete, told.copied is not None) == (True, True, True)
    record = desk.record()
    assert record is not None
    assert (record.info.clean, record.info.copied, record.info.ended) == (True, told.copied, told.copied)
    assert not needs_completing(shown)
    assert info_of(folder).copied is None, "nothing is written into the run that lives"


def test_a_database_of_somebody_else_is_left_alone(desk: LocalDesk) -> None:
    folder = small_run(database=False)
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        connection.execute("CREATE TABLE recipes(name)")
    with pytest.raises(DeskError, match="no record of a run"):
        desk.open_run(folder).result(LONG)
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        assert connection.execute("SELECT count(*) FROM recipes").fetchone() == (0,)


def test_a_stack_file_that_is_not_understood_hides_no_task(desk: LocalDesk) -> None:
    folder = small_run(tasks=5)
    (folder / "stack.toml").write_text('name = "laptop"\nfuture = true\n', encoding="utf-8")
    desk.open_run(folder).result(LONG)
    shown = desk.snapshot()
    assert shown.spec.name == "laptop"
    assert shown.workers == ()
    assert "not understood here" in shown.gaps[0]
    assert sum(states(desk).values()) == 5


@pytest.mark.parametrize("harm", ["'\"soon\"'", "'[]'", "'{'"])
def test_a_record_that_makes_no_sense_is_refused_and_let_go(desk: LocalDesk, harm: str) -> None:
    folder = small_run()
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute(f"UPDATE meta SET value = {harm} WHERE key = 'began'")
    with pytest.raises(DeskError, match="cannot be read"):
        desk.open_run(folder).result(LONG)
    assert desk.snapshot().recorded is None


def test_a_record_is_let_go_whatever_it_says_of_itself(desk_home: Path) -> None:
    folder = small_run()
    front = Front(folder / "run.db")
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute("UPDATE meta SET value = '\"soon\"' WHERE key = 'began'")
    front.close()
    assert [mark.text for mark in front.marks()] == ["w1 answers"], "what could be read stays"


def test_a_run_that_is_recorded_elsewhere_is_refused_and_packed(desk: LocalDesk, tmp_path: Path) -> None:
    folder = small_run()
    other = sessions.Session()
    other.open()
    try:
        other.write(sessions.Record(other.id, os.getpid(), "s", "", "", str(folder), BEGAN))
        with pytest.raises(DeskError, match="is being recorded now"):
            desk.open_run(folder).result(LONG)
        with pytest.raises(DeskError, match="is being recorded"):
            desk.delete_run(folder).result(LONG)
        desk.pack_run(folder, tmp_path / "live.zip").result(LONG)
    finally:
        other.close()
    desk.open_run(tmp_path / "live.zip").result(LONG)


def test_deleting_noting_and_the_cap_by_the_desk(desk: LocalDesk) -> None:
    one = small_run("20260921-151320-a", began=BEGAN)
    two = small_run("20260922-151320-b", began=BEGAN + 86400)
    desk.open_run(one).result(LONG)
    with pytest.raises(DeskError, match="is open"):
        desk.delete_run(one).result(LONG)
    plan = desk.prune_plan(Cap(None, None, 0)).result(LONG)
    assert [run.folder for run, _ in plan.runs] == [two], "the open one stays"
    assert desk.cap() == Cap()
    assert [r.folder for r, _ in desk.set_cap(Cap(None, None, 1)).result(LONG).runs] == [two]
    assert desk.cap() == Cap(None, None, 1)
    desk.note_run(two, "mine", True).result(LONG)
    assert desk.prune_plan().result(LONG).runs == ()
    assert "Nothing was deleted" in desk.prune(plan).result(LONG)
    desk.close_run().result(LONG)
    desk.delete_run(one).result(LONG)
    desk.note_run(two, "", False).result(LONG)
    assert run_folders() == [two]
    assert "1 old run was deleted" in desk.prune(plan).result(LONG)
    assert run_folders() == []
    with pytest.raises(DeskError, match="is gone"):
        desk.note_run(two, "", False).result(LONG)


def test_opening_can_be_cancelled(desk: LocalDesk, tmp_path: Path) -> None:
    folder = small_run()
    (folder / "logs" / "w2.001.log").write_bytes(os.urandom(8 << 20))
    pack(folder, tmp_path / "run.zip", Progress(Underway[str]()))
    opening = desk.open_run(tmp_path / "run.zip")
    assert opening.cancel()
    eventually(lambda: not list(unpacked_folder().glob("*")), "nothing of it is left")
    assert desk.snapshot().recorded is None
