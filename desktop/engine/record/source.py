"""Where the recorder's lines come from: the ledger of a stack of ours, or the events of another one's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from desktop.engine.ledger.lines import Line
from desktop.engine.ledger.tail import Tail

CHUNK = 256 * 1024  # bytes of one file at a time, so that a question is answered while a flood is read


class Source(Protocol):
    """Gives each line once."""

    behind: bool  # the last poll left something unread

    def poll(self) -> list[Line]:
        """What was written since the last call."""

    def positions(self) -> Mapping[str, int]:
        """How far each file was read, as `poll` gave it: those that changed since the last call."""

    def close(self) -> None:
        """Let go of it."""


def source_of(begin: Mapping[str, Any], positions: Mapping[str, int]) -> Source:
    """The source that the panel's first message names: `{"source": "ledger" | "events", …}`."""
    if begin["source"] == "events":
        module = importlib.import_module("desktop.engine.attach.stream")
        stream: Source = module.EventStream(begin)
        return stream
    return Tail(Path(begin["folder"]) / "ledger", positions, CHUNK)
