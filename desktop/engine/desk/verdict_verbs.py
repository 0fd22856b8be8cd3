"""Verbs that say what became of the tasks."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from desktop.engine.api import Account, DeskError

_NOT_YET = DeskError("This is being built.", "Come back with the next version.")


class VerdictVerbs:
    """The part of `Desk` that draws up accounts and outcomes."""

    def account(self, folder: Path | None = None) -> Future[Account]:
        raise _NOT_YET

    def judge_faults(self) -> Future[str]:
        raise _NOT_YET
