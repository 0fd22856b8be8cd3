"""The part of `FakeDesk` that stands for faults: what can be broken, what it would do, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop.engine.api import (
    Account,
    Count,
    FaultInfo,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Forecast,
    Outcome,
    Pick,
    StackSnapshot,
    StackState,
    WorkerSnapshot,
)
from desktop.engine.stack.model import StackSpec
from tests.support.fake_faults import INFOS, RULES


class FakeFaultVerbs:
    """Records the verbs. `faults` are those of the run that is shown; `the_account` what `account` answers.

    `foreseen` replaces what `forecast` says of a kind of fault.
    """

    faults: tuple[FaultRecord, ...] = ()
    the_account: Account = Account()
    outcomes: dict[int, Outcome]
    foreseen: dict[FaultKind, Forecast]
    infos: tuple[FaultInfo, ...] = INFOS
    clock: Callable[[], float]
    spec: StackSpec

    def _future(self, verb: str, args: tuple[Any, ...], result: Any) -> Future[Any]:
        raise NotImplementedError  # FakeDesk's

    def snapshot(self) -> StackSnapshot:
        raise NotImplementedError  # FakeDesk's

    def fault_kinds(self) -> tuple[FaultInfo, ...]:
        return self.infos

    def info_of(self, kind: FaultKind) -> FaultInfo:
        """What there is to know of a kind."""
        return next(info for info in self.infos if info.kind is kind)

    def forecast(self, fault: FaultSpec) -> Forecast:
        if fault.kind in self.foreseen:
            return self.foreseen[fault.kind]
        snapshot = self.snapshot()
        if snapshot.state is StackState.STOPPED:
            return Forecast(snapshot.t, (), (), impossible="The stack does not run. Start it first.")
        info = self.info_of(fault.kind)
        if info.needs_relay and not snapshot.spec.broker.relay:
            why = (
                "The workers of this stack reach the broker directly: there is no network to break. "
                "Put the relay between them (workers restart warm), or write relay = true in [broker]."
            )
            return Forecast(snapshot.t, (), (), impossible=why)
        aims = info.aims_at
        if aims in ("broker", "stack"):
            return _of_broker(snapshot)
        hit = _hit(snapshot, fault)
        if not hit:
            return Forecast(
                snapshot.t, (), (), impossible=f"No worker is {fault.target.text}. Choose another."
            )
        return _of_workers(snapshot.t, hit, fault.kind)

    def inject(self, fault: FaultSpec, by_drill: bool = False) -> Future[int]:
        number = len(self.faults) + 1
        future = self._future("inject", (fault,), number)
        future.add_done_callback(lambda done: self._land(done, number, fault, by_drill))
        return future

    def _land(self, done: Future[int], number: int, fault: FaultSpec, by_drill: bool) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        now, info, seen = self.clock(), self.info_of(fault.kind), self.forecast(fault)
        seconds = info.seconds if fault.seconds is None else fault.seconds
        record = FaultRecord(
            id=number,
            spec=fault,
            state=FaultState.UNDER_WAY if info.lasts else FaultState.OVER,
            asked_at=now,
            targets=seen.targets,
            pids=(41000,),
            landed_at=now,
            ends_at=now + seconds if info.lasts and seconds else None,
            ended_at=None if info.lasts else now,
            text=f"{info.title}: {', '.join(seen.targets)}",
            forecast=seen,
            by_drill=by_drill,
        )
        self.faults = (*self.faults, record)

    def undo_fault(self, fault: int) -> Future[str]:
        now = self.clock()
        self.faults = tuple(
            replace(one, state=FaultState.OVER, ended_at=now) if one.id == fault else one
            for one in self.faults
        )
        return self._future("undo_fault", (fault,), "It was undone.")

    def use_relay(self, on: bool) -> Future[str]:
        future = self._future("use_relay", (on,), f"The relay is {'between' if on else 'gone'}.")
        future.add_done_callback(lambda done: self._relay_is(done, on))
        return future

    def _relay_is(self, done: Future[str], on: bool) -> None:
        if not done.cancelled() and done.exception() is None:
            self.spec = replace(self.spec, broker=replace(self.spec.broker, relay=on))

    def account(self, folder: Path | None = None) -> Future[Account]:
        return self._future("account", (folder,), self.the_account)

    def judge_faults(self) -> Future[str]:
        self.faults = tuple(
            replace(one, outcome=self.outcomes.get(one.id, one.outcome)) for one in self.faults
        )
        return self._future("judge_faults", (), "Every fault was judged.")


def _hit(snapshot: StackSnapshot, fault: FaultSpec) -> list[WorkerSnapshot]:
    workers, target = [w for w in snapshot.workers if w.service.state.alive], fault.target
    match target.pick:
        case Pick.ALL:
            return workers
        case Pick.NAME:
            return [w for w in workers if w.name == target.name]
        case Pick.RUNS:
            return [w for w in workers if any(target.name in (t.id, t.name) for t in w.running)][:1]
        case Pick.RANDOM:
            return workers[fault.seed % len(workers) :][:1] if workers else []
        case _:
            return sorted(workers, key=lambda w: -w.busy)[:1]


def _of_workers(t: float, hit: list[WorkerSnapshot], kind: FaultKind) -> Forecast:
    running, held = sum(w.busy for w in hit), sum(w.reserved for w in hit)
    names = tuple(w.name for w in hit)
    if kind in (FaultKind.FREEZE_WORKER, FaultKind.WARM):
        calm = f"{running} running tasks go on where they were; {held} reserved wait."
        return Forecast(t, names, (calm,), running, held, sure=kind is FaultKind.WARM, rules=RULES[1:])
    said = (
        f"{running} running tasks will be lost: they were acknowledged when they began (acks early).",
        f"{held} reserved come back after 58 min 12 s, at the earliest when another worker polls.",
    )
    if kind is FaultKind.KILL_PROCESS:
        lost = min(running, 1)
        first = f"{lost} running task will be lost; the pool starts another process at once."
        return Forecast(t, names, (first,), lost, 0, Count(lost, lost), hurts=lost > 0, rules=RULES[:1])
    return Forecast(
        t=t,
        targets=names,
        sentences=said,
        running=running,
        held=held,
        lost=Count(running, running),
        back=Count(held, held),
        back_after=3492.0,
        hurts=running > 0,
        rules=RULES,
    )


def _of_broker(snapshot: StackSnapshot) -> Forecast:
    waiting = sum(queue.waiting for queue in snapshot.queues)
    running = sum(w.busy for w in snapshot.workers)
    said = (
        f"{waiting} waiting tasks are gone with it: the broker keeps nothing on disk (persistence none).",
        "Running tasks finish, but their results may be stored as failures.",
    )
    return Forecast(
        t=snapshot.t,
        targets=("broker",),
        sentences=said,
        running=running,
        held=waiting,
        lost=Count(waiting, waiting + running),
        failed=Count(0, running),
        hurts=True,
        sure=False,
        rules=RULES[1:],
    )
