"""Reading run.db: every answer against plain Python over the same tasks, live and finished."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from desktop.engine.api import (
    DeskError,
    Mark,
    MarkKind,
    Record,
    TaskColumn,
    TaskFilter,
    TaskQuery,
    TaskRow,
    TaskState,
    TextIn,
)
from desktop.engine.ledger.records import Task
from desktop.engine.record import schema
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.writing.store import Store
from tests.support.made_run import MadeRun
from tests.support.record_oracle import Oracle
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
COUNT = 2_500
TEXTS = (
    *(
        "orders/17",
        "ORDERS/1",
        "größe",
        "ÄRGER",
        "no such",
        "refused",
        "Traceback",
        "\\",
        '"',
        "\\n",
        "n",
        "[",
    ),
    *(",", "]", "7", "{}", "c:\\out", "“", "nothing has this", "-4", "a", "3f", "0-4", "-", "e-"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Task]]:
    """A finished run, and its tasks; a few have ids of their own making."""
    folder = tmp_path_factory.mktemp("run")
    tasks = list(MadeRun(COUNT, open_share=0.05).tasks())
    for number in (3, 700, 2_400):
        tasks[number].id = f"order {number} — Größe"
    store = Store.create(folder, {"stack": "laptop", "began": 10.0, "versions": {"celery": "5.7.0"}})
    for start in range(0, COUNT, 300):
        store.write(tasks[start : start + 300])
        store.commit({})
    store.put("machine", {"cores": 2})
    store.mark(Mark(20.0, MarkKind.KILLED, "w1", "w1 was killed"))
    store.close(clean=True)
    return folder, tasks


@pytest.fixture(scope="module")
def oracle(run: tuple[Path, list[Task]]) -> Oracle:
    return Oracle(run[1])


@pytest.fixture
def reader(run: tuple[Path, list[Task]]) -> Iterator[RunReader]:
    reading = RunReader.open(run[0])
    yield reading
    reading.close()


def rounded(row: TaskRow) -> TaskRow:
    return row if row.wait is None else dataclasses.replace(row, wait=round(row.wait, 9))


def rows(found: object) -> list[TaskRow]:
    return [rounded(row) for row in found]  # type: ignore[attr-defined]


def some_filter(dice: random.Random, oracle: Oracle) -> TaskFilter:
    facets = oracle.facets()

    def some(values: tuple[tuple[object, int], ...]) -> frozenset[object]:
        names = [value for value, _ in values]
        return frozenset(dice.sample(names, dice.randint(1, min(2, len(names)))))

    first, last = facets.first or 0.0, facets.last or 0.0
    since = dice.uniform(first, last)
    parts: dict[str, object] = {
        "states": some(facets.states),
        "names": some(facets.names),
        "workers": some(facets.workers),
        "queues": some(facets.queues),
        "text": dice.choice(TEXTS),
        "since": since,
        "until": since + dice.uniform(0.0, 2.0),
        "ran_twice": True,
        "retried": True,
        "load": dice.choice((1, 2, 9)),
    }
    chosen = {name: parts[name] for name in dice.sample(sorted(parts), dice.choice((0, 1, 1, 2, 3)))}
    if "text" in chosen:
        chosen["text_in"] = dice.choice(list(TextIn))
    return TaskFilter(**chosen)  # type: ignore[arg-type]


def test_pages_are_those_of_the_oracle(reader: RunReader, oracle: Oracle) -> None:
    dice = random.Random(11)
    for _ in range(150):
        query = TaskQuery(
            some_filter(dice, oracle),
            dice.choice(list(TaskColumn)),
            dice.random() < 0.5,
            dice.choice((None, None, COUNT // 2, 0)),
        )
        truth = oracle.ordered(query)
        first = dice.choice((0, 0, max(0, len(truth) - 7), len(truth) // 2, len(truth) + 5))
        count = dice.choice((1, 10, 100))
        page = reader.tasks(query, first, count).result(10)
        assert (page.matching, page.total, page.newest, page.first) == (len(truth), COUNT, COUNT, first), (
            query
        )
        assert rows(page.rows) == rows(truth[first : first + count]), query
        if truth:
            at = dice.randrange(len(truth))
            assert reader.position(query, truth[at].number).result(10) == at, query
        assert reader.position(query, COUNT + 9).result(10) == -1


@pytest.mark.parametrize("column", list(TaskColumn))
def test_large_runs_give_the_same_pages_without_sorting_all(
    monkeypatch: pytest.MonkeyPatch, reader: RunReader, oracle: Oracle, column: TaskColumn
) -> None:
    """Many tasks are not sorted for a page: with the bound at zero, each page must still be the oracle's."""
    from desktop.engine.record.reading import order

    monkeypatch.setattr(order, "_FEW", 0)
    for descending in (False, True):
        query = TaskQuery(order=column, descending=descending)
        truth = rows(oracle.ordered(query))
        for first in (0, 40, 1_200, COUNT - 90):
            page = reader.tasks(query, first, 60).result(10)
            assert rows(page.rows) == truth[first : first + 60], (query, first)


def test_groups_and_facets_are_those_of_the_oracle(reader: RunReader, oracle: Oracle) -> None:
    dice = random.Random(13)
    for _ in range(40):
        chosen = some_filter(dice, oracle)
        found, truth = reader.groups(chosen).result(10), oracle.groups(chosen)
        for one, other in zip(found, truth, strict=True):
            assert one.cpu == pytest.approx(other.cpu, rel=1e-5)
            assert dataclasses.replace(one, cpu=0.0) == dataclasses.replace(other, cpu=0.0), chosen
    found_facets, facets = reader.facets().result(10), oracle.facets()
    for name in ("states", "names", "workers", "queues"):
        one, other = getattr(found_facets, name), getattr(facets, name)
        assert set(one) == set(other)
        assert [count for _, count in one] == [count for _, count in other]
    assert (found_facets.ran_twice, found_facets.first, found_facets.last) == (
        facets.ran_twice,
        facets.first,
        facets.last,
    )


def test_ids_of_what_matches(reader: RunReader, oracle: Oracle) -> None:
    chosen = TaskFilter(names=frozenset({"tasks.cpu.primes"}))
    truth = [task.id for task in oracle.matching(chosen)]
    assert list(reader.ids(chosen).result(10)) == truth
    assert list(reader.ids(chosen, limit=7).result(10)) == truth[:7]
    assert reader.ids(TaskFilter(text="nothing has this")).result(10) == ()


def test_every_text_is_found_wherever_it_is(reader: RunReader, oracle: Oracle) -> None:
    for text in TEXTS:
        for where in (TextIn.ANYWHERE, TextIn.ARGS, TextIn.RESULT, TextIn.ERROR):
            chosen = TaskFilter(text=text, text_in=where)
            truth = [task.id for task in oracle.matching(chosen)]
            assert list(reader.ids(chosen).result(10)) == truth, (text, where)


def test_any_part_of_an_id_finds_it(reader: RunReader, oracle: Oracle) -> None:
    dice = random.Random(17)
    for _ in range(40):
        task = dice.choice(oracle.tasks)
        start = dice.randrange(len(task.id))
        text = task.id[start : start + dice.randint(1, 36)]
        text = text.upper() if dice.random() < 0.3 else text
        chosen = TaskFilter(text=text, text_in=TextIn.ID)
        assert list(reader.ids(chosen).result(10)) == [one.id for one in oracle.matching(chosen)], text


def test_a_tasks_own_page(reader: RunReader, oracle: Oracle) -> None:
    by_id = {task.id: task for task in oracle.tasks}
    related = [task for task in oracle.tasks if task.parent]
    assert related
    for task in (*oracle.tasks[::97], *related[:40]):
        found = reader.task(task.id).result(10)
        assert rounded(found.row) == rounded(oracle.rows[task.row])
        assert (found.args, found.kwargs, found.args_cut) == (
            task.args or "",
            task.kwargs or "",
            task.args_cut,
        )
        assert (found.load, found.back_at) == (task.load, None)
        assert [(a.started, a.state, a.result, a.traceback, a.received) for a in found.attempts] == [
            (a.started, a.state, a.result or "", a.traceback or "", a.received)
            for a in sorted(task.attempts, key=lambda a: a.started)
        ]
        assert [(d.t, d.worker, d.redelivered, d.retries, d.eta) for d in found.deliveries] == [
            (r.t, r.service, r.redelivered, r.retries, r.eta) for r in task.receipts
        ]
        children = [other for other in oracle.tasks if other.parent == task.id]
        assert [child.id for child in found.children] == [child.id for child in children]
        parent = by_id.get(task.parent or "")
        assert (
            (found.parent.id, found.parent.state) == (parent.id, parent.place) if parent else not found.parent
        )
        assert (found.root.id if found.root else None) == (task.root if task.root != task.id else None)


def test_relatives_that_the_run_does_not_know(tmp_path: Path) -> None:
    store = Store.create(tmp_path, {})
    store.write([Task("a", "t", parent="elsewhere", root="further", received=1.0)])
    store.close(clean=True)
    reader = RunReader.open(tmp_path)
    try:
        found = reader.task("a").result(10)
        assert found.parent is not None
        assert found.root is not None
        assert (found.parent.id, found.parent.number, found.root.id) == ("elsewhere", None, "further")
        with pytest.raises(DeskError, match="knows no task elsewhere"):
            reader.task("elsewhere").result(10)
    finally:
        reader.close()


def test_what_a_run_says_of_itself(reader: RunReader, run: tuple[Path, list[Task]], oracle: Oracle) -> None:
    record: Record = reader
    info = record.info
    assert (info.folder, info.stack, info.began, info.live, info.clean) == (
        run[0],
        "laptop",
        10.0,
        False,
        True,
    )
    assert info.versions == {"celery": "5.7.0"}
    assert (info.tasks, info.ran_twice) == (COUNT, sum(task.twice for task in run[1]))
    assert info.failed == sum(task.place is TaskState.FAILURE for task in run[1])
    assert info.lost == sum(task.place is TaskState.LOST for task in run[1])
    assert info.size > 100_000
    assert record.marks() == (Mark(20.0, MarkKind.KILLED, "w1", "w1 was killed"),)
    assert record.settings()["machine"] == {"cores": 2}
    assert "counts" not in record.settings()
    assert record.span()[0] == 10.0
    assert record.span()[1] >= (oracle.facets().last or 0.0)
    assert record.version() == record.version()
    assert not record.live


def test_an_empty_run_is_read(tmp_path: Path) -> None:
    Store.create(tmp_path, {"stack": "empty", "began": 3.0}).close(clean=True)
    reader = RunReader.open(tmp_path)
    try:
        for query in (TaskQuery(), TaskQuery(order=TaskColumn.RUN), TaskQuery(TaskFilter(text="x"))):
            page = reader.tasks(query, 0, 10).result(10)
            assert (page.rows, page.matching, page.total) == ((), 0, 0)
        assert reader.groups(TaskFilter()).result(10) == ()
        facets = reader.facets().result(10)
        assert (facets.states, facets.first) == ((), None)
        assert reader.series(["cpu:w1"], 0.0, 10.0, 5).result(10)["cpu:w1"].t.tolist() == []
        assert reader.series_names() == ()
        assert reader.marks() == ()
    finally:
        reader.close()


def test_a_living_run_is_read_as_it_grows(tmp_path: Path) -> None:
    """After every commit each kind of answer is the oracle's, though only what changed is read."""
    store = Store.create(tmp_path, {"stack": "live"})
    eventually(lambda: store.settled, "committed")
    reader = RunReader.open(tmp_path, live=True)
    truth = list(MadeRun(1_500, seed=23, open_share=0.1).tasks())
    dice = random.Random(29)
    written: list[Task] = []
    version = reader.version()
    queries = [
        TaskQuery(),
        TaskQuery(TaskFilter(text="orders/1"), TaskColumn.RUN),
        TaskQuery(TaskFilter(text="7", text_in=TextIn.ID), TaskColumn.NUMBER, False),
        TaskQuery(TaskFilter(text="refused", text_in=TextIn.ERROR)),
        TaskQuery(TaskFilter(states=frozenset({TaskState.SUCCESS})), TaskColumn.ENDED),
        TaskQuery(TaskFilter(), TaskColumn.WAIT, True, 400),
    ]
    try:
        for round_ in range(12):
            fresh = truth[round_ * 125 : round_ * 125 + 125]
            for task in dice.sample(written, min(40, len(written))):
                task.error, task.place, task.over = f"ValueError('{round_} refused')", TaskState.FAILURE, True
                task.ended = 1_790_000_000.0 + round_
            store.write([*written, *fresh])
            written += fresh
            store.commit({})
            before = version
            version = eventually(
                lambda before=before: now if (now := reader.version()) > before else 0, "the reader sees it"
            )
            oracle = Oracle(written)
            for query in queries:
                found = reader.tasks(query, 0, 30).result(10)
                expected = oracle.ordered(query)
                assert rows(found.rows) == rows(expected[:30]), query
                assert (found.matching, found.total) == (len(expected), len(written)), query
            assert reader.live
            assert reader.info.tasks == len(written)
        store.mark(Mark(5.0, MarkKind.LOAD, "", "x"))
        store.close(clean=True)
        eventually(lambda: not reader.live, "the reader sees the end")
        assert reader.marks() == (Mark(5.0, MarkKind.LOAD, "", "x"),)
    finally:
        reader.close()


class Gate:
    """Holds the work of a reader's thread where it looks whether anybody still waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from desktop.engine.record.reading import jobs

        self.held, self.go = threading.Event(), threading.Event()
        true_check = jobs.Hand.check

        def check(hand: jobs.Hand) -> None:
            if threading.current_thread().name.startswith("record"):
                self.held.set()
                assert self.go.wait(10)
            true_check(hand)

        monkeypatch.setattr(jobs.Hand, "check", check)


def test_a_future_can_be_cancelled_while_it_is_worked_on(
    monkeypatch: pytest.MonkeyPatch, reader: RunReader
) -> None:
    gate = Gate(monkeypatch)
    future = reader.tasks(TaskQuery(TaskFilter(text="orders")), 0, 10)
    assert gate.held.wait(10)
    assert future.cancel()
    gate.go.set()
    with pytest.raises(CancelledError):
        future.result(10)
    # The thread works on, on the next question.
    assert reader.tasks(TaskQuery(TaskFilter(text="orders")), 0, 10).result(10).rows


def test_a_statement_is_interrupted(reader: RunReader) -> None:
    """A search inside of SQLite ends at once when nobody waits for it."""
    began = threading.Event()

    def endless(hand: object) -> object:
        began.set()
        sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        return hand.connection.execute(sql).fetchone()  # type: ignore[attr-defined]

    future: Future[object] = reader._jobs.submit(endless)
    assert began.wait(10)
    assert future.cancel()
    other: Future[object] = reader._jobs.submit(endless)
    assert reader.facets().result(10).names  # one of the two threads is free
    other.cancel()
    assert reader.tasks(TaskQuery(order=TaskColumn.RUN), 0, 1).result(10).rows


def test_closing_cancels_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch, run: tuple[Path, list[Task]]
) -> None:
    reader = RunReader.open(run[0])
    gate = Gate(monkeypatch)
    futures = [reader.groups(TaskFilter(text=text)) for text in ("a", "b", "c", "d")]
    assert gate.held.wait(10)
    closing = threading.Thread(target=reader.close)
    closing.start()
    eventually(lambda: all(future.cancelled() for future in futures), "all are cancelled")
    gate.go.set()
    closing.join(10)
    assert not closing.is_alive()
    assert reader.facets().cancelled()
    assert reader.info.tasks == COUNT  # what was read stays read
    reader.close()


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeskError, match=r"There is no run\.db"):
        RunReader.open(tmp_path)
    (tmp_path / schema.NAME).write_bytes(b"SQLite format 3\x00" + bytes(5_000))
    with pytest.raises(DeskError, match=r"cannot be read|no record of a run"):
        RunReader.open(tmp_path)


def test_a_folder_that_is_read_only_is_read(tmp_path: Path) -> None:
    """As from a mounted archive: no log can be made beside the database."""
    store = Store.create(tmp_path, {})
    store.write(MadeRun(50).tasks())
    store.close(clean=True)
    connection = schema._connect(f"{(tmp_path / schema.NAME).as_uri()}?mode=ro&immutable=1")
    assert connection.execute("SELECT count(*) FROM task").fetchone() == (50,)
    connection.close()


def test_numpy_is_imported_only_when_something_is_read(run: tuple[Path, list[Task]]) -> None:
    code = f"""
import sys
from pathlib import Path
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.writing.store import Store
reader = RunReader.open(Path({str(run[0])!r}))
reader.info, reader.marks(), reader.span(), reader.series_names(), reader.version()
print("numpy" in sys.modules)
reader.facets().result()
print("numpy" in sys.modules)
reader.close()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["False", "True"], "")
