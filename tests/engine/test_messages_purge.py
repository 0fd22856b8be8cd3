"""Purging: what is deleted is told by its ids, and what comes meanwhile is not deleted."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue

from desktop.engine.api import DeskError
from desktop.engine.ledger.tail import Tail
from desktop.engine.messages import desk_ledger, purge
from desktop.engine.messages.keys import PURGING, Keys
from desktop.engine.messages.look import BrokerLook
from desktop.engine.messages.purge import Purged
from desktop.engine.messages.waiting import read_page
from tests.engine.messages_support import client_of, held, ids, lines, sending, told
from tests.support.valkey import ValkeyServer


def purged(
    valkey: ValkeyServer, ledger: Path, queue: str = "celery", options: dict[str, Any] | None = None
) -> Purged:
    return told(valkey.url, lambda client: purge.purge(client, Keys.of(options), queue, ledger))


@pytest.mark.parametrize("options", [{}, {"global_keyprefix": "qa:", "sep": ":"}])
def test_every_priority_goes_and_nothing_else(
    valkey: ValkeyServer, tmp_path: Path, options: dict[str, Any]
) -> None:
    with sending(valkey.url, options) as sender:
        sent = [sender.send("t", n, queue="mails", priority=n % 10) for n in range(1202)]
        kept = sender.send("t", queue="mails2")
        with held(valkey.url, 2, "mails", options=options) as mine:
            assert purged(valkey, tmp_path, "mails", options) == Purged(1200, 0)
            of_worker = {str(message.headers["id"]) for message in mine}
    gone = ids(tmp_path, "purged")
    assert len(gone) == len(set(gone)) == 1200
    assert set(gone) == set(sent) - of_worker
    assert {line["queue"] for line in lines(tmp_path, "purged")} == {"mails"}
    (opened,) = lines(tmp_path, "open")
    assert (opened["role"], opened["service"], opened["start"]) == ("desk", "desk", 1)
    with client_of(valkey) as client:
        assert client.keys(f"*{PURGING}*") == []
        assert client.hlen("qa:unacked" if options else "unacked") == 2
    found = told(valkey.url, lambda client: read_page(client, Keys.of(options), "mails2", 0, 9))
    assert [message.id for message in found.messages] == [kept]
    assert purged(valkey, tmp_path, "mails", options) == Purged(0, 0)


def test_the_ledger_reads_its_lines(valkey: ValkeyServer, tmp_path: Path) -> None:
    with sending(valkey.url) as sender:
        task_id = sender.send("t")
    purged(valkey, tmp_path)
    purged(valkey, tmp_path)
    tail = Tail(tmp_path)
    told_lines = tail.poll()
    tail.close()
    assert [line.data["k"] for line in told_lines] == ["open", "purged"]
    assert told_lines[0].source.service == "desk"
    assert told_lines[1].data["ids"] == [task_id]


def test_what_is_no_tasks_message_is_counted(valkey: ValkeyServer, tmp_path: Path) -> None:
    with Connection(valkey.url) as connection:
        connection.Producer().publish({"n": 1}, routing_key="celery", declare=[Queue("celery")], retry=False)
    with sending(valkey.url) as sender:
        sender.send("t")
    assert purged(valkey, tmp_path) == Purged(2, 1)


def id_of(raw: bytes | str) -> str:
    return str(json.loads(raw)["headers"]["id"])


def test_a_purge_while_others_send_and_take_loses_nothing_uncounted(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    sent: list[str] = []
    taken: list[str] = []
    ending = threading.Event()

    def send() -> None:
        with sending(valkey.url) as sender:
            while not ending.is_set():
                sent.append(sender.send("t", priority=len(sent) % 10))

    def take() -> None:
        with Connection(valkey.url) as connection, connection.SimpleQueue("celery") as simple:
            while not ending.is_set():
                try:
                    message = simple.get(timeout=0.1)
                except simple.Empty:
                    continue
                taken.append(str(message.headers["id"]))
                message.ack()

    threads = [threading.Thread(target=send), threading.Thread(target=take)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + 10
        purges = 0
        while (purges < 10 or not taken) and time.monotonic() < until:
            purges += purged(valkey, tmp_path).messages > 0
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    with client_of(valkey) as client:
        left = [id_of(raw) for key in Keys().lists("celery") for raw in client.lrange(key, 0, -1)]
    gone = ids(tmp_path, "purged")
    assert purges >= 10
    assert sorted([*gone, *taken, *left]) == sorted(sent)


def broken_off(valkey: ValkeyServer, ledger: Path, age: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that died before it had deleted anything, `age` seconds ago."""
    now = time.time()
    with monkeypatch.context() as patched:
        patched.setattr(purge.time, "time", lambda: now - age)

        def die(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr(desk_ledger, "write_ids", die)
        with pytest.raises(KeyboardInterrupt):
            purged(valkey, ledger, "a: queue")


@pytest.mark.parametrize("options", [{}, {"global_keyprefix": "qa:"}])
def test_a_purge_that_died_is_finished_by_the_next_look(
    valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    with sending(valkey.url, options) as sender:
        sent = [sender.send("t", queue="a: queue", priority=n % 10) for n in range(30)]
    now = time.time()
    monkeypatch.setattr(purge.time, "time", lambda: now - 2 * purge.STALE)
    write = desk_ledger.write_ids
    calls: list[int] = []

    def die_at_the_second(*args: Any, **fields: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*args, **fields)

    monkeypatch.setattr(desk_ledger, "write_ids", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        purged(valkey, tmp_path, "a: queue", options)
    monkeypatch.undo()
    first = ids(tmp_path, "purged")
    assert 0 < len(first) < 30
    look = BrokerLook(valkey.url, options)
    try:
        assert look.queues() == ()
        done = look.finish_purges(tmp_path)
        assert done == {"a: queue": Purged(30 - len(first), 0)}
        look.queues()
        look.queues()
        assert look.left() == ()
        assert look.finish_purges(tmp_path) == {}
    finally:
        look.close()
    assert sorted(ids(tmp_path, "purged")) == sorted(sent)


def test_a_purge_that_another_panel_is_at_is_left_alone(
    valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sending(valkey.url) as sender:
        sender.send("t", queue="a: queue")
    broken_off(valkey, tmp_path, 1.0, monkeypatch)
    keys = told(valkey.url, lambda client: purge.left(client, Keys()))
    assert len(keys) == 1
    assert told(valkey.url, lambda client: purge.finish(client, Keys(), keys, tmp_path)) == {}
    assert told(valkey.url, lambda client: purge.left(client, Keys())) == keys


def test_a_ledger_that_cannot_be_written_deletes_nothing(valkey: ValkeyServer, tmp_path: Path) -> None:
    with sending(valkey.url) as sender:
        sender.send("t")
    (tmp_path / "file").write_text("")
    with pytest.raises(DeskError, match=r"cannot be written.*kept aside"):
        purged(valkey, tmp_path / "file" / "ledger")
    (key,) = told(valkey.url, lambda client: purge.left(client, Keys()))
    with client_of(valkey) as client:
        assert client.llen(key) == 1


def test_a_key_that_holds_something_else_is_not_touched(valkey: ValkeyServer, tmp_path: Path) -> None:
    with client_of(valkey) as client:
        client.set("text", "x")
        with pytest.raises(DeskError, match="no queue"):
            purged(valkey, tmp_path, "text")
        assert client.get("text") == b"x"
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    desk_ledger.write_ids(tmp_path, "desk", "purged", ["a"], queue="q")
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"k":"purg')
    desk_ledger.write_ids(tmp_path, "desk", "purged", ["b"], queue="q")
    tail = Tail(tmp_path)
    found = [line.data.get("ids") for line in tail.poll()]
    tail.close()
    assert found == [None, ["a"], ["b"]]
