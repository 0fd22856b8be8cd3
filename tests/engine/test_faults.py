"""Faults on living stacks: each landed where it should, is proved, kept, and undone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil
import pytest

from desktop.engine.api import (
    DeskError,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Light,
    MarkKind,
    Pick,
    StackState,
    State,
    Target,
    TaskShare,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.faults.kept import read_faults
from desktop.engine.faults.life import Faults
from desktop.engine.messages.link import Link
from desktop.engine.observe.proc import is_frozen
from desktop.engine.stack.parse import parse_stack
from tests.support.waiting import eventually, runs

STACK = """
name = "lab"
[celery]
task_acks_late = true
task_reject_on_worker_lost = true
worker_prefetch_multiplier = 1
worker_soft_shutdown_timeout = 0.5
[celery.broker_transport_options]
visibility_timeout = 3
unacked_restore_interval = 1
unacked_restore_throttle = 1
[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
[[worker]]
name = "w2"
pool = "threads"
concurrency = 2
queues = ["other"]
"""
K = FaultKind
W1, W2 = Target(Pick.NAME, "w1"), Target(Pick.NAME, "w2")


class Lab:
    """A desk whose faults are looked at."""

    def __init__(self) -> None:
        self.desk = LocalDesk(parse_stack(STACK))

    def inject(
        self,
        kind: FaultKind,
        target: Target = Target(),  # noqa: B008
        *,
        by_drill: bool = False,
        **more: object,
    ) -> FaultRecord:
        spec = FaultSpec(kind, target, **more)  # type: ignore[arg-type]
        number = self.desk.inject(spec, by_drill=by_drill).result(60)
        record = self.record(number)
        assert record.landed
        assert record.forecast is not None
        assert record.asked_at <= (record.landed_at or 0)
        return record

    def missed(self, kind: FaultKind, target: Target = Target(), **more: object) -> str:  # noqa: B008
        with pytest.raises(DeskError) as error:
            self.desk.inject(FaultSpec(kind, target, **more)).result(60)  # type: ignore[arg-type]
        last = self.desk.snapshot().faults[-1]
        assert last.state is FaultState.MISSED
        assert last.text == str(error.value)
        return last.text

    def record(self, number: int) -> FaultRecord:
        return next(one for one in self.desk.snapshot().faults if one.id == number)

    def over(self, record: FaultRecord, within: float = 30.0) -> FaultRecord:
        what = f"{record.spec.kind} is over"
        eventually(lambda: self.record(record.id).state is FaultState.OVER, what, within)
        return self.record(record.id)

    def worker(self, name: str) -> WorkerSnapshot:
        found = self.desk.snapshot().worker(name)
        assert found is not None, name
        return found

    def pid(self, name: str) -> int:
        return self.worker(name).service.pid or 0

    def ready(self, name: str, not_pid: int = 0) -> None:
        def is_ready() -> bool:
            service = self.worker(name).service
            return service.state is State.READY and service.pid != not_pid

        eventually(is_ready, f"{name} is ready", within=60)

    def sleep(self, seconds: float, count: int, queue: str = "celery") -> None:
        share = TaskShare("tasks.sleep", kwargs={"seconds": seconds}, queue=queue)
        self.desk.submit(Workload((share,), count=count)).result(20)

    def busy(self, name: str, count: int = 2) -> None:
        eventually(lambda: len(self.worker(name).running) == count, f"{name} runs {count} tasks")


@pytest.fixture
def lab(nothing_left: None) -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.desk.close()


def test_processes_and_workers_are_broken_and_mended(lab: Lab) -> None:
    with pytest.raises(DeskError, match="not running"):
        lab.desk.inject(FaultSpec(K.KILL_WORKER)).result(5)
    assert lab.desk.forecast(FaultSpec(K.KILL_WORKER)).impossible
    lab.desk.start().result(60)
    lab.sleep(60.0, 4)
    lab.busy("w1")

    # A pool process: the busiest worker's, with its task; a pid that is none of its is refused.
    killed = lab.inject(K.KILL_PROCESS)
    assert killed.targets == ("w1",)
    assert not runs(killed.pids[0])
    assert killed.text == f"SIGKILL to pool process {killed.pids[0]} of w1, while it ran tasks.sleep"
    assert (killed.state, killed.ended_at) == (FaultState.OVER, killed.landed_at)
    assert "no pool process" in lab.missed(K.KILL_PROCESS, Target(Pick.NAME, "w1", os.getpid()))
    assert "no pool processes" in lab.missed(K.FREEZE_PROCESS, W2)
    frozen = lab.inject(K.FREEZE_PROCESS, W1, seconds=0.3)
    ended = lab.over(frozen)
    assert not is_frozen(frozen.pids[0])
    assert 0.3 <= (ended.ended_at or 0) - (ended.landed_at or 0) < 5

    # A worker frozen until it is undone by hand; what needs its attention is refused meanwhile.
    frozen = lab.inject(K.FREEZE_WORKER, Target(Pick.RUNS, "tasks.sleep"), seconds=0)
    assert (frozen.state, frozen.ends_at) == (FaultState.UNDER_WAY, None)
    assert is_frozen(lab.pid("w1"))
    assert lab.worker("w1").service.process is Light.FROZEN
    assert "frozen already" in lab.missed(K.FREEZE_WORKER, W1)
    assert "frozen" in lab.missed(K.WARM, W1)
    assert "SIGCONT to w1" in lab.desk.undo_fault(frozen.id).result(10)
    assert not is_frozen(lab.pid("w1"))
    for number, told in ((frozen.id, "over already"), (99, "no fault 99")):
        with pytest.raises(DeskError, match=told):
            lab.desk.undo_fault(number).result(10)

    # A worker: killed and started again by its policy; stopped as a deployment does it, and left so.
    eventually(lambda: len(lab.worker("w1").processes) == 2, "the killed process is replaced")
    pid = lab.pid("w1")
    killed = lab.inject(K.KILL_WORKER, W1)
    assert killed.pids[0] == pid
    assert len(killed.pids) == 3
    assert not any(runs(one) for one in killed.pids)
    assert "3 processes), while it ran 2 tasks" in killed.text
    pid = lab.pid("w2")
    term = lab.inject(K.TERM_GROUP, W2)
    assert term.pids == (pid,)
    lab.ready("w2", not_pid=pid)
    lab.ready("w1", not_pid=killed.pids[0])
    soft = lab.inject(K.SOFT, W1, options={"then": "stay"})
    assert soft.text.startswith(f"SIGQUIT to w1 (pid {soft.pids[0]})")
    eventually(lambda: lab.worker("w1").service.state is State.STOPPED, "w1 stays stopped")
    assert "w1 has no process" in lab.missed(K.KILL_WORKER, W1)

    # Two of one name, and a log that takes no line: tasks run all the same. Both end with the stack.
    pid = lab.pid("w2")
    twin = lab.inject(K.NODE_NAME, W2, seconds=0)
    assert lab.worker("w2-twin").node == lab.worker("w2").node
    assert twin.pids == (lab.pid("w2-twin"),)
    full = lab.inject(K.DISK_FULL, W2, seconds=0)
    assert os.readlink(f"/proc/{lab.pid('w2')}/fd/1") == "/dev/full"
    assert "cannot shrink" in lab.missed(K.SHRINK, W2)
    lab.ready("w2", not_pid=pid)
    assert "w2-twin stopped warm" in lab.desk.undo_fault(twin.id).result(30).lower()
    assert lab.desk.snapshot().worker("w2-twin") is None
    done = lab.worker("w2").done
    lab.sleep(0.01, 6, "other")
    eventually(lambda: lab.worker("w2").done >= done + 6, "tasks run on a full disk")

    folder = lab.desk.snapshot().run_folder
    assert folder is not None
    lab.desk.stop().result(60)
    faults = lab.desk.snapshot().faults
    assert {one.state for one in faults} == {FaultState.OVER, FaultState.MISSED}
    assert read_faults(folder) == faults
    assert "has a log again" in lab.record(full.id).text
    marks = [mark.text for mark in lab.desk.snapshot().marks if mark.kind is MarkKind.FAULT]
    assert killed.text in marks
    assert any("missed" in text for text in marks)
    with pytest.raises(DeskError, match="not running"):
        lab.desk.inject(FaultSpec(K.KILL_WORKER)).result(5)


def test_the_broker_and_what_it_holds_are_broken_and_mended(lab: Lab) -> None:
    lab.desk.start().result(60)

    # Cut: workers' connections go, ours stay.
    cut = lab.inject(K.CUT_CLIENTS)
    assert "those of w1 and w2 among them" in cut.text
    link = Link(lab.desk.broker_url)
    names = link.ask(lambda client: [one["name"] for one in client.client_list()])
    assert names is not None
    assert sum(name.startswith("celery-desk") for name in names) >= 2

    # Full: every write is refused, until both limits are as before.
    full = lab.inject(K.FILL_BROKER, seconds=0)
    assert "noeviction" in full.text
    told = link.ask(lambda client: client.config_get("maxmemory*"))
    assert told is not None
    assert int(told["maxmemory"] or 0) > 0
    lab.desk.undo_fault(full.id).result(10)
    assert link.ask(lambda client: client.config_get("maxmemory")) == {"maxmemory": "0"}

    # Flushed.
    lab.sleep(0.01, 5, "nobody")
    eventually(lambda: link.ask(lambda client: client.llen("nobody")) == 5, "five messages wait")
    assert "deleted" in lab.inject(K.FLUSH_BROKER).text
    assert link.ask(lambda client: client.llen("nobody")) == 0
    link.close()

    # Down for exactly as long as was asked, though its policy would start it at once; then frozen.
    killed = lab.inject(K.KILL_BROKER, seconds=1.5)
    assert not runs(killed.pids[0])
    assert lab.desk.snapshot().state is StackState.TROUBLED
    ended = lab.over(killed)
    assert ended.ended_at is not None
    assert ended.ends_at is not None
    assert 0 <= ended.ended_at - ended.ends_at < 2
    eventually(lambda: lab.desk.snapshot().state is StackState.RUNNING, "workers are back", within=60)
    frozen = lab.inject(K.FREEZE_BROKER, seconds=0.2)
    lab.over(frozen)
    assert not is_frozen(frozen.pids[0])

    # A clock of kills, each a fault of its own; and tasks that end the process they run in.
    pids = (lab.pid("w1"), lab.pid("w2"))
    rolling = lab.inject(K.ROLLING, options={"kills": 2, "mean": 0.1, "least": 0.1}, seed=4)
    ended = lab.over(rolling, within=60)
    assert (ended.targets, "2 kills done" in ended.text) == (("w1", "w2"), True)
    assert not any(runs(one) for one in pids)
    each = [one for one in lab.desk.snapshot().faults if one.spec.kind is K.KILL_WORKER]
    assert [one.targets for one in each] == [("w1",), ("w2",)]
    lab.ready("w2", not_pid=pids[1])
    pid = lab.pid("w2")
    poison = lab.inject(K.POISON, W2, options={"count": 1, "after": 0.0})
    assert poison.text == "1 task tasks.crash sent to other"
    eventually(lambda: not runs(pid), "the poison ended the worker")

    # A broker that is down for a fault stays so while the stack stops.
    pid = lab.inject(K.STOP_BROKER, seconds=0).pids[0]
    assert not psutil.pid_exists(pid)
    lab.desk.stop().result(60)
    assert lab.desk.snapshot().faults[-1].text.endswith("it was not started again")
    started = [
        mark
        for mark in lab.desk.snapshot().marks
        if mark.service == "broker" and mark.kind is MarkKind.STARTED
    ]
    assert len(started) == 2


def test_what_is_under_way_ends_with_its_panel(lab: Lab) -> None:
    lab.desk.start().result(60)

    # What a panel that crashed left frozen goes on when its run is taken over.
    left = lab.inject(K.FREEZE_WORKER, W1, seconds=0, by_drill=True)
    assert left.by_drill
    run = lab.desk._running()
    later = Faults(
        run.live,
        submit=run.loads.submit,
        draw=lab.desk.snapshot,
        foresee=lab.desk._foresee,
        changed=lambda: None,
    )
    later.take_over()
    later.close()
    assert not is_frozen(left.pids[0])
    (told,) = later.records()
    assert (told.state, "crashed, and what was frozen goes on" in told.text) == (FaultState.OVER, True)

    # What is under way when everything is killed is over with it.
    frozen = lab.inject(K.FREEZE_WORKER, W2, seconds=0)
    lab.desk.close()
    assert not any(runs(pid) for pid in frozen.pids)
    assert lab.record(frozen.id).state is FaultState.OVER
