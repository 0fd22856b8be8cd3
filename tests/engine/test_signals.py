"""Kill menus: what each signal is said to do, on every pool, with tasks acknowledged early and late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from desktop.engine.api import (
    Kind,
    Light,
    PoolProcess,
    RunningTask,
    ServiceSnapshot,
    SignalOffer,
    State,
    WorkerSnapshot,
)
from desktop.engine.forecast.rules import COLD, KILLED, Fate
from desktop.engine.signals import process_offers, worker_offers
from desktop.engine.stack.model import Pool, WorkerSpec
from tests.support.valkey import ValkeyServer

EARLY: dict[str, Any] = {}
LATE: dict[str, Any] = {"task_acks_late": True, "broker_transport_options": {"visibility_timeout": 10}}
SIGNALS = ("TERM", "INT", "QUIT", "KILL", "STOP", "CONT")


def menu(
    pool: Pool,
    celery: dict[str, Any],
    *,
    busy: int = 2,
    reserved: int = 6,
    scheduled: int = 0,
    state: State = State.READY,
    light: Light = Light.ON,
    pid: int | None = 7,
) -> dict[str, SignalOffer]:
    service = ServiceSnapshot("w1", Kind.WORKER, state, pid=pid, process=light)
    worker = WorkerSnapshot(
        service, WorkerSpec("w1", pool), "w1@t", busy=busy, reserved=reserved, scheduled=scheduled
    )
    return {offer.signal: offer for offer in worker_offers(worker, celery)}


@pytest.mark.parametrize("pool", list(Pool))
@pytest.mark.parametrize("celery", [EARLY, LATE], ids=["early", "late"])
def test_all_six_are_offered_with_words(pool: Pool, celery: dict[str, Any]) -> None:
    offers = menu(pool, celery)
    assert tuple(offers) == SIGNALS
    for name, offer in offers.items():
        assert f"(SIG{name})" in offer.title
        assert offer.effect.endswith(".")
    for name in ("TERM", "QUIT"):
        runs_on = "run while it waits, or " if (pool, name) == (Pool.THREADS, "QUIT") else ""
        assert f"6 reserved {runs_on}go back to the queue at once" in offers[name].effect
    assert "2 running tasks" in offers["TERM"].effect
    assert "Nothing is lost" in offers["TERM"].effect
    assert not offers["TERM"].destructive
    assert not offers["INT"].destructive
    assert not offers["STOP"].destructive
    assert not offers["CONT"].destructive


@pytest.mark.parametrize(
    ("pool", "early", "late"),
    [
        (Pool.PREFORK, "will be lost (acks early)", "run again at once"),
        (Pool.THREADS, "cannot be cancelled on threads", "cannot be cancelled on threads"),
        (Pool.GEVENT, "will be lost (acks early)", "lost, though acks are late"),
        (Pool.EVENTLET, "will be lost (acks early)", "may be lost: the moment decides"),
        (Pool.SOLO, "end as a failure", "end as a failure"),
    ],
)
def test_a_cold_stop_by_pool_and_acks(pool: Pool, early: str, late: str) -> None:
    for celery, words in ((EARLY, early), (LATE, late)):
        offer = menu(pool, celery)["QUIT"]
        assert f"2 running tasks {words}" in offer.effect or words in offer.effect
        assert offer.destructive is (pool is not Pool.THREADS)


@pytest.mark.parametrize("pool", list(Pool))
def test_a_kill_by_pool_and_acks(pool: Pool) -> None:
    early, late = menu(pool, EARLY)["KILL"], menu(pool, LATE)["KILL"]
    if pool is Pool.SOLO:  # its acknowledgement only leaves after the task
        assert early.effect.startswith("2 running tasks will be cut off; they and 6 reserved come back after")
    else:
        assert early.effect.startswith("2 running tasks will be lost (acks early)")
        assert "6 reserved come back after the visibility timeout, 3,600 s, at the earliest" in early.effect
    assert late.effect.startswith("2 running tasks will be cut off; they and 6 reserved come back after")
    assert "visibility timeout, 10 s" in late.effect
    assert early.destructive
    assert late.destructive


def test_every_pool_has_its_fates() -> None:
    assert set(COLD) == set(KILLED) == set(Pool)
    assert {fate for pair in KILLED.values() for fate, _ in pair} == {Fate.LOST, Fate.LATER}


def test_an_idle_worker_loses_nothing_to_any_signal() -> None:
    offers = menu(Pool.PREFORK, EARLY, busy=0, reserved=0)
    assert all(
        "othing" in offer.effect or "ends at once" in offer.effect for offer in list(offers.values())[:4]
    )
    assert not any(offer.destructive for offer in offers.values())
    held = menu(Pool.PREFORK, EARLY, busy=0, reserved=0, scheduled=1)
    assert held["KILL"].destructive
    assert "1 scheduled comes back after" in held["KILL"].effect
    assert "1 scheduled goes back to the queue" in held["TERM"].effect


def test_running_tasks_are_counted_from_whichever_is_newer() -> None:
    service = ServiceSnapshot("w1", Kind.WORKER, State.READY, pid=7)
    running = tuple(RunningTask(str(n), "t", 0.0, 7) for n in range(3))
    worker = WorkerSnapshot(service, WorkerSpec("w1"), "w1@t", busy=1, running=running)
    assert "3 running tasks" in worker_offers(worker, EARLY)[0].effect


def test_a_frozen_worker_only_hears_kill_and_go_on() -> None:
    offers = menu(Pool.PREFORK, EARLY, light=Light.FROZEN)
    for name in ("TERM", "INT", "QUIT"):
        assert offers[name].effect.startswith("Nothing while it is frozen")
    assert offers["STOP"].effect == "It is frozen already."
    assert offers["KILL"].effect == menu(Pool.PREFORK, EARLY)["KILL"].effect
    assert "Goes on" in offers["CONT"].effect


def test_freezing_tells_what_may_run_twice() -> None:
    assert (
        "after 3,600 s (visibility timeout) 6 reserved may run twice"
        in menu(Pool.PREFORK, EARLY)["STOP"].effect
    )
    late = menu(Pool.GEVENT, LATE)["STOP"].effect
    assert "after 10 s (visibility timeout) 2 running tasks and 6 reserved may run twice" in late
    assert "go on in the pool processes" in menu(Pool.PREFORK, EARLY)["STOP"].effect
    assert "stand still" in menu(Pool.THREADS, EARLY)["STOP"].effect


def test_a_worker_that_stops_already_takes_the_second_interrupt_as_a_cold_stop() -> None:
    offers = menu(Pool.PREFORK, EARLY, state=State.STOPPING)
    assert (
        offers["TERM"].effect
        == "It is stopping already and waits for 2 running tasks; another SIGTERM changes nothing."
    )
    assert "2 running tasks will be lost" in offers["INT"].effect
    assert offers["INT"].destructive


def test_a_soft_shutdown_waits_first() -> None:
    soft = {"worker_soft_shutdown_timeout": 5.0}
    offer = menu(Pool.PREFORK, soft)["QUIT"]
    assert offer.effect.startswith(
        "Waits up to 5 s for 2 running tasks (soft shutdown). One that takes longer will be lost"
    )
    assert offer.destructive
    assert (
        "end as a failure" in menu(Pool.SOLO, soft)["QUIT"].effect
    )  # its handler sleeps in the task's own thread


def test_without_a_process_nothing_is_offered() -> None:
    assert menu(Pool.PREFORK, EARLY, pid=None) == {}


PROCESS: list[tuple[dict[str, Any], str]] = [
    ({}, "will be lost: it fails with WorkerLostError (acks early)"),
    ({"task_acks_late": True}, "will be lost: it fails with WorkerLostError (acks late, but"),
    ({"task_reject_on_worker_lost": True}, "will be lost: it fails with WorkerLostError (acks early)"),
    ({"task_acks_late": True, "task_reject_on_worker_lost": True}, "runs again, from the back of its queue"),
    (
        {"task_acks_late": True, "task_reject_on_worker_lost": True, "task_retry_on_worker_lost": True},
        "is retried",
    ),
]
BUSY = PoolProcess(9, task_id="x", task_name="shop.order")


def of_process(process: PoolProcess, celery: dict[str, Any]) -> dict[str, SignalOffer]:
    service = ServiceSnapshot("w1", Kind.WORKER, State.READY, pid=7)
    worker = WorkerSnapshot(service, WorkerSpec("w1", time_limit=9.0), "w1@t", busy=1)
    return {offer.signal: offer for offer in process_offers(worker, process, celery)}


@pytest.mark.parametrize(("celery", "words"), PROCESS, ids=range(len(PROCESS)))
def test_the_task_of_an_ended_pool_process(celery: dict[str, Any], words: str) -> None:
    offers = of_process(BUSY, celery)
    assert tuple(offers) == SIGNALS
    for name in ("TERM", "QUIT", "KILL"):
        assert offers[name].effect.startswith("shop.order ")
        assert words.replace("is retried", "retried after") in offers[name].effect
        assert offers[name].destructive
    assert "ignore" in offers["INT"].effect
    assert not offers["INT"].destructive
    assert "after 9 s the task fails" in offers["STOP"].effect


def test_an_idle_pool_process_is_just_replaced() -> None:
    offers = of_process(PoolProcess(9), {})
    assert not any(offer.destructive for offer in offers.values())
    assert "nothing is lost" in offers["KILL"].effect


def test_a_frozen_pool_process() -> None:
    offers = of_process(PoolProcess(9, frozen=True, task_id="x", task_name="t"), {})
    assert offers["TERM"].effect.startswith("Nothing while it is frozen")
    assert offers["KILL"].effect.startswith("t will be lost")
    assert offers["STOP"].effect == "It is frozen already."


# What the menu of a pool process says, on a real worker.
APP = """
import os, time
from celery import Celery
app = Celery("nap")
@app.task(name="nap")
def nap(path):
    with open(path, "a") as out:
        out.write(f"start {os.getpid()}\\n")
        out.flush()
        time.sleep(1.0)
        out.write("end\\n")
"""


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def until(true: Any, what: str) -> None:
    end = time.monotonic() + 40
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ([], ["start"]),
        (["task_acks_late=true", "task_reject_on_worker_lost=true"], ["start", "start", "end"]),
    ],
    ids=["early", "late, reject"],
)
def test_a_real_pool_process_does_what_its_menu_says(
    tmp_path: Path, valkey: ValkeyServer, settings: list[str], ends: list[str]
) -> None:
    (tmp_path / "nap.py").write_text(APP)
    log = tmp_path / "worker.log"
    spared, cut, last = (tmp_path / name for name in ("spared", "cut", "last"))
    env = {**os.environ, "CELERY_BROKER_URL": valkey.url}
    send = "import sys; from nap import nap; nap.apply_async((sys.argv[1],), ignore_result=True)"

    def submit(out: Path) -> None:
        subprocess.run([sys.executable, "-c", send, str(out)], cwd=tmp_path, env=env, check=True, timeout=40)

    def signal_its_process(out: Path, number: signal.Signals) -> None:
        until(lambda: lines_of(out), "the task never started")
        os.kill(int(lines_of(out)[0].split()[1]), number)

    argv = [sys.executable, "-m", "celery", "-A", "nap", "worker", "-c", "1", "-l", "INFO", "--", *settings]
    with log.open("w") as opened:
        worker = subprocess.Popen(argv, cwd=tmp_path, env=env, stdout=opened, stderr=opened, process_group=0)
    try:
        submit(spared)
        signal_its_process(spared, signal.SIGINT)
        submit(cut)
        signal_its_process(cut, signal.SIGQUIT)
        until(lambda: "WorkerLostError" in log.read_text(), "the end was not noticed")
        submit(last)  # behind the cut one, should that come back
        until(lambda: "end" in lines_of(last), "the pool process was not replaced")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    assert [line.split()[0] for line in lines_of(spared)] == ["start", "end"]
    assert [line.split()[0] for line in lines_of(cut)] == ends
