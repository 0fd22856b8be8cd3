"""The part of `FakeDesk` that stands for what lies in the broker."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from desktop.engine.api import MessagePage, PurgeOffer


class FakeMessageVerbs:
    """Records the verbs; its answers are made up."""

    def _future(self, verb: str, args: tuple[Any, ...], result: Any) -> Future[Any]:
        raise NotImplementedError  # FakeDesk's

    def messages(self, queue: str, first: int = 0, count: int = 100) -> Future[MessagePage]:
        return self._future("messages", (queue, first, count), MessagePage(queue, first, (), 0))

    def purge_offer(self, queue: str) -> Future[PurgeOffer]:
        return self._future("purge_offer", (queue,), PurgeOffer(queue, 12, {0: 12}, 4))

    def purge(self, queue: str) -> Future[str]:
        return self._future("purge", (queue,), f"12 messages of {queue} were deleted.")

    def restore_stranded(self, queue: str | None = None, worker: str | None = None) -> Future[str]:
        return self._future("restore_stranded", (queue, worker), "6 messages are back in their queues.")

    def retry_task(self, task_id: str) -> Future[str]:
        return self._future("retry_task", (task_id,), "Sent again.")

    def revoke_task(self, task_id: str, terminate: bool = False) -> Future[str]:
        return self._future("revoke_task", (task_id, terminate), "Revoked.")
