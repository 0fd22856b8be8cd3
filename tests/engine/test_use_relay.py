"""The relay put between workers and broker, and taken away, while the stack lives and while it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop.engine.api import (
    DeskError,
    FaultKind,
    FaultSpec,
    MarkKind,
    Pick,
    StackState,
    State,
    Target,
    TaskShare,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from tests.support.waiting import eventually

FILE = """# my stack
name = "way"

[broker]  # small
persistence = "none"

[[worker]]  # the busy one
name = "w1"
pool = "threads"
concurrency = 2

[[worker]]
name = "w2"
pool = "threads"
queues = ["other"]
restart = "never"
"""
CUT = FaultSpec(FaultKind.CUT, Target(Pick.NAME, "w1"), 0.0)


@pytest.fixture
def desk(tmp_path: Path, nothing_left: None) -> Iterator[LocalDesk]:
    file = tmp_path / "way.toml"
    file.write_text(FILE)
    made = LocalDesk(read_stack(file))
    yield made
    made.close()


def worker(desk: LocalDesk, name: str) -> WorkerSnapshot:
    found = desk.snapshot().worker(name)
    assert found is not None
    return found


def port_used(desk: LocalDesk, name: str) -> str:
    """Where the worker's process looks for its broker."""
    environment = Path(f"/proc/{worker(desk, name).service.pid}/environ").read_text()
    found = re.search(r"CELERY_BROKER_URL=[^\0]*@127\.0\.0\.1:(\d+)/", environment)
    assert found is not None
    return found[1]


def settings(desk: LocalDesk) -> list[str]:
    return [mark.text for mark in desk.snapshot().marks if mark.kind is MarkKind.SETTINGS]


def refused(ask: Callable[[], object]) -> DeskError:
    with pytest.raises(DeskError) as error:
        ask()
    return error.value


def test_a_stopped_stack_gets_it_written_with_comments_kept(desk: LocalDesk, tmp_path: Path) -> None:
    assert "when the stack starts" in desk.use_relay(True).result(10)
    assert desk.snapshot().dirty
    assert desk.snapshot().spec.broker.relay
    desk.save_stack().result(10)
    saved = (tmp_path / "way.toml").read_text()
    assert saved == FILE.replace('persistence = "none"\n', 'persistence = "none"\nrelay = true\n')
    commented = saved.replace("relay = true", "relay = true  # for the talk")
    (tmp_path / "way.toml").write_text(commented)
    desk.open_stack(tmp_path / "way.toml").result(10)
    desk.use_relay(False).result(10)
    desk.save_stack().result(10)
    assert (tmp_path / "way.toml").read_text() == commented.replace("relay = true", "relay = false")
    assert not read_stack(tmp_path / "way.toml").broker.relay


def test_a_stack_that_runs_gets_it_and_loses_nothing(desk: LocalDesk) -> None:
    desk.start().result(60)
    before = desk.snapshot()
    assert before.broker is not None
    straight = before.broker.address.partition(":")[2]
    assert port_used(desk, "w1") == straight
    assert "workers restart warm" in desk.forecast(CUT).impossible
    desk.stop_service("w2").result(20)
    desk.submit(Workload((TaskShare("tasks.sleep", kwargs={"seconds": 0.15}),), count=40)).result(20)
    eventually(lambda: worker(desk, "w1").done > 3, "it works")

    said = desk.use_relay(True).result(60)

    assert said == "The relay is between: w1 was restarted warm and goes through it. The broker stayed up."
    shown = desk.snapshot()
    assert shown.relay is not None
    assert (shown.relay.state, shown.spec.broker.relay, shown.dirty) == (State.READY, True, True)
    assert port_used(desk, "w1") not in ("", straight)
    assert shown.broker is not None
    assert shown.broker.service.pid == before.broker.service.pid
    assert worker(desk, "w2").service.state is State.STOPPED
    assert settings(desk) == ["the relay is put between: workers restart warm, to go through it"]
    assert desk.use_relay(True).result(10) == "The relay is between already."
    desk.start_service("w2").result(10)
    eventually(lambda: worker(desk, "w2").service.state is State.READY, "w2 answers")
    assert port_used(desk, "w2") != straight

    eventually(lambda: desk.account().result(20).ended_once == 40, "all have ended, once")

    # Now the network can be cut; while it is, the relay stays. Nothing runs: an acknowledgement that the cut
    # swallows would have its task run again at the warm restart.
    cut = desk.inject(CUT).result(20)
    assert refused(lambda: desk.use_relay(False).result(10)).next_step == "Undo it first."
    desk.undo_fault(cut).result(20)

    said = desk.use_relay(False).result(60)

    assert said == "The relay is gone: w1 and w2 were restarted warm and reach the broker directly."
    shown = desk.snapshot()
    assert (shown.relay, shown.spec.broker.relay, shown.dirty) == (None, False, False)
    assert shown.state is StackState.RUNNING
    assert (port_used(desk, "w1"), port_used(desk, "w2")) == (straight, straight)
    account = desk.account().result(20)
    assert (account.submitted, account.ended_once, account.ended_more, account.lost) == (40, 40, (), ())
    record = desk.record()
    assert record is not None
    texts = [text for _, text in record.settings()["texts"]]
    assert ["relay = true" in text for text in texts] == [False, True, False]

    # Without its broker no worker could give back what it holds.
    desk.stop_service("broker").result(20)
    assert "The broker is stopped" in refused(lambda: desk.use_relay(True).result(10)).what
    shown = desk.snapshot()
    assert (shown.relay, shown.spec.broker.relay, len(settings(desk))) == (None, False, 2)
