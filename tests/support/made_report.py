"""A run folder with all that a report can tell of: a drill, faults, lost tasks, samples, logs."""

from __future__ import annotations

import json
import math
import os
import random
import time
import uuid
from dataclasses import replace
from pathlib import Path

from desktop.engine.api import FaultRecord, Finding, Mark, MarkKind, TaskState, Verdict
from desktop.engine.faults.kept import append_record
from desktop.engine.ledger.records import CUT, Attempt, Receipt, Task
from desktop.engine.record.facts import machine, versions
from desktop.engine.record.writing.store import Store
from desktop.engine.verdict.kept import write_verdict
from tests.support.fake_faults import made_faults, made_verdict

BEGAN = 1_790_000_000.0
SECONDS = 120.0
STACK = """\
# Early acks, and one worker that is killed.
name = "shop"

[app]
env = { API_KEY = "hunter2-key" }

[celery]
task_acks_late = false
worker_prefetch_multiplier = 1
broker_transport_options = { visibility_timeout = 60 }
task_track_started = true

[[worker]]
name = "w1"
autoscale = { min = 1, max = 4 }

[[worker]]
name = "w2"
concurrency = 2
max_tasks_per_child = 100
queues = ["celery", "mail"]
extra_args = ["--password=hunter2-option"]
"""
DRILL = """\
name = "kill-early"
title = "kill -9 with early acks"
teaches = \"\"\"A task that was acknowledged before it ran is gone with its worker.
Celery's default does that.\"\"\"
change = "Set task_acks_late = true under [celery]."
seed = 41

[stack.app]
env = { TOKEN = "hunter2-drill" }

[[fault]]
what = "kill-worker"
target = "w1"
when = "2 active on w1"
"""
HOSTILE = (
    '<script>alert(1)</script> ]]> & "quoted" | `tick` \x00\x1b[31m\u202e @octocat redis://u:hunter2-url@h/0'
)


def task_id(number: int) -> str:
    """Of the task of that number; the first two are lost, the third ran twice, the fourth failed."""
    return str(uuid.UUID(int=number + 0x7F3A0C1E52B14C1D9A2F77CD0A1E0000))


def made_report(
    folder: Path,
    *,
    seed: int = 41,
    finding: Finding | None = Finding.FAIL,
    hostile: bool = False,
    logs: bool = True,
) -> Path:
    """A finished run in `folder`; `finding`: of its drill, None for a run that was none."""
    for part in ("logs", "ledger"):
        (folder / part).mkdir(parents=True)
    (folder / "stack.toml").write_text(STACK, encoding="utf-8")
    faults = _faults()
    for fault in faults:
        append_record(folder, fault)
    facts = {"stack": "shop", "began": BEGAN, "versions": versions(), "machine": machine()}
    store = Store.create(folder, {**facts, "texts": [[BEGAN, STACK]]})
    tasks = _tasks(HOSTILE if hostile else "")
    store.write(tasks)
    _samples(store)
    for mark in _marks():
        store.mark(mark)
    store.commit({})
    store.close(clean=True, ended=BEGAN + SECONDS)
    if logs:
        _logs(folder / "logs", HOSTILE if hostile else "")
    if finding is not None:
        write_verdict(folder, _verdict(finding, seed, faults, tasks), DRILL)
    return folder


def _faults() -> tuple[FaultRecord, ...]:
    """As `made_faults` has them, at moments of this run."""
    first, second, missed, lasting = made_faults(BEGAN + 300)
    assert first.forecast is not None
    moved = []
    for fault, at in ((first, 30.0), (second, 52.0)):
        moved.append(replace(fault, asked_at=BEGAN + at - 0.01, landed_at=BEGAN + at, ended_at=BEGAN + at))
    moved.append(replace(missed, asked_at=BEGAN + 60))
    times = {"asked_at": BEGAN + 70, "landed_at": BEGAN + 70, "ended_at": BEGAN + 90, "ends_at": BEGAN + 90}
    moved.append(replace(lasting, state=first.state, **times))
    return tuple(moved)


def _verdict(finding: Finding, seed: int, faults: tuple[FaultRecord, ...], tasks: list[Task]) -> Verdict:
    made = made_verdict(BEGAN + 100, finding, seed)
    good = finding is Finding.PASS
    lost = () if good else (task_id(0), task_id(1))
    account = replace(
        made.account,
        submitted=len(tasks),
        ended_once=len(tasks) - 2 - len(lost),
        ended_more=(task_id(2),),
        ran_twice=(task_id(2),),
        lost=lost,
        failed=((task_id(3), tasks[3].error or ""),),
        attempts=len(tasks) + 1,
    )
    return replace(made, account=account, faults=faults, began=BEGAN + 4, ended=BEGAN + 110)


def _tasks(hostile: str) -> list[Task]:
    dice = random.Random(5)
    return [_task(number, BEGAN + 5 + number * 0.25, dice, hostile) for number in range(400)]


def _task(number: int, sent: float, dice: random.Random, hostile: str) -> Task:
    task = Task(task_id(number), f"shop.tasks.charge{hostile}", "celery")
    task.args, task.kwargs = json.dumps([number, hostile]), json.dumps({"password": "hunter2-arg"})
    if number < 3:
        sent = BEGAN + 28.2 + number / 10
    task.sent, task.received, task.over = sent, sent + 0.01, True
    worker = "w1" if number < 3 else dice.choice(("w1", "w2"))
    task.receipts.append(Receipt(sent + 0.01, worker, 1, False, 0, None))
    attempt = Attempt(task.id, task.name, worker, 1, 4101 + number % 3, sent + 0.02, received=sent + 0.01)
    task.attempts.append(attempt)
    run = dice.uniform(0.1, 0.4)
    if number < 3:
        attempt.state, attempt.ended = CUT, BEGAN + 30
        task.place = TaskState.LOST
    if number == 2:
        task.receipts.append(Receipt(BEGAN + 90.0, "w2", 1, True, 0, None))
        attempt = Attempt(task.id, task.name, "w2", 1, 4202, BEGAN + 90.01, received=BEGAN + 90.0)
        task.attempts.append(attempt)
        task.twice, run = True, 2.0
    if number >= 2:
        end = "FAILURE" if number == 3 else "SUCCESS"
        attempt.state, attempt.run, attempt.ended = end, run, attempt.started + run
        task.state, task.place, task.ended = end, TaskState(end), attempt.ended
    if number == 3:
        task.error = attempt.error = f"ValueError('no such card{hostile}')"
        attempt.traceback = "Traceback (most recent call last):\n" + f'  File "x.py"{hostile}\n' * 3_000
    return task


def _samples(store: Store) -> None:
    dice = random.Random(11)
    for beat in range(int(SECONDS * 2)):
        passed = beat / 2
        dead = 30 <= passed < 33 or 52 <= passed < 54
        frozen = 70 <= passed < 90
        busy1 = 0 if dead else 2 + 2 * math.sin(passed / 7) ** 2
        store.sample(
            BEGAN + passed,
            {
                "cpu:w1": 0.0 if dead else 45 * busy1 + dice.uniform(-8, 8),
                "cpu:w2": 0.0 if frozen else 60 + dice.uniform(-20, 20),
                "cpu:broker": 6 + dice.uniform(-2, 2),
                "depth:celery": max(0.0, 12 * (passed - 30) % 160 if passed > 30 else 3)
                if passed < 100
                else 0.0,
                "depth:mail": 4.0 + dice.randrange(3),
                "stranded:celery": 6.0 if 30 <= passed < 90 else 0.0,
                "ended:": 0.0 if dead else 4 + dice.uniform(-1, 1),
                "failed:": 1.0 if beat == 20 else 0.0,
                "size:w1": 0 if dead else 1 + min(3, passed // 10),
                "size:w2": 2,
                "busy:w1": busy1,
                "busy:w2": 2 if not frozen else 0,
            },
        )


def _marks() -> list[Mark]:
    return [
        Mark(BEGAN + 1, MarkKind.READY, "w1", "w1 answers"),
        Mark(
            BEGAN + 30.01, MarkKind.KILLED, "w1", "w1 was killed by SIGKILL after 29 s, while it ran 2 tasks"
        ),
        Mark(BEGAN + 32.5, MarkKind.RECOVERED, "w1", "w1 answers again, 2.5 s after its end"),
        Mark(BEGAN + 30, MarkKind.FAULT, "w1", "SIGKILL to w1 (pid 41000, 3 processes)"),
    ]


def _logs(folder: Path, hostile: str) -> None:
    for service in ("w1", "w2"):
        lines = []
        for tick in range(int(SECONDS * 10)):
            t = BEGAN + tick / 10
            level = "WARNING" if tick % 97 == 0 else "INFO"
            text = f"Task shop.tasks.charge[{task_id(tick % 400)}] succeeded in 0.12s: None{hostile}"
            if level == "WARNING":
                text = f"consumer: Cannot connect to redis://:hunter2-log@127.0.0.1:6379/0{hostile}"
            lines.append(f"[{_stamp(t)}: {level}/MainProcess] {text}".replace("\n", " "))
        path = folder / f"{service}.001.log"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.utime(path, (BEGAN + SECONDS, BEGAN + SECONDS))


def _stamp(t: float) -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(t))},{round(t % 1 * 1000) % 1000:03d}"
