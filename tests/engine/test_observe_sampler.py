"""The sampler's threads, on a real process and a real broker."""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from desktop.engine.observe.history import History
from desktop.engine.observe.proc import is_frozen, start_time
from desktop.engine.observe.queues import QueueReader
from desktop.engine.observe.sampler import Cadence, PoolFigures, Sampler, _Rates
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually


class Stack:
    """What a supervisor would hand to the sampler."""

    def __init__(self, history: History) -> None:
        self.running: dict[str, tuple[int, float]] = {}
        self.reader: QueueReader | None = None
        self.watched: list[str] = []
        self.figures: dict[str, PoolFigures] = {}
        self.counts = (0, 0)
        self.sampler = Sampler(
            history,
            roots=lambda: self.running,
            queue_reader=self.give_reader,
            queues=lambda: self.watched,
            pools=lambda: self.figures,
            ended=lambda: self.counts,
            interval=0.02,
        )

    def give_reader(self) -> QueueReader | None:
        return self.reader


@pytest.fixture
def history() -> History:
    return History(gap=0.5)


@pytest.fixture
def stack(history: History) -> Iterator[Stack]:
    stack = Stack(history)
    yield stack
    stack.sampler.stop()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def root(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    start = start_time(process.pid)
    assert start is not None
    return process.pid, start


def test_every_series_of_the_interface_is_written(
    stack: Stack, history: History, sleeper: subprocess.Popen[bytes], valkey: ValkeyServer
) -> None:
    stack.running = {"w1": root(sleeper)}
    stack.reader = QueueReader(valkey.url)
    stack.watched = ["celery", "mails"]
    stack.figures = {"w1": PoolFigures(4, 3, 8, 1, 6), "w2": PoolFigures(2, 0, 0)}
    stack.sampler.start()
    names = {f"{what}:w1" for what in ("cpu", "memory", "threads", "size", "busy", "reserved", "min", "max")}
    names |= {"size:w2", "busy:w2", "reserved:w2"}
    names |= {"depth:celery", "depth:mails", "unacked:", "ended:", "failed:"}
    eventually(lambda: set(history.names()) >= names, "all series")
    eventually(lambda: len(history.read("depth:mails").t) > 3, "several samples")
    stack.sampler.stop()

    assert set(history.names()) == names
    assert history.read("memory:w1").v[-1] > 1_000_000
    assert history.read("threads:w1").v[-1] == 1
    assert history.read("max:w1").v[-1] == 6
    assert stack.sampler.trees["w1"].processes[0].pid == sleeper.pid
    assert stack.sampler.depths is not None
    assert stack.sampler.depths.queues["mails"][0] == 0
    assert abs(history.read("cpu:w1").t[-1] - time.time()) < 60


def test_a_service_that_ends_leaves_a_gap_and_comes_back(
    stack: Stack, history: History, sleeper: subprocess.Popen[bytes]
) -> None:
    stack.running = {"w1": root(sleeper)}
    stack.sampler.start()
    eventually(lambda: "w1" in stack.sampler.trees, "the first sample")
    sleeper.kill()
    eventually(lambda: "w1" not in stack.sampler.trees, "it is gone")
    last = history.read("cpu:w1").t[-1]
    eventually(lambda: time.time() > last + 0.6, "longer than a gap")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as again:
        stack.running = {"w1": root(again)}
        eventually(lambda: history.read("cpu:w1").t[-1] > last, "samples of the new process")
        again.kill()
    assert sum(math.isnan(v) for v in history.read("cpu:w1").v) == 1
    stack.running = {}
    eventually(lambda: not stack.sampler.trees, "no service any more")
    stack.sampler.forget("w1")
    assert history.names() == ("ended:", "failed:")


def test_a_frozen_broker_delays_no_process_sample(
    stack: Stack, history: History, sleeper: subprocess.Popen[bytes], valkey: ValkeyServer
) -> None:
    stack.running = {"w1": root(sleeper)}
    stack.reader = QueueReader(valkey.url, timeout=60.0)
    stack.watched = ["celery"]
    stack.sampler.start()
    eventually(lambda: stack.sampler.depths, "the first depths")
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        eventually(lambda: is_frozen(valkey.pid), "the broker is frozen")
        before = len(history.read("depth:celery").t)
        count = len(history.read("cpu:w1").t)
        eventually(lambda: len(history.read("cpu:w1").t) >= count + 10, "process samples go on")
        assert len(history.read("depth:celery").t) <= before + 1
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    count = len(history.read("depth:celery").t)
    eventually(lambda: len(history.read("depth:celery").t) > count, "depths again")


def test_a_broker_that_dies_and_one_that_is_replaced(
    stack: Stack, valkey: ValkeyServer, start_valkey: Callable[..., ValkeyServer]
) -> None:
    stack.reader = QueueReader(valkey.url)
    stack.watched = ["celery"]
    stack.sampler.start()
    eventually(lambda: stack.sampler.depths, "the first depths")
    valkey.kill()
    eventually(lambda: stack.sampler.depths is None, "no depths without a broker")
    other = start_valkey()
    stack.reader = QueueReader(other.url)
    eventually(lambda: stack.sampler.depths, "depths of the other broker")
    stack.reader = None
    eventually(lambda: stack.sampler.depths is None, "no broker to ask")


def test_start_and_stop_again_and_again(stack: Stack, history: History) -> None:
    for _ in range(3):
        before = threading.active_count()
        stack.sampler.start()
        stack.sampler.start()
        assert threading.active_count() == before + 2
        count = len(history.read("ended:").t)
        eventually(lambda n=count: len(history.read("ended:").t) > n, "samples")  # type: ignore[misc]
        stack.sampler.stop()
        stack.sampler.stop()
        assert threading.active_count() == before


def test_a_cadence_keeps_its_beat_and_makes_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of its own: calls of 0.3 s each, but the third takes 2.6 s."""
    now = 100.0
    beats: list[float] = []
    cadence = Cadence("test", 0.5, lambda: None)

    def beat() -> None:
        nonlocal now
        beats.append(now)
        now += 2.6 if len(beats) == 3 else 0.3

    def wait(seconds: float) -> bool:
        nonlocal now
        now += seconds
        return len(beats) == 6

    monkeypatch.setattr("desktop.engine.observe.sampler.time.monotonic", lambda: now)
    cadence._beat = beat
    monkeypatch.setattr(cadence._stopped, "wait", wait)
    cadence._run()
    assert beats == pytest.approx([100.0, 100.5, 101.0, 104.0, 104.5, 105.0])


def test_a_beat_that_raises_is_logged_once_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def beat() -> None:
        calls.append(1)
        if len(calls) != 5:
            raise RuntimeError("as told")

    cadence = Cadence("test", 0.001, beat)
    cadence.start()
    eventually(lambda: len(calls) >= 10, "ten calls")
    cadence.stop()
    said = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(said) == 2, "once before the one that worked, once after"


@pytest.mark.parametrize(
    ("samples", "rates"),
    [
        ([(0.0, 0, 0)], (0.0, 0.0)),
        ([(0.0, 0, 0), (0.5, 5, 1)], (10.0, 2.0)),
        ([(t / 2, 10 * t, t) for t in range(20)], (20.0, 2.0)),
        ([(t / 2, 10 * t, 0) for t in range(9)] + [(t / 2, 80, 0) for t in range(9, 14)], (0.0, 0.0)),
        ([(0.0, 500, 0), (0.5, 600, 0), (1.0, 0, 0), (1.5, 5, 0)], (10.0, 0.0)),
        ([(9.0, 0, 0), (3.0, 100, 0), (4.0, 107, 0)], (7.0, 0.0)),
    ],
    ids=["one", "two", "steady", "it ended", "another stack", "clock set back"],
)
def test_rates(samples: list[Any], rates: tuple[float, float]) -> None:
    made = _Rates()
    for sample in samples:
        told = made.add(*sample)
    assert told == pytest.approx(rates)
