"""Draws the recorder's state from the account and the last look at the broker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from desktop.engine.api import Held
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.places import ACTIVE, RESERVED, SCHEDULED, STRANDED, WAITING, Cell
from desktop.engine.ledger.settle import Settler
from desktop.engine.ledger.tally import Beat
from desktop.engine.record.told import QueueTold, Told, WorkerTold

if TYPE_CHECKING:
    from desktop.engine.messages.look import View

RATE_OVER = 2.0  # seconds
_PLACES = (RESERVED, ACTIVE, SCHEDULED, STRANDED)


def worker(account: Account, service: str, start: int) -> WorkerTold:
    """One start of a worker."""
    state = account.workers.get(service)
    running = account.running(service, start)
    if state is None or state.start != start:
        return WorkerTold(start, running=running, done=account.done(service))
    return WorkerTold(
        start,
        ready=state.ready_at is not None,
        heard_at=state.heard_at,
        closing=state.closing_at is not None,
        pool=state.pool,
        running=running,
        done=account.done(service),
    )


class Drawing:
    """Keeps what a state needs of the moments before it."""

    def __init__(self, account: Account, settler: Settler) -> None:
        self._account = account
        self._settler = settler
        self._beat = Beat()
        self._flows: dict[str, deque[tuple[float, int, int]]] = {}
        self._oldest: dict[str, float | None] = {}
        self._seen: Mapping[str, tuple[int, Mapping[int, int]]] = {}

    def beat(self, now: float) -> None:
        """Half a second is over: percentiles of what ended in it, and the flow through each queue."""
        beat = self._account.beat(now)
        if beat.run50 is not None:
            self._beat = beat
        for cell in self._account.places.queues():
            flow = self._flows.setdefault(cell.queue, deque())
            flow.append((now, cell.came, cell.went))
            while len(flow) > 2 and flow[1][0] <= now - RATE_OVER:
                flow.popleft()

    def looked(self, view: View) -> None:
        """There is a new look at the broker."""
        self._oldest = {}
        self._seen = view.waiting
        for queue, task_id in view.oldest.items():
            task = self._account.task(task_id) if task_id is not None else None
            self._oldest[queue] = (task.sent or task.received) if task is not None else None

    def told(self, now: float, problem: str) -> Told:
        """The state of this moment."""
        account = self._account
        return Told(
            t=now,
            totals=account.totals(now),
            workers={name: worker(account, name, state.start) for name, state in account.workers.items()},
            loads={number: load.ended for number, load in account.loads.items()},
            queues=self._queues(),
            balance=self._settler.balance(now),
            beat=self._beat,
            problem=problem,
        )

    def _queues(self) -> dict[str, QueueTold]:
        held: dict[str, list[Held]] = {}
        backs = self._backs()
        for (queue, service), cell in self._account.places.cells.items():
            if any(cell.counts[place] for place in _PLACES):
                held.setdefault(queue, []).append(_held(cell, backs.get((queue, service), ())))
        waiting = {cell.queue: cell.counts[WAITING] for cell in self._account.places.queues() if cell.queue}
        found = {}
        for queue in dict.fromkeys([*waiting, *self._seen]):
            came, went = self._rates(queue)
            found[queue] = QueueTold(
                queue,
                waiting=waiting.get(queue, 0),
                held=tuple(sorted(held.get(queue, ()), key=lambda one: one.worker)),
                rate_in=came,
                rate_out=went,
                oldest_since=self._oldest.get(queue),
                seen=self._seen.get(queue),
            )
        return found

    def _backs(self) -> dict[tuple[str, str], list[float]]:
        """When stranded messages come back, by queue and worker."""
        backs: dict[tuple[str, str], list[float]] = {}
        for task in self._account.places.stranded.values():
            if task.back_at is not None and task.cell is not None:
                backs.setdefault((task.cell.queue, task.cell.service), []).append(task.back_at)
        return backs

    def _rates(self, queue: str) -> tuple[float, float]:
        flow = self._flows.get(queue)
        if not flow or flow[-1][0] <= flow[0][0]:
            return 0.0, 0.0
        (first, came, went), (last, came_now, went_now) = flow[0], flow[-1]
        return (came_now - came) / (last - first), (went_now - went) / (last - first)


def _held(cell: Cell, backs: Iterable[float]) -> Held:
    counts = cell.counts
    return Held(
        worker=cell.service,
        reserved=counts[RESERVED],
        active=counts[ACTIVE],
        scheduled=counts[SCHEDULED],
        stranded=counts[STRANDED],
        back_at=min(backs, default=None),
        all_back_at=max(backs, default=None),
        since=next(iter(cell.taken.values()), None),
    )
