"""A desk attached to real workers that it did not start: what it shows, what it can do, what it lacks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from desktop.engine.api import (
    DeskError,
    StackState,
    State,
    StopHow,
    TaskQuery,
    TaskShare,
    TaskState,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.runs.catalog import all_runs
from desktop.engine.stack.model import Pool, StackSpec, WorkerSpec
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually, runs
from tests.support_apps.workers import Worker

APP = "tests.support_apps.endings"
BEAT = "--heartbeat-interval=1"


@pytest.fixture
def start_worker(valkey: ValkeyServer, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(name: str, pool: str, *options: str) -> Worker:
        started.append(Worker(valkey.url, pool, tmp_path, BEAT, *options, ledger=None, service=name))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def desk(nothing_left: None) -> Iterator[LocalDesk]:
    made = LocalDesk(StackSpec(name="mine"))
    yield made
    made.close()


def worker_of(desk: LocalDesk, name: str) -> WorkerSnapshot:
    found = desk.snapshot().worker(name)
    assert found is not None, name
    return found


def states(desk: LocalDesk) -> dict[str, list[TaskState]]:
    """The states of the recorded tasks, by their bare names."""
    record = desk.record()
    found: dict[str, list[TaskState]] = {}
    if record is not None:
        for row in record.tasks(TaskQuery(descending=False), 0, 1000).result(10).rows:
            found.setdefault(row.name.rpartition(".")[2], []).append(row.state)
    return found


def refused(verb: Future[Any]) -> str:
    with pytest.raises(DeskError) as raised:
        verb.result(10)
    return str(raised.value)


def test_a_stack_that_somebody_else_started(
    valkey: ValkeyServer, desk: LocalDesk, start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    # Heartbeats and events of one worker, heartbeats only of the other.
    telling = start_worker("w1", "prefork", "-E", "-c", "2", "-Q", "main")
    mute = start_worker("w2", "solo", "-Q", "named")
    with ThreadPoolExecutor() as both:
        list(both.map(Worker.start, (telling, mute)))
    app = Celery("sender", broker=valkey.url, set_as_current=False)
    begun = tmp_path / "begun"

    def send(name: str, *args: Any, queue: str = "main", **kwargs: Any) -> str:
        return str(app.send_task(f"{APP}.{name}", args, kwargs, queue=queue).id)

    early = send("wait", 60, path=str(begun))
    eventually(begun.exists, "a task runs before we come")

    said = desk.attach(valkey.url).result(20)
    assert said == f"Attached to 127.0.0.1:{valkey.port}/0: 2 workers answer."
    eventually(lambda: len(desk.snapshot().workers) == 2, "both workers are heard")
    eventually(lambda: all(w.queues for w in desk.snapshot().workers), "they told what they consume")
    shown = desk.snapshot()
    assert shown.attached == f"127.0.0.1:{valkey.port}/0"
    assert valkey.password not in repr(shown)
    first = worker_of(desk, "w1@test")
    assert (first.spec.pool, first.pool_size, first.queues, first.service.pid) == (
        *(Pool.PREFORK, 2, ("main",)),
        telling.pid,
    )
    assert worker_of(desk, "w2@test").spec.pool is Pool.SOLO
    assert shown.broker is not None
    assert shown.broker.server.startswith(("Valkey", "Redis"))

    # What ran before is known from the worker's own answer; what it runs now from its events.
    eventually(lambda: [task.id for task in worker_of(desk, "w1@test").running] == [early], "what it runs")
    for _ in range(2):
        send("ok")
    for name in ("fail", "again", "reject", "ignore"):
        send(name)
    ended = {"ok": 2, "fail": 1, "again": 1, "reject": 1}
    eventually(lambda: all(len(states(desk).get(n, ())) == c for n, c in ended.items()), "they are recorded")
    eventually(lambda: all(s.over for n in ended for s in states(desk)[n]), "and over")
    found = states(desk)
    assert found["ok"] == [TaskState.SUCCESS] * 2
    assert (found["fail"], found["again"]) == ([TaskState.FAILURE], [TaskState.SUCCESS])
    assert found["reject"] == [TaskState.REJECTED]
    # On this machine a worker is measured too.
    eventually(lambda: worker_of(desk, "w1@test").service.memory > 0, "its memory is known")
    assert len(desk.series("memory:w1@test").t)

    # A worker without -E: said so, and mended with one verb.
    for _ in range(3):
        send("ok", queue="named")
    eventually(lambda: worker_of(desk, "w2@test").mute, "it is known to be mute")
    eventually(lambda: "w2@test sends no events" in " ".join(desk.snapshot().gaps), "and that is said")
    assert "1 worker will send task events" in desk.enable_events("w2@test").result(10)
    before = desk.snapshot().totals.succeeded
    send("ok", queue="named")
    eventually(lambda: desk.snapshot().totals.succeeded == before + 1, "now its tasks are heard")
    eventually(lambda: not worker_of(desk, "w2@test").mute, "and it is mute no more")
    # Celery tells no end of an ignored task: it does not stay active for ever.
    eventually(lambda: states(desk)["ignore"] == [TaskState.UNKNOWN], "the ignored task is unknown")

    assert_verbs(desk, telling)
    number = desk.submit(Workload((TaskShare(f"{APP}.ok", queue="main"),), count=50)).result(10)
    eventually(lambda: next(x for x in desk.snapshot().loads if x.id == number).ended == 50, "our load ran")

    # Its end is seen on this machine. Nobody claims that what it ran is lost.
    telling.kill()
    eventually(lambda: worker_of(desk, "w1@test").service.state is State.EXITED, "its end is seen")
    assert desk.snapshot().state is StackState.TROUBLED
    eventually(lambda: states(desk)["wait"] == [TaskState.UNKNOWN], "what it ran is unknown", within=10)
    assert "asked to stop warm" in desk.stop_service("w2@test").result(10)
    eventually(lambda: worker_of(desk, "w2@test").service.state is State.STOPPED, "the other one stopped")
    assert mute.process is not None
    assert mute.process.wait(10) == 0

    # Detached, the stack that is open is shown again; the run stays.
    folder = desk.snapshot().run_folder
    assert "nothing of it was stopped" in desk.stop(StopHow.KILL).result(20)
    assert valkey.running
    assert (desk.snapshot().attached, desk.snapshot().spec.name) == ("", "mine")
    [run] = all_runs()
    assert (run.folder, run.stack, run.problem, run.clean) == (folder, shown.attached, "", True)
    leaks = [f for f in run.folder.rglob("*") if f.is_file() and valkey.password.encode() in f.read_bytes()]
    assert not leaks
    desk.open_run(run.folder).result(20)
    assert desk.snapshot().recorded == run.folder
    reopened = desk.snapshot()
    assert reopened.spec.name == shown.attached
    assert any("was missed" in gap for gap in reopened.gaps), "what the record does not know is in it"
    assert not any("not understood" in gap for gap in reopened.gaps)
    assert {w.name: w.spec.pool for w in reopened.workers} == {"w1@test": Pool.PREFORK, "w2@test": Pool.SOLO}
    assert not any(worker.command for worker in reopened.workers), "nobody knows how they were started"


def assert_verbs(desk: LocalDesk, worker: Worker) -> None:
    """What remote control can do is done; the rest is refused in words."""
    name = "w1@test"
    spec = worker_of(desk, name).spec
    assert "consumes extra too" in desk.add_queue(name, "extra").result(10)
    eventually(lambda: "extra" in worker_of(desk, name).queues, "it consumes the queue")
    assert desk.live_change(name, dataclasses.replace(worker_of(desk, name).spec, concurrency=3))[0]
    for verb in (
        desk.start(),
        desk.start_service(name),
        desk.restart_service(name),
        desk.stop_service(name, StopHow.KILL),
        desk.stop_service(name, StopHow.COLD),
        desk.send_signal(name, "KILL"),
        desk.add_worker(WorkerSpec("w9")),
        desk.save_stack(),
    ):
        assert "started by somebody else" in refused(verb)
    assert "not ours to restart" in refused(desk.edit_worker(name, dataclasses.replace(spec, pool=Pool.SOLO)))
    assert "not ours to remove" in refused(desk.remove_worker(name))
    assert "Detach to" in refused(desk.open_stack("laptop"))
    assert desk.signal_offers(name) == ()
    assert runs(worker.pid)
    assert f"{APP}.ok" in [task.name for task in desk.catalog().result(10)]


def test_a_broker_that_cannot_be_reached_is_not_taken(desk: LocalDesk, valkey: ValkeyServer) -> None:
    wrong = valkey.url.replace(valkey.password, "wr0ng")
    assert "password" in refused(desk.attach(wrong))
    assert "wr0ng" not in refused(desk.attach(wrong))
    valkey.kill()
    assert "cannot be reached" in refused(desk.attach(valkey.url))
    assert "cannot attach" in refused(desk.attach("amqp://guest@localhost"))
    assert (desk.snapshot().attached, desk.snapshot().state) == ("", StackState.STOPPED)
    assert not all_runs()


def test_a_broker_that_dies_while_we_are_attached(
    desk: LocalDesk, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.engine.attach.reach.LISTEN", 0.1)
    monkeypatch.setattr("desktop.engine.desk.attach_verbs.HEARD_WITHIN", 0.1)
    assert "where no worker is heard yet" in desk.attach(valkey.url).result(10)
    eventually(lambda: desk.snapshot().state is StackState.RUNNING, "it is watched")
    valkey.kill()
    eventually(lambda: desk.snapshot().state is StackState.TROUBLED, "its end is seen")
    broker = desk.snapshot().broker
    assert broker is not None
    assert "cannot be reached" in broker.service.detail
    valkey.start()
    eventually(lambda: desk.snapshot().state is StackState.RUNNING, "it is read again")
    eventually(lambda: any("was restarted" in gap for gap in desk.snapshot().gaps), "the gap is told")
