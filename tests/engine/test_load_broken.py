"""The load generator while its broker breaks: what it counts as sent is what the broker has got."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from desktop.engine.api import LoadState, TaskShare, Workload
from desktop.engine.load.ledger_file import Witness
from tests.engine.load_support import NOOP, Loads, Relay, WatchedLoad, ids, in_queue, lines, relay_to
from tests.support.valkey import ValkeyServer

StartValkey = Callable[..., ValkeyServer]

# "everysec" holds a write back while its fsync runs: SIGKILL may then lose what was confirmed already.
KEEPS = {"appendonly": "yes", "appendfsync": "always"}


@pytest.fixture
def loads(tmp_path: Path) -> Iterator[Loads]:
    started = Loads(tmp_path)
    yield started
    started.close()


def assert_exact(load: WatchedLoad, loads: Loads, count: int) -> list[str]:
    """It is done, and its ledger accounts for each task once. Returns the ids sent."""
    last = load.last()
    assert (last.state, last.sent, last.in_doubt) == (LoadState.DONE, count, 0)
    assert loads.log_file.read_text() == ""
    told = lines(loads.ledger)
    sent = ids(told, "sent")
    assert len(set(sent)) == len(sent) == count
    _assert_settled(told)
    return sent


def _assert_settled(told: list[dict[str, object]]) -> None:
    """Whatever was in doubt is either sent or not, and what was not sent is sent later."""
    open_doubts: set[object] = set()
    for line in told:
        for task_id in line.get("ids", []):  # type: ignore[attr-defined]
            if line["k"] == "doubt":
                open_doubts.add(task_id)
            else:
                assert line["k"] == "sent" or task_id in open_doubts
                open_doubts.discard(task_id)
    assert not open_doubts


@pytest.mark.parametrize("at", [500, 4_000, 9_000])
def test_a_broker_that_keeps_what_it_has_is_killed_in_the_middle_of_a_burst(
    loads: Loads, start_valkey: StartValkey, at: int
) -> None:
    valkey = start_valkey(**KEEPS)
    load = loads.start(valkey.url, Workload(NOOP, count=30_000))
    load.until(lambda s: s.sent >= at, f"{at} tasks sent")
    valkey.kill()
    waiting = load.state(LoadState.WAITING)
    assert "127.0.0.1" in waiting.detail
    assert valkey.password not in waiting.detail
    valkey.restart()
    sent = assert_exact(load, loads, 30_000)
    assert sorted(in_queue(valkey)) == sorted(sent)


def test_a_broker_that_keeps_nothing_is_killed_in_the_middle_of_a_burst(
    loads: Loads, valkey: ValkeyServer
) -> None:
    load = loads.start(valkey.url, Workload(NOOP, count=20_000))
    load.until(lambda s: s.sent >= 1_000, "1,000 tasks sent")
    valkey.kill()
    forgotten = load.state(LoadState.WAITING).sent
    valkey.restart()
    sent = assert_exact(load, loads, 20_000)
    there = in_queue(valkey)
    assert len(set(there)) == len(there) == 20_000 - forgotten
    assert set(there) <= set(sent)


def test_a_broker_is_killed_again_and_again_under_a_slow_rate(
    loads: Loads, start_valkey: StartValkey
) -> None:
    valkey = start_valkey(**KEEPS)
    load = loads.start(valkey.url, Workload(NOOP, count=150, rate=190))
    for number in (20, 60, 100):
        load.until(lambda s, n=number: s.sent >= n, f"{number} tasks sent")  # type: ignore[misc]
        valkey.restart()
    sent = assert_exact(load, loads, 150)
    assert sorted(in_queue(valkey)) == sorted(sent)


def test_the_broker_is_not_there_yet(loads: Loads, valkey: ValkeyServer) -> None:
    valkey.kill()
    load = loads.start(valkey.url, Workload(NOOP, count=20))
    load.state(LoadState.WAITING)
    valkey.restart()
    assert sorted(assert_exact(load, loads, 20)) == sorted(in_queue(valkey))


def test_a_load_that_waits_for_the_broker_can_be_paused_and_cancelled(
    loads: Loads, valkey: ValkeyServer
) -> None:
    load = loads.start(valkey.url, Workload(NOOP, count=1_000_000))
    load.until(lambda s: s.sent > 0, "the first tasks")
    valkey.kill()
    load.state(LoadState.WAITING)
    load.pause()
    load.cancel()
    last = load.last()
    assert last.state is LoadState.CANCELLED
    told = lines(loads.ledger)
    assert len(ids(told, "sent")) == last.sent
    assert len(ids(told, "doubt")) == last.in_doubt
    assert ("not known" in last.detail) == bool(last.in_doubt)


def test_a_frozen_broker_does_not_hold_up_a_cancel(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, count=1_000_000))
    load.until(lambda s: s.sent > 0, "the first tasks")
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        assert "has not answered" in load.state(LoadState.WAITING).detail
        load.cancel()
        last = load.last()
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    assert last.state is LoadState.CANCELLED
    assert last.in_doubt == len(ids(lines(loads.ledger), "doubt")) > 0


def test_what_a_frozen_broker_reads_later_is_not_sent_twice(loads: Loads, valkey: ValkeyServer) -> None:
    """Its socket still holds what was written before the connection was given up."""
    options = {"socket_timeout": 0.5}
    load = loads.start(valkey.url, Workload(NOOP, count=20_000), transport_options=options)
    load.until(lambda s: s.sent > 1_000, "1,000 tasks sent")
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        load.until(lambda s: s.in_doubt > 0, "tasks in doubt")
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    sent = assert_exact(load, loads, 20_000)
    assert sorted(in_queue(valkey)) == sorted(sent)


def test_what_still_lingers_on_the_way_cannot_arrive_any_more(loads: Loads, valkey: ValkeyServer) -> None:
    """Not found in the broker means nowhere: nothing follows over the connection that was given up."""
    with relay_to(valkey) as relay:
        lingering = relay.late = threading.Event()
        options = {"socket_timeout": 0.5}
        load = loads.start(_through(relay, valkey), Workload(NOOP, count=500), transport_options=options)
        try:
            sent = assert_exact(load, loads, 500)
        finally:
            lingering.set()
    assert ids(lines(loads.ledger), "unsent")
    assert sorted(in_queue(valkey)) == sorted(sent)


def test_a_broker_without_memory_is_waited_for(loads: Loads, valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", 1)
        load = loads.start(valkey.url, Workload(NOOP, count=100))
        load.until(lambda s: "maxmemory" in s.detail, "the broker refuses")
        client.config_set("maxmemory", 0)
    assert sorted(assert_exact(load, loads, 100)) == sorted(in_queue(valkey))


def test_a_wrong_password_fails_in_a_sentence(loads: Loads, valkey: ValkeyServer) -> None:
    url = valkey.url.replace(valkey.password, "wrong-one")
    last = loads.start(url, Workload(NOOP, count=1)).last()
    assert last.state is LoadState.FAILED
    assert "refuses the password" in last.detail
    assert "wrong-one" not in last.detail


def _through(relay: Relay, valkey: ValkeyServer) -> str:
    return valkey.url.replace(f":{valkey.port}/", f":{relay.port}/")


@pytest.mark.parametrize("keys", [{}, {"global_keyprefix": "qa:"}])
def test_a_connection_cut_in_the_middle_of_a_batch(
    loads: Loads, valkey: ValkeyServer, keys: dict[str, str]
) -> None:
    """Some of the batch arrived: these are found in the queue, and only the others are sent again."""
    with relay_to(valkey) as relay:
        relay.cut_after = 300_000
        load = loads.start(_through(relay, valkey), Workload(NOOP, count=2_000), transport_options=keys)
        load.until(lambda s: s.in_doubt > 0, "tasks in doubt")
        relay.closed = False
        sent = assert_exact(load, loads, 2_000)
    told = lines(loads.ledger)
    assert 0 < len(ids(told, "unsent")) < len(ids(told, "doubt"))
    assert sorted(in_queue(valkey, f"{keys.get('global_keyprefix', '')}celery")) == sorted(sent)


def test_tasks_in_doubt_are_found_wherever_they_have_gone(loads: Loads, valkey: ValkeyServer) -> None:
    """All arrived, no answer came: some still wait, one is held by a worker, some are done already."""
    with relay_to(valkey) as relay, redis.Redis.from_url(valkey.url) as client:
        relay.deaf = True
        mix = (NOOP[0], TaskShare("tasks.hash", priority=6))
        options = {"socket_timeout": 1.0}
        load = loads.start(_through(relay, valkey), Workload(mix, count=200), transport_options=options)
        load.until(lambda s: s.in_doubt == 200, "tasks in doubt")
        relay.deaf = False
        in_doubt = set(ids(lines(loads.ledger), "doubt"))
        assert in_doubt <= set(in_queue(valkey, "celery", "celery\x06\x166"))
        held, done = client.rpop("celery"), [client.rpop("celery") for _ in range(3)]
        client.hset("unacked", "tag", json.dumps([json.loads(held), "", "celery"]))
        _note_received(loads.ledger, [json.loads(raw)["headers"]["id"] for raw in done])
        relay.closed = False
        sent = assert_exact(load, loads, 200)
        assert client.llen("celery") + client.llen("celery\x06\x166") == 200 - 4
    assert not ids(lines(loads.ledger), "unsent")
    assert in_doubt <= set(sent)


def _note_received(ledger: Path, task_ids: list[str]) -> None:
    with (ledger / "w1.001.1.jsonl").open("a") as file:
        file.writelines(json.dumps({"k": "received", "t": 1.0, "id": task_id}) + "\n" for task_id in task_ids)


def test_the_witness_reads_what_was_received_since_its_mark(tmp_path: Path) -> None:
    witness = Witness(tmp_path, "load-1")
    _note_received(tmp_path, ["old"])
    (tmp_path / "load-1.001.1.jsonl").write_text('{"k":"received","id":"own"}\n')
    mark = witness.mark()
    assert set(mark) == {"w1.001.1.jsonl"}
    _note_received(tmp_path, ["new", "foreign"])
    (tmp_path / "w2.001.2.jsonl").write_text(
        '{"k":"received","id":"other"}\n{"k":"started","id":"x"}\n{"k":"rec'
    )
    assert witness.received({"old", "new", "other", "own", "x"}, mark) == {"new", "other"}
