"""Messages that wait, read where they lie."""

from __future__ import annotations

import json
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue

from desktop.engine.api import Message, MessagePage
from desktop.engine.messages import waiting
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.waiting import TEXT, read_page
from tests.engine.messages_support import client_of, sending, told
from tests.support.valkey import ValkeyServer


def page(
    valkey: ValkeyServer, queue: str, first: int = 0, count: int = 100, options: dict[str, Any] | None = None
) -> MessagePage:
    return told(valkey.url, lambda client: read_page(client, Keys.of(options), queue, first, count))


def only(valkey: ValkeyServer, queue: str = "celery") -> Message:
    (message,) = page(valkey, queue).messages
    return message


@pytest.mark.parametrize("options", [{}, {"global_keyprefix": "qa:", "priority_steps": [0, 5], "sep": "."}])
def test_they_come_in_the_order_in_which_workers_take_them(
    valkey: ValkeyServer, options: dict[str, Any]
) -> None:
    with sending(valkey.url, options) as sender:
        sent = {sender.send("t", n, queue="q", priority=p): n for n, p in enumerate((9, 0, 5, 0, 9, 1, 6))}
        found = page(valkey, "q", options=options)
        with (
            Connection(valkey.url, transport_options=options) as connection,
            connection.SimpleQueue("q") as simple,
        ):
            taken = [simple.get(timeout=10) for _ in sent]
            order = [str(message.headers["id"]) for message in taken]
            for message in taken:
                message.ack()
    assert [message.id for message in found.messages] == order
    assert [message.position for message in found.messages] == list(range(7))
    assert [sent[message.id] for message in found.messages] == [json.loads(m.args)[0] for m in found.messages]
    assert {message.priority for message in found.messages} == {0, 1, 5, 6, 9}
    assert (found.queue, found.first, found.total) == ("q", 0, 7)


def test_any_part_of_a_queue_over_its_priorities(valkey: ValkeyServer) -> None:
    with sending(valkey.url) as sender:
        for n in range(12):
            sender.send("t", n, priority=(0, 3, 9)[n % 3])
    order = [m.id for m in page(valkey, "celery").messages]
    for first in (0, 2, 4, 7, 11, 12, 50):
        for count in (0, 1, 3, 100):
            found = page(valkey, "celery", first, count)
            assert [m.id for m in found.messages] == order[first : first + count]
            assert [m.position for m in found.messages] == list(range(12))[first : first + count]
            assert found.total == 12


def test_what_a_message_says(valkey: ValkeyServer) -> None:
    due = time.time() + 90
    with sending(valkey.url) as sender:
        task_id = sender.send(
            "mail.send",
            1,
            "ä",
            kwargs={"to": ["a@b"]},
            eta=datetime.fromtimestamp(due, UTC),
            expires=datetime.fromtimestamp(due + 5, UTC),
            priority=4,
            retries=2,
        )
    with client_of(valkey) as client:
        size = len(client.lindex("celery\x06\x163", 0) or b"")
    message = only(valkey)
    assert (message.id, message.task, message.args) == (task_id, "mail.send", '[1, "ä"]')
    assert (message.kwargs, message.priority, message.retries) == ('{"to": ["a@b"]}', 4, 2)
    assert message.eta == pytest.approx(due, abs=1e-3)
    assert message.expires == pytest.approx(due + 5, abs=1e-3)
    assert message.size == size
    assert "@" in message.origin
    assert message.problem == ""


def test_protocol_1_is_read_too(valkey: ValkeyServer) -> None:
    with sending(valkey.url, task_protocol=1) as sender:
        task_id = sender.send("mail.send", 7, kwargs={"a": 1}, countdown=60)
    message = only(valkey)
    assert (message.id, message.task, message.args, message.kwargs) == (
        task_id,
        "mail.send",
        "[7]",
        '{"a": 1}',
    )
    assert message.eta == pytest.approx(time.time() + 60, abs=30)
    assert message.problem == ""


class Bomb:
    """Writes a file wherever it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self._file,)

    def __repr__(self) -> str:
        return "<Bomb>"


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_pickle_stays_closed(valkey: ValkeyServer, tmp_path: Path, protocol: int) -> None:
    fired = tmp_path / "fired"
    with sending(valkey.url, task_serializer="pickle", task_protocol=protocol) as sender:
        task_id = sender.send("mail.send", Bomb(fired), 2)
    message = only(valkey)
    assert message.id == task_id
    assert "application/x-python-serialize" in message.problem
    assert "not opened" in message.problem
    expected = ("mail.send", "(<Bomb>, 2)") if protocol == 2 else ("", "")
    assert (message.task, message.args) == expected
    assert not fired.exists()
    pickle.loads(pickle.dumps(Bomb(fired)))
    assert fired.exists(), "the bomb works"


def test_a_compressed_body_shows_what_its_sender_wrote(valkey: ValkeyServer) -> None:
    with sending(valkey.url, task_compression="zlib") as sender:
        sender.send("mail.send", 5)
    message = only(valkey)
    assert (message.task, message.args) == ("mail.send", "(5,)")
    assert "compressed" in message.problem


def test_what_is_no_task_is_shown_as_what_it_is(valkey: ValkeyServer) -> None:
    with client_of(valkey) as client, Connection(valkey.url) as connection:
        client.lpush("q", b"\xff milk")
        connection.Producer().publish({"n": 1}, routing_key="q", declare=[Queue("q")], retry=False)
        client.lpush("q", json.dumps({"body": "%%%", "properties": {}, "headers": {"task": "t", "id": "x"}}))
    milk, other, broken = page(valkey, "q").messages
    assert (milk.task, milk.args, milk.id) == ("", "� milk", "")
    assert "no message of kombu's" in milk.problem
    assert (other.task, other.args) == ("", '{"n": 1}')
    assert "no task's message" in other.problem
    assert (broken.task, broken.id, broken.args) == ("t", "x", "")
    assert broken.problem


def test_long_arguments_are_cut_and_large_messages_come_fewer(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sending(valkey.url) as sender:
        for _ in range(20):
            sender.send("t", "x" * 50_000)
    monkeypatch.setattr(waiting, "PAGE_BYTES", 400_000)
    found = page(valkey, "celery")
    assert 1 <= len(found.messages) < 10
    assert found.total == 20
    assert len(found.messages[0].args) == TEXT
    assert found.messages[0].args.endswith("…")


def test_reading_leaves_everything_as_it_is(valkey: ValkeyServer) -> None:
    with sending(valkey.url) as sender:
        for n in range(5):
            sender.send("t", n, priority=n)
    with client_of(valkey) as client:
        client.config_resetstat()
        assert len(page(valkey, "celery").messages) == 5
        asked = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    talk = {"auth", "hello", "ping", "select", "multi", "exec", "info", "config|resetstat"}
    talk |= {"client|setinfo", "client|setname"}
    assert asked - talk == {"llen", "lrange", "memory|usage"}


def test_a_key_that_is_no_queue_has_no_messages(valkey: ValkeyServer) -> None:
    with client_of(valkey) as client:
        client.set("text", "x")
    for queue in ("text", "nothing"):
        found = page(valkey, queue)
        assert (found.messages, found.total) == ((), 0)
