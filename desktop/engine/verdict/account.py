"""The account of a run: each task that was submitted, in exactly one place."""

from __future__ import annotations

from desktop.engine.api import Account, Record
from desktop.engine.verdict.reading import ask


def account_of(record: Record, since: float | None = None, until: float | None = None) -> Account:
    """What became of every task of a run, from its record alone. Waits: for a thread that may.

    `since`, `until`: only the tasks that were sent (else first heard of) from then on, and before then. Of a
    run that lives it is the account of what is written: see `settled.settled_record`. Raises DeskError where
    the record cannot be read.
    """
    from desktop.engine.verdict.counting import counted

    return ask(record, lambda reading, hand: counted(reading, hand, record.info, since, until))
