"""Watching a stack that somebody else started."""

from __future__ import annotations

from concurrent.futures import Future

from desktop.engine.api import DeskError


class AttachVerbs:
    """The part of `Desk` that attaches to a broker."""

    def attach(self, url: str) -> Future[str]:
        raise DeskError("Not built yet.")

    def enable_events(self, worker: str | None = None) -> Future[str]:
        raise DeskError("Not built yet.")
