"""Messages through the one interface: a real stack whose worker dies, whose queue is purged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from desktop.engine.api import DeskError, MarkKind, QueueSnapshot, TaskShare, Workload
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from tests.engine.messages_support import ids, sending
from tests.support.waiting import eventually

STACK = """
name = "messages"
[[worker]]
name = "w1"
pool = "threads"
concurrency = 1
restart = "never"
queues = ["celery"]
"""


@pytest.fixture
def desk(tmp_path: Path, nothing_left: None) -> Iterator[LocalDesk]:
    file = tmp_path / "stack.toml"
    file.write_text(STACK)
    desk = LocalDesk(read_stack(file))
    yield desk
    desk.close()


def queue(desk: LocalDesk, name: str = "celery") -> QueueSnapshot:
    return next((found for found in desk.snapshot().queues if found.name == name), QueueSnapshot(name))


def is_exact(desk: LocalDesk, waiting: int, stranded: int) -> bool:
    """The queue and the sum over everything say so, and the sum holds."""
    now, balance = queue(desk), desk.snapshot().balance
    return (
        (now.waiting, now.stranded) == (waiting, stranded)
        and balance is not None
        and balance.exact
        and balance.difference == 0
        and (balance.waiting, balance.stranded) == (waiting, stranded)
    )


def sent_again(desk: LocalDesk, task_id: str) -> str:
    try:
        return desk.retry_task(task_id).result(10)
    except DeskError:
        return ""


def test_messages_are_put_back_purged_and_found(desk: LocalDesk) -> None:
    desk.start().result(60)
    folder = desk.snapshot().run_folder
    assert folder is not None
    desk.submit(Workload((TaskShare("tasks.sleep", kwargs={"seconds": 300.0}),), count=12)).result(10)
    eventually(
        lambda: (queue(desk).waiting, queue(desk).reserved, queue(desk).active) == (7, 4, 1), "they lie"
    )
    page = eventually(
        lambda: (
            found if (found := desk.messages("celery").result(10)).messages[0].sent_at is not None else None
        ),
        "the record knows when they were sent",
    )
    assert (page.total, len(page.messages)) == (7, 7)
    assert {(m.task, m.kwargs, m.problem) for m in page.messages} == {
        ("tasks.sleep", '{"seconds": 300.0}', "")
    }

    (running,) = desk.snapshot().workers[0].running
    assert "which Celery cannot end" in desk.revoke_task(running.id, terminate=True).result(10)
    desk.send_signal("w1", "KILL").result(10)
    eventually(lambda: is_exact(desk, waiting=7, stranded=4), "four are stranded")
    (held,) = queue(desk).held
    assert (held.worker, held.stranded) == ("w1", 4)

    assert desk.restore_stranded(worker="w1").result(10) == "4 messages are back: 4 in celery."
    eventually(lambda: is_exact(desk, waiting=11, stranded=0), "they wait")
    assert len(set(ids(folder / "ledger", "restored"))) == 4

    assert desk.purge_offer("celery").result(10).waiting == 11
    assert desk.purge("celery").result(10).startswith("11 messages of celery were deleted")
    eventually(lambda: is_exact(desk, waiting=0, stranded=0), "none waits")
    assert len(set(ids(folder / "ledger", "purged"))) == 11
    balance = desk.snapshot().balance
    assert balance is not None
    assert (balance.ended, balance.lost) == (12, 1), "the one that ran had been acknowledged"
    said = [mark.text for mark in desk.snapshot().marks if mark.kind is MarkKind.RECOVERED]
    assert said == ["4 stranded messages put back at once"]

    last = page.messages[-1].id
    again = eventually(lambda: sent_again(desk, last), "the record knows that it was purged")
    assert again.startswith("tasks.sleep was sent again to celery, as ")
    eventually(lambda: is_exact(desk, waiting=1, stranded=0), "one waits")
    (message,) = desk.messages("celery").result(10).messages
    assert again.endswith(f"{message.id}.")
    assert (message.id == last, message.kwargs) == (False, '{"seconds": 300.0}')
    with pytest.raises(DeskError, match=r"over \(PURGED\)"):
        desk.revoke_task(last).result(10)
    assert "No worker runs" in str(desk.revoke_task(message.id).exception(10))
    assert desk.purge("celery").result(10).startswith("1 message of celery was deleted")

    with sending(desk.broker_url) as sender:
        task_id = sender.send("tasks.sleep", queue="tipo")
    eventually(lambda: queue(desk, "tipo").waiting == 1, "a queue that nobody names is seen")
    assert queue(desk, "tipo").consumers == ()
    assert desk.messages("tipo").result(10).messages[0].task == "tasks.sleep"

    with redis.Redis.from_url(desk.broker_url) as client:  # as a panel that died in the middle of a purge
        client.rename("tipo", "celery-desk.purging:1000-1-ab:0:tipo")
    eventually(lambda: task_id in ids(folder / "ledger", "purged"), "its purge is finished")
    eventually(lambda: is_exact(desk, waiting=0, stranded=0), "and the sum holds")
