"""A made-up run of any size: the tasks as an account should know them, and the ledger that tells of them.

Several workers, queues and names (a few are most), arguments that repeat and some that do not, failures with
tracebacks, retries, tasks that ran twice, tasks whose process died, chains and groups, tasks that wait, are
reserved or run at the end. Everything is a function of the seed.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from desktop.engine.api import TaskState
from desktop.engine.ledger.records import CUT, Attempt, Receipt, Task

BEGAN = 1_790_000_000.0  # seconds since the epoch
WORKERS: Mapping[str, tuple[int, ...]] = {"w1": (4101, 4102, 4103, 4104), "w2": (4201, 4202), "io": (4300,)}
MAINS: Mapping[str, int] = {"w1": 4100, "w2": 4200, "io": 4300}
LOADS: Mapping[int, int] = {1: 4001, 2: 4002}
PARCEL = 50  # tasks that are sent at one moment
_CUT_PIDS = 50_000  # processes that died while they ran a task have a number of their own each
_NAMES = (
    *(("tasks.cpu.primes", 40), ("tasks.io.slow_http", 25), ("tasks.cpu.hash_rounds", 15)),
    *(("tasks.mail.send_mail", 10), ("tasks.flaky.sometimes", 6), ("tasks.reports.nightly", 3)),
    *(("tasks.flaky.always", 1),),
)
_QUEUES = {"tasks.io.slow_http": "io", "tasks.mail.send_mail": "mail"}
_TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "celery/app/trace.py", line 479, in trace_task\n    R = retval = fun(*args, **kwargs)\n'
    '  File "tasks/flaky.py", line {line}, in sometimes\n    raise ConnectionError("{what}")\n'
    "ConnectionError: {what}\n"
)


@dataclass(slots=True)
class MadeRun:
    """`count` tasks at `rate` a second, the last `open_share` of them not over yet."""

    count: int
    seed: int = 7
    rate: float = 500.0
    began: float = BEGAN
    open_share: float = 0.02

    def tasks(self) -> Iterator[Task]:
        """The tasks, in the order in which they were sent; each call makes new ones, equal to the last."""
        dice = random.Random(self.seed)
        names = [name for name, _ in _NAMES]
        weights = [weight for _, weight in _NAMES]
        chain: list[Task] = []
        for number in range(self.count):
            name = dice.choices(names, weights)[0]
            task = Task(
                str(uuid.UUID(int=dice.getrandbits(128), version=4)), name, _QUEUES.get(name, "celery")
            )
            task.sent = round(self.began + number // PARCEL * PARCEL / self.rate, 6)
            task.load = 1 if number // PARCEL % 3 else 2
            if number >= self.count * (1.0 - self.open_share):
                self._leave_open(task, dice)
            else:
                _run(task, dice)
            if task.receipts:
                _argue(task, dice, number)
                _relate(task, chain, dice)
            yield task

    def _leave_open(self, task: Task, dice: random.Random) -> None:
        """Not over: it waits, or some worker has it."""
        sent = task.sent or self.began
        task.place = dice.choice((TaskState.WAITING, TaskState.WAITING, TaskState.RESERVED, TaskState.ACTIVE))
        if task.place is not TaskState.WAITING:
            worker = _worker(task, dice)
            _receive(task, worker, sent + 0.01)
            task.holder = (worker, 1)
            if task.place is TaskState.ACTIVE:
                _start(task, worker, dice, sent + 0.02)


def _worker(task: Task, dice: random.Random) -> str:
    return "io" if task.queue == "io" else dice.choice(("w1", "w1", "w2"))


def _receive(
    task: Task, worker: str, t: float, retries: int = 0, eta: float | None = None, again: bool = False
) -> None:
    t = round(t, 6)
    task.receipts.append(Receipt(t, worker, 1, again, retries, eta))
    task.received = t if task.received is None else min(task.received, t)


def _start(task: Task, worker: str, dice: random.Random, t: float) -> Attempt:
    receipt = task.receipts[-1]
    receipt.open = False
    attempt = Attempt(
        task.id, task.name, worker, 1, dice.choice(WORKERS[worker]), round(t, 6), receipt.retries
    )
    attempt.received = receipt.t
    task.attempts.append(attempt)
    return attempt


def _end(task: Task, attempt: Attempt, state: str, run: float, cpu: float | None) -> None:
    attempt.run, attempt.cpu = round(run, 6), None if cpu is None else round(cpu, 6)
    attempt.ended, attempt.state = round(attempt.started + attempt.run, 6), state
    task.state = state


def _over(task: Task, state: TaskState, t: float | None) -> None:
    task.place, task.over, task.ended = state, True, t


def _run(task: Task, dice: random.Random) -> None:
    """Receipts, attempts and the end of a task."""
    kind = dice.random()
    sent = task.sent or 0.0
    worker = _worker(task, dice)
    eta = round(sent + dice.uniform(0.5, 3.0), 6) if 0.95 < kind < 0.96 else None
    _receive(task, worker, sent + dice.uniform(0.001, 0.05), eta=eta)
    start = max(task.receipts[-1].t, eta or 0.0) + dice.expovariate(20.0)
    if kind < 0.003:  # revoked before it ran
        task.receipts[-1].open = False
        task.state, task.error = "REVOKED", "revoked before it ran"
        _over(task, TaskState.REVOKED, round(start, 6))
        return
    attempt = _start(task, worker, dice, start)
    run = dice.lognormvariate(-3.0, 1.0)
    cpu = None if worker == "io" else run * dice.uniform(0.1, 1.0)
    if kind < 0.0035:  # its process died
        attempt.pid = _CUT_PIDS + dice.randrange(1_000_000)
        attempt.state, attempt.ended = CUT, round(attempt.started + run, 6)
        _over(task, TaskState.LOST, attempt.ended)
        return
    if kind < 0.0065:  # it ran twice: its message came back after the first run had ended
        _end(task, attempt, "SUCCESS", run, cpu)
        attempt.result = repr(number_of(dice))
        other = "w2" if worker == "w1" else "w1"
        _receive(task, other, (attempt.ended or 0.0) + 10.0, again=True)
        attempt = _start(task, other, dice, (attempt.ended or 0.0) + 10.01)
        task.twice = True
    elif task.name == "tasks.flaky.sometimes":
        attempt = _retry(task, attempt, dice)
        run = dice.uniform(0.01, 0.1)
    if task.name == "tasks.flaky.always" or kind > 0.985:
        _end(task, attempt, "FAILURE", run, cpu)
        task.error = attempt.error = f"ValueError('{dice.choice(('no such user', 'out of range', 'ÄRGER'))}')"
        attempt.traceback = _TRACEBACK.format(
            line=dice.randrange(20, 25), what=dice.choice(("reset", "refused"))
        )
        _over(task, TaskState.FAILURE, attempt.ended)
        return
    _end(task, attempt, "SUCCESS", run, cpu)
    attempt.result = None if task.name == "tasks.mail.send_mail" else repr(number_of(dice))
    _over(task, TaskState.SUCCESS, attempt.ended)


def _retry(task: Task, attempt: Attempt, dice: random.Random) -> Attempt:
    """None, one or two runs that ask for another; the last attempt, which has not ended."""
    for retries in range(1, dice.choice((1, 1, 2, 3))):
        _end(task, attempt, "RETRY", 0.01, 0.001)
        what = dice.choice(("reset", "refused"))
        attempt.error = f"ConnectionError('{what}')"
        attempt.traceback = _TRACEBACK.format(line=30, what=what)
        due = round((attempt.ended or 0.0) + 1.0, 6)
        _receive(task, attempt.service, (attempt.ended or 0.0) + 0.002, retries, due)
        attempt = _start(task, attempt.service, dice, due + 0.005)
    return attempt


def number_of(dice: random.Random) -> int:
    """A result: half of them are one of a hundred, the rest nearly all distinct."""
    return dice.randrange(100) if dice.random() < 0.5 else dice.randrange(10**9)


def _argue(task: Task, dice: random.Random, number: int) -> None:
    """Arguments as the probe writes them: some repeat, some do not, some were too long."""
    if dice.random() < 0.002:
        task.args_cut = True
        return
    args: list[Any] = [dice.choice((1000, 5000, 20_000))]
    kwargs: dict[str, Any] = {}
    if task.name in ("tasks.io.slow_http", "tasks.mail.send_mail"):
        args = [f"https://example.org/orders/{number}"] if dice.random() < 0.7 else ["https://example.org/"]
        kwargs = {"timeout": dice.choice((1, 5))}
    elif task.name == "tasks.reports.nightly":
        args, kwargs = [], {"title": f"Größe “{number % 50}”", "path": f"C:\\out\\{number % 7}\n"}
    task.args = json.dumps(args, separators=(",", ":"))
    task.kwargs = json.dumps(kwargs, separators=(",", ":"))


def _relate(task: Task, chain: list[Task], dice: random.Random) -> None:
    """Every twentieth task is a link of a chain, or a member of a group under a root."""
    task.root = task.id
    if chain and dice.random() < 0.05:
        task.root = chain[0].id
        task.parent = chain[-1].id if dice.random() < 0.5 else chain[0].id
        chain.append(task)
        if len(chain) > 5:
            chain.clear()
    elif not chain:
        chain.append(task)


def write_ledger(folder: Path, run: MadeRun) -> int:
    """The files that probes and load generators would have written; returns how many lines."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[str]] = {}
    for worker, main in MAINS.items():
        for pid in sorted({main, *WORKERS[worker]}):
            _open(files, run, worker, pid, "main" if pid == main else "pool")
    for load, pid in LOADS.items():
        _open(files, run, f"load-{load}", pid, "load")
    lines = 0
    left: list[tuple[float, str, str]] = []
    tasks = run.tasks()
    while slice_ := list(islice(tasks, 20_000)):
        left += _sent(slice_)
        for task in slice_:
            left += _lines(task)
        left.sort(key=lambda line: line[0])
        until = slice_[-1].sent or 0.0
        # What comes after the last of this slice may still mix with the lines of the next.
        done = [line for line in left if line[0] <= until]
        left = left[len(done) :]
        lines += _append(folder, files, done)
    return lines + _append(folder, files, left)


def _open(files: dict[str, list[str]], run: MadeRun, service: str, pid: int, role: str) -> None:
    name = f"{service}.001.{pid}.jsonl"
    first = {
        **{
            "k": "open",
            "t": run.began - 1.0,
            "v": 1,
            "service": service,
            "start": 1,
            "pid": pid,
            "parent": 1,
        },
        **{"role": role, "node": f"{service}@made", "pool": "prefork", "celery": "5.7.0", "python": "3.11.7"},
    }
    files[name] = [json.dumps(first, separators=(",", ":"))]
    if role == "main":
        files[name].append(f'{{"k":"ready","t":{run.began - 0.5:.6f}}}')


def _append(folder: Path, files: dict[str, list[str]], lines: Iterable[tuple[float, str, str]]) -> int:
    count = 0
    for _, name, line in lines:
        files.setdefault(name, []).append(line)
    for name, some in files.items():
        if some:
            count += len(some)
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write("\n".join(some) + "\n")
            some.clear()
    return count


def _sent(tasks: Iterable[Task]) -> Iterator[tuple[float, str, str]]:
    """A load generator's line for those tasks of one name that went out at one moment."""
    parcels: dict[tuple[float, int, str, str], list[str]] = {}
    for task in tasks:
        key = (task.sent or 0.0, task.load or 1, task.name, task.queue or "")
        parcels.setdefault(key, []).append(f'"{task.id}"')
    for (t, load, name, queue), ids in parcels.items():
        file = f"load-{load}.001.{LOADS[load]}.jsonl"
        yield t, file, f'{{"k":"sent","t":{t:.6f},"ids":[{",".join(ids)}],"name":"{name}","queue":"{queue}"}}'


def _lines(task: Task) -> Iterator[tuple[float, str, str]]:
    own = json.dumps(task.id)
    parent = "null" if task.parent is None else json.dumps(task.parent)
    cut = ',"args_cut":true' if task.args_cut else ""
    for receipt in task.receipts:
        yield (
            receipt.t,
            f"{receipt.service}.001.{MAINS[receipt.service]}.jsonl",
            f'{{"k":"received","t":{receipt.t:.6f},"id":{own},"name":"{task.name}","queue":"{task.queue}",'
            f'"args":{task.args or "null"},"kwargs":{task.kwargs or "null"},"retries":{receipt.retries},'
            f'"eta":{"null" if receipt.eta is None else f"{receipt.eta:.6f}"},"root":"{task.root}",'
            f'"parent":{parent},"redelivered":{str(receipt.redelivered).lower()}{cut}}}',
        )
    for attempt in task.attempts:
        name = f"{attempt.service}.001.{attempt.pid}.jsonl"
        yield (
            attempt.started,
            name,
            f'{{"k":"started","t":{attempt.started:.6f},"id":{own},"name":"{task.name}",'
            f'"retries":{attempt.retries}}}',
        )
        if attempt.state and attempt.state != CUT and attempt.ended is not None:
            yield attempt.ended, name, _ended(own, attempt)
    if task.state == "REVOKED" and task.ended is not None:
        name = f"{task.receipts[0].service}.001.{MAINS[task.receipts[0].service]}.jsonl"
        revoked = f'{{"k":"revoked","t":{task.ended:.6f},"id":{own},"name":"{task.name}"'
        yield task.ended, name, revoked + ',"terminated":false,"expired":false}'


def _ended(own: str, attempt: Attempt) -> str:
    error = "null" if attempt.error is None else json.dumps(attempt.error)
    more = "" if attempt.result is None else f',"result":{json.dumps(attempt.result)}'
    more += "" if attempt.traceback is None else f',"traceback":{json.dumps(attempt.traceback)}'
    cpu = "null" if attempt.cpu is None else f"{attempt.cpu:.6f}"
    return (
        f'{{"k":"ended","t":{attempt.ended:.6f},"id":{own},"state":"{attempt.state}","run":{attempt.run:.6f},'
        f'"cpu":{cpu},"error":{error}{more}}}'
    )
