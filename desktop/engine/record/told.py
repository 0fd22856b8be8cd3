"""What the recorder tells the panel, and how the two talk: pickles with their length, over pipes."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from desktop.engine.api import Balance, Held, RunningTask, Totals
from desktop.engine.ledger.records import PoolState
from desktop.engine.ledger.tally import Beat

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class WorkerTold:
    """What the ledger knows of the last start of a worker."""

    start: int
    ready: bool = False  # its probe wrote `ready`
    heard_at: float = 0.0  # seconds since the epoch: its main process' last line about itself
    closing: bool = False  # it began to stop
    pool: PoolState | None = None
    running: tuple[RunningTask, ...] = ()
    done: int = 0  # attempts that ended, over all its starts


@dataclass(frozen=True, slots=True)
class QueueTold:
    """What the ledger and the last deep look know of a queue."""

    name: str
    waiting: int = 0  # by the ledger
    held: tuple[Held, ...] = ()
    rate_in: float = 0.0
    rate_out: float = 0.0
    oldest_since: float | None = None
    seen: tuple[int, Mapping[int, int]] | None = None  # waiting in the broker at the last look, by priority


@dataclass(frozen=True, slots=True)
class Told:
    """The recorder's state, pushed up to ten times a second."""

    t: float = 0.0
    totals: Totals = field(default_factory=Totals)
    workers: Mapping[str, WorkerTold] = field(default_factory=dict)
    loads: Mapping[int, int] = field(default_factory=dict)  # load → how many of its tasks are over
    queues: Mapping[str, QueueTold] = field(default_factory=dict)
    balance: Balance | None = None
    beat: Beat = field(default_factory=Beat)
    problem: str = ""  # why nothing can be recorded now
    gaps: tuple[str, ...] = ()  # what the record does not know, and why
    attached: Mapping[str, Any] | None = None  # of an attached stack: its workers and what was missed


def packed(message: Any) -> bytes:
    """A message for the pipe."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Puts messages together again from whatever pieces come out of the pipe.

    Only for the pipes between the panel and its own child: a pickle can run code.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that are whole now."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            body = bytes(buffer[_LENGTH.size : end])
            del buffer[:end]
            yield pickle.loads(body)
