"""What faults are said to do: every kind on every pool, with early and late acks, and each rule in place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from desktop.engine.api import (
    Count,
    DeskError,
    FaultKind,
    FaultSpec,
    Forecast,
    LoadSnapshot,
    LoadState,
    Pick,
    StackSnapshot,
    Target,
    TaskShare,
    Workload,
)
from desktop.engine.faults.catalog import fault_kinds, info_of
from desktop.engine.faults.targets import chosen_names
from desktop.engine.forecast import RULES, forecast, situation_of
from desktop.engine.stack.model import Autoscale, Persistence, Pool, Restart
from tests.engine.forecast_support import NOW, celery, moment, said, worker

EARLY, LATE = celery(False), celery(True)
K = FaultKind


def counts(forecast: Forecast) -> tuple[Count, Count, Count, Count]:
    return forecast.lost, forecast.failed, forecast.again, forecast.back


def exactly(lost: int = 0, failed: int = 0, again: int = 0, back: int = 0) -> tuple[Count, ...]:
    return tuple(Count(n, n) for n in (lost, failed, again, back))


# every kind, pool and way to acknowledge


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("pool", list(Pool))
@pytest.mark.parametrize("kind", list(FaultKind))
def test_everything_has_a_forecast(kind: FaultKind, pool: Pool, late: bool) -> None:
    table = celery(late, worker_soft_shutdown_timeout=3 if kind is K.SOFT else 0)
    found = said(moment(worker(pool=pool), worker("w2", pool), celery=table), kind)
    everyone = kind is K.ROLLING
    if found.impossible:
        no_process = info_of(kind).aims_at == "process" and pool is not Pool.PREFORK
        assert no_process or (kind is K.SHRINK and pool in (Pool.THREADS, Pool.SOLO))
        assert found.impossible.count(".") >= 2, "what, and the next step"
        return
    assert found.targets == (
        ("broker",) if info_of(kind).aims_at == "broker" else ("w1", "w2")[: 1 + everyone]
    )
    assert found.sentences
    assert all(text.endswith(".") and "{" not in text for text in found.sentences)
    assert found.rules
    assert all(rule.source and rule.text.endswith(".") for rule in found.rules)
    assert all(0 <= count.least <= count.most for count in counts(found))
    assert found.hurts is any(count.most for count in counts(found)[:3])
    assert found.sure


def many() -> Iterator[tuple[StackSnapshot, FaultSpec]]:
    """Moments and faults of all sorts."""
    tables = [
        celery(late, **more)
        for late in (False, True)
        for more in (
            {},
            {"task_reject_on_worker_lost": True},
            {"task_retry_on_worker_lost": True},
            {"worker_soft_shutdown_timeout": 3},
            {"worker_cancel_long_running_tasks_on_connection_loss": True},
            {"timeout": 6},
        )
    ]
    for table, pool in itertools.product(tables, Pool):
        for info in fault_kinds():
            seconds = 12.0 if info.lasts else None
            for persistence in Persistence:
                for results, frozen in ((False, False), (True, False), (False, True)):
                    busy, idle = worker(pool=pool, frozen=frozen), worker("w2", pool, runs=0, reserved=0)
                    flood = 200.0 if pool is Pool.THREADS else 0.0
                    stack = {"persistence": persistence, "results": results, "per_second": flood}
                    yield moment(busy, idle, celery=table, **stack), FaultSpec(info.kind, seconds=seconds)  # type: ignore[arg-type]
            yield (
                moment(worker(pool=pool), celery=table, waiting=0),
                FaultSpec(info.kind, seconds=1.0 if info.lasts else None),
            )

    yield shrinking_under_load()


def shrinking_under_load() -> tuple[StackSnapshot, FaultSpec]:
    busy = worker(since=NOW - 0.1)
    return moment(busy, celery=EARLY, per_second=20.0), FaultSpec(K.SHRINK, seconds=1.0)


def test_a_pool_that_shrinks_under_load_may_end_a_task() -> None:
    snapshot, spec = shrinking_under_load()
    found = forecast(situation_of(snapshot, NOW), spec)
    assert (found.failed, found.lost) == (Count(0, 1), Count())
    calm = forecast(situation_of(moment(worker(), celery=EARLY), NOW), spec)
    assert calm.failed == Count()


def test_every_rule_is_used_and_none_else() -> None:
    used = {
        rule.id for snapshot, spec in many() for rule in forecast(situation_of(snapshot, NOW), spec).rules
    }
    assert used == set(RULES)


def test_rules_say_where_they_come_from() -> None:
    assert all(name == rule.id for name, rule in RULES.items())
    texts = [rule.text for rule in RULES.values()]
    assert len(set(texts)) == len(texts), "one rule, one sentence"


# workers


def test_a_kill_as_people_read_it() -> None:
    stack = moment(worker(), worker("w2", runs=0, reserved=0), celery=EARLY, held_for=120.0)
    found = said(stack, K.KILL_WORKER, "w1")
    assert found.sentences == (
        "2 running tasks will be lost (acks early).",
        "6 reserved come back after 58 min 0 s (visibility timeout 3,600 s), at the earliest when w2 polls, "
        "up to 100 s later.",
    )
    assert counts(found) == exactly(lost=2, back=6)
    assert (found.running, found.held) == (2, 6)
    assert found.back_after == pytest.approx(3480.0)
    assert found.hurts


def test_late_acks_bring_everything_back() -> None:
    stack = moment(worker(scheduled=1), celery=celery(True, timeout=10))
    found = said(stack, K.KILL_WORKER)
    assert counts(found) == exactly(again=2, back=7)
    assert found.sentences[0].startswith(
        "2 running tasks will be cut off; they and 6 reserved and 1 scheduled"
    )
    assert "when w1, started again, polls" in found.sentences[0]


def test_who_brings_it_back_depends_on_who_is_left() -> None:
    def told(*others: object, restart: Restart = Restart.ON_FAILURE, pool: Pool = Pool.PREFORK) -> str:
        stack = moment(worker(pool=pool, restart=restart), *others)  # type: ignore[arg-type]
        return said(stack, K.KILL_WORKER, "w1").sentences[-1]

    assert "when w2 or w3 polls" in told(worker("w2"), worker("w3", Pool.SOLO))
    assert "started again, polls" in told(worker("w2", Pool.GEVENT))
    assert "none is left that polls" in told(restart=Restart.NEVER)
    gevent = told(worker("w2", Pool.GEVENT), pool=Pool.EVENTLET)
    assert "gevent and eventlet only look for them then" in gevent
    assert "when w2 polls" not in told(worker("w2", frozen=True))


@pytest.mark.parametrize(
    ("pool", "early", "late"),
    [
        (Pool.PREFORK, exactly(lost=2, back=6), exactly(again=2, back=6)),
        (Pool.THREADS, (*exactly()[:3], Count(0, 6)), (*exactly()[:3], Count(0, 6))),
        (Pool.GEVENT, exactly(lost=2, back=6), exactly(lost=2, back=6)),
        (Pool.SOLO, exactly(failed=2, back=6), exactly(failed=2, back=6)),
    ],
)
def test_a_cold_stop(pool: Pool, early: tuple[Count, ...], late: tuple[Count, ...]) -> None:
    for table, expected in ((EARLY, early), (LATE, late)):
        found = said(moment(worker(pool=pool), celery=table), K.COLD)
        assert counts(found) == expected
        assert found.back_after == 0.0


def test_a_soft_shutdown_needs_its_setting_and_waits_for_what_is_short() -> None:
    assert "worker_soft_shutdown_timeout" in said(moment(worker()), K.SOFT).impossible
    table = celery(worker_soft_shutdown_timeout=10)
    assert counts(said(moment(worker(), celery=table), K.SOFT))[0] == Count(0, 2)
    greenlets = moment(worker(pool=Pool.GEVENT), celery=table)
    assert counts(said(greenlets, K.SOFT)) == exactly(back=6)
    short = moment(worker(since=NOW - 0.5), celery=table, per_second=2.0)
    assert said(short, K.SOFT).lost == Count(0, 0)


def test_what_is_given_back_waits_where_nobody_takes_it() -> None:
    alone = said(moment(worker()), K.WARM, options={"then": "stay"})
    assert "No other worker takes from celery" in alone.sentences[-1]
    assert "No other worker" not in " ".join(said(moment(worker()), K.WARM).sentences)
    both = moment(worker(), worker("w2"))
    assert "No other worker" not in " ".join(said(both, K.WARM, "w1", options={"then": "stay"}).sentences)


def test_sigterm_to_the_group() -> None:
    assert counts(said(moment(worker(), celery=LATE), K.TERM_GROUP)) == exactly(failed=2, back=6)
    reject = celery(True, task_reject_on_worker_lost=True)
    assert counts(said(moment(worker(), celery=reject), K.TERM_GROUP)) == exactly(again=2, back=6)
    threads = said(moment(worker(pool=Pool.THREADS)), K.TERM_GROUP)
    assert counts(threads) == exactly(back=6)


@pytest.mark.parametrize(
    ("pool", "late", "seconds", "again"),
    [
        (Pool.PREFORK, True, 5.0, Count(0, 0)),
        (Pool.PREFORK, False, 20.0, Count(6, 6)),
        (Pool.PREFORK, True, 20.0, Count(8, 8)),
        (Pool.THREADS, False, 20.0, Count(6, 6)),
        (Pool.SOLO, False, 20.0, Count(8, 8)),
        (Pool.PREFORK, False, 10.5, Count(0, 6)),
    ],
)
def test_a_freeze_and_the_visibility_timeout(pool: Pool, late: bool, seconds: float, again: Count) -> None:
    stack = moment(worker(pool=pool, since=NOW), worker("w2"), celery=celery(late, timeout=10))
    found = said(stack, K.FREEZE_WORKER, "w1", seconds=seconds)
    assert found.again == again
    assert found.lost == Count()


def test_nobody_gives_back_what_a_frozen_worker_holds_among_greenlets() -> None:
    stack = moment(worker(pool=Pool.GEVENT), worker("w2", Pool.GEVENT), celery=celery(timeout=10))
    assert said(stack, K.FREEZE_WORKER, "w1", seconds=20.0).again == Count()


def test_a_frozen_worker_hears_no_stop() -> None:
    found = said(moment(worker(frozen=True)), K.WARM, "w1")
    assert found.sentences[0].startswith("Nothing while w1 is frozen")
    assert counts(found) == exactly()
    assert said(moment(worker(frozen=True)), K.KILL_WORKER, "w1").lost == Count(2, 2)


# pool processes


def test_the_task_of_a_pool_process() -> None:
    assert counts(said(moment(worker(), celery=LATE), K.KILL_PROCESS)) == exactly(failed=1)
    reject = celery(True, task_reject_on_worker_lost=True)
    assert counts(said(moment(worker(), celery=reject), K.KILL_PROCESS)) == exactly(again=1)
    retry = celery(task_retry_on_worker_lost=True)
    assert counts(said(moment(worker(), celery=retry), K.KILL_PROCESS)) == exactly(again=1)
    idle = said(moment(worker(runs=0, reserved=0)), K.KILL_PROCESS)
    assert counts(idle) == exactly()
    assert "nothing is lost" in idle.sentences[0]


def test_a_frozen_pool_process_and_its_time_limit() -> None:
    stack = moment(worker(time_limit=5.0))
    assert counts(said(stack, K.FREEZE_PROCESS, seconds=20.0)) == exactly(failed=1)
    assert counts(said(stack, K.FREEZE_PROCESS, seconds=2.0)) == exactly()
    late = moment(worker(), worker("w2"), celery=celery(True, timeout=10))
    assert said(late, K.FREEZE_PROCESS, "w1", seconds=20.0).again == Count(1, 1)


# the broker


def test_a_broker_that_forgets_and_one_that_keeps() -> None:
    forgets = said(moment(worker(), worker("w2", Pool.THREADS), stranded=3), K.KILL_BROKER)
    assert forgets.lost == Count(10 + 6, 10 + 6 + 3), "what threads reserved runs all the same"
    keeps = moment(worker(), persistence=Persistence.APPEND_ONLY)
    assert counts(said(keeps, K.KILL_BROKER)) == exactly(back=6)
    snapshot = moment(worker(), persistence=Persistence.SNAPSHOT)
    assert counts(said(snapshot, K.STOP_BROKER)) == exactly(back=6)
    assert said(snapshot, K.KILL_BROKER).lost == Count(0, 16)


def test_results_in_the_broker_that_is_away() -> None:
    stack = moment(worker(), persistence=Persistence.APPEND_ONLY, results=True)
    assert said(stack, K.KILL_BROKER).failed == Count(0, 2)
    cancel = celery(True, worker_cancel_long_running_tasks_on_connection_loss=True)
    cancelled = moment(worker(), celery=cancel, persistence=Persistence.APPEND_ONLY, results=True)
    assert said(cancelled, K.KILL_BROKER).lost == Count(2, 2)
    without = moment(worker(), celery=cancel, persistence=Persistence.APPEND_ONLY)
    assert counts(said(without, K.KILL_BROKER)) == exactly(again=2, back=6)


def test_cut_clients() -> None:
    assert counts(said(moment(worker(), celery=EARLY), K.CUT_CLIENTS)) == exactly(back=6)
    assert counts(said(moment(worker(), celery=LATE), K.CUT_CLIENTS)) == exactly(again=2, back=6)
    threads = moment(worker(pool=Pool.THREADS), celery=EARLY)
    assert counts(said(threads, K.CUT_CLIENTS)) == exactly(again=6)


def test_a_flush_takes_what_waits() -> None:
    assert said(moment(worker(), stranded=2), K.FLUSH_BROKER).lost == Count(10, 12)


def test_a_full_broker_only_hurts_who_takes() -> None:
    assert counts(said(moment(worker(), waiting=0), K.FILL_BROKER)) == exactly()
    assert said(moment(worker(), worker("w2")), K.FILL_BROKER).lost == Count(0, 2)


def test_a_network_that_is_cut_strands_what_prefork_holds() -> None:
    found = said(moment(worker(), worker("w2")), K.CUT, "w1")
    assert counts(found) == exactly(back=6)
    assert found.targets == ("w1",)


# the moment


def test_tasks_that_move_make_ranges() -> None:
    fast = said(moment(worker(since=NOW - 0.05), per_second=40.0), K.KILL_WORKER)
    assert fast.lost.least == 0
    assert fast.lost.most >= 2
    assert "ranges" in " ".join(fast.sentences)
    young = said(moment(worker(since=NOW - 0.05, reserved=0), waiting=0), K.KILL_WORKER)
    assert young.lost == Count(0, 2), "nobody knows how long they take"
    beside = said(moment(worker(), worker("w2", since=NOW - 0.05), per_second=40.0), K.KILL_WORKER, "w1")
    assert beside.lost.least == 2, "what has run for long is none of those that end"
    slow = said(moment(worker(since=NOW - 1.0), per_second=0.5), K.KILL_WORKER)
    assert slow.lost == Count(2, 2), "what ends is replaced at once by what waits"


def test_a_load_that_sends_makes_ranges() -> None:
    load = Workload((TaskShare("tasks.sleep"),), count=50)
    sending = LoadSnapshot(1, load, LoadState.SENDING, NOW - 1.0, sent=20)
    found = said(moment(worker(runs=0, reserved=0), waiting=0, loads=(sending,)), K.FLUSH_BROKER)
    assert found.lost == Count(0, 30)
    over = LoadSnapshot(1, load, LoadState.DONE, NOW - 60.0, sent=50, ended=50, ended_at=NOW - 50.0)
    found = said(moment(worker(runs=0, reserved=0), waiting=0, loads=(over,)), K.FLUSH_BROKER)
    assert counts(found) == exactly()


def test_the_same_target_as_the_fault_itself() -> None:
    names = [f"w{n}" for n in range(1, 6)]
    stack = moment(*(worker(name, runs=n, size=n) for n, name in enumerate(names)))
    hit = set()
    for seed in range(12):
        spec = FaultSpec(K.KILL_WORKER, Target(Pick.RANDOM), seed=seed)
        found = forecast(situation_of(stack, NOW), spec)
        assert found.targets == chosen_names(spec, stack)
        hit |= set(found.targets)
    assert len(hit) > 2
    assert said(stack, K.KILL_WORKER).targets == ("w5",)
    everyone = forecast(situation_of(stack, NOW), FaultSpec(K.KILL_WORKER, Target(Pick.ALL)))
    assert everyone.targets == tuple(names)
    assert everyone.lost == Count(0 + 1 + 2 + 3 + 4, 0 + 1 + 2 + 3 + 4)
    assert everyone.sentences[0] == "10 running tasks will be lost (acks early)."


def test_what_cannot_be_done_says_why() -> None:
    assert "has no worker named" in said(moment(worker()), K.WARM, "w9").impossible
    assert "relay = true" in said(moment(worker(), relay=False), K.LATENCY).impossible
    assert "has no process" in said(moment(worker(alive=False)), K.WARM, "w1").impossible
    stopped = StackSnapshot(NOW, moment(worker()).spec)
    assert said(stopped, K.KILL_BROKER).impossible == "The stack is not running. Start it first."
    foreign = StackSnapshot(NOW, moment(worker()).spec, attached="127.0.0.1:6379/0", workers=(worker(),))
    assert "started by somebody else" in said(foreign, K.FLUSH_BROKER).impossible
    with pytest.raises(DeskError):
        chosen_names(FaultSpec(K.KILL_PROCESS), moment(worker(pool=Pool.SOLO)))


def test_an_app_of_ones_own_may_acknowledge_late() -> None:
    assert not said(moment(worker(), app="shop.app"), K.KILL_WORKER).sure
    known = moment(worker(), app="shop.app", celery=EARLY)
    assert said(known, K.KILL_WORKER).sure


def test_a_growing_pool_may_run_more() -> None:
    scaled = worker(runs=1, reserved=0, size=1, autoscale=Autoscale(1, 4))
    found = said(moment(scaled), K.KILL_WORKER)
    assert found.lost == Count(1, 1), "its bounds are not known: it has the size that it has"
