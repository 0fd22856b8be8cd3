"""Stranded messages go back into their queues: each once, and none that somebody else has."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from desktop.engine import ledger
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.look import BrokerLook, View
from desktop.engine.messages.restore import Restored, restore
from desktop.engine.messages.stranded import Stranded
from tests.engine.messages_support import client_of, held, sending, told, topic_queue
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support_apps.workers import Worker


def view_of(valkey: ValkeyServer, options: dict[str, Any] | None = None) -> View:
    look = BrokerLook(valkey.url, options)
    look.queues()
    view = look.read(["celery"])
    look.close()
    assert view is not None
    return view


def stranded_in(view: View) -> list[Stranded]:
    """Everything that is held, as if its holder were dead."""
    return [Stranded(task_id, queue, "w1", at) for task_id, (queue, at) in view.unacked.items()]


def put_back(
    valkey: ValkeyServer, stranded: Sequence[Stranded], options: dict[str, Any] | None = None
) -> Restored:
    return told(valkey.url, lambda client: restore(client, Keys.of(options), stranded))


def in_list(valkey: ValkeyServer, key: str) -> list[dict[str, Any]]:
    """The messages of a list, the next to be taken first."""
    with client_of(valkey) as client:
        return [json.loads(raw) for raw in reversed(client.lrange(key, 0, -1))]


def ids_in(valkey: ValkeyServer, key: str) -> list[str]:
    return [str(message["headers"]["id"]) for message in in_list(valkey, key)]


@pytest.mark.parametrize("options", [{}, {"global_keyprefix": "qa:", "unacked_key": "held"}])
def test_they_come_first_again_in_their_order_and_as_redelivered(
    valkey: ValkeyServer, options: dict[str, Any]
) -> None:
    with sending(valkey.url, options) as sender:
        sent = [sender.send("t", n, priority=9 if n == 4 else 0) for n in range(6)]
        order = [*sent[:4], sent[5], sent[4]]
        with held(valkey.url, 6, "celery", options=options):
            later = sender.send("t", "later")
            view = view_of(valkey, options)
            done = put_back(valkey, stranded_in(view), options)
    assert {queue: sorted(ids) for queue, ids in done.moved.items()} == {"celery": sorted(sent)}
    assert (done.count, done.gone, done.unbound) == (6, 0, 0)
    prefix = options.get("global_keyprefix", "")
    assert ids_in(valkey, f"{prefix}celery") == [*order[:5], later]
    (low,) = in_list(valkey, f"{prefix}celery\x06\x169")
    assert low["headers"]["id"] == sent[4]
    assert low["headers"]["redelivered"] is True
    assert low["properties"]["delivery_info"]["redelivered"] is True
    assert view_of(valkey, options).unacked_count == 0
    with client_of(valkey) as client:
        assert client.zcard(f"{prefix}unacked_index") == 0


def test_the_message_is_the_one_that_kombu_would_put_back(valkey: ValkeyServer) -> None:
    with sending(valkey.url) as sender:
        sender.send("t", "ä", priority=5, headers={"large": 2**80, "text": "\u2028"})
    found = []
    for ours in (False, True):
        with held(valkey.url, 1, "celery"), Connection(valkey.url) as connection:
            view = view_of(valkey)
            (tag,) = view.tags.values()
            if ours:
                assert put_back(valkey, stranded_in(view)).count == 1
            else:
                connection.default_channel.qos.restore_by_tag(tag)
        with client_of(valkey) as client:
            (raw,) = client.lrange("celery\x06\x163", 0, -1)
            found.append(raw)
    assert found[0] == found[1]


def test_only_what_was_chosen_moves(valkey: ValkeyServer) -> None:
    with sending(valkey.url) as sender:
        sent = [sender.send("t") for _ in range(4)]
    with held(valkey.url, 4, "celery"):
        chosen = [one for one in stranded_in(view_of(valkey)) if one.task_id in sent[1:3]]
        assert put_back(valkey, chosen).count == 2
        assert set(view_of(valkey).unacked) == {sent[0], sent[3]}


def test_what_was_acknowledged_or_delivered_again_is_left(valkey: ValkeyServer) -> None:
    with sending(valkey.url) as sender:
        sent = [sender.send("t", n) for n in range(3)]
    with held(valkey.url, 3, "celery") as messages, Connection(valkey.url) as connection:
        before = view_of(valkey)
        next(message for message in messages if message.headers["id"] == sent[0]).ack()
        connection.default_channel.qos.restore_by_tag(before.tags[sent[1]])
        with held(valkey.url, 1, "celery"):  # a living worker has it now, under the same tag
            after = view_of(valkey)
            assert after.tags[sent[1]] == before.tags[sent[1]]
            done = put_back(valkey, stranded_in(before))
            assert (done.count, done.gone) == (1, 2)
            assert set(view_of(valkey).unacked) == {sent[1]}
    assert ids_in(valkey, "celery") == [sent[2]]


def test_it_goes_to_every_queue_of_its_exchange_and_stays_where_none_is(valkey: ValkeyServer) -> None:
    letters = Queue("letters", Exchange("post", type="direct"), routing_key="by.hand")
    papers, more = topic_queue("papers", "paper.*.daily"), topic_queue("more", "paper.#")
    with Connection(valkey.url) as connection, sending(valkey.url) as sender:
        for queue in (letters, papers, more):
            queue(connection.default_channel).declare()
        one = sender.send("read", queue=letters, exchange="post", routing_key="by.hand")
        two = sender.send("read", queue=papers, exchange="news", routing_key="paper.big.daily")
        with held(valkey.url, 3, letters, papers, more) as messages:
            assert len({message.delivery_tag for message in messages}) == 2, "both copies have one tag"
            view = view_of(valkey)
            with client_of(valkey) as client:
                client.delete("_kombu.binding.post")
            done = put_back(valkey, stranded_in(view))
            assert (done.count, done.unbound) == (1, 1)
            assert set(view_of(valkey).unacked) == {one}
    assert ids_in(valkey, "papers") == ids_in(valkey, "more") == [two]


def test_others_who_restore_and_acknowledge_at_once_double_nothing(valkey: ValkeyServer) -> None:
    number = 600
    with sending(valkey.url) as sender:
        sent = [sender.send("t", n) for n in range(number)]
    with held(valkey.url, number, "celery") as messages:
        view = view_of(valkey)
        acked = {str(message.headers["id"]) for message in messages[::3]}
        theirs = [view.tags[str(message.headers["id"])] for message in messages[1::3]]

        def acknowledge() -> None:
            for message in messages[::3]:
                message.ack()

        def restore_too() -> None:
            with Connection(valkey.url) as connection:
                for tag in theirs:
                    connection.default_channel.qos.restore_by_tag(tag)

        threads = [threading.Thread(target=acknowledge), threading.Thread(target=restore_too)]
        for thread in threads:
            thread.start()
        done = put_back(valkey, stranded_in(view))
        for thread in threads:
            thread.join()
        assert done.count + done.gone == number
        assert view_of(valkey).unacked_count == 0
    back = ids_in(valkey, "celery")
    assert len(back) == len(set(back))
    assert set(back) >= set(sent) - acked
    assert set(done.moved["celery"]) <= set(back)


def test_a_killed_workers_reserved_tasks_run_once_at_another(
    nothing_left: None, valkey: ValkeyServer, tmp_path: Path
) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    options = ("-Q", "main", "-c", "1", "--prefetch-multiplier", "8")
    first = Worker(valkey.url, "threads", tmp_path, *options, ledger=folder)
    second = Worker(valkey.url, "solo", tmp_path, "-Q", "main", ledger=folder, service="w2")
    slow, quick = "tests.support_apps.endings.wait", "tests.support_apps.endings.ok"
    try:
        first.start()
        with sending(valkey.url) as sender:
            running = sender.send(slow, 60, queue="main")
            eventually(lambda: ledger.read(folder).attempts(running), "it runs")
            reserved = [sender.send(quick, n, queue="main") for n in range(5)]
            eventually(lambda: view_of(valkey).unacked_count == 5, "they are reserved")
        first.kill()
        view = view_of(valkey)
        stranded = [one for one in stranded_in(view) if one.task_id in reserved]
        assert len(stranded) == 5
        assert put_back(valkey, stranded).moved.keys() == {"main"}
        second.start()
        eventually(lambda: all(ledger.read(folder).attempts(task_id) for task_id in reserved), "they run")
        second.stop()
    finally:
        first.kill()
        second.kill()
    account = ledger.read(folder)
    for task_id in reserved:
        (attempt,) = account.attempts(task_id)
        assert (attempt.service, attempt.state) == ("w2", "SUCCESS")
    assert view_of(valkey).unacked_count == 0
    assert len(account.attempts(running)) == 1, (
        "it had been acknowledged when it began: no message is left of it"
    )
