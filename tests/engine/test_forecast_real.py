"""Forecasts against what comes: real workers of three pools are killed; the tasks tell a file themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from desktop.engine.api import (
    Count,
    FaultKind,
    FaultRecord,
    FaultSpec,
    Forecast,
    Pick,
    Target,
    TaskShare,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from tests.support.waiting import eventually
from tests.support.witness import FOLDER, MODULE, VARIABLE, Fates, Witness

QUEUES = ("processes", "threads", "one")
SECONDS = 0.8  # of a task: two in a row end well before the visibility timeout
LONG = 60.0
STACK = """
name = "forecast"
[app]
env = {{ PYTHONPATH = {folder}, {variable} = {file} }}
[celery]
include = ["{module}"]
task_acks_late = {late}
task_reject_on_worker_lost = {late}
worker_prefetch_multiplier = 1
[celery.broker_transport_options]
visibility_timeout = {timeout}
unacked_restore_interval = 1
unacked_restore_throttle = 1
# A worker that is killed while it looks for them keeps the lock, by default for 300 s.
unacked_mutex_expire = 2
[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
queues = ["processes"]
[[worker]]
name = "w2"
pool = "threads"
concurrency = 2
queues = ["threads"]
[[worker]]
name = "w3"
pool = "solo"
queues = ["one"]
"""


class Lab:
    """A living stack, and what its tasks wrote."""

    def __init__(self, folder: Path, late: bool) -> None:
        self.file = folder / "witness"
        stack = folder / "stack.toml"
        stack.write_text(
            STACK.format(
                folder=json.dumps(str(FOLDER)),
                variable=VARIABLE,
                file=json.dumps(str(self.file)),
                module=MODULE,
                late=str(late).lower(),
                timeout=3 if late else 7,  # what is held while the long ones are waited for must not expire
            )
        )
        self.desk = LocalDesk(read_stack(stack))
        self._quiet = (0.0, -1)  # since when nothing moved, and how much was written then

    def start(self) -> None:
        self.desk.start().result(60)
        self.witness = Witness(self.file, self.desk.broker_url, QUEUES)
        self.broker: redis.Redis = redis.Redis.from_url(self.desk.broker_url)

    def close(self) -> None:
        for client in (getattr(self, "witness", None), getattr(self, "broker", None)):
            if client is not None:
                client.close()
        self.desk.close()

    def send(self, queue: str, count: int, seconds: float = SECONDS) -> None:
        share = TaskShare("witness.wait", kwargs={"seconds": seconds}, queue=queue)
        self.desk.submit(Workload((share,), count=count)).result(30)

    def full(self) -> bool:
        """Every worker runs as much as it can."""
        return self.running() == [2, 2, 1]

    def running(self) -> list[int]:
        """How many tasks each worker runs."""
        return [len(one.running) for one in self.desk.snapshot().workers]

    def began(self) -> set[str]:
        return {line.split()[1] for line in self.file.read_text().splitlines() if line.startswith("b ")}

    def delivered(self) -> set[str]:
        """Ids in `unacked`, by the broker alone."""
        return {json.loads(raw)[0]["headers"]["id"] for raw in self.broker.hvals("unacked")}

    def at_rest(self) -> Fates | None:
        """What became of the tasks, once none is anywhere and nothing was written for a second.

        An early one that was just taken is in no queue and not seen to run yet.
        """
        shown = self.desk.snapshot()
        now, written = time.monotonic(), self.file.stat().st_size
        moves = bool(self.witness.left()) or any(one.running for one in shown.workers)
        if moves or written != self._quiet[1]:
            self._quiet = (now, written)
        return self.witness.fates(self.witness.seen()) if now - self._quiet[0] > 1.0 else None


@pytest.fixture
def lab(tmp_path: Path, nothing_left: None, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(tmp_path, request.param)
    try:
        made.start()
        yield made
    finally:
        made.close()


def agrees(said: Count, number: int, what: str, forecast: Forecast) -> None:
    assert said.holds(number), f"{number} {what}, forecast {forecast.sentences}"


def kill_all(lab: Lab) -> tuple[Forecast, set[str]]:
    """SIGKILL to every worker at once: what was said, and which tasks were held and had not begun."""
    lab.desk.inject(FaultSpec(FaultKind.KILL_WORKER, Target(Pick.ALL))).result(30)
    held = lab.delivered() - lab.began()
    record = lab.desk.snapshot().faults[-1]
    assert record.forecast is not None
    assert record.forecast.targets == record.targets == ("w1", "w2", "w3")
    assert record.forecast.hurts
    assert record.forecast.sure
    return record.forecast, held


def same_by_the_ledger(lab: Lab) -> None:
    """What the record says of the fault is what was said before."""

    def judged() -> FaultRecord | None:
        lab.desk.judge_faults().result(30)
        record = lab.desk.snapshot().faults[-1]
        return record if record.outcome is not None and record.outcome.settled else None

    # Whether a message is left of a task that was cut is only known after a look into the broker.
    record = eventually(judged, "the record has it all", every=0.5)
    assert record is not None
    assert record.outcome is not None
    assert record.outcome.differs == ()


@pytest.mark.parametrize("lab", [False], indirect=True)
def test_a_kill_with_early_acks(lab: Lab) -> None:
    """Long tasks: the forecast is exact. Only solo gives back what it ran."""
    lab.send("processes", 2, LONG)
    lab.send("threads", 2, LONG)
    eventually(lambda: lab.running() == [2, 2, 0], "the long ones run before the others are sent")
    for queue, count in zip(QUEUES, (2, 2, 2), strict=True):
        lab.send(queue, count)
    eventually(lambda: lab.full() and len(lab.delivered()) >= 5, "every worker is full")
    every = FaultSpec(FaultKind.KILL_WORKER, Target(Pick.ALL))
    eventually(lambda: lab.desk.forecast(every).lost.least == 4, "the long ones go on")
    said, held = kill_all(lab)
    fates = eventually(lab.at_rest, "everything is over", within=40)
    assert fates is not None
    assert said.lost.least == 4, "what prefork and threads ran; solo may be taking a message"
    agrees(said.lost, len(fates.gone), "never ended", said)
    agrees(said.again, len(fates.twice), "began twice", said)
    agrees(said.back, len(held), "came back", said)
    assert held <= fates.once
    same_by_the_ledger(lab)
    same_by_the_ledger(lab)


@pytest.mark.parametrize("lab", [True], indirect=True)
def test_kills_with_late_acks(lab: Lab) -> None:
    """One pool process, then every worker: nothing is lost, and what ran runs again."""
    for queue, count in zip(QUEUES, (3, 3, 2), strict=True):
        lab.send(queue, count)
    eventually(lab.full, "every worker is full")
    lab.desk.inject(FaultSpec(FaultKind.KILL_PROCESS, Target(Pick.NAME, "w1"))).result(30)
    first = lab.desk.snapshot().faults[0].forecast
    assert first is not None
    assert first.again.holds(1)
    said, held = kill_all(lab)
    fates = eventually(lab.at_rest, "everything is over", within=40)
    assert fates is not None
    assert first.failed == Count()
    assert said.lost.least == 0
    agrees(said.lost, len(fates.gone), "never ended", said)
    again = Count(first.again.least + said.again.least, first.again.most + said.again.most)
    agrees(again, len(fates.twice), "began twice", said)
    agrees(said.back, len(held), "came back", said)
