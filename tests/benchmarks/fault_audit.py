"""Random faults over random settings: the ledger against an independent audit, forecast against outcome.

    python -m tests.benchmarks.fault_audit --faults 300 [--seed N]

Stacks follow each other, each with settings, pools and a network that the seed draws; in each a few rounds:
tasks that write down themselves what happened to them are sent, one fault is done to the stack, and it is
waited until it has come to rest. Then

- what the ledger's account says must be what the tasks wrote and what lies in the broker
  (`tests/support/witness`, which trusts nothing of ours but the ids of tasks), to the task;
- what the forecast said before the fault must hold what came: by the ledger's outcome for the tasks within
  the fault's reach, and by the witness for all of them.

Every disagreement is printed with its stack and seed; the last line is one JSON object. Exit code 1 where an
account was wrong, or fewer than 95 % of the forecasts agreed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from concurrent.futures import TimeoutError as TooLong
from dataclasses import asdict, dataclass, field
from pathlib import Path

from desktop.engine.api import (
    Account,
    DeskError,
    FaultInfo,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Forecast,
    Pick,
    Record,
    StackSnapshot,
    State,
    Target,
    TaskFilter,
    TaskShare,
    TaskState,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.model import Pool
from desktop.engine.stack.parse import read_stack
from tests.support.witness import FOLDER, MODULE, TASKS, VARIABLE, Fates, Witness

ROUNDS = 5  # faults on one stack
QUIET_LIMIT = 60.0  # seconds within which a stack comes to rest
STEADY = 2.5  # seconds for which nothing may have moved
TIMEOUT = 6  # seconds of visibility: longer than any worker holds a task of ours while nothing is broken
QUEUES = ("celery", "mails")
POOLS = ("prefork", "prefork", "prefork", "threads", "threads", "gevent", "eventlet", "solo")
ENOUGH = 0.95  # of the forecasts
# Silent: a worker whose broker was flushed consumes again, and answers no ping until it is started anew.
_SETTLED = (State.READY, State.SILENT, State.STOPPED, State.EXITED, State.CRASH_LOOP)


@dataclass
class Found:
    """What all rounds gave."""

    seed: int
    stacks: int = 0
    faults: int = 0  # that landed
    missed: int = 0
    tasks: int = 0
    lost: int = 0
    ran_twice: int = 0
    accounts_right: int = 0
    forecasts_right: int = 0
    forecasts_exact: int = 0  # every count of them was one number
    unsure: int = 0  # forecasts that said that it cannot be told
    never_quiet: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    wrong_accounts: list[str] = field(default_factory=list)
    wrong_forecasts: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def stack_text(chance: random.Random, witness_file: Path) -> str:
    """A stack of random settings, as a file."""
    late = chance.random() < 0.5
    timeout = chance.choice((TIMEOUT, TIMEOUT, 3600))
    lines = [
        'name = "audit"',
        "[app]",
        f"env = {{ PYTHONPATH = {json.dumps(str(FOLDER))}, {VARIABLE} = {json.dumps(str(witness_file))} }}",
        "[broker]",
        f'persistence = "{chance.choice(("none", "append-only"))}"',
        f"relay = {_toml(chance.random() < 0.4)}",
        "[celery]",
        f'include = ["{MODULE}"]',
        f"task_acks_late = {_toml(late)}",
        f"task_reject_on_worker_lost = {_toml(late and chance.random() < 0.6)}",
        f"worker_prefetch_multiplier = {chance.choice((1, 2, 4))}",
        f"worker_soft_shutdown_timeout = {chance.choice((0, 0, 3))}",
        "[celery.broker_transport_options]",
        f"visibility_timeout = {timeout}",
        "unacked_restore_interval = 1",
        "unacked_restore_throttle = 1",
    ]
    for number in range(chance.choice((1, 2, 2))):
        lines += _worker(chance, number + 1)
    return "\n".join(lines) + "\n"


def _toml(value: bool) -> str:
    return str(value).lower()


def _worker(chance: random.Random, number: int) -> list[str]:
    pool = chance.choice(POOLS)
    size = {"prefork": (1, 2, 3), "threads": (2, 4), "gevent": (2, 10), "eventlet": (2, 10), "solo": (1,)}
    queues = QUEUES if number == 1 or chance.random() < 0.5 else QUEUES[:1]
    return [
        "[[worker]]",
        f'name = "w{number}"',
        f'pool = "{pool}"',
        f"concurrency = {chance.choice(size[pool])}",
        f"queues = {json.dumps(list(queues))}",
    ]


class Audit:
    """One stack, and the faults that are done to it."""

    def __init__(
        self, folder: Path, chance: random.Random, found: Found, kinds: frozenset[FaultKind]
    ) -> None:
        self.chance = chance
        self.found = found
        self.kinds = kinds
        written = folder / "witness"
        self.text = stack_text(chance, written)
        file = folder / "audit.toml"
        file.write_text(self.text)
        self.desk = LocalDesk(read_stack(file))
        try:
            self.desk.start().result(90)
            self.witness = Witness(written, self.desk.broker_url, QUEUES)
        except BaseException:
            self.desk.close()
            raise
        self._before = (0, 0)  # tasks that were gone, or had begun twice, before this round

    def close(self) -> None:
        self.witness.close()
        self.desk.close()

    # a round

    def round(self) -> None:
        """Load, a fault in the middle of it, rest, and what came of it."""
        self.load()
        time.sleep(self.chance.uniform(0.3, 2.5))
        chosen = self.choose()
        if chosen is None:
            self.trouble("no fault was possible")
            return
        spec, info = chosen
        what = f"{info.kind.value} on {spec.target.text} {dict(spec.options) or ''}{spec.seconds or ''}"
        record = self.inject(spec, what)
        if not self.quiet(record):
            self.found.never_quiet += 1
            self.trouble(f"{what}: never at rest, {self.desk.snapshot().balance}")
            return
        self.judge(record, what)

    def load(self) -> None:
        chance = self.chance
        mix = (
            TaskShare("witness.wait", kwargs={"seconds": 0.7}, weight=5),
            TaskShare("witness.wait", kwargs={"seconds": 0.2}, weight=5),
            TaskShare("witness.compute", kwargs={"seconds": 0.1}, weight=2),
            TaskShare("witness.fail", weight=1),
            TaskShare("witness.wait", kwargs={"seconds": 0.4}, queue="mails", weight=3),
        )
        count = chance.randrange(6, 40)
        rate = chance.choice((None, None, 20.0))
        self.desk.submit(Workload(mix, count=count, rate=rate, seed=chance.randrange(1000))).result(20)

    def choose(self) -> tuple[FaultSpec, FaultInfo] | None:
        """A fault that can be done now."""
        infos = [info for info in self.desk.fault_kinds() if not self.kinds or info.kind in self.kinds]
        for _ in range(30):
            info = self.chance.choice(infos)
            if info.kind is FaultKind.POISON and self.comes_back():
                continue
            spec = self.draw(info)
            try:
                if not self.desk.forecast(spec).impossible:
                    return spec, info
            except DeskError:
                continue
        return None

    def comes_back(self) -> bool:
        """With late acks poison comes back to kill again wherever a whole worker dies of it: without end."""
        spec = self.desk.spec()
        return bool(spec.celery["task_acks_late"]) and any(w.pool is not Pool.PREFORK for w in spec.workers)

    def draw(self, info: FaultInfo) -> FaultSpec:
        chance = self.chance
        workers = [worker.name for worker in self.desk.snapshot().workers]
        target = chance.choice(
            (
                Target(Pick.NAME, chance.choice(workers)),
                Target(Pick.BUSIEST),
                Target(Pick.RANDOM),
            )
        )
        seconds = chance.choice((1.0, 2.5, TIMEOUT + 3.0)) if info.lasts else None
        return FaultSpec(info.kind, target, seconds, seed=chance.randrange(1 << 16))

    def inject(self, spec: FaultSpec, what: str) -> FaultRecord:
        known = len(self.desk.snapshot().faults)
        try:
            self.desk.inject(spec).result(60)
        except DeskError as error:
            self.trouble(f"{what}: {error}")
        records = self.desk.snapshot().faults
        if len(records) <= known:
            raise DeskError(f"{what} left no record.", "Look into the engine.")
        return records[known]

    def quiet(self, fault: FaultRecord) -> bool:
        """Wait until the fault is over and nothing has moved for a while."""
        until, since, last = time.monotonic() + QUIET_LIMIT, time.monotonic(), None
        while time.monotonic() < until:
            shown = self.desk.snapshot()
            if shown.balance != last or not self.rests(shown, fault.id):
                since, last = time.monotonic(), shown.balance
            if time.monotonic() - since > STEADY:
                return True
            time.sleep(0.1)
        return False

    def rests(self, shown: StackSnapshot, fault: int) -> bool:
        under_way = any(f.state is FaultState.UNDER_WAY for f in shown.faults)
        loads_over = all(load.state.value in ("done", "cancelled", "failed") for load in shown.loads)
        settled = all(w.service.state in _SETTLED for w in shown.workers)
        balance = shown.balance
        if under_way or not loads_over or not settled or balance is None or not balance.exact:
            return False
        soon = time.time() + 30
        coming = any(
            held.back_at is not None and held.back_at < soon
            for queue in shown.queues
            for held in queue.held
            if held.stranded
        )
        return not coming or self.nobody_restores(shown)

    def nobody_restores(self, shown: StackSnapshot) -> bool:
        """Workers of gevent and eventlet give nothing back while they run."""
        pools = {w.spec.pool.value for w in shown.workers if w.service.state is State.READY}
        return pools <= {"gevent", "eventlet"}

    # what came of it

    def judge(self, fault: FaultRecord, what: str) -> None:
        found = self.found
        account = self.desk.account().result(60)
        record = self.desk.record()
        assert record is not None
        ids = frozenset(record.ids(TaskFilter(names=TASKS)).result(30))
        fates = self.witness.fates(ids | self.witness.seen())
        wrong = self.wrong_account(record, account, fates, ids)
        self.desk.judge_faults().result(60)
        fault = next(f for f in self.desk.snapshot().faults if f.id == fault.id)
        gone, twice = len(fates.gone) - self._before[0], len(fates.twice) - self._before[1]
        self._before = (len(fates.gone), len(fates.twice))
        if not fault.landed:
            found.missed += 1
            return
        found.faults += 1
        kind = fault.spec.kind.value
        found.kinds[kind] = found.kinds.get(kind, 0) + 1
        if wrong:
            found.wrong_accounts.append(self.told(what, wrong, fault))
        else:
            found.accounts_right += 1
        self.compare(fault, gone, twice, what)

    def wrong_account(self, record: Record, account: Account, fates: Fates, ids: frozenset[str]) -> list[str]:
        """Each way in which the ledger says something else than the witness."""
        not_over = frozenset(state for state in TaskState if not state.over)
        still = frozenset(record.ids(TaskFilter(states=not_over, names=TASKS)).result(30))
        failed = frozenset(task for task, _ in account.failed)
        more = frozenset(account.ended_more)
        interrupted = frozenset(task for task in more - fates.more if _own_ends(record, task) < 2)
        said = {
            "gone": (frozenset(account.lost) | (failed - fates.own - fates.once - fates.more)) & ids,
            "ended more than once": (more - interrupted) & ids,
            "began more than once": frozenset(account.ran_twice) & ids,
            "still somewhere": still,
        }
        seen = {
            "gone": fates.gone,
            "ended more than once": fates.more,
            "began more than once": fates.twice,
            "still somewhere": fates.still,
        }
        wrong = []
        for name, by_ledger in said.items():
            if only := sorted(by_ledger - seen[name]):
                wrong.append(f"{name}: {len(only)} only by the ledger, as {only[0]}")
            if only := sorted(seen[name] - by_ledger):
                wrong.append(f"{name}: {len(only)} only by the witness, as {only[0]}")
        if unheard := (fates.once | fates.more | fates.gone | fates.still) - ids:
            wrong.append(f"{len(unheard)} tasks that the ledger never heard of")
        everything = len(record.ids(TaskFilter()).result(30))
        if account.submitted != everything:
            wrong.append(f"{account.submitted} submitted, {everything} in the record")
        return wrong

    def compare(self, fault: FaultRecord, gone: int, twice: int, what: str) -> None:
        found, forecast, outcome = self.found, fault.forecast, fault.outcome
        if forecast is None or outcome is None:
            found.wrong_forecasts.append(self.told(what, ["no forecast or no outcome"], fault))
            return
        if not forecast.sure:
            found.unsure += 1
        differs = list(outcome.differs)
        ends_badly = forecast.lost.least + forecast.failed.least, forecast.lost.most + forecast.failed.most
        if not ends_badly[0] <= gone <= ends_badly[1]:
            differs.append(f"the witness saw {gone} that will never end, forecast {ends_badly}")
        # Those that are stranded still will begin again when they come back.
        if not forecast.again.least - outcome.still <= twice <= forecast.again.most:
            differs.append(f"the witness saw {twice} that began again, forecast {forecast.again}")
        if differs:
            found.wrong_forecasts.append(self.told(what, differs, fault))
        else:
            found.forecasts_right += 1
            found.forecasts_exact += _exact(forecast)

    def told(self, what: str, wrong: list[str], fault: FaultRecord) -> str:
        folder = self.desk.snapshot().run_folder
        said = f"{fault.forecast.sentences if fault.forecast else ''}"
        stack = "; ".join(line for line in self.text.splitlines()[3:] if "=" in line)
        return f"{what}: {'; '.join(wrong)} | {fault.text} | {said} | {folder} | {stack}"

    def trouble(self, text: str) -> None:
        self.found.trouble.append(text)

    def start_what_is_down(self) -> None:
        """For the next round: a fault may have left workers stopped."""
        try:
            shown = self.desk.snapshot()
            flushed = shown.faults[-1:] and shown.faults[-1].spec.kind is FaultKind.FLUSH_BROKER
            for worker in shown.workers:
                # A flush takes the way of questions to a worker away; it is silent until it is started anew.
                if worker.service.state is State.SILENT or (flushed and worker.service.state is State.READY):
                    self.desk.restart_service(worker.name).result(60)
            self.desk.start().result(60)
        except (DeskError, TooLong) as error:
            self.trouble(f"not up again: {error}")


def _own_ends(record: Record, task: str) -> int:
    """How often a task ended by itself, as the ledger tells: Celery also calls one ended that it cut off."""
    attempts = record.task(task).result(30).attempts
    return sum(one.state == "SUCCESS" or one.error.startswith("ValueError") for one in attempts)


def _exact(forecast: Forecast) -> bool:
    return all(count.exact for count in (forecast.lost, forecast.failed, forecast.again, forecast.back))


def main() -> int:
    """Exit code 1 where an account was wrong, or too few forecasts agreed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--kind", action="append", default=[], help="only faults of this kind; may be repeated"
    )
    parser.add_argument("--keep", type=Path, help="folder for the run folders; it is not deleted")
    options = parser.parse_args()
    found = Found(options.seed)
    kinds = frozenset(FaultKind(kind) for kind in options.kind)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELERY_DESK_HOME"] = str(options.keep or Path(folder) / "home")
        while found.faults < options.faults:
            _stack(Path(folder), found, options.seed + found.stacks, kinds, options.faults)
    right = found.forecasts_right / max(1, found.faults)
    print(json.dumps({**asdict(found), "share_of_forecasts": round(right, 3)}))
    return 1 if found.wrong_accounts or right < ENOUGH else 0


def _stack(folder: Path, found: Found, seed: int, kinds: frozenset[FaultKind], most: int) -> None:
    where = folder / str(seed)
    where.mkdir()
    found.stacks += 1
    audit = Audit(where, random.Random(seed), found, kinds)
    try:
        for _ in range(ROUNDS):
            if found.faults >= most:
                break
            _told_round(audit, found, seed)
        account = audit.desk.account().result(60)
        found.tasks += account.submitted
        found.lost += len(account.lost)
        found.ran_twice += len(account.ran_twice)
    finally:
        audit.close()


def _told_round(audit: Audit, found: Found, seed: int) -> None:
    wrong = len(found.wrong_accounts), len(found.wrong_forecasts), len(found.trouble)
    audit.round()
    audit.start_what_is_down()
    for entries, before, name in zip(
        (found.wrong_accounts, found.wrong_forecasts, found.trouble),
        wrong,
        ("ACCOUNT", "FORECAST", "TROUBLE"),
        strict=True,
    ):
        for entry in entries[before:]:
            print(f"{name} seed {seed}: {entry}", flush=True)
    faults = audit.desk.snapshot().faults
    last = faults[-1].text if faults else "nothing"
    print(
        f"{found.faults:4} {found.accounts_right}/{found.forecasts_right} right  seed {seed}  {last}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
