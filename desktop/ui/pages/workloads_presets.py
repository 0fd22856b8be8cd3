"""Workloads at one click, for the sample app's tasks; those whose tasks an app lacks are not offered."""

from __future__ import annotations

from collections.abc import Collection

from desktop.engine.api import TaskShare, Workload

_MIX = (
    TaskShare("tasks.mixed", weight=4),
    TaskShare("tasks.http", weight=3),
    TaskShare("tasks.primes", kwargs={"limit": 150_000}, weight=1),
    TaskShare("tasks.hash", kwargs={"megabytes": 50}, weight=1),
    TaskShare("tasks.csv_total", kwargs={"rows": 20_000}, weight=1),
)

PRESETS = (
    Workload(_MIX, count=2000, name="Mixed, 2,000 tasks"),
    Workload((TaskShare("tasks.primes"),), count=400, name="Computing, 400 tasks"),
    Workload((TaskShare("tasks.http"),), count=1000, name="Waiting, 1,000 tasks"),
    Workload(_MIX, rate=20.0, name="Steady, 20/s"),
    Workload((TaskShare("tasks.noop"),), count=10_000, name="No-ops, 10,000"),
    Workload((TaskShare("tasks.flaky"),), count=200, name="Flaky, 200"),
    Workload(
        (TaskShare("tasks.sleep", kwargs={"seconds": 1.0}, weight=9), TaskShare("tasks.crash", weight=1)),
        count=50,
        name="Crashes, 50",
    ),
)


def offered(tasks: Collection[str]) -> tuple[Workload, ...]:
    """The presets that an app with these tasks can run."""
    return tuple(p for p in PRESETS if all(share.task in tasks for share in p.mix))


def sentence(workload: Workload) -> str:
    """What a workload will send, in words."""
    count, rate, seconds = workload.count, workload.rate, workload.seconds
    limit = f" for {seconds:g} s" if seconds else ""
    if count and rate:
        whole = f"{count:,} tasks at {rate:g} a second"
        return f"Sends {whole}, about {count / rate:,.0f} s{', at most' + limit if limit else ''}."
    if rate:
        return f"Sends {rate:g} tasks a second{limit or ' until it is cancelled'}."
    if count:
        return (
            f"Sends {count:,} tasks as fast as the broker takes them{', at most' + limit if limit else ''}."
        )
    return "Say how many tasks, or how many a second."
