"""The part of `FakeDesk` that stands for what lies in the broker."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from desktop.engine.api import MessagePage, PurgeOffer, QueueSnapshot, StackSnapshot
from tests.support.fake_queues import messages_of


class FakeMessageVerbs:
    """Records the verbs; what it answers fits the snapshot of that moment."""

    def _future(self, verb: str, args: tuple[Any, ...], result: Any) -> Future[Any]:
        raise NotImplementedError  # FakeDesk's

    def snapshot(self) -> StackSnapshot:
        raise NotImplementedError  # FakeDesk's

    def _queue(self, name: str) -> QueueSnapshot:
        found = (q for q in self.snapshot().queues if q.name == name)
        return next(found, QueueSnapshot(name))

    def messages(self, queue: str, first: int = 0, count: int = 100) -> Future[MessagePage]:
        page = messages_of(queue, first, count, self._queue(queue).waiting, self.snapshot().t)
        return self._future("messages", (queue, first, count), page)

    def purge_offer(self, queue: str) -> Future[PurgeOffer]:
        now = self._queue(queue)
        untouched = now.reserved + now.active + now.scheduled + now.stranded
        return self._future(
            "purge_offer", (queue,), PurgeOffer(queue, now.waiting, now.by_priority, untouched)
        )

    def purge(self, queue: str) -> Future[str]:
        said = f"{self._queue(queue).waiting:,} messages of {queue} were deleted."
        return self._future("purge", (queue,), said)

    def restore_stranded(self, queue: str | None = None, worker: str | None = None) -> Future[str]:
        return self._future("restore_stranded", (queue, worker), "6 messages are back in their queues.")

    def retry_task(self, task_id: str) -> Future[str]:
        return self._future("retry_task", (task_id,), "Sent again.")

    def revoke_task(self, task_id: str, terminate: bool = False) -> Future[str]:
        return self._future("revoke_task", (task_id, terminate), "Revoked.")
