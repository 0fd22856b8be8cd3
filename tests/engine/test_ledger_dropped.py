"""What workers could not write: nothing is called lost that may have run, and people are told."""

from __future__ import annotations

import json
import time
from typing import Any

from desktop.engine.api import TaskState
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.dropped import Dropped
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.ledger.places import ACTIVE, RESERVED, WAITING
from desktop.engine.ledger.settle import Settler
from tests.engine.ledger_lines import (
    MAIN,
    OTHER,
    POOL,
    account_of,
    ended,
    killed_worker,
    line,
    looked,
    opened,
    place,
    pool,
    received,
    sent,
    started,
    view,
)


def dropped(since: float, until: float, count: int = 3, source: Source = MAIN, **more: Any) -> Line:
    return line("dropped", until, source, count=count, since=since, pid=source.pid, **more)


def busy(t: float, count: int) -> Line:
    return Line(MAIN, {**pool(t).data, "busy": count})


def test_what_seems_lost_is_unknown_where_lines_are_missing() -> None:
    account = killed_worker()
    account.take([dropped(1.5, 2.5)])
    balance = looked(Settler(account), *(view(t) for t in (4, 5, 6, 7)))
    assert [place(account, task) for task in "ab"] == [TaskState.UNKNOWN, TaskState.UNKNOWN]
    assert (balance.lost, balance.ended, balance.difference) == (0, 2, 0)


def test_what_was_heard_of_later_is_lost_all_the_same() -> None:
    account = killed_worker()
    account.take([dropped(0.2, 0.9)])
    looked(Settler(account), *(view(t) for t in (4, 5, 6, 7)))
    assert place(account, "a") is TaskState.LOST


def test_a_waiting_message_that_some_worker_took_unseen_is_unknown() -> None:
    account = account_of(opened(MAIN), opened(OTHER), sent("a", "b"))
    account.take([dropped(3, 4, source=OTHER)])
    looked(Settler(account), *(view(t, waiting=1) for t in (5, 6, 7, 8)), ids=["b"])
    assert [place(account, task) for task in "ab"] == [TaskState.UNKNOWN, WAITING]


def test_what_was_called_lost_before_the_worker_could_tell_is_unknown_then() -> None:
    account = killed_worker()
    looked(Settler(account), *(view(t) for t in (4, 5, 6, 7)))
    assert (place(account, "a"), account.places.ends) == (TaskState.LOST, {TaskState.LOST: 2})
    account.take([dropped(2.5, 9, source=OTHER)])
    assert place(account, "a") is TaskState.UNKNOWN
    assert {state: count for state, count in account.places.ends.items() if count} == {TaskState.UNKNOWN: 2}
    account.take([opened(OTHER), received("a", 20, OTHER)])  # and it comes after all
    assert place(account, "a") is RESERVED


def test_runs_whose_end_could_not_be_written_do_not_run_for_ever() -> None:
    account = account_of(opened(MAIN), opened(POOL, "pool"), sent("a", "b", "c"))
    account.take([received(task) for task in "abc"])
    account.take([started("a", 2), started("b", 2.5), dropped(3, 4), started("c", 5)])
    settler = Settler(account)
    account.take([busy(3.9, 1)])  # of before it told
    looked(settler, view(5), view(6))
    assert [place(account, task) for task in "abc"] == [ACTIVE, ACTIVE, ACTIVE]
    account.take([busy(6.0, 2)])
    looked(settler, view(7), view(8))
    assert [place(account, task) for task in "abc"] == [TaskState.UNKNOWN, ACTIVE, ACTIVE]
    account.take([busy(8.0, 0)])
    looked(settler, view(9), view(10), view(11))
    # c began after the gap: its end would have been told
    assert [place(account, task) for task in "abc"] == [TaskState.UNKNOWN, TaskState.UNKNOWN, ACTIVE]
    assert (account.totals().running, account.totals().cut) == (1, 0)
    (attempt,) = account.attempts("a")
    assert attempt.error == "its worker could not write how it ended"
    account.take([ended("c", 12)])
    assert account.places.ended == 3


def test_it_is_told_in_a_sentence_and_once_for_all_processes_of_a_worker() -> None:
    account = account_of(
        dropped(100, 105, 200, why="ENOSPC"),
        dropped(101, 108, 14, POOL, why="ENOSPC"),
        dropped(300, 300, 1, why="EIO"),
        dropped(50, 51, 2, OTHER),
    )
    account.went_unwritten(Dropped("", 0, 99, 109, 0))
    first, *others = account.dropped.sentences()
    assert first == f"w2 could not write 2 lines between {clock(50)} and {clock(51)}."
    assert others == [
        f"The run folder could not be written between {clock(99)} and {clock(109)}: "
        "what tasks did meanwhile may be missing.",
        f"w1 could not write 214 lines between {clock(100)} and {clock(108)}: its disk was full.",
        f"w1 could not write 1 line at {clock(300)}: the system said EIO.",
    ]
    again = Account()
    again.restore(json.loads(json.dumps(account.saved())), [])
    assert again.dropped.sentences() == account.dropped.sentences()
    assert again.dropped.until("w1", 1) == 300


def clock(t: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(t))
