"""Reading a ledger: the tail loses and repeats nothing, and every interleaving gives one account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.engine.ledger.account import Account, read
from desktop.engine.ledger.lines import Line, Source, source_of
from desktop.engine.ledger.records import CUT
from desktop.engine.ledger.tail import OPEN_FILES, PIECE, Tail
from tests.engine.ledger_lines import MAIN, POOL, account_of, ended, line, opened, received, started
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ledger"
    folder.mkdir()
    return folder


@pytest.fixture
def tail(folder: Path) -> Iterator[Tail]:
    tail = Tail(folder)
    yield tail
    tail.close()


def append(folder: Path, name: str, text: str) -> None:
    with (folder / name).open("a") as file:
        file.write(text)


def numbers(lines: list[Line]) -> list[int]:
    return [found.data["n"] for found in lines]


def ended_pid() -> int:
    """The pid of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# the tail


def test_a_line_is_given_once_and_whole(folder: Path, tail: Tail) -> None:
    name = f"w1.001.{os.getpid()}.jsonl"
    append(folder, name, '{"k":"x","n":1}\n{"k":"x","n"')
    assert numbers(tail.poll()) == [1]
    assert tail.poll() == []
    append(folder, name, ':2}\n{"k":"x","n":3}\n')
    assert numbers(tail.poll()) == [2, 3]
    assert tail.poll() == []


def test_files_that_come_later_are_found(folder: Path, tail: Tail) -> None:
    pid = os.getpid()
    for number in range(20):  # within one tick of the folder's time stamp, too
        append(folder, f"w{number}.001.{pid}.jsonl", f'{{"k":"x","n":{number}}}\n')
        eventually(lambda wanted=number: numbers(tail.poll()) == [wanted], "it is found")  # type: ignore[misc]


def test_a_long_record_is_read_in_the_order_of_time(folder: Path) -> None:
    """However many files there are: none runs ahead by more than a piece of it."""
    pid = os.getpid()
    for number in range(70):  # more than are open at once, and each begins later than the one before
        times = range(number * 200, 30_000 - number * 200, 20)
        append(folder, f"w{number}.001.{pid}.jsonl", "".join(f'{{"k":"x","t":{t}}}\n' for t in times))
    append(folder, f"w7.001.{pid}.jsonl", '{"k":"x","t":')
    tail = Tail(folder, chunk=PIECE)
    times, reached, behind = [], 0, 0
    for lines in tail.in_time():
        times += [line.data["t"] for line in lines]
        behind = max(behind, reached - lines[0].data["t"])
        reached = max(reached, lines[-1].data["t"])
    assert len(times) == sum(len(range(n * 200, 30_000 - n * 200, 20)) for n in range(70))
    assert 0 < behind < 20 * PIECE / len('{"k":"x","t":0}')
    assert tail.poll() == []
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    sizes[f"w7.001.{pid}.jsonl"] -= len('{"k":"x","t":')
    assert tail.positions() == sizes
    append(folder, f"w7.001.{pid}.jsonl", "30001}\n")
    assert [line.data["t"] for line in tail.poll()] == [30_001]
    tail.close()


def test_a_folder_that_comes_later(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "later")
    assert tail.poll() == []
    (tmp_path / "later").mkdir()
    append(tmp_path / "later", "w1.001.1.jsonl", '{"k":"x","n":1}\n')
    assert numbers(tail.poll()) == [1]
    tail.close()


def test_lines_that_are_none_are_counted_and_left_out(folder: Path, tail: Tail) -> None:
    append(
        folder, "w1.001.1.jsonl", '{"k":"x","n":1}\n{"k":"rece\n\n[]\n{"k":"x","n":2,"s":"\\ud800","f":NaN}\n'
    )
    append(folder, "notes.txt", "no ledger file\n")
    assert numbers(tail.poll()) == [1, 2]
    assert tail.bad == 2


def test_descriptors_are_bounded_and_a_dead_process_costs_nothing(
    folder: Path, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, before = ended_pid(), len(os.listdir("/proc/self/fd"))
    for number in range(OPEN_FILES * 2):
        append(folder, f"w{number}.001.{os.getpid()}.jsonl", '{"k":"x","n":0}\n')
    append(folder, f"w1.002.{dead}.jsonl", '{"k":"x","n":0}\n')
    assert len(tail.poll()) == OPEN_FILES * 2 + 1
    assert len(os.listdir("/proc/self/fd")) <= before + OPEN_FILES
    append(folder, f"w0.001.{os.getpid()}.jsonl", '{"k":"x","n":7}\n')  # of one that was closed
    assert numbers(tail.poll()) == [7]
    monkeypatch.setattr("desktop.engine.ledger.tail.IDLE_SECONDS", -1.0)
    tail.poll()
    assert not [file for file in tail._files if file.source.pid == dead]
    assert [file for file in tail._files if file.source.pid == os.getpid()]


def test_names_of_files() -> None:
    assert source_of("w1.003.4242.jsonl") == Source("w1", 3, 4242)
    assert source_of(Path("/x/load-7.001.9-2.jsonl")) == Source("load-7", 1, 9)
    assert source_of("a.b.1000.5.jsonl") == Source("a.b", 1000, 5)
    assert source_of("w1.jsonl") is None


# the account


def test_a_task_that_runs_well() -> None:
    account = account_of(opened(MAIN), opened(POOL, "pool"), received("a"), started("a", 2), ended("a", 2.5))
    totals = account.totals(now=10)
    assert (totals.received, totals.started, totals.succeeded, totals.running) == (1, 1, 1, 0)
    (attempt,) = account.attempts("a")
    assert (attempt.service, attempt.pid, attempt.started, attempt.ended) == ("w1", 101, 2, 2.5)
    assert account.done("w1") == 1


def test_the_rate_is_of_the_last_five_seconds() -> None:
    lines = [line for n in range(20) for line in (started(str(n), 100 + n / 10), ended(str(n), 100 + n / 10))]
    account = account_of(*lines)
    assert account.totals(now=103).per_second == 4.0
    assert account.totals(now=110).per_second == 0.0


def test_a_retry_is_no_second_run_and_a_second_delivery_is() -> None:
    again = account_of(started("a", 1), started("a", 2, retries=1), ended("a", 1.5, "RETRY"))
    assert again.totals().ran_twice == 0
    assert again.totals().retried == 1
    twice = account_of(started("a", 1), ended("a", 1.5), started("a", 2, Source("w2", 1, 7)))
    assert twice.totals().ran_twice == 1
    assert [attempt.service for attempt in twice.attempts("a")] == ["w1", "w2"]
    assert [task.attempt for task in twice.running("w2", 1)] == [2]


def test_two_runs_at_once_in_one_process() -> None:
    """As greenlets and threads do: each end goes to the start that it fits."""
    account = account_of(started("a", 10), started("a", 11), ended("a", 12, run=1.0), ended("a", 15, run=5.0))
    assert [(attempt.started, attempt.ended) for attempt in account.attempts("a")] == [(10, 15), (11, 12)]


def test_a_process_that_died() -> None:
    account = account_of(
        opened(MAIN), opened(POOL, "pool"), started("a", 1), started("b", 1, Source("w1", 1, 102))
    )
    assert [attempt.task_id for attempt in account.cut("w1", pid=101, t=5)] == ["a"]
    assert (account.totals().cut, account.totals().running) == (1, 1)
    assert account.attempts("a")[0].state == CUT
    # its worker tells how it counts; and a start that was written before and is read now is cut as well
    account.take([ended("a", 5.1, "FAILURE", MAIN, run=4.1, pid=101), started("c", 4)])
    assert account.attempts("a")[0].state == "FAILURE"
    assert account.attempts("c")[0].state == CUT
    assert (account.totals().cut, account.totals().failed, account.totals().running) == (1, 1, 1)
    assert [attempt.task_id for attempt in account.cut("w1")] == ["b"]
    assert account.cut("w1") == ()
    assert account.cut("nobody") == ()


def test_a_new_start_of_a_worker() -> None:
    second = Source("w1", 2, 200)
    account = account_of(opened(MAIN), line("ready", 1), started("a", 1, MAIN), opened(second, t=9))
    assert (account.workers["w1"].start, account.workers["w1"].ready_at) == (2, None)
    assert account.running("w1") == ()
    assert [task.id for task in account.running("w1", 1)] == ["a"]
    account.take(
        [line("pool", 10, MAIN, size=9, busy=9, reserved=0, scheduled=0, min=None, max=None, pids=[])]
    )
    assert account.workers["w1"].pool is None  # of the start before


def test_a_process_number_that_comes_round() -> None:
    account = account_of(opened(POOL, "pool"), started("a", 1), opened(POOL, "pool", 5), started("b", 6))
    assert [account.attempts(task)[0].state for task in "ab"] == [CUT, ""]


def test_pool_figures() -> None:
    figures: dict[str, Any] = {
        "size": 4,
        "busy": 3,
        "reserved": 2,
        "scheduled": 1,
        "prefetch": 16,
        "pids": [5, 6],
    }
    account = account_of(opened(MAIN), line("pool", 3, min=1, max=4, **figures))
    pool = account.workers["w1"].pool
    assert pool is not None
    assert (pool.size, pool.busy, pool.reserved, pool.scheduled, pool.bounds) == (4, 3, 2, 1, (1, 4))
    assert (pool.prefetch, pool.pids, account.workers["w1"].heard_at) == (16, (5, 6), 3)


def test_loads() -> None:
    load = Source("load-3", 1, 9)
    account = account_of(
        received("a"),
        started("a", 1),
        ended("a", 2),  # over before the line that says it was sent is read
        line("sent", 3, load, ids=["a", "b"]),
        line("doubt", 3, load, ids=["c", "d"]),
        received("b"),
        line("sent", 4, load, ids=["c"]),
        line("unsent", 4, load, ids=["d"]),
        started("b", 4),
        ended("b", 5, "FAILURE"),
        ended("x", 5),
    )
    count = account.loads[3]
    assert (count.sent, count.unsent, count.ended, count.in_doubt) == (3, 1, 2, set())
    assert account.totals().submitted == 3
    assert [(task.id, task.load) for task in account.tasks() if task.received is None] == [
        ("c", 3),
        ("x", None),
    ]


def test_what_is_over() -> None:
    account = account_of(
        *(started(task, 1) for task in "abc"),
        ended("a", 2, "RETRY"),
        ended("b", 2, "REJECTED", requeue=True),
        ended("c", 2, "REJECTED", requeue=False),
        line("revoked", 2, id="d", name="n", terminated=False, expired=True),
        ended("e", 2, "FAILURE", MAIN, run=0),  # no such task: never started
    )
    assert {task.id: task.over for task in account.tasks()} == dict.fromkeys("ab", False) | dict.fromkeys(
        "cde", True
    )
    assert (account.totals().revoked, account.totals().failed, account.totals().started) == (1, 1, 3)


RUNS = st.lists(
    st.tuples(
        st.integers(0, 5),  # task
        st.integers(0, 2),  # pool process
        st.sampled_from(["SUCCESS", "FAILURE", "RETRY", "killed", "cut"]),
        st.integers(0, 2),  # retries
    ),
    max_size=12,
)


def files_of(runs: list[tuple[int, int, str, int]]) -> list[list[Line]]:
    """What a prefork worker writes of these runs: its main process' file, and one for each pool process.

    A pool process that is killed is followed by another one.
    """
    files: dict[int, list[Line]] = {MAIN.pid: [opened(MAIN)]}
    now, born = 1.0, 200
    seats: dict[int, int] = {}
    for task, seat, fate, retries in runs:
        pid = seats.setdefault(seat, born)
        born += 1
        source = Source("w1", 1, pid)
        file = files.setdefault(pid, [opened(source, "pool", now)])
        now += 1
        files[MAIN.pid].append(received(str(task), now))
        file.append(started(str(task), now, source, retries))
        if fate in ("killed", "cut"):
            del seats[seat]
            if fate == "killed":
                told = ended(str(task), now + 0.5, "FAILURE", MAIN, pid=pid)
                files[MAIN.pid].append(told)
        else:
            file.append(ended(str(task), now + 0.5, fate, source))
    return list(files.values())


@settings(max_examples=300, deadline=None)
@given(RUNS, st.randoms(use_true_random=False))
def test_every_interleaving_gives_the_same_account(
    runs: list[tuple[int, int, str, int]], chance: Any
) -> None:
    queues = [list(file) for file in files_of(runs)]
    account = Account()
    while queues:
        queue = chance.choice(queues)
        account.take([queue.pop(0)])
        queues = [left for left in queues if left]
    account.cut("w1", t=1000.0)
    fates = [fate for _, _, fate, _ in runs]
    totals = account.totals(now=5000)
    assert (totals.started, totals.running) == (len(runs), 0)
    assert (totals.succeeded, totals.retried) == (fates.count("SUCCESS"), fates.count("RETRY"))
    assert (totals.failed, totals.cut) == (fates.count("FAILURE") + fates.count("killed"), fates.count("cut"))
    assert totals.received == len({task for task, *_ in runs})
    for task in {task for task, *_ in runs}:
        mine = [(fate, retries) for number, _, fate, retries in runs if number == task]
        names = {"killed": "FAILURE", "cut": CUT}
        assert [(a.state, a.retries) for a in account.attempts(str(task))] == [
            (names.get(fate, fate), retries) for fate, retries in mine
        ]
    twice = [
        task
        for task in range(6)
        if len({r for t, *_, r in runs if t == task}) < sum(t == task for t, *_ in runs)
    ]
    assert totals.ran_twice == len(twice)


def test_reading_a_run_that_is_over(folder: Path) -> None:
    lines = [opened(MAIN), received("a"), started("a", 2, MAIN), ended("a", 3, source=MAIN)]
    append(folder, "w1.001.100.jsonl", "".join(json.dumps(found.data) + "\n" for found in lines))
    account = read(folder)
    assert account.attempts("a")[0].state == "SUCCESS"
    assert [task.id for task in account.tasks()] == ["a"]
