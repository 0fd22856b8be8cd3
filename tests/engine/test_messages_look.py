"""One look at everything that lies in a real broker, filled by real Celery and kombu."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from desktop.engine.api import DeskError
from desktop.engine.messages import look as looks
from desktop.engine.messages.look import BrokerLook, View
from tests.engine.messages_support import client_of, held, sending, topic_queue
from tests.support.valkey import ValkeyServer


@pytest.fixture
def look_at() -> Iterator[Callable[..., BrokerLook]]:
    made: list[BrokerLook] = []

    def make(url: str, options: dict[str, Any] | None = None, timeout: float = 2.0) -> BrokerLook:
        made.append(BrokerLook(url, options, timeout))
        return made[-1]

    yield make
    for look in made:
        look.close()


def view_of(look: BrokerLook, *queues: str) -> View:
    view = look.read(queues)
    assert view is not None, look.problem
    return view


OPTIONS: list[dict[str, Any]] = [
    {},
    {"global_keyprefix": "qa:"},
    {"priority_steps": list(range(10)), "sep": ":", "unacked_key": "held", "unacked_index_key": "held_index"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["defaults", "prefix", "own names"])
def test_waiting_oldest_and_unacked_under_every_name(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook], options: dict[str, Any]
) -> None:
    with sending(valkey.url, options) as sender:
        sent = [sender.send("mail.send", n, queue="mails", priority=p) for n, p in enumerate((9, 6, 0, 3, 0))]
        other = sender.send("mail.send", queue="other")
        before = time.time()
        with held(valkey.url, 2, "mails", options=options):
            look = look_at(valkey.url, options)
            view = view_of(look, "mails", "other", "empty")

    # 0 is the highest priority: the two that were sent with it are held.
    assert set(view.unacked) == {sent[2], sent[4]}
    for queue, delivered_at in view.unacked.values():
        assert queue == "mails"
        assert before <= delivered_at <= view.t
    assert view.oldest == {"mails": sent[3], "other": other, "empty": None}
    steps = options.get("priority_steps", [0, 3, 6, 9])
    assert view.waiting["mails"] == (3, dict.fromkeys(steps, 0) | {3: 1, 6: 1, 9: 1})
    assert view.waiting["empty"] == (0, dict.fromkeys(steps, 0))
    assert (view.unacked_count, view.complete, view.doubles, view.foreign) == (2, True, (), {})
    assert view.asked <= view.t
    with client_of(valkey) as client:
        name = options.get("global_keyprefix", "") + options.get("unacked_key", "unacked")
        entry = client.hget(name, view.tags[sent[2]])
        assert entry is not None
        assert json.loads(entry)[0]["headers"]["id"] == sent[2]


def test_the_queue_of_a_held_message_is_told_by_its_exchange(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook]
) -> None:
    letters = Queue("letters", Exchange("post", type="direct"), routing_key="by.hand")
    papers = topic_queue("papers", "paper.*.daily")
    look = look_at(valkey.url)
    with Connection(valkey.url) as connection, sending(valkey.url) as sender:
        for queue in (letters, papers):
            queue(connection.default_channel).declare()
        assert (look.queues(), look.bound()) == ((), ("letters", "papers"))
        one = sender.send("read", queue=letters)
        two = sender.send("read", queue=papers, exchange="news", routing_key="paper.big.daily")
        assert look.queues() == ("letters", "papers")
        with held(valkey.url, 2, letters, papers):
            view = view_of(look, *look.queues())
    assert {task_id: queue for task_id, (queue, _) in view.unacked.items()} == {one: "letters", two: "papers"}


def test_messages_of_others_are_counted_and_hide_nothing(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook]
) -> None:
    with Connection(valkey.url) as connection:
        connection.Producer().publish({"n": 1}, routing_key="mails", declare=[Queue("mails")], retry=False)
    with sending(valkey.url) as sender:
        task_id = sender.send("mail.send", queue="mails")
    with held(valkey.url, 2, "mails"), client_of(valkey) as client:
        client.hset("unacked", "strange", "no JSON")
        view = view_of(look_at(valkey.url), "mails")
    assert set(view.unacked) == {task_id}
    assert view.foreign == {"mails": 1, "": 1}
    assert (view.unacked_count, view.complete) == (3, True)


def test_two_deliveries_of_one_id_are_told_apart(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook]
) -> None:
    with sending(valkey.url) as sender:
        for _ in range(2):
            sender.send("mail.send", task_id="same")
    with held(valkey.url, 1, "celery"), held(valkey.url, 1, "celery"):
        view = view_of(look_at(valkey.url), "celery")
    (double,) = view.doubles
    assert double.task_id == "same"
    assert double.delivered_at < view.unacked["same"][1]
    assert double.tag != view.tags["same"]
    assert (view.unacked_count, view.complete) == (2, True)


def fill(valkey: ValkeyServer, number: int) -> list[str]:
    """So many unacknowledged messages, as kombu writes them; their ids, the longest held first."""
    with sending(valkey.url) as sender:
        sender.send("mail.send")
    found = []
    with client_of(valkey) as client, client.pipeline() as pipe:
        message = json.loads(client.lindex("celery", 0) or "")
        for n in range(number):
            found.append(str(uuid.uuid4()))
            message["headers"]["id"] = found[-1]
            tag = message["properties"]["delivery_tag"] = f"tag-{n}"
            pipe.hset("unacked", tag, json.dumps([message, "", "celery"]))
            pipe.zadd("unacked_index", {tag: 1000.0 + n})
        pipe.execute()
    return found


def test_many_held_messages_are_read_by_what_is_new(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "WHOLE", 10)
    everything = fill(valkey, 700)
    look = look_at(valkey.url)
    with client_of(valkey) as client:
        for gone in (0, 3):
            client.hdel("unacked", "none", *(f"tag-{n}" for n in range(gone)))
            client.zrem("unacked_index", "none", *(f"tag-{n}" for n in range(gone)))
            view = view_of(look, "celery")
            assert (view.complete, view.unacked_count) == (True, 700 - gone)
            assert view.unacked == {
                task_id: ("celery", 1000.0 + n) for n, task_id in enumerate(everything) if n >= gone
            }
        client.delete("unacked", "unacked_index")
    assert view_of(look, "celery").unacked == {}
    assert view_of(look, "celery").unacked == {}


def test_beyond_the_bound_the_longest_held_are_read_and_that_is_said(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "WHOLE", 10)
    monkeypatch.setattr(looks, "BOUND", 50)
    everything = fill(valkey, 80)
    view = view_of(look_at(valkey.url), "celery")
    assert (view.complete, view.unacked_count) == (False, 80)
    assert list(view.unacked) == everything[:50]


def test_queues_are_found_that_nobody_names(valkey: ValkeyServer, look_at: Callable[..., BrokerLook]) -> None:
    look = look_at(valkey.url, {"global_keyprefix": "qa:"})
    with sending(valkey.url, {"global_keyprefix": "qa:"}) as sender, client_of(valkey) as client:
        sender.send("mail.send", queue="tipo", priority=9)
        sender.send("mail.send", queue="two words: [x]*")
        client.lpush("qa:shopping", "milk")  # a list of somebody's own
        client.lpush("celery-of-others", "{}")  # without the prefix
        client.set("qa:celery-task-meta-1", "{}")
        client.sadd("qa:_kombu.binding.celery", "mails\x06\x16\x06\x16mails")
        client.sadd("qa:_kombu.binding.reply.celery.pidbox", "a\x06\x16\x06\x16a.reply.celery.pidbox")
        assert look.queues() == ("tipo", "two words: [x]*")
        assert look.bound() == ("mails", "tipo", "two words: [x]*")
        client.delete("qa:tipo\x06\x169", "qa:_kombu.binding.celery")
        look.queues()
        assert look.queues() == ("two words: [x]*",)
        assert look.bound() == ("tipo", "two words: [x]*")
    assert look.left() == ()


def test_a_large_broker_is_gone_through_in_pieces(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook]
) -> None:
    with client_of(valkey) as client, client.pipeline() as pipe:
        for n in range(5000):
            pipe.set(f"celery-task-meta-{n}", "{}")
        pipe.execute()
    with sending(valkey.url) as sender:
        sender.send("mail.send", queue="mails")
    look = look_at(valkey.url)
    rounds = [look.queues() for _ in range(8)]
    assert rounds[3:] == [("mails",)] * 5, "found within a round, and kept in the next ones"


def test_a_broker_that_goes_away_is_told_and_looked_at_again(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook]
) -> None:
    look = look_at(valkey.url, timeout=0.2)
    view_of(look, "celery")
    valkey.kill()
    assert look.read(["celery"]) is None
    assert look.problem == f"The broker at 127.0.0.1:{valkey.port} cannot be reached."
    assert look.queues() == ()
    valkey.start()
    view_of(look, "celery")
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        assert look.read(["celery"]) is None
        assert look.problem.endswith("is there, but does not answer.")
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    view_of(look, "celery")


def test_a_wrong_password_and_another_kind_of_broker(
    valkey: ValkeyServer, look_at: Callable[..., BrokerLook]
) -> None:
    look = look_at(f"redis://:guess-7391@127.0.0.1:{valkey.port}/0")
    assert look.read(["celery"]) is None
    assert "password" in look.problem
    assert "guess-7391" not in look.problem
    with pytest.raises(DeskError, match="cannot be read"):
        look_at("amqp://guest@localhost//")
