"""Mixed load with kills: at every quiet point each task is somewhere, to the task.

    python -m tests.benchmarks.balance --minutes 10 [--seed N]

Rounds follow each other on one stack, half of the time with early acknowledgement and half with late. In
each a mix of tasks (also failing and retrying ones, some with a countdown) is sent while something is done
to the stack; then it is waited until nothing moves and the page would say that the sum is exact. There the
difference must be 0, what the panel says must be what an independent client counts in the broker, and what
it says of the tasks must be what the whole ledger says. What was done and every figure that is off is
printed; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import redis

from desktop.engine.api import Balance, StackSnapshot, State, TaskFilter, TaskShare, TaskState, Workload
from desktop.engine.desk import LocalDesk
from desktop.engine.ledger import read
from desktop.engine.stack.parse import read_stack

STACK = """
name = "balance"
[broker]
persistence = "append-only"
[celery]
task_acks_late = {late}
task_reject_on_worker_lost = {late}
worker_prefetch_multiplier = 4
[celery.broker_transport_options]
visibility_timeout = {timeout}
unacked_restore_interval = 1
unacked_restore_throttle = 1
[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
queues = ["celery"]
[[worker]]
name = "w2"
pool = "threads"
concurrency = 3
queues = ["celery", "mails"]
"""
QUIET_LIMIT = 90.0  # seconds within which a quiet point is reached
STEADY = 3.0  # seconds for which the sum must have stood still


@dataclass
class Outcome:
    """What the rounds found."""

    minutes: float = 0.0
    seed: int = 0
    rounds: int = 0
    submitted: int = 0
    ended: int = 0
    lost: int = 0
    ran_twice: int = 0
    stranded_seen: int = 0
    exact: int = 0  # quiet points where everything was right
    never_quiet: int = 0
    moved_meanwhile: int = 0  # quiet points that ended while they were looked at, and were waited for again
    wrong: list[str] = field(default_factory=list)


class Stack:
    """One stack under load, and an independent eye on its broker."""

    def __init__(self, folder: Path, late: bool, timeout: int, chance: random.Random) -> None:
        file = folder / f"balance-{late}.toml"
        file.write_text(STACK.format(late=str(late).lower(), timeout=timeout))
        self.chance = chance
        self.desk = LocalDesk(read_stack(file))
        self.desk.start().result(60)
        self.client: redis.Redis = redis.Redis.from_url(self.desk.broker_url)
        self.faults: tuple[tuple[str, Callable[[], None]], ...] = (
            ("nothing", lambda: None),
            ("w1 killed", lambda: self.kill("w1")),
            ("w2 killed", lambda: self.kill("w2")),
            ("both killed", self.kill_both),
            ("a pool process killed", self.kill_child),
            ("w1 restarted warm", lambda: self.restart("w1")),
            ("w2 restarted warm", lambda: self.restart("w2")),
            ("w1 frozen for 3 s", self.freeze),
            ("mails purged", self.purge),
            ("the broker killed", self.kill_broker),
            ("a queue without a worker", lambda: self.send("nobody", 20)),
        )

    def send(self, queue: str, count: int) -> None:
        mix = (
            TaskShare("tasks.noop", queue=queue, weight=10),
            TaskShare("tasks.sleep", kwargs={"seconds": 0.1}, queue=queue, weight=4),
            TaskShare("tasks.flaky", kwargs={"failures": 1}, queue=queue, weight=2),
            TaskShare("tasks.flaky", kwargs={"failures": 50}, queue=queue, weight=1),
            TaskShare("tasks.noop", queue=queue, countdown=5.0, weight=2),
        )
        self.desk.submit(Workload(mix, count=count, rate=150, seed=self.chance.randrange(1000))).result(20)

    def kill(self, name: str) -> None:
        self.desk.send_signal(name, "KILL").result(20)

    def kill_both(self) -> None:
        self.kill("w1")
        self.kill("w2")

    def purge(self) -> None:
        self.desk.purge("mails").result(20)

    def restart(self, name: str) -> None:
        self.desk.restart_service(name).result(60)

    def kill_child(self) -> None:
        worker = self.desk.snapshot().worker("w1")
        if worker is not None and worker.processes:
            self.desk.send_signal("w1", "KILL", self.chance.choice(worker.processes).pid).result(20)

    def freeze(self) -> None:
        self.desk.send_signal("w1", "STOP").result(20)
        time.sleep(3)
        self.desk.send_signal("w1", "CONT").result(20)

    def kill_broker(self) -> None:
        broker = self.desk.snapshot().broker
        if broker is not None and broker.service.pid:
            os.kill(broker.service.pid, signal.SIGKILL)

    def round(self) -> tuple[str, StackSnapshot | None]:
        """Load, one fault in the middle of it, and the quiet point that follows."""
        self.send("celery", self.chance.randrange(100, 700))
        self.send("mails", self.chance.randrange(20, 200))
        time.sleep(self.chance.uniform(0.2, 3.0))
        what, fault = self.chance.choice(self.faults)
        fault()
        return what, self.quiet()

    def quiet(self) -> StackSnapshot | None:
        """The first moment at which the sum has stood still and was called exact; None: never."""
        until, since, last = time.monotonic() + QUIET_LIMIT, time.monotonic(), None
        while time.monotonic() < until:
            shown = self.desk.snapshot()
            loads_over = all(load.state.value in ("done", "cancelled", "failed") for load in shown.loads)
            up = all(worker.service.state is State.READY for worker in shown.workers)
            balance = shown.balance
            if balance != last or not loads_over or not up or balance is None or not balance.exact:
                since, last = time.monotonic(), balance
            if time.monotonic() - since > STEADY:
                return shown
            time.sleep(0.1)
        return None

    def counted(self) -> tuple[int, int]:
        """What lies in the broker's queues, and what is unacknowledged, by our own count."""
        queues = ("celery", "mails", "nobody")
        keys = [f"{queue}{step}" for queue in queues for step in ("", *(f"\x06\x16{n}" for n in (3, 6, 9)))]
        return sum(int(self.client.llen(key)) for key in keys), int(self.client.hlen("unacked"))


def main() -> int:
    """Exit code 1 where some quiet point was not exact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    outcome = Outcome(options.minutes, options.seed)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELERY_DESK_HOME"] = str(Path(folder) / "home")
        for late, timeout in ((False, 8), (True, 8), (False, 3600), (True, 3600)):
            chance = random.Random(options.seed + late + timeout)
            _rounds(Stack(Path(folder), late, timeout, chance), late, options.minutes * 15, outcome)
    print(json.dumps(asdict(outcome)))
    return 1 if outcome.wrong or outcome.never_quiet else 0


def _rounds(stack: Stack, late: bool, seconds: float, outcome: Outcome) -> None:
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            what, shown = stack.round()
            outcome.rounds += 1
            said = _judge(stack, what, shown, outcome)
            acks = "late" if late else "early"
            print(f"{acks:5} {what:26} {said}", flush=True)
        if shown is not None and shown.balance is not None:
            outcome.submitted += shown.balance.submitted
            outcome.ended += shown.balance.ended
            outcome.lost += shown.balance.lost
            outcome.ran_twice += shown.totals.ran_twice
    finally:
        stack.client.close()
        stack.desk.close()


def _judge(stack: Stack, what: str, shown: StackSnapshot | None, outcome: Outcome) -> str:
    if shown is None or shown.balance is None:
        outcome.never_quiet += 1
        return f"never quiet: {stack.desk.snapshot().balance}"
    balance = shown.balance
    wrong = _wrong(stack, shown, balance)
    if wrong and stack.desk.snapshot().balance != balance:
        # Stranded messages came back while the ledger was read: what was compared were two moments.
        outcome.moved_meanwhile += 1
        return _judge(stack, what, stack.quiet(), outcome)
    outcome.stranded_seen += balance.stranded
    if wrong:
        outcome.wrong.append(f"{what}: {'; '.join(wrong)}")
    else:
        outcome.exact += 1
    lock = stack.client.ttl("unacked_mutex")
    held = f" (no message is restored for {lock} s: a killed worker has the lock)" if lock > 0 else ""
    return f"{_told(balance)} {'; '.join(wrong) or 'exact'}{held}"


def _wrong(stack: Stack, shown: StackSnapshot, balance: Balance) -> list[str]:
    wrong = []
    waiting, unacked = stack.counted()
    assert shown.run_folder is not None
    account = read(shown.run_folder / "ledger")
    live, whole = shown.totals, account.totals()
    if balance.difference:
        wrong.append(f"difference {balance.difference}")
    if balance.waiting != waiting:
        wrong.append(f"{balance.waiting} said to wait, {waiting} in the broker")
    if (
        not balance.stranded
        <= unacked
        <= balance.stranded + balance.reserved + balance.scheduled + balance.active
    ):
        wrong.append(f"{unacked} unacknowledged in the broker")
    queues = sum(queue.waiting for queue in shown.queues)
    if queues != waiting:
        wrong.append(f"{queues} waiting by queue")
    for name in ("submitted", "received", "started", "succeeded", "failed", "retried", "ran_twice"):
        if getattr(live, name) != getattr(whole, name):
            wrong.append(f"{name} {getattr(live, name)}, by the whole ledger {getattr(whole, name)}")
    if done := _ended(shown.run_folder / "ledger") & _not_ended(stack.desk):
        wrong.append(f"{len(done)} ended by the ledger and not by the record, as {min(done)}")
    if live.running:
        wrong.append(f"{live.running} run")
    return wrong


def _ended(ledger: Path) -> set[str]:
    """Tasks whose last line but those about deliveries is an end, by the bare lines."""
    last: dict[str, tuple[float, bool]] = {}
    for file in ledger.glob("w*.jsonl"):
        for line in file.read_bytes().splitlines():
            data = json.loads(line)
            if data["k"] in ("started", "ended"):
                over = data["k"] == "ended" and data["state"] != "RETRY" and not data.get("requeue")
                last[data["id"]] = max(last.get(data["id"], (0.0, False)), (data["t"], over))
    return {task for task, (_, over) in last.items() if over}


def _not_ended(desk: LocalDesk) -> set[str]:
    """Tasks that the record calls lost, or takes for being somewhere, but for those delivered once more."""
    record = desk.record()
    assert record is not None
    states = frozenset(state for state in TaskState if not state.over) | {TaskState.LOST}
    return set(record.ids(TaskFilter(states=states)).result(30))


def _told(balance: Balance) -> str:
    told: dict[str, Any] = asdict(balance)
    return " ".join(f"{name} {value}" for name, value in told.items() if value and name != "exact")


if __name__ == "__main__":
    sys.exit(main())
