"""Where the recorder's lines come from: the ledger of a stack of ours, or the events of another one's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line
from desktop.engine.ledger.tail import Tail

CHUNK = 64 * 1024  # bytes of one file at a time, so that a question is answered while a flood is read


class Source(Protocol):
    """Gives each line once."""

    behind: bool  # the last poll left something unread

    def poll(self) -> list[Line]:
        """What was written since the last call."""

    def positions(self) -> Mapping[str, int]:
        """How far each file was read, as `poll` gave it: those that changed since the last call."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class WatchedSource(Source, Protocol):
    """That of a stack that somebody else started: it does not know everything, and says so."""

    def adopt(self, account: Account) -> None:
        """Go on from the account of an earlier recorder."""

    def told(self) -> Mapping[str, Any]:
        """What the panel shows of it beside the tasks."""

    def sentences(self) -> tuple[str, ...]:
        """What is not known, and why."""

    def unseen(self, delivered_at: float) -> bool:
        """Whether a living worker may have been given a message then of which no line tells."""


def source_of(begin: Mapping[str, Any], positions: Mapping[str, int]) -> Source:
    """The source that the panel's first message names: `{"source": "ledger" | "events", …}`."""
    if begin["source"] == "events":
        module = importlib.import_module("desktop.engine.attach.source")
        events: Source = module.AttachedSource(begin, positions, CHUNK)
        return events
    return Tail(Path(begin["folder"]) / "ledger", positions, CHUNK)
