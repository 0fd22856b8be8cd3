"""Where each message is: through every transition, settled with the broker, in any order of reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.engine.api import TaskState
from desktop.engine.ledger.account import Account, read
from desktop.engine.ledger.kept import KEPT, KEPT_OVER
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.ledger.places import ACTIVE, RESERVED, SCHEDULED, STRANDED, WAITING
from desktop.engine.ledger.records import Task
from desktop.engine.ledger.settle import Settler
from tests.engine.ledger_lines import (
    DESK,
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


def counts(account: Account) -> dict[tuple[str, str], dict[str, int]]:
    """What is counted where, without the zeros."""
    found = {}
    for key, cell in account.places.cells.items():
        if some := {place.value: count for place, count in cell.counts.items() if count}:
            found[key] = some
    return found


def test_a_task_on_its_way() -> None:
    account = account_of(opened(MAIN), sent("a", "b"))
    assert (place(account), counts(account)) == (WAITING, {("q", ""): {"waiting": 2}})
    account.take([received("a")])
    assert (place(account), counts(account)) == (
        RESERVED,
        {("q", ""): {"waiting": 1}, ("q", "w1"): {"reserved": 1}},
    )
    account.take([started("a", 2)])
    assert counts(account) == {("q", ""): {"waiting": 1}, ("q", "w1"): {"active": 1}}
    account.take([ended("a", 3)])
    task = account.task("a")
    assert task is not None
    assert (task.place, task.ended, task.attempts[0].received) == (TaskState.SUCCESS, 3, 1.0)
    assert counts(account) == {("q", ""): {"waiting": 1}}
    assert (account.places.known, account.places.ended) == (2, 1)
    (queue,) = account.places.queues()
    assert (queue.came, queue.went) == (2, 1)


def test_a_retry_waits_again_and_is_scheduled_until_it_is_due() -> None:
    account = account_of(received("a"), started("a", 2), ended("a", 3, "RETRY"))
    assert place(account) is WAITING
    account.take([received("a", 3.1, retries=1, eta=10.0)])
    assert place(account) is SCHEDULED
    account.tick(9.9)
    assert place(account) is SCHEDULED
    account.tick(10.0)
    assert place(account) is RESERVED
    account.take([started("a", 11, retries=1), ended("a", 12)])
    assert (place(account), counts(account)) == (TaskState.SUCCESS, {})


def test_requeued_rejected_revoked_and_unknown_tasks() -> None:
    account = account_of(
        *(received(task) for task in "abcd"),
        *(started(task, 2) for task in "ab"),
        ended("a", 3, "REJECTED", requeue=True),
        ended("b", 3, "REJECTED", requeue=False),
        line("revoked", 3, id="c", name="n", terminated=False, expired=False),
        ended("d", 3, "FAILURE", MAIN, run=0),
    )
    assert [place(account, task) for task in "abcd"] == ["waiting", "REJECTED", "REVOKED", "FAILURE"]
    assert counts(account) == {("q", ""): {"waiting": 1}}


def test_purged_and_put_back() -> None:
    account = account_of(
        sent("a", "b"),
        line("purged", 2, DESK, ids=["a", "z"], queue="q"),
        opened(MAIN),
        received("b"),
    )
    assert [place(account, task) for task in "az"] == ["PURGED", "PURGED"]
    assert account.loads[1].ended == 1
    account.cut("w1", t=3)
    assert place(account, "b") is STRANDED
    account.take([line("restored", 4, DESK, ids=["b"], queue="q")])
    assert place(account, "b") is WAITING
    account.take([received("a", 5, OTHER)])  # it had been restored meanwhile, after all
    assert (place(account), account.loads[1].ended) == (RESERVED, 0)


def test_a_killed_worker_strands_what_it_held_and_one_that_stops_gives_it_back() -> None:
    lines = (opened(MAIN), opened(POOL, "pool"), received("a"), received("b"), started("a", 2))
    killed, stopped = account_of(*lines), account_of(*lines)
    killed.cut("w1", t=3)
    assert counts(killed) == {("q", "w1"): {"stranded": 2}}
    stopped.take([ended("a", 2.5)])
    stopped.cut("w1", t=3, gave_back=True)
    assert (place(stopped, "a"), place(stopped, "b")) == (TaskState.SUCCESS, WAITING)
    # and what is read only now of them is put where it belongs
    killed.take([received("c", 2.9)])
    stopped.take([received("c", 2.9)])
    assert (place(killed, "c"), place(stopped, "c")) == (STRANDED, WAITING)
    killed.take([ended("a", 2.9)])
    assert place(killed, "a") is TaskState.SUCCESS


def test_a_stranded_message_that_is_delivered_again_is_stranded_no_more() -> None:
    account = account_of(opened(MAIN), opened(OTHER), received("a"))
    account.cut("w1", t=3)
    account.take([received("a", 10, OTHER, redelivered=True), started("a", 11, OTHER)])
    assert place(account) is ACTIVE
    account.take([ended("a", 12, source=OTHER)])
    assert (place(account), counts(account)) == (TaskState.SUCCESS, {})


def of_a_dead_worker() -> dict[Source, list[Line]]:
    """`a` and `c` were held and `b` ran as w1 was killed; they were put back, and w2 then took `c`."""
    return {
        DESK: [opened(DESK, "desk"), line("restored", 4, DESK, ids=["a", "b", "c", "d"], queue="q")],
        MAIN: [opened(MAIN), *(received(task) for task in "abcd")],
        POOL: [opened(POOL, "pool"), started("b", 2), started("d", 2), ended("d", 3)],
        OTHER: [opened(OTHER), received("c", 4.001, OTHER, redelivered=True)],
    }


@given(st.randoms(use_true_random=False))
def test_put_back_whichever_file_is_read_first(chance: Any) -> None:
    account, files = Account(), list(of_a_dead_worker().values())
    while files := [file for file in files if file]:
        account.take([chance.choice(files).pop(0)])
    assert [place(account, task) for task in "abcd"] == [WAITING, ACTIVE, RESERVED, TaskState.SUCCESS]
    account.cut("w1", start=1, t=3.5)
    assert [place(account, task) for task in "abcd"] == [WAITING, WAITING, RESERVED, TaskState.SUCCESS]
    assert counts(account) == {("q", ""): {"waiting": 2}, ("q", "w2"): {"reserved": 1}}
    assert account.places.known == 4


def test_the_record_of_a_folder_shows_what_was_put_back_as_waiting(tmp_path: Path) -> None:
    for source, lines in of_a_dead_worker().items():
        text = "".join(f"{json.dumps(line.data)}\n" for line in lines)
        (tmp_path / f"{source.service}.{source.start:03}.{source.pid}.jsonl").write_text(text)
    account = read(tmp_path)
    assert [place(account, task) for task in "ac"] == [WAITING, RESERVED]
    assert account.task("a").holder is None  # type: ignore[union-attr]


def test_a_second_delivery_while_the_first_runs() -> None:
    account = account_of(opened(MAIN), opened(OTHER), received("a"), started("a", 2))
    account.take([received("a", 10, OTHER, redelivered=True)])
    assert place(account) is ACTIVE
    account.take([ended("a", 11, run=9)])
    assert (place(account), counts(account)) == (RESERVED, {("q", "w2"): {"reserved": 1}})
    account.take([started("a", 12, OTHER), ended("a", 13, source=OTHER)])
    assert (place(account), account.places.ended, account.totals().ran_twice) == (TaskState.SUCCESS, 1, 1)


# settled with the broker


def test_early_acknowledged_and_killed_is_lost_and_what_it_held_comes_back() -> None:
    account = killed_worker()
    settler = Settler(account)
    settler.visibility = 100
    first = looked(settler, view(4, {"b": 1.0}))
    assert (place(account, "a"), first.exact, first.difference) == (STRANDED, False, 1)
    balance = looked(settler, *(view(t, {"b": 1.0}) for t in (5, 6, 7)))
    assert (place(account, "a"), place(account, "b")) == (TaskState.LOST, STRANDED)
    task = account.task("b")
    assert task is not None
    assert task.back_at == 101
    assert (balance.lost, balance.stranded, balance.ended, balance.exact) == (1, 1, 1, True)
    assert balance.difference == 0
    assert [one.task_id for one in settler.unheld] == ["b"]


def test_late_acknowledged_and_killed_is_stranded_until_it_waits_again() -> None:
    account = killed_worker()
    settler = Settler(account)
    balance = looked(settler, view(4, {"a": 1.0, "b": 1.0}), view(5, {"a": 1.0, "b": 1.0}))
    assert (balance.stranded, balance.difference, balance.exact) == (2, 0, True)
    balance = looked(settler, *(view(t, waiting=2) for t in (6, 7, 8)), ids=["a", "b"])
    assert (balance.waiting, balance.stranded, balance.difference, balance.exact) == (2, 0, 0, True)
    assert [place(account, task) for task in "ab"] == [WAITING, WAITING]


def test_a_lost_task_that_shows_up_again_is_lost_no_more() -> None:
    account = killed_worker()
    settler = Settler(account)
    looked(settler, *(view(t) for t in (4, 5, 6, 7)))
    assert place(account, "a") is TaskState.LOST
    account.take([opened(OTHER), received("a", 20, OTHER)])
    assert (place(account, "a"), account.places.ends[TaskState.LOST]) == (RESERVED, 1)


def test_a_broker_that_forgot_everything() -> None:
    """It was restarted without persistence: what waited and what living workers held is lost."""
    account = account_of(
        opened(MAIN), opened(POOL, "pool"), sent("a", "b", "c"), received("a"), received("b"), started("a", 2)
    )
    settler = Settler(account)
    balance = looked(settler, *(view(t) for t in (4, 5, 6, 7, 8)))
    assert [place(account, task) for task in "abc"] == [ACTIVE, TaskState.LOST, TaskState.LOST]
    assert (balance.lost, balance.active, balance.difference, balance.exact) == (2, 1, 0, True)


def test_what_a_living_worker_forgot_is_stranded() -> None:
    """A broker that comes back with its data: workers forget what they held, `unacked` does not."""
    account = account_of(opened(MAIN), received("a"), received("b"), pool(3.0, reserved=2))
    settler = Settler(account)
    held = {"a": 1.0, "b": 1.0}
    assert looked(settler, view(4, held), view(5, held)).reserved == 2
    account.take([pool(5.5)])
    balance = looked(settler, view(6, held), view(7, held), view(8, held))
    assert (balance.reserved, balance.stranded, balance.difference) == (0, 2, 0)
    assert counts(account) == {("q", "w1"): {"stranded": 2}}
    account.take([started("a", 9)])
    assert place(account, "a") is ACTIVE


def test_a_message_of_a_task_that_has_ended_is_a_copy() -> None:
    account = account_of(opened(MAIN), sent("a"), received("a"), started("a", 2), ended("a", 3))
    account.cut("w1", t=3.1)
    settler = Settler(account)
    balance = looked(settler, view(4, {"a": 1.0}), view(5, {"a": 1.0}))
    assert (balance.stranded, balance.copies, balance.ended, balance.difference) == (1, 1, 1, 0)
    balance = looked(settler, *(view(t, waiting=1) for t in (6, 7, 8)), ids=["a"])
    assert (balance.waiting, balance.copies, balance.difference, balance.exact) == (1, 1, 0, True)
    assert place(account) is TaskState.SUCCESS


def test_a_second_message_that_is_lost_leaves_the_first_end() -> None:
    account = account_of(opened(MAIN), opened(OTHER), received("a"), started("a", 2), ended("a", 3))
    account.take([received("a", 4, OTHER, redelivered=True)])
    assert place(account) is RESERVED
    looked(Settler(account), *(view(t) for t in (5, 6, 7)))
    assert (place(account), account.places.ends) == (TaskState.SUCCESS, {TaskState.SUCCESS: 1})


def test_messages_that_nobody_told_of_are_found_in_the_queue_and_at_workers() -> None:
    account = account_of(sent("a"))
    settler = Settler(account)
    balance = looked(settler, *(view(t, {"x": 3.0}, waiting=2) for t in (4, 5, 6)), ids=["a", "b"])
    assert (balance.submitted, balance.waiting, balance.stranded, balance.difference) == (3, 2, 1, 0)
    assert (place(account, "b"), place(account, "x")) == (WAITING, STRANDED)


def test_nothing_is_judged_by_half_a_look_or_while_messages_move() -> None:
    account = killed_worker()
    settler = Settler(account)
    balance = looked(settler, *(view(t, complete=False) for t in (4, 5, 6)))
    assert [place(account, task) for task in "ab"] == [STRANDED, STRANDED]
    assert (balance.stranded, balance.exact) == (2, False)
    moving = account_of(sent("a"))
    balance = looked(Settler(moving), *(view(t) for t in (4, 5, 6)), quiet=False)
    assert (place(moving), balance.difference, balance.exact) == (WAITING, 1, False)


# in any order


def story(runs: list[tuple[int, str]]) -> dict[Source, list[Line]]:
    """The files of two workers through whose hands tasks go, one run after the other."""
    files: dict[Source, list[Line]] = {source: [opened(source)] for source in (MAIN, OTHER)}
    pools = {MAIN: POOL, OTHER: Source("w2", 1, 201)}
    files.update({source: [opened(source, "pool")] for source in pools.values()})
    now, retries = 10.0, dict.fromkeys(range(4), 0)
    for number, (task, fate) in enumerate(runs):
        main = (MAIN, OTHER)[number % 2]
        child, name = pools[main], str(task)
        files[main].append(received(name, now, main, retries=retries[task]))
        if fate != "held":
            files[child].append(started(name, now + 1, child, retries[task]))
        if fate == "RETRY":
            retries[task] += 1
        if fate == "requeue":
            files[child].append(ended(name, now + 2, "REJECTED", child, requeue=True))
        elif fate not in ("held", "running"):
            files[child].append(ended(name, now + 2, fate, child))
        now += 5
    return files


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["SUCCESS", "FAILURE", "RETRY", "requeue", "held", "running"]),
        ),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_every_interleaving_leaves_each_message_in_the_same_place(
    runs: list[tuple[int, str]], chance: Any
) -> None:
    found = []
    for shuffled in (False, True):
        account, files = Account(), [list(lines) for lines in story(runs).values()]
        while files := [file for file in files if file]:
            file = chance.choice(files) if shuffled else min(files, key=lambda lines: lines[0].data["t"])
            account.take([file.pop(0)])
        account.cut("w2", start=1, t=1000.0)
        tasks = sorted(account.tasks(), key=lambda task: task.id)
        found.append(
            (counts(account), [(task.id, task.place, task.holder) for task in tasks if not task.over])
        )
        assert account.places.known == len(tasks)
        assert account.places.ended == sum(task.over for task in tasks)
    assert found[0] == found[1]


# what is forgotten


class Memory:
    """A database that gives back what was written, as new objects."""

    def __init__(self) -> None:
        self.rows: dict[str, Task] = {}
        self.asked: list[str] = []

    def recall(self, task_id: str) -> Task | None:
        self.asked.append(task_id)
        return self.rows.get(task_id)

    def commit(self, account: Account) -> None:
        changed = account.changed()
        self.rows.update({task.id: task for task in changed})
        account.forget(changed)


def test_memory_is_bounded_and_nothing_is_forgotten_for_good() -> None:
    memory = Memory()
    account = Account(recall=memory.recall)
    many = [str(number) for number in range(KEPT + KEPT_OVER)]
    account.take([sent(*many)])
    memory.commit(account)
    assert len(list(account.tasks())) == KEPT
    account.take([opened(MAIN)])
    for start in range(0, len(many), 5000):
        part = many[start : start + 5000]
        account.take(
            line
            for task in part
            for line in (received(task), started(task, 2, MAIN), ended(task, 3, source=MAIN))
        )
        memory.commit(account)
    assert len(list(account.tasks())) <= KEPT_OVER
    assert (account.totals().succeeded, account.places.ended, account.loads[1].ended) == (len(many),) * 3
    assert counts(account) == {}

    account.take([received("7", 50), started("7", 51, MAIN)])  # long over, and forgotten
    assert account.totals().ran_twice == 1
    assert (account.places.ended, account.loads[1].ended) == (len(many) - 1,) * 2
    assert [(task.id, task.attempt) for task in account.running("w1", 1)] == [("7", 2)]
    account.take([ended("7", 52, source=MAIN)])
    assert account.places.ended == len(many)


def test_an_account_goes_on_where_another_one_ended() -> None:
    lines = [
        opened(MAIN),
        opened(POOL, "pool"),
        sent("a", "b", "c", "d", "e"),
        *(received(task) for task in "abcd"),
        received("e", eta=99.0),
        started("a", 2),
        started("b", 2),
        ended("b", 3),
        pool(3.0, reserved=2, scheduled=1),
    ]
    later = [ended("a", 4, "RETRY"), started("c", 5), received("a", 6, retries=1), received("f", 7)]
    whole = account_of(*lines, *later)
    first = account_of(*lines)
    second = Account(recall=lambda task_id: None)
    second.restore(first.saved(), [task for task in first.tasks() if not task.over])
    second.take(later)
    assert counts(second) == counts(whole)
    assert second.totals(0) == whole.totals(0)
    assert second.workers == whole.workers
    assert second.loads == whole.loads
    second.tick(100.0)
    assert place(second, "e") is RESERVED
    second.cut("w1", t=8)
    whole.cut("w1", t=8)
    assert counts(second)["q", "w1"] == counts(whole)["q", "w1"] == {"stranded": 5}
