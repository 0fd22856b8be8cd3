"""Settling the account with the broker: where a message is that no living worker tells of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, Protocol

from desktop.engine.api import Balance, TaskState
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.places import ACTIVE, HELD, RESERVED, SCHEDULED, STRANDED, WAITING
from desktop.engine.ledger.records import Task

LOST, UNKNOWN = TaskState.LOST, TaskState.UNKNOWN
SETTLED = 0.5  # seconds after which a line about a message has surely been written and read
FRESH = 3.0  # seconds for which a look is that of this moment
VISIBILITY = 3600.0  # kombu's default (kombu.transport.redis.Channel.visibility_timeout)


class View(Protocol):
    """What lay in the broker at one moment (`messages.look.View`)."""

    @property
    def asked(self) -> float: ...
    @property
    def waiting(self) -> Mapping[str, tuple[int, Mapping[int, int]]]: ...
    @property
    def unacked(self) -> Mapping[str, tuple[str, float]]: ...
    @property
    def unacked_count(self) -> int: ...
    @property
    def complete(self) -> bool: ...
    @property
    def doubles(self) -> Collection[object]: ...


class Unheld(NamedTuple):
    """A message that was delivered, and that no living worker has."""

    task_id: str
    queue: str
    delivered_at: float


class Settler:
    """Compares the account with one look at the broker after another.

    What two looks in a row say is taken for true, because a message on its way is nowhere for a moment:

    - a task that is stranded and lies in `unacked` comes back when its delivery is older than the
      visibility timeout; one that lies there no more waits again, or is lost;
    - a task that a living worker was given, has not started, and of which the broker knows nothing, is lost;
      one that its worker no longer knows of, while the broker waits for its end, is stranded;
    - at rest, a task that is taken for waiting and is not in its queue is lost, and one that lies there and
      was never heard of is counted from now on.

    A task that is heard of afterwards is where that says. Where some worker could not write its lines
    meanwhile, what would be lost is UNKNOWN: it may have run.
    """

    def __init__(
        self,
        account: Account,
        written: Callable[[str], Iterable[Task]] = lambda _queue: (),
        lost: TaskState = LOST,
        unseen: Callable[[float], bool] = lambda _delivered_at: False,
    ) -> None:
        """`written`: the tasks that wait in a queue, of those that were written and forgotten.

        `lost`: what a task is of which nobody knows any more. `unseen`: whether a living worker may have been
        given a message at that time without a line that says so.
        """
        self._lost = lost
        self._unseen = unseen
        self.visibility = VISIBILITY
        self._account = account
        self._written = written
        self._view: View | None = None
        self._quiet = False
        self._moves = 0  # of the account, at the last look
        self._doubts: dict[tuple[str, float], int] = {}  # what the looks before found odd, and how often
        self._raised: dict[tuple[str, float], int] = {}
        self.unheld: list[Unheld] = []  # unacknowledged messages that no living worker has
        self._doubles = 0
        self._copies: dict[str, int] = {}  # messages of tasks that are elsewhere, by queue ("": unacked)
        self._flows: dict[str, tuple[int, int]] = {}  # what had come and gone when a queue was listed
        self._wanted: set[str] = set()

    def settle(self, view: View, listed: Mapping[str, Collection[str]], quiet: bool) -> frozenset[str]:
        """Take a look. Every line that was written before it must have been taken.

        `listed`: the ids of all messages of those queues that an earlier call asked for. `quiet`: no line
        about a task was written while the broker was looked at. Returns the queues to list in the next look.
        """
        self._view, self._quiet = view, quiet
        self._doubts, self._raised = self._raised, {}
        self._wanted = set()
        held = self._unacknowledged(view)
        if view.complete:
            self._stranded(view, listed)
            account = self._account.places
            if held < account.count(RESERVED) + account.count(SCHEDULED):
                self._held_no_more(view, listed)
            self._forgotten(view)
        if self._account.dropped:
            self._ends_untold(view)
        if quiet:
            for queue, (count, _) in view.waiting.items():
                self._at_rest(view, queue, count, listed.get(queue))
        self._moves = self._account.moves
        return frozenset(self._wanted)

    def balance(self, now: float | None = None) -> Balance:
        """The sum over all queues, with the last look at the broker; exact only if that is fresh at `now`."""
        places, view = self._account.places, self._view
        if view is None:
            waiting, stranded, copies = places.count(WAITING), places.count(STRANDED), 0
        else:
            waiting = sum(count for count, _ in view.waiting.values())
            stranded = len(self.unheld) + self._doubles if view.complete else places.count(STRANDED)
            copies = sum(self._copies.values())
        return Balance(
            submitted=places.known,
            waiting=waiting,
            reserved=places.count(RESERVED),
            active=places.count(ACTIVE),
            scheduled=places.count(SCHEDULED),
            stranded=stranded,
            ended=places.ended,
            lost=places.ends.get(LOST, 0),
            copies=copies,
            exact=self._exact(view) and (now is None or view is None or now - view.asked < FRESH),
        )

    def _exact(self, view: View | None) -> bool:
        """Everything stood still and was seen, and nothing about it is in doubt."""
        if view is None or not view.complete or self._wanted or self._raised:
            return False
        return self._quiet and self._moves == self._account.moves

    # what lies in `unacked`

    def _unacknowledged(self, view: View) -> int:
        """Go through what was delivered; how many of it are reserved or scheduled at a living worker."""
        account, held, copies = self._account, 0, len(view.doubles)
        unheld: list[Unheld] = []
        for task_id, (queue, delivered_at) in view.unacked.items():
            task = account.task(task_id)
            place = task.place if task is not None else None
            if task is not None and place in HELD:
                held += place is not ACTIVE
                if queue and not task.queue:
                    account.came_from(task, queue)
                continue
            if place is not STRANDED and self._unseen(delivered_at):
                continue
            unheld.append(Unheld(task_id, queue, delivered_at))
            if place is not None and place.over and place not in (self._lost, UNKNOWN):
                copies += 1
            elif place is not STRANDED and self._doubt(task_id, delivered_at) > 1:
                # Delivered, and no worker says so: it froze or died just then, or is none of ours.
                account.settle(task_id, STRANDED, view.asked, queue)
            if task is not None and task.place is STRANDED:
                self._comes_back(task, delivered_at)
        self.unheld = unheld
        self._doubles = len(view.doubles)
        self._copies[""] = copies
        return held

    def _comes_back(self, task: Task, delivered_at: float) -> None:
        back_at = delivered_at + self.visibility if delivered_at else None
        if task.back_at != back_at:
            task.back_at = back_at
            self._account.touch(task)

    def _stranded(self, view: View, listed: Mapping[str, Collection[str]]) -> None:
        """Of what is stranded and not in `unacked`: it was restored, or it is lost."""
        for task in list(self._account.places.stranded.values()):
            if task.id in view.unacked:
                continue
            ids = listed.get(task.queue or "")
            if ids is not None and task.id in ids:
                self._account.settle(task.id, WAITING, view.asked)
                continue
            seen = self._doubt(task.id, -1.0)
            if ids is None and self._can_list(view, task):
                continue
            if seen > 1:
                place = self._gone(task) if ids is not None or not _was_unacked(task) else WAITING
                self._account.settle(task.id, place, view.asked)

    def _can_list(self, view: View, task: Task) -> bool:
        """Ask for the list of its queue, unless that is too long."""
        count, _ = view.waiting.get(task.queue or "", (0, {}))
        if count > LISTED:
            return False
        self._wanted.add(task.queue or "")
        return True

    def _held_no_more(self, view: View, listed: Mapping[str, Collection[str]]) -> None:
        """Of what living workers were given and have not started, the broker knows nothing."""
        for task in list(self._account.tasks()):
            if task.place not in (RESERVED, SCHEDULED) or task.id in view.unacked:
                continue
            received = task.receipts[-1].t if task.receipts else 0.0
            if received > view.asked - SETTLED or self._doubt(task.id, received) < 2:
                continue
            ids = listed.get(task.queue or "")
            if ids is not None and task.id in ids:
                self._account.settle(task.id, WAITING, view.asked)
            elif ids is not None or not self._can_list(view, task):
                self._account.settle(task.id, self._gone(task), view.asked)

    def _gone(self, task: Task) -> TaskState:
        """What a task is of which nobody knows any more."""
        return UNKNOWN if self._account.dropped.may_concern(task) else self._lost

    def _forgotten(self, view: View) -> None:
        """Workers forget what they held when the broker comes back; `unacked` does not."""
        cells = self._account.places.cells.values()
        for service, worker in self._account.workers.items():
            pool = worker.pool
            if pool is None or (service, worker.start) in self._account.processes.dead:
                continue
            held = sum(c.counts[RESERVED] + c.counts[SCHEDULED] for c in cells if c.service == service)
            if held <= pool.reserved + pool.scheduled or pool.t < view.asked - 4.0:
                continue
            holder = (service, worker.start)
            mine = [
                task
                for task in self._account.tasks()
                if task.holder == holder
                and task.place in (RESERVED, SCHEDULED)
                and task.receipts
                and task.receipts[-1].t < pool.t - SETTLED
            ]
            mine.sort(key=lambda task: task.receipts[-1].t)
            for task in mine[: max(len(mine) - pool.reserved - pool.scheduled, 0)]:
                if self._doubt(task.id, task.receipts[-1].t) > 1 and task.id in view.unacked:
                    self._account.settle(task.id, STRANDED, view.asked)

    def _ends_untold(self, view: View) -> None:
        """More runs than the pool has: the ends of the oldest ones could not be written."""
        account = self._account
        for service, worker in account.workers.items():
            pool, until = worker.pool, account.dropped.until(service, worker.start)
            if pool is None or not until < pool.t - SETTLED or pool.t > view.asked - SETTLED:
                continue
            running = [
                one for one in account.processes.running(service, worker.start) if one.started < pool.t
            ]
            mine = sorted((one for one in running if one.started <= until), key=lambda one: one.started)
            for attempt in mine[: max(len(running) - pool.busy, 0)]:
                if self._doubt(attempt.task_id, attempt.started) > 1:
                    account.end_untold(attempt, view.asked)

    # what lies in the queues

    def _at_rest(self, view: View, queue: str, count: int, ids: Collection[str] | None) -> None:
        """Nothing moves: the queue holds exactly the tasks that wait in it."""
        cell = self._account.places.cell(queue)
        flow = (cell.came, cell.went)
        copies = self._copies.get(queue, 0) if self._flows.get(queue) == flow else 0
        if count == cell.counts[WAITING] + copies:
            self._copies[queue] = copies
        elif count > LISTED:
            self._copies.pop(queue, None)
        elif ids is None:
            self._wanted.add(queue)
        else:
            self._listed(view, queue, ids)
            self._flows[queue] = (cell.came, cell.went)
            if self._copies[queue] + cell.counts[WAITING] != count:
                self._wanted.add(queue)  # doubts that the next look settles

    def _listed(self, view: View, queue: str, ids: Collection[str]) -> None:
        account, there, copies = self._account, set[str](), 0
        for task_id in ids:
            task = account.task(task_id)
            if task_id in there:
                copies += 1
            elif task is None or task.place in (self._lost, TaskState.PURGED, UNKNOWN):
                account.settle(task_id, WAITING, view.asked, queue)
            elif task.place is not WAITING:
                copies += 1
            there.add(task_id)
        missing = (t for t in self._of_queue(queue) if t.id not in there and t.id not in view.unacked)
        for task in list(islice(missing, JUDGED)):
            if self._doubt(task.id, -2.0) > 1:
                account.settle(task.id, self._gone(task), view.asked)
        self._copies[queue] = copies

    def _of_queue(self, queue: str) -> Iterator[Task]:
        """Every task that is taken for waiting in a queue."""
        account, found = self._account, 0
        for task in list(account.tasks()):
            if task.place is WAITING and task.queue == queue:
                found += 1
                yield task
        if account.places.cell(queue).counts[WAITING] > 0 and account.kept.bounded:
            for written in self._written(queue):
                if written.id not in account.kept.tasks:
                    yield written

    def _doubt(self, task_id: str, about: float) -> int:
        """How many looks in a row have found the same odd thing about a task."""
        key = (task_id, about)
        self._raised[key] = count = self._doubts.get(key, 0) + 1
        return count


JUDGED = 20_000  # tasks that one look may find missing from a queue; the next looks find the rest
LISTED = 10_000  # messages of a queue that are read one by one where something about it is in doubt


def _was_unacked(task: Task) -> bool:
    """Whether its message lay in `unacked` when its worker died: seen there, or given to it and not begun."""
    return task.back_at is not None or any(receipt.open for receipt in task.receipts)
