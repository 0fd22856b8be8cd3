"""The probe in real workers on a real broker: what each pool writes of every way that a task can end."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from kombu import pools

from desktop.engine.ledger.account import Account, read
from desktop.engine.ledger.lines import parsed, source_of
from desktop.engine.ledger.records import Attempt
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually, runs
from tests.support_apps.workers import Worker

POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")
CAN_TERMINATE = {"prefork", "gevent", "eventlet"}
HARD_LIMIT = {"prefork": "TimeLimitExceeded", "gevent": "Timeout"}
APP = "tests.support_apps.endings."
NODE = ["w1@test"]  # Celery waits its whole time-out for replies when it is not told whose


class Client:
    """Sends tasks and reads the ledger."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.app = Celery("client", broker=url, set_as_current=False)
        self.app.conf.task_default_queue = "main"

    def send(self, name: str, *args: Any, task_id: str = "", **options: Any) -> str:
        task_id = task_id or str(uuid.uuid4())
        options.setdefault("queue", "main")
        self.app.send_task(APP + name, args, task_id=task_id, ignore_result=True, **options)
        return task_id

    @property
    def account(self) -> Account:
        return read(self.folder)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Every line of a kind, with the number of its process."""
        found = []
        for file in sorted(self.folder.iterdir()):
            source = source_of(file)
            assert source is not None, f"{file.name} is no ledger file"
            for line in file.read_bytes().splitlines():
                data = parsed(line)
                assert data is not None, f"{file.name}: {line!r}"
                if data["k"] == kind:
                    found.append(data | {"of": source.pid})
        return found

    def wait_for_end(self, *task_ids: str) -> None:
        """Until each of the tasks is over."""

        def over() -> bool:
            account = self.account
            return all((task := account.task(i)) is not None and task.over for i in task_ids)

        eventually(over, "every task is over", within=40, every=0.1)

    def wait_for_start(self, *task_ids: str) -> None:
        """Until each of the tasks runs, or has run."""
        eventually(
            lambda: all(self.account.attempts(i) for i in task_ids), "every task has started", every=0.05
        )

    def revoke(self, task_id: str, terminate: bool = False) -> None:
        """Until the worker has said that it did."""
        revoke = self.app.control.revoke
        eventually(
            lambda: revoke(task_id, terminate=terminate, destination=NODE, reply=True, timeout=5),
            "the worker has revoked it",
        )

    def close(self) -> None:
        self.app.close()
        pools.reset()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    folder = tmp_path / "ledger"
    folder.mkdir()
    return folder


@pytest.fixture
def client(valkey: ValkeyServer, ledger: Path) -> Iterator[Client]:
    client = Client(valkey.url, ledger)
    yield client
    client.close()


@pytest.fixture
def start(valkey: ValkeyServer, ledger: Path, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts a worker of a pool; it ends with the test."""
    workers: list[Worker] = []

    def start(pool: str, *options: str, ledger: Path | None = ledger, service: str = "w1") -> Worker:
        worker = Worker(valkey.url, pool, tmp_path, *options, ledger=ledger, service=service)
        workers.append(worker)
        return worker.start()

    yield start
    for worker in workers:
        worker.kill()


def only(account: Account, task_id: str) -> Attempt:
    """The one attempt of a task."""
    (attempt,) = account.attempts(task_id)
    return attempt


@pytest.mark.parametrize("pool", POOLS)
def test_every_ending(pool: str, client: Client, start: Callable[..., Worker], tmp_path: Path) -> None:
    worker = start(pool, "-c", "2")
    _plain_endings(client)
    _results_and_tracebacks(client)
    _endings_of_this_pool(pool, client, tmp_path)
    _cpu_times(pool, client)
    _two_runs_of_one_task(client, tmp_path)
    _figures_of_the_pool(pool, client, worker)
    _killed(pool, client, worker)


def _plain_endings(client: Client) -> None:
    ok = client.send(
        "ok", 7, kwargs={"note": 'é"\\'}, queue=None, exchange="letters", routing_key="letters.a"
    )
    fail, ignore, reject = client.send("fail"), client.send("ignore"), client.send("reject")
    again, eager, unknown = client.send("again", 2), client.send("eager"), client.send("no_such_task")
    expired, revoked = client.send("ok", expires=-1), str(uuid.uuid4())
    client.revoke(revoked)
    client.send("ok", task_id=revoked)
    client.wait_for_end(ok, fail, ignore, reject, again, eager, unknown, expired, revoked)
    account = client.account

    received = {line["id"]: line for line in client.lines("received")}
    wanted = {"args": [7], "kwargs": {"note": 'é"\\'}, "queue": "named", "name": APP + "ok"}
    assert received[ok].items() >= wanted.items()
    assert received[ok].items() >= {"retries": 0, "eta": None, "root": ok, "parent": None}.items()
    assert received[ok]["redelivered"] is False
    assert received[fail].items() >= {"args": [], "kwargs": {}, "queue": "main"}.items()

    assert (only(account, ok).state, only(account, ok).error) == ("SUCCESS", None)
    assert (only(account, fail).state, only(account, fail).error) == ("FAILURE", "ValueError: no such letter")
    assert (only(account, ignore).state, only(account, reject).state) == ("IGNORED", "REJECTED")
    assert not only(account, reject).requeued
    tries = account.attempts(again)
    assert [(attempt.state, attempt.retries) for attempt in tries] == [
        ("RETRY", 0),
        ("RETRY", 1),
        ("SUCCESS", 2),
    ]
    assert "OSError('busy')" in (tries[0].error or "")
    assert only(account, eager).state == "SUCCESS"  # and of the tasks that it ran inside itself, no line
    for task_id, state in ((unknown, "FAILURE"), (expired, "REVOKED"), (revoked, "REVOKED")):
        task = account.task(task_id)
        assert task is not None
        assert (task.state, task.attempts) == (state, []), f"{state} of {task_id}"
    totals = account.totals()
    assert (totals.started, totals.running, totals.cut, totals.ran_twice) == (8, 0, 0, 0)
    assert (totals.succeeded, totals.failed, totals.retried, totals.revoked) == (3, 2, 2, 2)


def _results_and_tracebacks(client: Client) -> None:
    given = {"seven": 7, "long": "x" * 5000, "nothing": None}
    ids = {name: client.send("give", value) for name, value in given.items()}
    deep, short, again = client.send("dig", 300), client.send("fail"), client.send("again", 1)
    client.wait_for_end(*ids.values(), deep, short, again)
    ends = {line["id"]: line for line in client.lines("ended")}
    assert ends[ids["seven"]]["result"] == "7"
    assert (len(ends[ids["long"]]["result"]), ends[ids["long"]]["result"][-3:]) == (1024, "...")
    assert "result" not in ends[ids["nothing"]]
    assert not any("traceback" in ends[task_id] for task_id in ids.values())
    received = {line["id"]: line for line in client.lines("received")}
    assert (received[ids["long"]]["args"], received[ids["long"]].get("args_cut")) == (None, True)
    assert "args_cut" not in received[ids["seven"]]

    assert "result" not in ends[short]
    assert ends[short]["traceback"].startswith("Traceback (most recent call last):\n")
    assert "in fail\n" in ends[short]["traceback"]
    assert ends[short]["traceback"].endswith("ValueError: no such letter\n")
    long = ends[deep]["traceback"]
    assert len(long) < 6100
    assert "in step_1\n" in long
    assert " characters left out ...\n" in long
    assert long.endswith("in step_299\nKeyError: 'at the bottom'\n")
    (retry,) = (line for line in client.lines("ended") if line["id"] == again and line["state"] == "RETRY")
    assert 0 < retry["eta"] - retry["t"] < 0.06
    assert retry["traceback"].endswith("OSError('busy')\n")


def _endings_of_this_pool(pool: str, client: Client, tmp_path: Path) -> None:
    soft, hard = client.send("soft_limited", 1.5), client.send("hard_limited", 1.5)
    client.wait_for_end(soft, hard)
    soft_error = "SoftTimeLimitExceeded" if pool == "prefork" else ""
    for task_id, error in ((soft, soft_error), (hard, HARD_LIMIT.get(pool, ""))):
        attempt = only(client.account, task_id)
        assert attempt.state == ("FAILURE" if error else "SUCCESS")
        assert (attempt.error or "").startswith(error)
    if pool in CAN_TERMINATE:
        stopped = client.send("wait", 60)
        client.wait_for_start(stopped)
        client.revoke(stopped, terminate=True)
        client.wait_for_end(stopped)
        assert only(client.account, stopped).state == "REVOKED"
        assert "terminated" in (only(client.account, stopped).error or "")
    if pool == "prefork":
        vanished, left, once = client.send("vanish"), client.send("leave"), str(tmp_path / "once")
        client.wait_for_end(vanished, left)
        back = client.send("vanish_once", once)
        client.wait_for_end(back)
        account = client.account
        assert "WorkerLostError" in (only(account, vanished).error or "")
        assert (only(account, left).state, only(account, left).error) == ("FAILURE", "SystemExit: 3")
        first, second = account.attempts(back)
        assert (first.state, first.requeued, second.state) == ("REJECTED", True, "SUCCESS")
        assert first.pid != second.pid
        assert [line["redelivered"] for line in client.lines("received") if line["id"] == back] == [
            False,
            True,
        ]
    _no_attempt_ends_twice(client)


def _no_attempt_ends_twice(client: Client) -> None:
    starts = [(line["of"], line["id"]) for line in client.lines("started")]
    ends = [(line.get("pid", line["of"]), line["id"]) for line in client.lines("ended")]
    for end in ends:
        assert ends.count(end) <= max(starts.count(end), 1), f"ended more often than started: {end}"


def _cpu_times(pool: str, client: Client) -> None:
    burn, wait = client.send("burn", 0.3), client.send("wait", 0.5)
    client.wait_for_end(burn, wait)
    slices = [client.send("burn_in_slices", 5, 0.02, 0.02) for _ in range(2)]
    client.wait_for_end(*slices)
    account = client.account
    for task_id, least, most in ((burn, 0.3, 0.4), (wait, 0.0, 0.1), *((i, 0.1, 0.15) for i in slices)):
        cpu = only(account, task_id).cpu
        assert cpu is not None
        assert least <= cpu <= most
    if pool != "solo":
        one, other = (only(account, task_id) for task_id in slices)
        assert max(one.started, other.started) < min(one.ended or 0, other.ended or 0)  # they did interleave


def _two_runs_of_one_task(client: Client, tmp_path: Path) -> None:
    twice = str(uuid.uuid4())
    client.send("wait", 0.3, task_id=twice)
    client.send("wait", 0.9, task_id=twice)
    back = client.send("reject_once", str(tmp_path / "rejected"))
    client.wait_for_end(twice, back)
    eventually(lambda: not client.account.totals().running, "the second run has ended", every=0.05)
    account = client.account
    for task_id, states in ((twice, ["SUCCESS", "SUCCESS"]), (back, ["REJECTED", "SUCCESS"])):
        task, attempts = account.task(task_id), account.attempts(task_id)
        assert task is not None
        assert task.twice
        assert [attempt.state for attempt in attempts] == states
        for attempt in attempts:  # each end was given to the start that it belongs to
            assert attempt.ended is not None
            assert abs((attempt.ended - attempt.started) - (attempt.run or 0)) < 0.2


def _figures_of_the_pool(pool: str, client: Client, worker: Worker) -> None:
    slots = 1 if pool == "solo" else 2
    assert client.account.workers["w1"].ready_at is not None
    eventually(lambda: client.lines("pool")[-1]["busy"] == 0, "a line says that it is idle", every=0.05)
    burning = client.send("burn", 1.0)
    client.wait_for_end(burning)
    run = only(client.account, burning)
    seen = [line for line in client.lines("pool") if run.started <= line["t"] <= (run.ended or 0)]
    assert [line["busy"] for line in seen][-1:] == [1], "no line while the task computed"
    later = client.send("ok", countdown=1.5)  # first: eventlet's worker takes nothing while its pool is full
    waiting = [client.send("wait", 1.0) for _ in range(slots)]
    client.wait_for_start(*waiting)
    eventually(
        lambda: any(line["busy"] == slots and line["size"] == slots for line in client.lines("pool")[-5:]),
        "a line says that every slot is busy",
    )
    client.wait_for_end(*waiting, later)
    lines = client.lines("pool")
    assert (lines[-1]["min"], lines[-1]["max"]) == (None, None)
    assert any(line["scheduled"] == 1 for line in lines)
    children = {child.pid for child in psutil.Process(worker.pid).children()}
    assert set(lines[-1]["pids"]) == (children if pool == "prefork" else set())


def _killed(pool: str, client: Client, worker: Worker) -> None:
    before = client.account.totals()
    running = [client.send("wait", 60) for _ in range(1 if pool == "solo" else 2)]
    client.wait_for_start(*running)
    pids = [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]
    os.kill(worker.pid, signal.SIGKILL)
    worker.kill()
    eventually(lambda: not any(runs(pid) for pid in pids), "the pool processes are gone")
    account = client.account
    assert account.totals().succeeded == before.succeeded
    assert {attempt.task_id for attempt in account.cut("w1")} == set(running)
    totals = account.totals()
    assert (totals.cut, totals.running) == (len(running), 0)
    worker.start()
    again = client.send("ok")
    client.wait_for_end(again)
    assert (only(client.account, again).start, client.account.workers["w1"].start) == (2, 2)


def test_spawned_pool_processes(client: Client, start: Callable[..., Worker]) -> None:
    """A pool process that is a fresh interpreter has a file of its own too; a warm stop is announced."""
    os.environ["ENDINGS_START_METHOD"] = "spawn"
    try:
        worker = start("prefork", "-c", "1")
    finally:
        del os.environ["ENDINGS_START_METHOD"]
    ok = client.send("ok")
    client.wait_for_end(ok)
    (pool,) = (line for line in client.lines("open") if line["role"] == "pool")
    assert (only(client.account, ok).pid, pool["parent"], pool["node"]) == (
        pool["pid"],
        worker.pid,
        "w1@test",
    )
    assert worker.stop() == 0
    assert [line["how"] for line in client.lines("closing")] == ["warm"]


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_autoscale(pool: str, client: Client, start: Callable[..., Worker]) -> None:
    worker = start(pool, "--autoscale=3,1")
    waiting = [client.send("wait", 1.5) for _ in range(7)]  # gevent grows by one a second
    eventually(
        lambda: any((line["size"], line["busy"]) == (3, 3) for line in client.lines("pool")),
        "it has grown to three",
        every=0.05,
    )
    first = client.lines("pool")[0]
    assert (first["size"], first["min"], first["max"]) == (1, 1, 3)
    client.wait_for_end(*waiting)
    client.app.control.autoscale(2, 1, destination=NODE, reply=True, timeout=5)
    eventually(lambda: client.lines("pool")[-1]["max"] == 2, "the new bounds are told", every=0.05)
    worker.stop()


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_cold_stop_is_in_the_ledger(pool: str, client: Client, start: Callable[..., Worker]) -> None:
    worker = start(pool, "-c", "1")
    running = client.send("wait", 60)
    client.wait_for_start(running)
    assert worker.process is not None
    worker.process.send_signal(signal.SIGQUIT)
    worker.process.wait(30)
    attempt = only(client.account, running)
    assert (attempt.state, attempt.error) == ("RETRY", "cancelled by Celery")
    # gevent first kills what runs, and its handler never comes to say how it stops
    assert [line["how"] for line in client.lines("closing")] == ["cold" if pool == "prefork" else ""]
    _no_attempt_ends_twice(client)


def test_a_folder_that_vanishes(
    client: Client, start: Callable[..., Worker], ledger: Path, tmp_path: Path
) -> None:
    """The worker works on in silence, and the ledger goes on when the folder is there again."""
    start("threads", "-c", "1")
    shutil.rmtree(ledger)
    done = tmp_path / "done"
    client.send("wait", 0, str(done))
    eventually(done.exists, "a task runs without a ledger")
    ledger.mkdir()

    sent: set[str] = set()

    def written() -> bool:
        sent.add(client.send("ok"))
        return any(line["id"] in sent for line in client.lines("ended"))

    eventually(written, "the ledger goes on", every=0.3)
    assert [line["role"] for line in client.lines("open")] == ["main"]  # the first line of a new file


def test_a_folder_that_cannot_be_written(
    client: Client, start: Callable[..., Worker], tmp_path: Path
) -> None:
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    start("solo", ledger=nowhere)
    done = tmp_path / "done"
    client.send("wait", 0, str(done))
    eventually(done.exists, "a task runs without a ledger")
    assert "Traceback" not in (tmp_path / "w1.log").read_text()


def test_without_its_environment_it_does_nothing(
    client: Client, start: Callable[..., Worker], ledger: Path, tmp_path: Path
) -> None:
    start("threads", "-c", "1", ledger=None)
    done = tmp_path / "done"
    client.send("wait", 0, str(done))
    eventually(done.exists, "a task runs")
    assert list(ledger.iterdir()) == []


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_on_a_full_disk(
    pool: str, client: Client, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """It works on; when there is room again it tells how much is missing."""
    worker = start(pool, "-c", "1")
    client.wait_for_end(client.send("ok"))
    main = psutil.Process(worker.pid)
    processes = [main, *main.children()]
    for process in processes:
        process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    done = tmp_path / "done"
    unseen = client.send("wait", 0, str(done))
    eventually(done.exists, "a task runs that cannot be recorded")
    for process in processes:
        process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    eventually(lambda: client.lines("dropped"), "the main process tells", within=20)
    client.wait_for_end(client.send("ok"))
    dropped = client.lines("dropped")
    # The pool process of prefork does when it next has something to write, with one line for start and end.
    assert {line["of"] for line in dropped} == {process.pid for process in processes}
    assert sum(line["count"] for line in dropped) >= 3, dropped  # received, started, ended
    assert {line["why"] for line in dropped} == {"EFBIG"}
    account = client.account
    assert account.task(unseen) is None
    assert account.dropped.until("w1", 1) == max(line["t"] for line in dropped)
