"""Verbs on queues and single tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from desktop.engine.api import (
    DeskError,
    Mark,
    MarkKind,
    MessagePage,
    PurgeOffer,
    QueueSnapshot,
    StackSnapshot,
    TaskDetail,
    TaskShare,
    TaskState,
    WorkerSnapshot,
)
from desktop.engine.attach.reprs import arguments
from desktop.engine.messages import purge as purges
from desktop.engine.messages import revoke as revokes
from desktop.engine.messages.desk_ledger import DESK, write_ids
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.known import detail_of, with_times
from desktop.engine.messages.link import Link
from desktop.engine.messages.resend import send_again
from desktop.engine.messages.restore import Restored, restore
from desktop.engine.messages.stranded import Stranded
from desktop.engine.messages.waiting import lengths_by_step, read_page
from desktop.engine.supervise.outcome import plural

if TYPE_CHECKING:
    from desktop.engine.attach.run import AttachedRun
    from desktop.engine.run import Run

T = TypeVar("T")

PATIENCE = 5.0  # seconds that the broker may be silent in the middle of a verb


@dataclass(frozen=True, slots=True)
class Place:
    """All that the verbs need of the stack that they are about, ours or one that we are attached to."""

    url: str
    options: Mapping[str, Any]  # broker_transport_options
    ledger: Path  # folder, in that of the run
    stranded: Callable[[], Sequence[Stranded]]  # as the recorder sees it now
    control: Callable[[], revokes.Asks]  # raises DeskError while the workers cannot be asked
    mark: Callable[[Mark], None]
    default_queue: str = "celery"


class MessageVerbs:
    """The part of `Desk` that reads and changes what lies in the broker.

    Nothing waits on the caller's thread; each verb has a connection of its own for as long as it takes.
    """

    if TYPE_CHECKING:
        _workers: ThreadPoolExecutor

        def _living(self) -> Run | AttachedRun: ...
        def snapshot(self) -> StackSnapshot: ...

    def messages(self, queue: str, first: int = 0, count: int = 100) -> Future[MessagePage]:
        def read() -> MessagePage:
            place = self._place()
            keys = Keys.of(place.options)
            page = self._asked(place, lambda client: read_page(client, keys, queue, first, count))
            return with_times(page, place.ledger.parent)

        return self._workers.submit(read)

    def purge_offer(self, queue: str) -> Future[PurgeOffer]:
        def offer() -> PurgeOffer:
            place = self._place()
            keys = Keys.of(place.options)
            by_step = self._asked(place, lambda client: lengths_by_step(client, keys, queue))
            return PurgeOffer(queue, sum(by_step.values()), by_step, _held(self._queue(queue)))

        return self._workers.submit(offer)

    def purge(self, queue: str) -> Future[str]:
        return self._workers.submit(self._purge, queue)

    def _purge(self, queue: str) -> str:
        place = self._place()
        keys = Keys.of(place.options)
        link = Link(place.url, PATIENCE)
        try:
            done = link.tell(lambda client: purges.purge(client, keys, queue, place.ledger))
        except DeskError as error:
            if not link.problem:
                raise
            raise DeskError(f"{error.what} {purges.broken_off(queue)}", error.next_step) from None
        finally:
            link.close()
        if not done.messages:
            return f"{queue} was empty: nothing was deleted."
        text = f"{plural(done.messages, 'message')} of {queue} {_were(done.messages)} deleted"
        _mark(place, MarkKind.LOAD, f"{queue} was purged: {plural(done.messages, 'message')}")
        text += "; the record keeps them as PURGED."
        if done.nameless:
            text = f"{text[:-1]}, but for {done.nameless:,} that {_were(done.nameless)} no task's."
        held = _held(self._queue(queue))
        return f"{text} {held:,} that workers hold {_were(held)} left." if held else text

    def restore_stranded(self, queue: str | None = None, worker: str | None = None) -> Future[str]:
        return self._workers.submit(self._restore, queue, worker)

    def _restore(self, queue: str | None, worker: str | None) -> str:
        place = self._place()
        all_of_it = [
            one
            for one in place.stranded()
            if (queue is None or one.queue == queue) and (worker is None or one.worker == worker)
        ]
        dead = [one for one in all_of_it if one.dead]
        if not all_of_it:
            return f"No message{_of(queue, worker)} is stranded."
        keys = Keys.of(place.options)
        before = time.time()  # a delivery after it is a new one
        done = self._told(place, lambda client: restore(client, keys, dead)) if dead else Restored()
        for name, ids in done.moved.items():
            write_ids(place.ledger, DESK, "restored", ids, before, queue=name)
        if done.count:
            _mark(place, MarkKind.RECOVERED, f"{plural(done.count, 'stranded message')} put back at once")
        return _restored_text(done, len(all_of_it) - len(dead))

    def retry_task(self, task_id: str) -> Future[str]:
        return self._workers.submit(self._retry, task_id)

    def _retry(self, task_id: str) -> str:
        place = self._place()
        detail = self._detail(place, task_id)
        args, kwargs = self._arguments(detail)
        queue, shares = detail.row.queue or place.default_queue, self._shares(detail)
        priorities = {share.priority for share in shares}
        priority = priorities.pop() or 0 if len(priorities) == 1 else 0
        keys, name = Keys.of(place.options), detail.row.name
        link = Link(place.url, PATIENCE)
        try:
            new = send_again(link, keys, place.ledger, name, args, kwargs, queue, priority)
        finally:
            link.close()
        delayed = any(one.eta is not None and not one.retries for one in detail.deliveries)
        if delayed or any(share.countdown for share in shares):
            return f"{name} was sent again to {queue}, as {new}: due at once, without its countdown."
        return f"{name} was sent again to {queue}, as {new}."

    def revoke_task(self, task_id: str, terminate: bool = False) -> Future[str]:
        return self._workers.submit(self._revoke, task_id, terminate)

    def _revoke(self, task_id: str, terminate: bool) -> str:
        place = self._place()
        state, holder = self._whereabouts(place, task_id)
        if state is not None and state.over:
            raise DeskError(f"It is over ({state.value}).", "Only what has not ended can be revoked.")
        nodes = [worker.node for worker in self.snapshot().workers if worker.service.state.alive]
        replies = revokes.revoke(place.control(), task_id, terminate, nodes)
        said = revokes.forecast(state, holder, terminate)
        return " ".join(filter(None, [said, revokes.confirmed(replies, nodes)]))

    # what the verbs stand on

    def _place(self) -> Place:
        """The broker of the living stack. Raises DeskError where there is none."""
        live = self._living().live
        if live.endpoint is None:
            raise DeskError("The stack has no broker that could be asked.", "Start it first.")
        celery = live.spec().celery
        options = celery.get("broker_transport_options", {})
        return Place(
            url=live.endpoint.url,
            options=options if isinstance(options, Mapping) else {},
            ledger=live.run_folder / "ledger",
            stranded=live.feed.stranded,
            control=live.control,
            mark=live.mark,
            default_queue=str(celery.get("task_default_queue", "celery")),
        )

    @staticmethod
    def _asked(place: Place, question: Callable[[Any], T]) -> T:
        """Read something. Raises DeskError while the broker does not answer."""
        link = Link(place.url, PATIENCE)
        try:
            answer = link.ask(question)
            if answer is None:
                raise link.unanswered()
            return answer
        finally:
            link.close()

    @staticmethod
    def _told(place: Place, command: Callable[[Any], T]) -> T:
        """Change something, once. Raises DeskError where the broker does not answer."""
        link = Link(place.url, PATIENCE)
        try:
            return link.tell(command)
        finally:
            link.close()

    def _queue(self, name: str) -> QueueSnapshot | None:
        return next((queue for queue in self.snapshot().queues if queue.name == name), None)

    @staticmethod
    def _detail(place: Place, task_id: str) -> TaskDetail:
        """What the run of this broker knows of a task, whatever run is shown."""
        return detail_of(task_id, place.ledger.parent)

    def _shares(self, detail: TaskDetail) -> list[TaskShare]:
        """Those of its workload that it may have come from: they know what no ledger line says."""
        mixes = (load.workload.mix for load in self.snapshot().loads if load.id == detail.load)
        return [share for mix in mixes for share in mix if share.task == detail.row.name]

    def _arguments(self, detail: TaskDetail) -> tuple[Sequence[Any], dict[str, Any]]:
        try:
            args, kwargs = json.loads(detail.args), json.loads(detail.kwargs)
        except ValueError:  # not known, or as Celery's events show them
            if (told := arguments(detail.args, detail.kwargs)) is not None:
                return told
        else:
            if isinstance(args, list) and isinstance(kwargs, dict):
                return args, kwargs
        # What a workload of ours sends is known, as long as one share of it has that name.
        shares = self._shares(detail)
        if len(shares) == 1:
            return shares[0].args, dict(shares[0].kwargs)
        if detail.args_cut:
            raise DeskError(
                f"{detail.row.name} cannot be sent again: its arguments were too long to be kept.",
                "Send it from where it came from.",
            )
        raise DeskError(
            f"{detail.row.name} cannot be sent again: its arguments are not known, as no worker received it "
            "or they were no JSON.",
            "Send it from where it came from.",
        )

    def _whereabouts(self, place: Place, task_id: str) -> tuple[TaskState | None, WorkerSnapshot | None]:
        """Where the task is now: the ledger's word on what runs, else the record's."""
        shown = self.snapshot()
        for worker in shown.workers:
            if any(task.id == task_id for task in worker.running):
                return TaskState.ACTIVE, worker
        try:
            row = self._detail(place, task_id).row
        except DeskError:  # a task that nobody has heard of yet may be revoked too
            return None, None
        return row.state, shown.worker(row.worker) if row.worker else None


def _mark(place: Place, kind: MarkKind, text: str) -> None:
    place.mark(Mark(time.time(), kind, "broker", text))


def _held(queue: QueueSnapshot | None) -> int:
    if queue is None:
        return 0
    return queue.reserved + queue.active + queue.scheduled + queue.stranded


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _of(queue: str | None, worker: str | None) -> str:
    return (f" of {queue}" if queue else "") + (f" at {worker}" if worker else "")


def _restored_text(done: Restored, alive: int) -> str:
    said = []
    if done.count:
        where = ", ".join(f"{len(ids):,} in {queue}" for queue, ids in sorted(done.moved.items()))
        are = "is" if done.count == 1 else "are"
        said.append(f"{plural(done.count, 'message')} {are} back: {where}.")
    else:
        said.append("Nothing was put back.")
    if done.gone:
        said.append(f"{done.gone:,} had been acknowledged or put back by others meanwhile.")
    if done.unbound:
        said.append(f"{done.unbound:,} {_were(done.unbound)} left: no queue is bound to their exchange.")
    if alive:
        said.append(f"{alive:,} {_were(alive)} left: the worker that they were delivered to lives.")
    return " ".join(said)
