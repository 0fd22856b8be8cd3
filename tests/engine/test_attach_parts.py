"""What workers answer of themselves, their states, what the recorder remembers, what is not known."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from desktop.engine.api import Mark, MarkKind, ServiceEvent, State, TaskState
from desktop.engine.attach import stream
from desktop.engine.attach.crew import Member
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.reach import heard_elsewhere
from desktop.engine.attach.reprs import arguments
from desktop.engine.attach.source import AttachedSource, sentences
from desktop.engine.attach.states import States
from desktop.engine.attach.translate import Translator
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.settle import Settler
from desktop.engine.record.recording import Recording
from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from tests.engine.attach_support import dispatcher, heartbeat, received
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

T = 1_795_000_000.0


# -- what a worker answers: as Celery 5.7.0 does, each pool


def _pool(kind: str, size: int, **more: Any) -> dict[str, Any]:
    return {"implementation": f"celery.concurrency.{kind}:TaskPool", "max-concurrency": size, **more}


@pytest.mark.parametrize(
    ("stats", "pool", "size", "bounds"),
    [
        (_pool("prefork", 2, processes=[7, 8, 9]), Pool.PREFORK, 3, None),
        (_pool("thread", 3, threads=0), Pool.THREADS, 3, None),
        (_pool("gevent", 1), Pool.GEVENT, 2, (1, 4)),
        (_pool("solo", 1, processes=[7]), Pool.SOLO, 1, None),
    ],
)  # fmt: skip
def test_each_pool_is_understood(
    stats: dict[str, Any], pool: Pool, size: int, bounds: tuple[int, int] | None
) -> None:
    scaler = {"autoscaler": {"max": 4, "min": 1, "current": 2, "qty": 0}} if bounds else {}
    told = {"pid": 7, "uptime": 60, "prefetch_count": 8, "pool": stats, **scaler}
    member = Member("w1@h", queues=("celery",)).told(T, told)
    assert (member.pool, member.size, member.bounds, member.prefetch) == (pool, size, bounds, 8)
    assert member.started_at == T - 60
    assert member.told(T + 5.4, {**told, "uptime": 65}).started_at == T - 60
    assert member.spec() == WorkerSpec(
        "w1@h",
        pool,
        Autoscale(1, 4) if bounds else None,
        concurrency=None if bounds or pool is Pool.SOLO else size,
        queues=("celery",),
    )


# -- arguments, as events tell them


@pytest.mark.parametrize(
    ("args", "kwargs", "found"),
    [
        ("(1, 'two')", "{}", ([1, "two"], {})),
        ("[{'a': [None, True, 1.5]}]", "{'x': (1,)}", ([{"a": [None, True, 1.5]}], {"x": (1,)})),
        ("('a long te...',)", "{}", None),
        ("[1, ...]", "{}", None),
        ("(<Order 7>,)", "{}", None),
        ("(b'x',)", "{}", None),
        ("()", "{1: 2}", None),
        ("7", "{}", None),
    ],
)
def test_only_whole_and_plain_arguments_are_sent_again(args: str, kwargs: str, found: object) -> None:
    assert arguments(args, kwargs) == found


# -- states


def node(**more: Any) -> dict[str, Any]:
    """A worker as the stream tells of it."""
    known = {
        "name": "w1@h",
        "start": 1,
        "pid": 7,
        "freq": 2.0,
        "active": 0,
        "version": "5.7.0",
        "local": True,
    }
    return known | dict.fromkeys(("closing", "gone", "mute", "silent"), False) | more


class Witness:
    """Hears everything that `States` says."""

    def __init__(self) -> None:
        self.events: list[ServiceEvent] = []
        self.marks: list[Mark] = []
        self.states = States(self.events.append, self.marks.append, lambda _name, _start: 2)
        self.states._began = 0.0

    def take(self, *nodes: dict[str, Any], hidden: tuple[str, ...] = (), problem: str = "") -> list[str]:
        """The states that were told of workers by this moment."""
        before = len(self.events)
        self.states.take({"nodes": nodes, "hidden": hidden}, problem)
        return [event.state.value for event in self.events[before:] if event.service != "broker"]


def test_each_change_of_a_worker_is_told_once() -> None:
    witness = Witness()
    assert witness.take(node()) == ["ready"]
    assert witness.take(node(active=1)) == []
    assert witness.take(node(silent=True)) == ["silent"]
    assert "not taken for lost" in witness.states.seen["w1@h"].detail
    assert witness.take(node()) == ["ready"]
    assert witness.take(node(closing=True)) == ["stopping"]
    assert witness.take(node(closing=True, gone=True)) == ["stopped"]
    assert witness.take(node(start=2, pid=8)) == ["ready"]
    assert witness.take(node(start=2, pid=8, gone=True)) == ["exited"]
    assert [mark.kind for mark in witness.marks] == [
        *(MarkKind.STARTED, MarkKind.SIGNAL, MarkKind.RECOVERED, MarkKind.EXITED, MarkKind.STARTED),
        MarkKind.KILLED,
    ]
    assert witness.marks[-1].text == "w1@h ended without a word, while it ran 2 tasks"


def test_a_worker_that_sends_nothing_at_all_is_there_and_mute() -> None:
    witness = Witness()
    assert witness.take(hidden=("w9@h",)) == ["ready"]
    assert witness.states.seen["w9@h"].mute
    assert witness.states.seen["w9@h"].pid is None


def test_a_forgotten_worker_comes_back_only_as_another_process() -> None:
    witness = Witness()
    witness.take(node(silent=True))
    witness.states.forget("w1@h")
    assert witness.take(node(silent=True)) == []
    assert not witness.states.seen
    assert witness.take(node(start=2)) == ["ready"]


def test_a_broker_that_is_gone_and_back_is_told() -> None:
    witness = Witness()
    witness.take()
    witness.take(problem="The broker at h:1 cannot be reached.")
    witness.take(problem="The broker at h:1 cannot be reached.")
    witness.take()
    assert [event.state for event in witness.events] == [State.READY, State.SILENT, State.READY]
    assert witness.events[1].detail == "The broker at h:1 cannot be reached."


# -- what is not known


def test_what_is_not_known_in_sentences() -> None:
    nodes = [
        {"name": "w2@h", "mute": True, "gone": False, "shift": 0.0},
        {"name": "w3@h", "mute": False, "gone": False, "shift": -3600.0},
    ]
    told = {
        "gaps": [{"text": "first"}, {"text": "second"}],
        "nodes": nodes,
        "hidden": ["w1@h"],
        "doubled": ["w4@h"],
        "unknown": 1,
    }
    assert sentences(told) == (
        "w1@h and w2@h send no events of tasks: what they run is not in the record.",
        "second",
        "first",
        "Two workers call themselves w4@h: their figures are mixed.",
        "The clock of w3@h differs from ours by 3600.0 s: its times are shifted.",
        "The end of 1 task was missed: it is UNKNOWN.",
    )


def test_workers_of_another_database_are_found(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop.engine.attach.reach.LISTEN", 0.4)
    elsewhere = valkey.url.removesuffix("/0") + "/3"
    options = AttachOptions.of(valkey.url)
    assert heard_elsewhere(options) == ""
    settings = {"broker_transport_options": {"global_keyprefix": "qa:"}}
    with dispatcher(elsewhere, **settings) as there:
        import threading

        beats = threading.Timer(0.1, there.heartbeat)
        beats.start()
        said = heard_elsewhere(options)
        beats.join()
    assert said == "Workers are heard on this server under database 3 and the key prefix 'qa:'."


# -- the recorder


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked: there is no worker, only its sender of events."""
    made = stream.EventStream.__init__

    def without_asking(self: stream.EventStream, options: AttachOptions) -> None:
        made(self, options, ask=False)

    monkeypatch.setattr(stream.EventStream, "__init__", without_asking)


def begin(valkey: ValkeyServer, folder: Path) -> dict[str, Any]:
    """A recorder's first message."""
    (folder / "ledger").mkdir(parents=True, exist_ok=True)
    facts = {"stack": "h:1/0", "began": time.time(), "attached": "h:1/0"}
    return {"source": "events", "folder": str(folder), "facts": facts} | AttachOptions.of(
        valkey.url
    ).to_message()


def read_until(recording: Recording, condition: Any, what: str) -> None:
    """Let it read until it is so."""

    def step() -> Any:
        recording.read()
        return condition(recording.told() or recording._pushed)

    eventually(step, what)


def test_a_recorder_goes_on_where_the_last_one_died(
    valkey: ValkeyServer, tmp_path: Path, silent: None
) -> None:
    message = begin(valkey, tmp_path / "run")
    first = Recording(message)
    with dispatcher(valkey.url) as here:
        eventually(lambda: (first.read(), first.told() or first._pushed)[1].attached, "it listens")  # type: ignore[union-attr]
        eventually(lambda: first._source.stream.connected, "events are heard")  # type: ignore[attr-defined]
        here.heartbeat(kind="online")
        here.task()
        here.flush()
        read_until(first, lambda told: told.totals.succeeded == 1, "the first task")
        first.beat()
        first.close(clean=False)
        second = Recording(message)
        eventually(lambda: second._source.stream.connected, "events are heard again")  # type: ignore[attr-defined]
        here.heartbeat()
        here.task()
        here.flush()
        read_until(second, lambda told: told.totals.succeeded == 2, "the second task")
        told = second.told() or second._pushed
        assert told is not None
        assert told.workers["w1@there"].start == 1, "the same process of the same worker"
        assert told.totals.received == 2
        second.close(clean=True)


def test_what_no_event_told_of_is_never_called_stranded_or_lost(
    valkey: ValkeyServer, tmp_path: Path, silent: None
) -> None:
    recording = Recording(begin(valkey, tmp_path / "run"))
    source = recording._source
    assert isinstance(source, AttachedSource)
    assert source.unseen(time.time() - 60), "delivered before we came"
    assert source.unseen(0.0)
    assert not source.unseen(time.time() + 5)
    with dispatcher(valkey.url) as here:
        eventually(lambda: source.stream.connected, "events are heard")
        here.heartbeat()
        read_until(recording, lambda told: told.attached["nodes"], "the worker")
        source.stream.nodes["w1@there"].mute = True
        assert source.unseen(time.time() + 5), "a worker that tells of nothing may have it"
    assert recording._settler._lost is TaskState.UNKNOWN
    recording.close(clean=True)


class Looked:
    """A look at a broker that holds one message, of the queue "mail"."""

    def __init__(self, task_id: str, asked: float) -> None:
        self.asked = asked
        self.waiting: dict[str, tuple[int, dict[int, int]]] = {}
        self.unacked = {task_id: ("mail", asked - 1)}
        self.unacked_count, self.complete, self.doubles = 1, True, ()


def test_the_broker_tells_the_queue_that_events_do_not() -> None:
    account, translator = Account(), Translator()
    translator.take([heartbeat(T), received("a", T + 1, eta=None)], T)
    account.take(translator.lines())
    task = account.task("a")
    assert task is not None
    assert task.queue == ""
    Settler(account, lost=TaskState.UNKNOWN).settle(Looked("a", T + 2), {}, quiet=True)
    assert (task.queue, task.place) == ("mail", TaskState.RESERVED)
    assert account.places.cell("mail", "w1@there").counts[TaskState.RESERVED] == 1
    assert account.places.cell("", "w1@there").counts[TaskState.RESERVED] == 0
