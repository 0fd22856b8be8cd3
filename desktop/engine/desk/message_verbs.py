"""Verbs on queues and single tasks."""

from __future__ import annotations

from concurrent.futures import Future

from desktop.engine.api import DeskError, MessagePage, PurgeOffer


class MessageVerbs:
    """The part of `Desk` that reads and changes what lies in the broker."""

    def messages(self, queue: str, first: int = 0, count: int = 100) -> Future[MessagePage]:
        raise DeskError("Not built yet.")

    def purge_offer(self, queue: str) -> Future[PurgeOffer]:
        raise DeskError("Not built yet.")

    def purge(self, queue: str) -> Future[str]:
        raise DeskError("Not built yet.")

    def restore_stranded(self, queue: str | None = None, worker: str | None = None) -> Future[str]:
        raise DeskError("Not built yet.")

    def retry_task(self, task_id: str) -> Future[str]:
        raise DeskError("Not built yet.")

    def revoke_task(self, task_id: str, terminate: bool = False) -> Future[str]:
        raise DeskError("Not built yet.")
