"""The engine through its one interface: a real stack shaped while it runs, adopted, stopped each way."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from desktop.engine.api import (
    DeskError,
    Light,
    LoadState,
    MarkKind,
    ServiceEvent,
    StackState,
    State,
    StopHow,
    TaskShare,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from desktop.engine.stack.parse import parse_stack, read_stack
from desktop.engine.supervise.session import Record, Session
from tests.support.up import Up
from tests.support.waiting import eventually, runs

STACK = """
# What a person wrote.
name = "desk"
[[worker]]
name = "w1"
pool = "prefork"
autoscale = { min = 1, max = 3 }
autoscale_keepalive = 2
"""


@pytest.fixture
def open_desk(tmp_path: Path, nothing_left: None) -> Iterator[Callable[[str], LocalDesk]]:
    desks: list[LocalDesk] = []

    def make(text: str = STACK) -> LocalDesk:
        file = tmp_path / f"stack{len(desks)}.toml"
        file.write_text(text)
        desks.append(LocalDesk(read_stack(file)))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


def worker(desk: LocalDesk, name: str) -> WorkerSnapshot:
    found = desk.snapshot().worker(name)
    assert found is not None, name
    return found


def solo_file(folder: Path) -> Path:
    file = folder / "solo.toml"
    file.write_text('name = "solo"\n[[worker]]\nname = "w1"\npool = "solo"\n')
    return file


def sleeping(seconds: float, count: int, queue: str | None = None) -> Workload:
    return Workload((TaskShare("tasks.sleep", kwargs={"seconds": seconds}, queue=queue),), count=count)


def test_a_stack_is_shaped_while_it_runs(open_desk: Callable[[str], LocalDesk], tmp_path: Path) -> None:
    desk = open_desk(STACK)
    before = desk.snapshot()
    assert (before.state, before.workers[0].bounds, before.broker) == (StackState.STOPPED, (1, 3), None)
    assert before.workers[0].command.startswith("AUTOSCALE_KEEPALIVE=2 celery -A tasks.app worker -n w1@desk")
    said = desk.start().result(60)
    assert "the broker and 1 worker answer" in said
    running = desk.snapshot()
    assert running.state is StackState.RUNNING
    assert (running.workers[0].service.process, running.workers[0].service.answers) == (Light.ON, Light.ON)

    # Autoscale, live: it grows to its bound under load, gets another bound, and shrinks again.
    pid = running.workers[0].service.pid
    load = desk.submit(sleeping(0.2, 40)).result(20)
    eventually(lambda: worker(desk, "w1").pool_size == 3, "the pool grows to its bound")
    assert worker(desk, "w1").running[0].name == "tasks.sleep"
    spec = worker(desk, "w1").spec
    possible, _ = desk.live_change("w1", dataclasses.replace(spec, autoscale=Autoscale(2, 4)))
    assert possible
    desk.edit_worker("w1", dataclasses.replace(spec, autoscale=Autoscale(2, 4))).result(20)
    eventually(lambda: worker(desk, "w1").bounds == (2, 4), "the worker has its new bounds")
    eventually(lambda: desk.snapshot().loads[0].ended == 40, "the load is done", within=60)
    assert (desk.snapshot().loads[0].id, desk.snapshot().loads[0].sent) == (load, 40)
    eventually(lambda: worker(desk, "w1").pool_size == 2, "the pool shrinks to its lower bound", within=60)
    assert worker(desk, "w1").service.pid == pid
    eventually(lambda: len(worker(desk, "w1").processes) == 2, "two pool processes are left")

    # A change that needs a restart says so and does it.
    solo = WorkerSpec(name="w1", pool=Pool.SOLO)
    possible, why = desk.live_change("w1", solo)
    assert not possible
    assert "restart" in why
    desk.edit_worker("w1", solo).result(60)
    assert worker(desk, "w1").service.pid != pid
    assert worker(desk, "w1").spec.pool is Pool.SOLO

    # Another worker, another queue.
    desk.add_worker(WorkerSpec(name="w2", pool=Pool.THREADS, concurrency=2, queues=("other",))).result(20)
    eventually(lambda: worker(desk, "w2").service.state is State.READY, "w2 answers")
    desk.add_queue("w1", "more").result(20)
    desk.submit(sleeping(0.01, 5, "more")).result(20)
    eventually(lambda: worker(desk, "w1").done >= 45, "the new queue is consumed")
    desk.cancel_queue("w1", "more").result(20)
    desk.submit(sleeping(0.01, 3, "more")).result(20)
    more = lambda: {q.name: q for q in desk.snapshot().queues}["more"]  # noqa: E731
    # A request for the next message that was under way when the queue was cancelled may still get one.
    eventually(lambda: more().waiting >= 2, "nobody consumes it any more")
    assert more().consumers == ()
    with pytest.raises(DeskError, match="already"):
        desk.add_worker(WorkerSpec(name="w2")).result(20)
    desk.remove_worker("w2").result(60)
    assert desk.snapshot().worker("w2") is None

    # What the window changed is written into the file, comments kept.
    assert desk.snapshot().dirty
    desk.save_stack().result(10)
    text = (tmp_path / "stack0.toml").read_text()
    assert text.startswith("\n# What a person wrote.")
    assert parse_stack(text).workers == desk.spec().workers
    assert not desk.snapshot().dirty

    # What a person stopped stays stopped.
    desk.stop_service("w1").result(60)
    assert worker(desk, "w1").service.state is State.STOPPED
    desk.start_service("w1").result(10)
    eventually(lambda: worker(desk, "w1").service.state is State.READY, "w1 answers again")
    assert {m.kind for m in desk.snapshot().marks} >= {
        MarkKind.STARTED,
        MarkKind.READY,
        MarkKind.SETTINGS,
        MarkKind.LOAD,
    }
    assert any(line.service == "w1" and "ready." in line.text for line in desk.log_lines(limit=20_000))
    assert len(desk.series("cpu:w1").t) > 3
    desk.stop().result(60)
    assert desk.snapshot().state is StackState.STOPPED


def test_a_warm_stop_waits_and_a_person_may_go_cold_or_kill(open_desk: Callable[[str], LocalDesk]) -> None:
    desk = open_desk('name = "slow"\n[[worker]]\nname = "w1"\npool = "threads"\nconcurrency = 2\n')
    heard: list[ServiceEvent] = []
    desk.subscribe(heard.append)
    desk.start().result(60)
    desk.submit(sleeping(30, 2)).result(20)
    eventually(lambda: worker(desk, "w1").busy == 2, "both threads are busy")
    stopping = desk.stop()
    eventually(lambda: worker(desk, "w1").waiting_for == 2, "it waits for two tasks")
    assert worker(desk, "w1").service.state is State.STOPPING
    assert worker(desk, "w1").service.detail.startswith("waiting for 2 tasks")
    assert not stopping.done()
    desk.stop(StopHow.KILL).result(20)
    assert stopping.result(5)
    sentence = next(e.detail for e in heard if e.service == "w1" and e.state is State.EXITED)
    assert "was killed by SIGKILL" in sentence
    assert sentence.endswith("while it ran 2 tasks")
    eventually(lambda: desk.snapshot().totals.cut == 2, "both runs are cut")


def test_a_pool_process_is_killed_and_told(open_desk: Callable[[str], LocalDesk]) -> None:
    desk = open_desk('name = "kids"\n[[worker]]\nname = "w1"\nconcurrency = 2\n')
    desk.start().result(60)
    desk.submit(sleeping(20, 1)).result(20)
    busy = eventually(
        lambda: next((p for p in worker(desk, "w1").processes if p.task_id), None),
        "a pool process runs the task",
    )
    offers = {offer.signal: offer for offer in desk.signal_offers("w1", busy.pid)}
    assert set(offers) == {"TERM", "INT", "QUIT", "KILL", "STOP", "CONT"}
    assert offers["KILL"].destructive
    desk.send_signal("w1", "KILL", busy.pid).result(10)
    eventually(lambda: desk.snapshot().totals.failed == 1, "the worker tells of its lost process")
    mark = eventually(
        lambda: next((m for m in desk.snapshot().marks if m.kind is MarkKind.KILLED), None),
        "a mark on the time line",
    )
    assert f"pool process {busy.pid} of w1 was ended by SIGKILL" in mark.text
    assert not runs(busy.pid)
    with pytest.raises(DeskError, match="no pool process"):
        desk.send_signal("w1", "KILL", os.getpid()).result(10)


def test_a_load_is_paused_resumed_and_cancelled(open_desk: Callable[[str], LocalDesk]) -> None:
    desk = open_desk('name = "load"\n[[worker]]\nname = "w1"\npool = "solo"\n')
    with pytest.raises(DeskError, match="not running"):
        desk.submit(sleeping(0, 1)).result(10)
    desk.start().result(60)
    number = desk.submit(Workload((TaskShare("tasks.noop"),), rate=50.0)).result(10)
    state = lambda: desk.snapshot().loads[0]  # noqa: E731
    eventually(lambda: state().sent > 10, "it sends")
    desk.pause_load(number)
    eventually(lambda: state().state is LoadState.PAUSED, "it pauses")
    desk.resume_load(number)
    eventually(lambda: state().state is LoadState.SENDING, "it goes on")
    desk.cancel_load(number)
    eventually(lambda: state().state is LoadState.CANCELLED, "it is over")
    sent = state().sent
    eventually(lambda: desk.snapshot().totals.succeeded == sent, "all that was sent is done")
    assert desk.snapshot().totals.submitted == sent


def test_the_catalog_tells_the_sample_tasks(open_desk: Callable[[str], LocalDesk]) -> None:
    tasks = {task.name: task for task in open_desk(STACK).catalog().result(30)}
    assert {"tasks.primes", "tasks.http", "tasks.mixed", "tasks.flaky", "tasks.crash"} <= set(tasks)
    assert all(task.summary for task in tasks.values())


def test_another_stack_is_taken_only_when_stopped(open_desk: Callable[[str], LocalDesk]) -> None:
    desk = open_desk('name = "one"\n[[worker]]\nname = "w1"\npool = "solo"\n')
    desk.start().result(60)
    with pytest.raises(DeskError, match="still runs"):
        desk.open_stack("gevent").result(10)
    desk.stop().result(60)
    desk.open_stack("gevent").result(10)
    assert desk.snapshot().spec.name == "gevent"
    with pytest.raises(DeskError):
        desk.open_stack("nothing").result(10)
    assert desk.snapshot().spec.name == "gevent"


def test_a_shipped_stack_is_saved_under_a_name_of_ones_own(nothing_left: None, tmp_path: Path) -> None:
    desk = LocalDesk(read_stack("laptop"))
    try:
        with pytest.raises(DeskError, match="came with the program"):
            desk.save_stack().result(10)
        mine = tmp_path / "mine.toml"
        desk.save_stack(mine).result(10)
        assert read_stack(mine).workers == read_stack("laptop").workers
    finally:
        desk.close()


def test_adopting_what_a_crashed_panel_left(open_desk: Callable[[str], LocalDesk], tmp_path: Path) -> None:
    file = solo_file(tmp_path)
    file.write_text(f"{file.read_text()}[broker]\nrelay = true\n")
    crashed = Up(file)
    ready = crashed.wait_all_ready("broker", "w1")
    guardians = [
        child.pid
        for child in psutil.Process(crashed.process.pid).children()
        if "guardian" in " ".join(child.cmdline())
    ]
    os.kill(crashed.process.pid, signal.SIGSTOP)
    os.kill(guardians[0], signal.SIGKILL)
    crashed.kill()
    assert runs(ready["w1"]["pid"])
    desk = open_desk(STACK)
    (left,) = eventually(lambda: desk.snapshot().leftovers, "the leftovers are found")
    assert (left.stack, left.adoptable) == ("solo", True)
    assert dict(left.processes)["w1"] == ready["w1"]["pid"]
    desk.resolve_leftover(left.session, "adopt").result(20)
    eventually(lambda: worker(desk, "w1").service.state is State.READY, "the adopted worker answers")
    assert worker(desk, "w1").service.pid == ready["w1"]["pid"]
    relay = desk.snapshot().relay
    assert relay is not None
    assert relay.state is State.READY, "another one, where the worker looks for it"
    assert desk.snapshot().leftovers == ()
    os.kill(ready["w1"]["pid"], signal.SIGKILL)
    eventually(lambda: worker(desk, "w1").service.restarts == 1, "it is supervised: started again")
    eventually(lambda: worker(desk, "w1").service.state is State.READY, "it answers again")
    desk.stop().result(60)
    assert not runs(ready["broker"]["pid"])
    record = desk.record()
    assert record is not None
    eventually(lambda: not record.live and record.info.clean, "the crashed panel's record was gone on with")
    started = [mark.text for mark in record.marks() if mark.kind is MarkKind.STARTED and mark.service == "w1"]
    assert started == ["w1 started", "w1 started (restart 1)"]


def test_a_stack_goes_on_while_its_session_cannot_be_written(
    open_desk: Callable[[str], LocalDesk], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_session: Session, _record: Record) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk = open_desk('name = "solo"\n[[worker]]\nname = "w1"\npool = "solo"\n')
    desk.start().result(60)
    with monkeypatch.context() as disk:
        disk.setattr(Session, "write", full)
        assert "w1 was restarted" in desk.restart_service("w1", StopHow.KILL).result(60)
    assert "the session file cannot be written: No space left" in caplog.text
    assert "stopped" in desk.stop(StopHow.KILL).result(60)
