"""The verbs on messages: what they do to a real broker, and the sentences that come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from desktop.engine import ledger
from desktop.engine.api import (
    Delivery,
    DeskError,
    Kind,
    LoadSnapshot,
    LoadState,
    Mark,
    MarkKind,
    QueueSnapshot,
    RunningTask,
    ServiceSnapshot,
    StackSnapshot,
    State,
    TaskDetail,
    TaskRow,
    TaskShare,
    TaskState,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.desk.message_verbs import MessageVerbs, Place
from desktop.engine.messages.look import BrokerLook
from desktop.engine.messages.revoke import confirmed, forecast, revoke
from desktop.engine.messages.stranded import Stranded
from desktop.engine.stack.model import Pool, WorkerSpec
from desktop.engine.stack.parse import parse_stack
from desktop.engine.supervise.control import ControlClient
from tests.engine.messages_support import held, ids, lines, sending
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support_apps.workers import Worker


def worker(name: str, pool: Pool = Pool.PREFORK, state: State = State.READY, **fields: Any) -> WorkerSnapshot:
    service = ServiceSnapshot(name, Kind.WORKER, state)
    return WorkerSnapshot(
        service=service, spec=WorkerSpec(name=name, pool=pool), node=f"{name}@test", **fields
    )


def detail(task_id: str, **fields: Any) -> TaskDetail:
    row = TaskRow(1, task_id, "mail.send", fields.pop("state", TaskState.FAILURE), **fields.pop("row", {}))
    return TaskDetail(row, **{"args": "[1]", "kwargs": '{"to": "a@b"}', **fields})


class Bench(MessageVerbs):
    """The verbs on a broker of the test's own; the rest of the desk is what the test says."""

    def __init__(self, valkey: ValkeyServer, folder: Path, options: Mapping[str, Any]) -> None:
        self._workers = ThreadPoolExecutor(2)
        self.shown = StackSnapshot(time.time(), parse_stack('name = "bench"'))
        self.known: dict[str, TaskDetail] = {}
        self.stranded: tuple[Stranded, ...] = ()
        self.marks: list[Mark] = []
        self.control: Any = None
        self.ledger = folder / "ledger"
        self.live: Any = SimpleNamespace(
            endpoint=SimpleNamespace(url=valkey.url),
            spec=lambda: SimpleNamespace(celery={"broker_transport_options": dict(options)}),
            run_folder=folder,
            feed=SimpleNamespace(stranded=lambda: self.stranded),
            mark=self.marks.append,
            control=lambda: self.control,
        )

    def _living(self) -> Any:
        return SimpleNamespace(live=self.live)

    def snapshot(self) -> StackSnapshot:
        return self.shown

    def _detail(self, place: Place, task_id: str) -> TaskDetail:  # type: ignore[override]
        if task_id not in self.known:
            raise DeskError("No such task.")
        return self.known[task_id]

    def close(self) -> None:
        self._workers.shutdown()


@pytest.fixture
def bench_of(nothing_left: None, valkey: ValkeyServer, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(valkey, tmp_path, options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_a_purge_says_what_it_will_do_and_what_it_did(
    valkey: ValkeyServer, bench_of: Callable[..., Bench]
) -> None:
    bench = bench_of(global_keyprefix="qa:")
    queue = QueueSnapshot("mails", reserved=2, active=1, scheduled=4, stranded=3)
    bench.shown = replace(bench.shown, queues=(queue,))
    with sending(valkey.url, {"global_keyprefix": "qa:"}) as sender:
        sent = [sender.send("t", n, queue="mails", priority=n) for n in range(4)]
    offer = bench.purge_offer("mails").result(10)
    assert (offer.waiting, offer.by_priority, offer.untouched) == (4, {0: 3, 3: 1, 6: 0, 9: 0}, 10)
    assert [m.id for m in bench.messages("mails", 1, 2).result(10).messages] == sent[1:3]
    said = bench.purge("mails").result(10)
    assert said.startswith("4 messages of mails were deleted; the record keeps them as PURGED.")
    assert said.endswith(" 10 that workers hold were left.")
    assert sorted(ids(bench.ledger, "purged")) == sorted(sent)
    assert [(mark.kind, mark.text) for mark in bench.marks] == [
        (MarkKind.LOAD, "mails was purged: 4 messages")
    ]
    assert bench.purge("mails").result(10) == "mails was empty: nothing was deleted."
    assert len(bench.marks) == 1


def test_stranded_messages_of_one_queue_or_worker(
    valkey: ValkeyServer, bench_of: Callable[..., Bench]
) -> None:
    bench = bench_of()
    assert bench.restore_stranded().result(10) == "No message is stranded."
    with sending(valkey.url) as sender:
        for n in range(6):
            sender.send("t", n, queue="mails" if n % 2 else "celery")
    with held(valkey.url, 6, "mails", "celery"):
        look = BrokerLook(valkey.url)
        view = look.read([])
        assert view is not None
        found = [Stranded(i, queue, "w1", at) for i, (queue, at) in view.unacked.items()]
        mails = [one for one in found if one.queue == "mails"]
        others = [one for one in found if one.queue == "celery"]
        bench.stranded = (*mails, others[0]._replace(worker="w2"), others[1]._replace(dead=False), others[2])

        assert bench.restore_stranded(queue="nothing").result(10) == "No message of nothing is stranded."
        said = bench.restore_stranded(queue="mails", worker="w1").result(10)
        assert said == "3 messages are back: 3 in mails."
        assert bench.restore_stranded(worker="w2").result(10) == "1 message is back: 1 in celery."
        said = bench.restore_stranded().result(10)
        assert said == (
            "1 message is back: 1 in celery. 4 had been acknowledged or put back by others meanwhile. "
            "1 was left: the worker that they were delivered to lives."
        )
        after = look.read([])
        look.close()
    assert after is not None
    assert set(after.unacked) == {others[1].task_id}
    assert set(ids(bench.ledger, "restored")) == {one.task_id for one in found} - {others[1].task_id}
    assert [mark.kind for mark in bench.marks] == [MarkKind.RECOVERED] * 3


def test_a_task_is_sent_once_more(valkey: ValkeyServer, bench_of: Callable[..., Bench]) -> None:
    bench = bench_of()
    bench.known["old"] = detail("old", row={"queue": "mails"})
    said = bench.retry_task("old").result(10)
    (message,) = bench.messages("mails").result(10).messages
    assert said == f"mail.send was sent again to mails, as {message.id}."
    assert (message.task, message.args, message.kwargs) == ("mail.send", "[1]", '{"to": "a@b"}')
    assert message.problem == ""
    (sent,) = lines(bench.ledger, "sent")
    assert (sent["ids"], sent["name"], sent["queue"]) == ([message.id], "mail.send", "mails")
    account = ledger.read(bench.ledger)
    assert account.totals().submitted == 1


def test_what_is_known_of_the_first_sending_is_kept_or_told(
    valkey: ValkeyServer, bench_of: Callable[..., Bench]
) -> None:
    bench = bench_of()
    mix = (TaskShare("mail.send", countdown=60.0, priority=9),)
    load = LoadSnapshot(3, Workload(mix), LoadState.DONE, time.time())
    bench.shown = replace(bench.shown, loads=(load,))
    first, retry = Delivery(1.0, "w1", 1, eta=61.0), Delivery(1.0, "w1", 1, retries=1, eta=61.0)
    bench.known["ours"] = detail("ours", load=3)
    bench.known["delayed"] = detail("delayed", deliveries=(first,))
    bench.known["retried"] = detail("retried", deliveries=(retry,))
    said = {task_id: bench.retry_task(task_id).result(10) for task_id in bench.known}
    late = [task_id for task_id, text in said.items() if "due at once, without its countdown" in text]
    assert late == ["ours", "delayed"]
    messages = bench.messages("celery").result(10).messages
    assert sorted((one.priority, one.eta) for one in messages) == [(0, None), (0, None), (9, None)]


def test_a_task_without_known_arguments(valkey: ValkeyServer, bench_of: Callable[..., Bench]) -> None:
    bench = bench_of()
    bench.known["long"] = detail("long", args="", args_cut=True)
    bench.known["shown"] = detail("shown", args="(1, <Bomb>)")
    bench.known["unseen"] = detail("unseen", args="", kwargs="", state=TaskState.PURGED)
    bench.known["ours"] = detail("ours", args="", kwargs="", load=3)
    mix = (TaskShare("mail.send", (5,), {"to": "x"}), TaskShare("other"))
    load = LoadSnapshot(3, Workload(mix), LoadState.DONE, time.time())
    bench.shown = replace(bench.shown, loads=(load,))
    with pytest.raises(DeskError, match="too long"):
        bench.retry_task("long").result(10)
    for task_id in ("unseen", "shown"):
        with pytest.raises(DeskError, match="not known"):
            bench.retry_task(task_id).result(10)
    with pytest.raises(DeskError, match="No such task"):
        bench.retry_task("never heard of").result(10)
    bench.retry_task("ours").result(10)
    (message,) = bench.messages("celery").result(10).messages
    assert (message.args, message.kwargs) == ("[5]", '{"to": "x"}')


def test_a_broker_that_is_gone_is_told_by_every_verb(
    valkey: ValkeyServer, bench_of: Callable[..., Bench]
) -> None:
    bench = bench_of()
    bench.known["old"] = detail("old")
    bench.stranded = (Stranded("x", "mails", "w1", 1.0),)
    valkey.kill()
    for future in (
        bench.messages("mails"),
        bench.purge_offer("mails"),
        bench.restore_stranded(),
        bench.retry_task("old"),
        bench.purge("mails"),
    ):
        with pytest.raises(DeskError, match="cannot be reached"):
            future.result(20)
    assert not bench.marks


class Answers:
    """Workers that answer at once."""

    def __init__(self, replies: Mapping[str, Any]) -> None:
        self.replies = replies
        self.asked: list[tuple[str, Mapping[str, Any], list[str] | None]] = []

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        nodes: list[str] | None,
        heard: Callable[[str, Any], None],
        timeout: float = 2.0,
    ) -> str:
        self.asked.append((command, arguments, nodes))
        for node, reply in self.replies.items():
            heard(node, reply)
        return "ticket"


def test_what_revoking_will_do_is_said(bench_of: Callable[..., Bench]) -> None:
    bench = bench_of()
    running = (RunningTask("busy", "mail.send", 0.0, 5),)
    bench.shown = replace(
        bench.shown,
        workers=(worker("w1", running=running), worker("w2", Pool.THREADS), worker("w3", state=State.EXITED)),
    )
    bench.known["held"] = detail("held", state=TaskState.RESERVED, row={"worker": "w2"})
    bench.known["over"] = detail("over", state=TaskState.SUCCESS)
    bench.control = Answers({"w1@test": {"ok": "."}, "w2@test": {"ok": "."}})
    said = bench.revoke_task("busy", terminate=True).result(10)
    assert said == "w1 ends the pool process that runs it (SIGTERM); it counts as REVOKED."
    assert bench.control.asked == [
        ("revoke", {"task_id": "busy", "terminate": True, "signal": "SIGTERM"}, ["w1@test", "w2@test"])
    ]
    assert "runs it to its end" in bench.revoke_task("busy").result(10)
    assert "it will run, though it is marked REVOKED" in bench.revoke_task("held").result(10)
    assert "will drop it" in bench.revoke_task("never heard of").result(10)
    with pytest.raises(DeskError, match=r"over \(SUCCESS\)"):
        bench.revoke_task("over").result(10)
    bench.shown = replace(bench.shown, workers=(worker("w3", state=State.EXITED),))
    with pytest.raises(DeskError, match="No worker runs"):
        bench.revoke_task("held").result(10)


def test_who_did_not_obey_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop.engine.messages.revoke.ANSWER_TIME", 0.05)
    nodes = ["a@t", "b@t", "c@t"]
    answers = Answers({"a@t": {"ok": "."}, "b@t": {"error": "NotImplementedError('terminate')"}})
    said = confirmed(revoke(answers, "x", True, nodes), nodes)
    assert said.startswith("1 of 3 workers confirmed. b@t could not do it (Celery has not built that")
    assert "c@t did not answer" in said


def test_every_place_and_pool_has_its_sentence() -> None:
    seen = set()
    for pool in Pool:
        for state in (TaskState.ACTIVE, TaskState.RESERVED, TaskState.SCHEDULED, TaskState.WAITING):
            for terminate in (False, True):
                said = forecast(state, worker("w1", pool), terminate)
                assert said.endswith(".")
                assert "{" not in said
                seen.add(said)
    assert len(seen) == 4 + 4 + 3 + 1 + 1


def test_a_running_task_is_terminated_by_a_real_worker(
    nothing_left: None, valkey: ValkeyServer, tmp_path: Path
) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    real = Worker(valkey.url, "prefork", tmp_path, "-Q", "main", "-c", "1", ledger=folder)
    control = ControlClient(valkey.url, {})
    try:
        real.start()
        with sending(valkey.url) as sender:
            task_id = sender.send("tests.support_apps.endings.wait", 60, queue="main")
        eventually(lambda: ledger.read(folder).attempts(task_id), "it runs")
        replies = revoke(control, task_id, True, ["w1@test"])
        assert confirmed(replies, ["w1@test"]) == ""
        assert task_id in str(replies["w1@test"])
        eventually(
            lambda: [a.state for a in ledger.read(folder).attempts(task_id)] == ["REVOKED"], "it is revoked"
        )
    finally:
        control.close()
        real.kill()
