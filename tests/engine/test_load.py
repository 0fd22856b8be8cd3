"""The load generator: exact counts, rates, mixes, pause and cancel, and its end with its panel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from desktop.engine.api import DeskError, LoadState, TaskShare, Workload
from desktop.engine.load.client import Load
from desktop.engine.load.pace import Mix, Pace, Stopwatch
from desktop.engine.load.plan import Plan, check, target, workload_from_json, workload_to_json
from tests.engine.load_support import NOOP, Loads, headers_of, ids, in_queue, lines
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually, runs

MIXED = (
    TaskShare("tasks.sleep", kwargs={"seconds": 0.1}, weight=3),
    TaskShare("tasks.primes", args=(1000,), queue="cpu", weight=1, priority=6),
    TaskShare("tasks.hash", countdown=30, queue="cpu", weight=2),
)


@pytest.fixture
def loads(tmp_path: Path) -> Iterator[Loads]:
    started = Loads(tmp_path)
    yield started
    started.close()


def test_a_burst_is_sent_exactly_and_the_ledger_names_each_task(loads: Loads, valkey: ValkeyServer) -> None:
    last = loads.start(valkey.url, Workload(NOOP, count=3333)).last()
    assert (last.state, last.sent, last.in_doubt) == (LoadState.DONE, 3333, 0)
    assert last.ended_at is not None
    told = lines(loads.ledger)
    assert told[0] | {"v": 1, "service": "load-1", "start": 1, "role": "load"} == told[0]
    assert {(line["name"], line["queue"]) for line in told[1:]} == {("tasks.noop", "celery")}
    sent = ids(told, "sent")
    assert len(set(sent)) == len(sent) == 3333
    assert in_queue(valkey) == sent


@pytest.mark.parametrize(
    ("workload", "count"),
    [
        (Workload(NOOP, count=30, rate=150), 30),
        (Workload(NOOP, count=300, rate=1500), 300),
        (Workload(NOOP, rate=100, seconds=0.4), 40),
        (Workload(NOOP, rate=1000, seconds=0.5), 500),
        (Workload(NOOP, count=7, rate=1000, seconds=5), 7),
    ],
)
def test_a_rate_sends_the_exact_number(
    loads: Loads, valkey: ValkeyServer, workload: Workload, count: int
) -> None:
    last = loads.start(valkey.url, workload).last()
    assert (last.state, last.sent) == (LoadState.DONE, count)
    assert in_queue(valkey) == ids(lines(loads.ledger), "sent")


def test_a_rate_alone_runs_until_it_is_cancelled(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, rate=150))
    load.until(lambda s: s.sent >= 10, "ten tasks sent")
    load.cancel()
    last = load.last()
    assert last.state is LoadState.CANCELLED
    assert "Cancelled after" in last.detail
    assert len(in_queue(valkey)) == last.sent == len(ids(lines(loads.ledger), "sent"))


def test_a_count_may_be_bounded_by_seconds(loads: Loads, valkey: ValkeyServer) -> None:
    last = loads.start(valkey.url, Workload(NOOP, count=10_000_000, seconds=0.2)).last()
    assert last.state is LoadState.DONE
    assert 0 < last.sent < 10_000_000
    assert len(in_queue(valkey)) == last.sent


def test_a_mix_keeps_its_order_for_a_seed_and_its_queue_priority_and_countdown(
    loads: Loads, valkey: ValkeyServer
) -> None:
    for seed in (5, 5, 6):
        assert loads.start(valkey.url, Workload(MIXED, count=600, seed=seed)).last().sent == 600
    sent = [_names_in_order(loads, number) for number in (1, 2, 3)]
    assert sent[0] == sent[1] != sent[2]
    assert Counter(sent[0]) == Counter(MIXED[share].task for share in Mix(MIXED, seed=5).draw(600))
    waiting = headers_of(valkey, "celery")
    assert {header["task"] for header in waiting} == {"tasks.sleep"}
    assert {header["eta"] for header in waiting} == {None}
    assert {header["task"] for header in headers_of(valkey, "cpu\x06\x166")} == {"tasks.primes"}
    due = headers_of(valkey, "cpu")
    assert {header["task"] for header in due} == {"tasks.hash"}
    assert all(header["eta"] for header in due)


def _names_in_order(loads: Loads, number: int) -> list[str]:
    """A line per batch and task: the order within a batch is not told, so one batch after the other."""
    return [line["name"] for line in lines(loads.ledger, number) if line["k"] == "sent" for _ in line["ids"]]


def test_pause_resume_and_cancel_in_the_middle_of_a_burst(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, count=500_000))
    load.until(lambda s: s.sent > 0, "the first tasks")
    load.pause()
    paused = load.state(LoadState.PAUSED)
    assert len(in_queue(valkey)) == paused.sent < 500_000
    load.resume()
    load.until(lambda s: s.state is LoadState.SENDING and s.sent > paused.sent, "more tasks after the pause")
    load.cancel()
    last = load.last()
    assert last.state is LoadState.CANCELLED
    assert paused.sent < last.sent < 500_000
    assert in_queue(valkey) == ids(lines(loads.ledger), "sent")
    assert len(in_queue(valkey)) == last.sent


def test_a_paused_load_can_be_cancelled(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, rate=1))
    load.state(LoadState.SENDING)
    load.pause()
    load.state(LoadState.PAUSED)
    load.cancel()
    assert load.last().state is LoadState.CANCELLED


def test_settings_of_the_stack_are_honoured(loads: Loads, valkey: ValkeyServer) -> None:
    celery = {
        "task_routes": {"tasks.noop": {"queue": "fast"}},
        "task_default_queue": "other",
        "broker_transport_options": {"global_keyprefix": "qa:", "priority_steps": [0, 5]},
    }
    mix = (TaskShare("tasks.noop", priority=9), TaskShare("tasks.hash"))
    assert loads.start(valkey.url, Workload(mix, count=50), celery=celery).last().sent == 50
    routed, rest = in_queue(valkey, "qa:fast\x06\x165"), in_queue(valkey, "qa:other")
    assert routed
    assert rest
    assert sorted(routed + rest) == sorted(ids(lines(loads.ledger), "sent"))


def test_it_dies_with_its_panel(loads: Loads, valkey: ValkeyServer, tmp_path: Path) -> None:
    plan = Plan(1, Workload(NOOP, rate=20), loads.ledger, valkey.url)
    panel = subprocess.Popen(
        [sys.executable, "-c", _PANEL, str(tmp_path / "load.log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert panel.stdin is not None
    assert panel.stdout is not None
    with panel.stdin, panel.stdout:
        panel.stdin.write(plan.to_line().decode())
        panel.stdin.flush()
        generator = int(panel.stdout.readline())
        assert panel.stdout.readline() == "sending\n"
        panel.kill()
        panel.wait()
    eventually(lambda: not runs(generator), "the generator has ended")
    assert (tmp_path / "load.log").read_text() == ""
    assert in_queue(valkey) == ids(lines(loads.ledger), "sent")


_PANEL = """
import sys, time
from pathlib import Path
from desktop.engine.load.client import Load
from desktop.engine.load.plan import Plan
load = Load(Plan.from_line(sys.stdin.readline()), log_file=Path(sys.argv[1]))
print(load.pid, flush=True)
while load.snapshot().sent == 0:
    time.sleep(0.01)
print(load.snapshot().state, flush=True)
time.sleep(600)
"""


def test_a_generator_that_is_killed_is_told_in_a_sentence(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, rate=20))
    load.until(lambda s: s.sent > 0, "the first task")
    os.kill(load.pid, signal.SIGKILL)
    last = load.last()
    assert last.state is LoadState.FAILED
    assert "was killed by SIGKILL" in last.detail
    load.pause()  # nobody is there to obey: that is no error


def test_sigterm_is_a_cancel(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, rate=20))
    load.until(lambda s: s.sent > 0, "the first task")
    os.kill(load.pid, signal.SIGTERM)
    assert load.last().state is LoadState.CANCELLED


def test_the_password_is_in_no_command_line_and_no_log(loads: Loads, valkey: ValkeyServer) -> None:
    load = loads.start(valkey.url, Workload(NOOP, rate=20))
    load.state(LoadState.SENDING)
    process = psutil.Process(load.pid)
    assert valkey.password not in " ".join(process.cmdline())
    assert valkey.password not in str(process.environ())
    load.close()
    assert valkey.password not in loads.log_file.read_text()
    assert not any(valkey.password in path.read_text() for path in loads.ledger.iterdir())


@pytest.mark.parametrize(
    ("workload", "settings", "said"),
    [
        (
            Workload((TaskShare("tasks.noop", queue="x"),), count=1),
            {"task_create_missing_queues": False},
            "no queue 'x'",
        ),
        (Workload(NOOP, count=1), {"task_serializer": "nosuch"}, "cannot be put into a message"),
        (Workload(NOOP, count=1), {"task_compression": "nosuch"}, "cannot be put into a message"),
    ],
)
def test_what_cannot_be_sent_fails_in_a_sentence(
    loads: Loads, valkey: ValkeyServer, workload: Workload, settings: dict[str, object], said: str
) -> None:
    last = loads.start(valkey.url, workload, celery=settings).last()
    assert last.state is LoadState.FAILED
    assert said in last.detail
    assert loads.log_file.read_text() == ""


def test_another_kind_of_broker_fails_in_a_sentence(loads: Loads) -> None:
    last = loads.start("amqp://guest@127.0.0.1:1//", Workload(NOOP, count=1)).last()
    assert last.state is LoadState.FAILED
    assert "Redis" in last.detail


def test_a_ledger_that_cannot_be_written_fails_in_a_sentence(loads: Loads, valkey: ValkeyServer) -> None:
    loads.ledger.write_text("not a folder")
    last = loads.start(valkey.url, Workload(NOOP, count=1)).last()
    assert last.state is LoadState.FAILED
    assert "ledger cannot be written" in last.detail


@pytest.mark.parametrize(
    "workload",
    [
        Workload(()),
        Workload(NOOP),
        Workload(NOOP, seconds=3),
        Workload(NOOP, count=0),
        Workload(NOOP, rate=0.0),
        Workload(NOOP, rate=float("nan")),
        Workload(NOOP, rate=1.0, seconds=-1.0),
        Workload((TaskShare(""),), count=1),
        Workload((TaskShare("a", weight=-1),), count=1),
        Workload((TaskShare("a", weight=0),), count=1),
        Workload((TaskShare("a", queue=""),), count=1),
        Workload((TaskShare("a", countdown=-1.0),), count=1),
        Workload((TaskShare("a", priority=10),), count=1),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused_with_the_way_out(
    workload: Workload, tmp_path: Path
) -> None:
    with pytest.raises(DeskError) as refused:
        Load(Plan(1, workload, tmp_path, "redis://"), log_file=tmp_path / "log")
    assert refused.value.next_step


def test_arguments_that_are_not_json_are_refused(tmp_path: Path) -> None:
    workload = Workload((TaskShare("a", args=(object(),)),), count=1)
    check(workload)
    with pytest.raises(DeskError, match="cannot be sent"):
        Load(Plan(1, workload, tmp_path, "redis://"), log_file=tmp_path / "log")


def test_a_plan_comes_back_from_its_line_as_it_was(tmp_path: Path) -> None:
    workload = Workload(MIXED, count=5, rate=2.5, seconds=None, name="three kinds", seed=9)
    assert workload_from_json(workload_to_json(workload)) == workload
    plan = Plan(
        7, workload, tmp_path, "redis://:secret@h/0", {"task_acks_late": True}, {"visibility_timeout": 5}
    )
    assert Plan.from_line(plan.to_line()) == plan
    assert "secret" not in repr(plan)


def test_the_number_of_tasks_is_known_where_the_workload_says_it() -> None:
    assert target(Workload(NOOP, count=5)) == 5
    assert target(Workload(NOOP, rate=2)) is None
    assert target(Workload(NOOP, rate=2, seconds=10)) == 20
    assert target(Workload(NOOP, rate=2, seconds=10, count=15)) == 15
    assert target(Workload(NOOP, count=5, seconds=1)) == 5


@pytest.mark.parametrize("rate", [3.0, 100.0, 750.0])
def test_the_pace_holds_its_rate_and_does_not_make_up_for_a_stall(rate: float) -> None:
    pace = Pace(rate)
    now, sent = 1000.0, 0
    pace.restart(now)
    while now < 1010.0:
        due = pace.due(now)
        pace.sent(due)
        sent += due
        now += max(pace.wait(now), 0.001)
    assert sent == pytest.approx(rate * 10, abs=max(2, rate * 0.03))
    assert pace.due(now + 60) == 1


def test_a_burst_has_no_pace() -> None:
    pace = Pace(None)
    pace.restart(0.0)
    assert pace.due(0.0) > 100
    assert pace.wait(0.0) == 0
    assert pace.batched


def test_the_stopwatch_stands_still_while_halted() -> None:
    watch = Stopwatch()
    watch.run(10.0)
    watch.run(11.0)
    watch.halt(13.0)
    watch.halt(20.0)
    assert watch.read(99.0) == 3.0
    watch.run(100.0)
    assert watch.read(101.5) == 4.5


def test_a_mix_is_drawn_alike_however_it_is_cut() -> None:
    whole = Mix(MIXED, seed=3)
    parts = Mix(MIXED, seed=3)
    assert whole.draw(100) == [*parts.draw(1), *parts.draw(60), *parts.draw(39)]
