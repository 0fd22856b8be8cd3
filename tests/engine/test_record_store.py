"""The writer of run.db: what goes in comes back whole, a crash tears nothing, a resume goes on exactly."""

from __future__ import annotations

import copy
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from desktop.engine.api import DeskError, Mark, MarkKind, TaskState
from desktop.engine.ledger.records import CUT, Attempt, Receipt, Task
from desktop.engine.record import ids, schema
from desktop.engine.record.writing.store import Store
from tests.support.made_run import MadeRun
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.create(tmp_path, {"stack": "laptop", "began": 5.0})
    yield made
    made.close(clean=True)


def plain(task: Task) -> Task:
    """A task as the database knows it: a holder only while it is not over, a root only if it is another."""
    found = copy.deepcopy(task)
    found.root = None if found.root == found.id and found.parent is None else found.root
    found.holder = None if found.over else found.holder
    found.attempts.sort(key=lambda attempt: attempt.row)
    return found


def committed(store: Store, *tasks: Task, positions: dict[str, int] | None = None) -> None:
    store.write(tasks)
    store.commit(positions or {})
    eventually(lambda: store.settled, "the SQL thread has committed")


def attempt_of(task: Task, n: int = 0, state: str = "") -> Attempt:
    attempt = Attempt(task.id, task.name, "w1", 1, 4242, 100.0 + n, retries=n, state=state)
    attempt.ended = 100.5 + n if state else None
    return attempt


def in_database(folder: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"{(folder / schema.NAME).as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_every_task_comes_back_whole(store: Store) -> None:
    tasks = list(MadeRun(3_000, open_share=0.1).tasks())
    committed(store, *tasks)
    for task in tasks:
        found = store.recall(task.id)
        assert found is not task
        assert found == plain(task)
    assert [task.row for task in tasks] == list(range(1, 3_001))


def test_tasks_that_grow_batch_by_batch_come_back_as_they_were_last(tmp_path: Path) -> None:
    """Each task is written several times, with a part of its life each; half-way the writer is resumed."""
    store = Store.create(tmp_path, {})
    truth = list(MadeRun(1_200, seed=3, open_share=0.2).tasks())
    dice = random.Random(5)
    growing: dict[str, Task] = {}
    for batch in range(8):
        if batch == 4:
            store.close(clean=False)
            store = Store.resume(tmp_path)
            growing = {task.id: task for task in store.unfinished()}
        written = []
        for task in truth:
            if batch < 7 and dice.random() < 0.5:
                continue
            now = growing.get(task.id) or store.recall(task.id)
            if now is None:
                now = Task(task.id, task.name, task.queue, task.sent, load=task.load)
            elif now.over:
                continue
            _grow(now, task, whole=batch == 7)
            growing[task.id] = now
            written.append(now)
        committed(store, *written)
    for task in truth:
        found = store.recall(task.id)
        assert found is not None
        task.row = found.row
        for one, other in zip(task.attempts, found.attempts, strict=True):
            one.row = other.row
        assert found == plain(task)
    counts = store.get("counts")
    assert counts["tasks"] == len(truth)
    assert counts["ran_twice"] == sum(task.twice for task in truth)
    assert counts["states"] == {
        str(place): count for place in TaskState if (count := sum(task.place is place for task in truth))
    }
    store.close(clean=True)


def _grow(now: Task, truth: Task, whole: bool) -> None:
    """One more receipt or attempt of what truly happened; with `whole` all of it."""
    known = len(now.receipts) + len(now.attempts)
    total = len(truth.receipts) + len(truth.attempts)
    step = total if whole else known + 1
    now.receipts = copy.deepcopy(truth.receipts[: max(len(now.receipts), (step + 1) // 2)])
    fresh = copy.deepcopy(truth.attempts[: max(len(now.attempts), step // 2)])
    for one, other in zip(fresh, now.attempts, strict=False):
        one.row = other.row
    now.attempts = fresh
    if now.receipts:
        now.received = min(receipt.t for receipt in now.receipts)
        now.args, now.kwargs, now.args_cut = truth.args, truth.kwargs, truth.args_cut
        now.root, now.parent = truth.root, truth.parent
    if now.attempts:
        now.place, now.holder = TaskState.ACTIVE, (now.attempts[-1].service, 1)
        now.state, now.error = now.attempts[-1].state, now.attempts[-1].error
    if whole:
        now.place, now.over, now.ended, now.twice = truth.place, truth.over, truth.ended, truth.twice
        now.state, now.error, now.holder = truth.state, truth.error, truth.holder


def test_recall_knows_what_is_not_committed_yet(store: Store) -> None:
    task = Task("not-a-uuid", "t", "celery", 1.0)
    assert store.recall(task.id) is None
    store.write([task])
    assert store.recall(task.id) is task
    store.commit({})
    assert store.recall(task.id) == task
    eventually(lambda: store.settled, "committed")
    assert store.recall(task.id) == task
    assert store.recall("NOT-A-UUID") is None


def test_what_waits_is_read_ahead_and_never_stale(store: Store) -> None:
    """Of 600 waiting tasks one is recalled, others are written anew meanwhile: each is as it was last."""
    tasks = [Task(f"00000000-0000-4000-8000-{n:012d}", "t", "celery", float(n)) for n in range(600)]
    committed(store, *tasks)
    assert store.recall(tasks[0].id) == tasks[0]
    changed = store.recall(tasks[1].id)
    assert changed == tasks[1]
    changed.place, changed.over, changed.ended = TaskState.PURGED, True, 9.0
    store.write([changed])
    tasks[2].place = TaskState.PURGED  # written without having been recalled
    store.write([tasks[2]])
    store.commit({})
    assert [store.recall(task.id) for task in tasks] == [tasks[0], changed, *tasks[2:]]
    eventually(lambda: store.settled, "committed")
    assert [task.id for task in store.waiting("celery")] == [task.id for task in (tasks[0], *tasks[3:])]
    assert list(store.waiting("other")) == []


def test_a_late_word_reaches_an_early_attempt_of_many(store: Store) -> None:
    task = Task("5e1c0d4e-0000-4000-8000-000000000001", "t", "celery", 1.0)
    task.attempts = [attempt_of(task, n, CUT if n == 1 else "RETRY") for n in range(9)]
    task.receipts = [Receipt(50.0 + n, "w1", 1, retries=n) for n in range(9)]
    task.received = 50.0
    committed(store, task)
    task.attempts[1].state, task.attempts[1].error = "FAILURE", "late"
    task.attempts.append(attempt_of(task, 9, "SUCCESS"))
    task.receipts[8].open = False
    committed(store, task)
    assert store.recall(task.id) == task


@pytest.mark.parametrize(
    "task_id",
    [
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "3F2504E0-4F89-41D3-9A0C-0305E82C3301",  # not the same id
        "3f2504e04f8941d39a0c0305e82c3301",
        "3f2504e0-4f89-41d3-9a0c-0305e82c330 ",
        "order 17 — größe",
        "\ud800 half a character",
        "",
        "x" * 300,
    ],
)
def test_any_text_may_be_an_id(store: Store, task_id: str) -> None:
    committed(store, Task(task_id, "t"), Task("another", "t"))
    found = store.recall(task_id)
    assert found is not None
    assert found.row == 1
    assert found.id == ids.clean(task_id)


def test_any_text_comes_back(store: Store) -> None:
    texts = [
        '"',
        "\\",
        'a",\n"b',
        "\n\r\t\x00\x1f",
        "ÄÖÜ “x” 🐍",
        "[",
        "]",
        ",",
        "",
        " " * 40_000,
        "<\u2028>",
    ]
    tasks = []
    for n, text in enumerate(texts):
        task = Task(f"id{n}", text.replace("\x00", ""), args=text, kwargs=text, error=text, received=1.0)
        task.attempts = [attempt_of(task, 0, "FAILURE")]
        task.attempts[0].result = task.attempts[0].traceback = text
        tasks.append(task)
    committed(store, *tasks)
    for task in tasks:
        assert store.recall(task.id) == task
    broken = Task("b", "t", args="\udc80", received=1.0)
    committed(store, broken)
    found = store.recall("b")
    assert found is not None
    assert found.args == "\\udc80"


def test_the_same_text_is_stored_once(store: Store, tmp_path: Path) -> None:
    same = "x" * 1_000
    committed(store, *[Task(f"id{n}", "t", args=same, received=1.0) for n in range(1_000)])
    stored = in_database(tmp_path, "SELECT sum(length(bodies)) FROM text")
    assert stored == [(len(same) + 4,)]


def test_what_was_put_is_there_after_a_resume(tmp_path: Path) -> None:
    store = Store.create(tmp_path, {"stack": "laptop", "versions": {"celery": "5.7"}})
    store.put("account", {"n": [1, 2], "ü": None})
    store.put("gone", 1)
    store.put("gone", None)
    mark = Mark(7.0, MarkKind.KILLED, "w1", "killed")
    store.mark(mark)
    store.commit({"w1.001.4242.jsonl": 4096})
    store.close(clean=True)
    assert in_database(tmp_path, "SELECT value FROM meta WHERE key = 'clean'") == [("true",)]
    again = Store.resume(tmp_path)
    assert again.get("stack") == "laptop"
    assert again.get("account") == {"n": [1, 2], "ü": None}
    assert again.get("gone", "nothing") == "nothing"
    assert again.get("ended") is None
    assert again.positions() == {"w1.001.4242.jsonl": 4096}
    assert in_database(tmp_path, "SELECT t, kind, service, text FROM mark") == [
        (7.0, "killed", "w1", "killed")
    ]
    again.close(clean=False)
    assert in_database(tmp_path, "SELECT value FROM meta WHERE key = 'clean'") == [("false",)]


def test_an_idle_run_writes_nothing(store: Store, tmp_path: Path) -> None:
    committed(store, Task("a", "t"), positions={"f": 10})
    before = in_database(tmp_path, "PRAGMA data_version"), (tmp_path / "run.db-wal").read_bytes()
    store.commit({"f": 10})
    store.write([])
    store.commit({})
    assert store.settled
    assert (in_database(tmp_path, "PRAGMA data_version"), (tmp_path / "run.db-wal").read_bytes()) == before


def test_people_can_read_it_with_sqlite(store: Store, tmp_path: Path) -> None:
    task = Task("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "tasks.mail", "mail", 1.5, args='["a"]', kwargs="{}")
    task.attempts = [attempt_of(task, 0, "FAILURE")]
    task.error = task.attempts[0].error = "ValueError('x')"
    task.received, task.place, task.over, task.ended = 99.0, TaskState.FAILURE, True, 100.5
    committed(store, task)
    assert in_database(
        tmp_path, "SELECT number, id, name, state, queue, worker, sent, args, error FROM tasks_readable"
    ) == [
        (
            1,
            task.id,
            "tasks.mail",
            "FAILURE",
            "mail",
            "w1",
            "1970-01-01 00:00:01.500",
            '["a"]',
            "ValueError('x')",
        )
    ]
    assert in_database(tmp_path, "SELECT number, id, worker, state, error FROM attempts_readable") == [
        (1, task.id, "w1", "FAILURE", "ValueError('x')")
    ]
    assert (1, "ValueError('x')") in [
        (place, body) for place, body in in_database(tmp_path, "SELECT 1, body FROM texts_readable")
    ]


WRITER = """
import sys
from pathlib import Path
from desktop.engine.record.writing.store import Store
from tests.support.made_run import MadeRun
store = Store.create(Path(sys.argv[1]), {})
tasks = MadeRun(10**9).tasks()
batch, done = [], 0
for task in tasks:
    batch.append(task)
    if len(batch) == 50:
        store.write(batch)
        store.sample(done / 100, {"busy:w1": float(done)})
        done += 50
        store.commit({"ledger": done})
        print(store._sink.committed, flush=True)
        batch = []
"""


def test_a_killed_writer_leaves_whole_batches_and_the_next_goes_on(tmp_path: Path) -> None:
    """All that was committed is there, offsets and tasks belong together, nothing is torn."""
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir()
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            told = 0
            assert writer.stdout is not None
            for line in writer.stdout:
                told = int(line)
                if told > 20 + 15 * round_:
                    break
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        store = Store.resume(folder)
        try:
            read = store.positions()["ledger"]
            assert read >= 50 * (told - 1)  # the first batch is `create`'s own
            truth = list(islice(MadeRun(10**9).tasks(), read + 50))
            assert in_database(folder, "PRAGMA integrity_check") == [("ok",)]
            assert in_database(folder, "SELECT count(*), max(row) FROM task") == [(read, read)]
            assert store.get("counts")["tasks"] == read
            for task in (truth[0], truth[read // 2], truth[read - 1]):
                found = store.recall(task.id)
                assert found is not None
                assert found.sent == task.sent
            assert store.recall(truth[read].id) is None
            committed(store, Task("next", "t"))
            assert in_database(folder, "SELECT max(row) FROM task") == [(read + 1,)]
        finally:
            store.close(clean=True)


def test_resume_goes_on_where_the_database_is(tmp_path: Path) -> None:
    store = Store.create(tmp_path, {})
    truth = list(MadeRun(700).tasks())
    committed(store, *truth[:333], positions={"a": 1})
    store.close(clean=False)
    store = Store.resume(tmp_path)
    assert [task.id for task in store.unfinished()] == [task.id for task in truth[:333] if not task.over]
    committed(store, *truth[333:], positions={"a": 2, "b": 3})
    assert [task.row for task in truth] == list(range(1, 701))
    assert store.positions() == {"a": 2, "b": 3}
    for task in truth:
        assert store.recall(task.id) == plain(task)
    store.close(clean=True)


def test_a_disk_that_refuses_loses_nothing_once_it_takes_again(store: Store, tmp_path: Path) -> None:
    """A second writer holds the database: commits wait, `problem` says so, and all is there afterwards."""
    other = sqlite3.connect(tmp_path / schema.NAME, isolation_level=None, timeout=10.0)
    store._sink._connection.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    tasks = list(MadeRun(100).tasks())
    store.write(tasks)
    store.commit({"f": 1})
    eventually(lambda: "locked" in store.problem, "the store says why it cannot write")
    assert store.recall(tasks[0].id) is tasks[0]
    other.execute("ROLLBACK")
    other.close()
    eventually(lambda: store.settled, "it is written at last")
    assert not store.problem
    assert in_database(tmp_path, "SELECT count(*) FROM task") == [(100,)]


def test_a_disk_that_refuses_for_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from desktop.engine.record.writing import sink

    monkeypatch.setattr(sink, "STUCK_ROWS", 500)
    store = Store.create(tmp_path, {})
    committed(store)
    other = sqlite3.connect(tmp_path / schema.NAME, isolation_level=None)
    store._sink._connection.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    store.put("stuck", 1)
    store.commit({})
    eventually(lambda: store.problem, "the store says why it cannot write")
    store.write(MadeRun(600).tasks())
    with pytest.raises(DeskError, match="cannot be written"):
        store.commit({})
    with pytest.raises(DeskError, match="stay in the ledger"):
        store.close(clean=True)
    other.close()


def test_a_newer_or_strange_database_is_refused_with_a_clear_word(tmp_path: Path) -> None:
    Store.create(tmp_path, {}).close(clean=True)
    path = tmp_path / schema.NAME
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    for opening in (lambda: Store.resume(tmp_path), lambda: schema.open_to_read(path)):
        with pytest.raises(DeskError, match="newer Celery Desk"):
            opening()
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(DeskError, match="cannot be read"):
        Store.resume(tmp_path)
    path.unlink()
    with pytest.raises(DeskError, match="There is no"):
        Store.resume(tmp_path)
    sqlite3.connect(path).close()
    with pytest.raises(DeskError, match="no record of a run"):
        schema.open_to_read(path)


def test_an_older_database_is_migrated_once_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.create(tmp_path, {"stack": "old"}).close(clean=True)
    path = tmp_path / schema.NAME
    monkeypatch.setattr(schema, "VERSION", 3)
    with pytest.raises(DeskError, match="cannot bring up to date"):
        Store.resume(tmp_path)
    steps: list[int] = []

    def step(number: int) -> object:
        def run(connection: sqlite3.Connection) -> None:
            steps.append(number)
            connection.execute(f"INSERT INTO meta VALUES('step{number}', 'true')")

        return run

    monkeypatch.setitem(schema.MIGRATIONS, 1, step(1))
    monkeypatch.setitem(schema.MIGRATIONS, 2, step(2))
    reader = schema.open_to_read(path)
    assert reader.execute("SELECT count(*) FROM meta WHERE key LIKE 'step%'").fetchone() == (2,)
    reader.close()
    store = Store.resume(tmp_path)
    assert (store.get("stack"), store.get("step2"), steps) == ("old", True, [1, 2])
    store.close(clean=True)


def test_a_row_that_cannot_be_stored_holds_up_no_other(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """As when a sender wrote a number of retries that no column can hold."""
    tasks = [Task(f"id{n}", "t", received=1.0) for n in range(3)]
    for task in tasks:
        task.attempts = [attempt_of(task)]
    tasks[1].attempts[0].retries = 1 << 70
    committed(store, *tasks)
    found = [store.recall(task.id) for task in tasks]
    assert [len(task.attempts) if task else None for task in found] == [1, 0, 1]
    assert "left out of the record" in caplog.text


def test_a_run_is_not_written_over(tmp_path: Path) -> None:
    Store.create(tmp_path, {}).close(clean=True)
    with pytest.raises(DeskError, match="is there already"):
        Store.create(tmp_path, {})


def test_the_filter_of_seen_ids_never_says_no_wrongly_and_yes_rarely() -> None:
    dice = random.Random(1)
    known = [dice.getrandbits(64) - (1 << 63) for _ in range(50_000)]
    seen = ids.Seen(known)
    assert all(number in seen for number in known)
    others = [dice.getrandbits(64) - (1 << 63) for _ in range(50_000)]
    assert sum(number in seen for number in others) < 100
