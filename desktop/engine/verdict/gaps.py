"""What a record does not know of its run, in sentences."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop.engine.api import RunInfo
from desktop.engine.ledger.settle import LISTED
from desktop.engine.record.moment import MOMENT, balance_of
from desktop.engine.supervise.outcome import plural
from desktop.engine.verdict.reading import meta_of

if TYPE_CHECKING:
    from desktop.engine.record.reading.jobs import Hand

LEDGER = "ledger"
_NAMED = 3  # files, or ids, of one sentence


def gaps_of(hand: Hand, info: RunInfo) -> tuple[str, ...]:
    """What the record was told to have missed, and what the ledger beside it shows to be missing."""
    told = meta_of(hand, "gaps")
    found = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    return (*found, *_of_files(hand, info), *_of_senders(hand), *_of_the_sum(hand))


def _of_files(hand: Hand, info: RunInfo) -> Iterator[str]:
    """Files of the ledger that are gone or shorter than what was read of them, or were not read to their end.

    A record without any ledger folder is one that was handed on without it: it was complete.
    """
    read: dict[str, int] = dict(hand.connection.execute("SELECT file, offset FROM ledger"))
    there = _sizes(info.folder / LEDGER)
    if there is None:
        if info.live and read:
            yield "The ledger folder is gone while the run is recorded: what tasks do now is not known."
        return
    gone = sorted(name for name in read if name not in there)
    if gone:
        yield f"{_named(gone, 'ledger file')} vanished: what was written after the last reading is not known."
    shorter = sorted(name for name, offset in read.items() if there.get(name, offset) < offset)
    if shorter:
        yield f"{_named(shorter, 'ledger file')} became shorter: somebody changed what had been written."
    unread = sorted(name for name, size in there.items() if size > read.get(name, 0))
    if unread and not info.live:
        yield f"{_named(unread, 'ledger file')} was not read to its end: open the run to complete its record."


def _sizes(folder: Path) -> Mapping[str, int] | None:
    """The files of a ledger folder; None where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.name.endswith(".jsonl")}
    except OSError:
        return None


def _of_senders(hand: Hand) -> Iterator[str]:
    """Tasks that were handed over as a connection broke, and of which nobody heard again."""
    account: Mapping[str, Any] = meta_of(hand, "account") or {}
    loads: Mapping[str, Any] = account.get("loads") or {}
    unsure = [one for load in loads.values() for one in load[3] if hand.recall.row_of(one) is None]
    if unsure:
        yield (
            f"{_named(sorted(unsure), 'task')} was handed over as the connection broke: whether it reached "
            "the broker is not known."
        )


def _of_the_sum(hand: Hand) -> Iterator[str]:
    """A queue too long to be listed: which of its tasks are missing cannot be told (`ledger.settle`)."""
    balance = balance_of(meta_of(hand, MOMENT))
    if balance is not None and balance.exact and balance.waiting > LISTED and balance.difference:
        missing = abs(balance.difference)
        how = "fewer" if balance.difference > 0 else "more"
        yield (
            f"The broker holds {plural(missing, 'message')} {how} than the ledger knows, in queues too long "
            "to say which."
        )


def _named(names: list[str], what: str) -> str:
    """The first ones by name, and how many more."""
    first = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return (
        f"The {what} {first}{more}" if len(names) == 1 else f"Each of {len(names):,} {what}s ({first}{more})"
    )
