"""What the figures should be, and what stands beside each: the peer or the floor of the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")


@dataclass(frozen=True, slots=True)
class Aim:
    """`ours` and `peer` are paths into the results: the benchmark, then keys, with dots between."""

    what: str
    ours: str
    most: float | None = None
    least: float | None = None
    peer: str = ""
    peer_is: str = ""

    @property
    def words(self) -> str:
        """≤ or ≥, and the number."""
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"

    def met(self, value: float) -> bool:
        """Whether a value is as good as that."""
        return value <= self.most if self.most is not None else value >= (self.least or 0.0)


AIMS = (
    *(
        Aim(
            f"no-op tasks a second, {pool}: watched / bare",
            f"probe.pools.{pool}.watched_ratio",
            least=0.95,
            peer=f"probe.pools.{pool}.events_ratio",
            peer_is="with Celery's own events instead",
        )
        for pool in POOLS
    ),
    *(
        Aim(
            f"CPU of a no-op task, {pool}: bare / watched",
            f"probe.pools.{pool}.watched_cpu_ratio",
            least=0.95,
            peer=f"probe.pools.{pool}.events_cpu_ratio",
            peer_is="with Celery's own events instead",
        )
        for pool in POOLS
    ),
    *(
        Aim(
            f"no-op tasks a second, {pool}: watched and recorded / bare",
            f"watched.pools.{pool}.watched_ratio",
            least=0.95,
            peer=f"watched.pools.{pool}.events_ratio",
            peer_is="with -E and Flower",
        )
        for pool in POOLS
    ),
    Aim(
        "CPU of an event, recorded from the ledger, µs",
        "flower.ours.cpu_us_per_event",
        most=10.0,
        peer="flower.flower.cpu_us_per_event",
        peer_is="µs in Flower",
    ),
    Aim(
        "lost of 100,000 events in a flood, ledger, %",
        "flower.ours.flood.lost_percent",
        most=0.0,
        peer="flower.flower.flood.lost_percent",
        peer_is="% in Flower",
    ),
    Aim(
        "memory for 10,000 tasks, recorder, MiB",
        "flower.ours.mib_per_10k_tasks",
        most=1.0,
        peer="flower.flower.mib_per_10k_tasks",
        peer_is="MiB in Flower",
    ),
    Aim("memory of the panel after a million tasks, MiB", "million.rss_mib", most=350.0),
    *(
        Aim(
            f"task list at 100,000: {what}, ms",
            f"flower.ours.list.{key}_ms",
            most=50.0,
            peer=f"flower.flower.list.{key}_ms",
            peer_is="ms in Flower",
        )
        for key, what in (("page", "a page"), ("state", "by state"), ("search", "text"))
    ),
    *(
        Aim(f"task list at 1,000,000: {what}, ms", f"flower.ours.list_million.{key}_ms", most=50.0)
        for key, what in (("page", "a page"), ("state", "by state"), ("sort", "sorted"))
    ),
    *(
        Aim(f"1,000,000 tasks, until painted: {what}, ms", f"million.{key}_ms", most=50.0)
        for key, what in (("filter", "a filter"), ("sort", "sorted"), ("scroll", "scrolled"))
    ),
    Aim("CPU for each line of the ledger that is read, µs", "probe.ledger.us_per_line", most=10.0),
    Aim(
        "attached: CPU for each event, account and database with it, µs",
        "attach.ours.steady.cpu_us_per_event",
        most=15.0,
        peer="attach.flower.steady.cpu_us_per_event",
        peer_is="by Flower",
    ),
    Aim(
        "attached: lost of a flood of 100,000 events, %",
        "attach.ours.flood.lost_percent",
        most=0.0,
        peer="attach.flower.flood.lost_percent",
        peer_is="by Flower",
    ),
    Aim(
        "attached: started unseen while frozen, told less than missed",
        "attach.ours.frozen.untold",
        most=0.0,
        peer="attach.ours.frozen.missed",
        peer_is="were missed",
    ),
    Aim(
        "attached: memory for 10,000 further tasks, MiB",
        "attach.ours.steady.further_mib_per_10k_tasks",
        most=1.0,
        peer="attach.flower.steady.mib_per_10k_tasks",
        peer_is="in Flower",
    ),
    Aim("SIGKILL of a worker to its line in `up --json`, ms", "stack.sigkill_to_line_ms", most=20.0),
    Aim(
        "SIGKILL of a worker until it is painted, ms",
        "window.sigkill_shown_ms",
        most=20.0,
        peer="window.sigkill_told_by_engine_ms",
        peer_is="until the engine has told it",
    ),
    Aim(
        "killed worker answers again / its own start and back-off",
        "stack.back_again_over_own_start_and_back_off",
        most=1.1,
        peer="stack.back_again_s",
        peer_is="s, in all",
    ),
    Aim(
        "broker and two workers up / started by hand",
        "stack.stack_up_ratio",
        most=1.1,
        peer="stack.stack_up_by_hand_s",
        peer_is="s by hand",
    ),
    Aim(
        "window painted, ms", "window.painted_ms", 1000.0, peer="window.painted_bare_ms", peer_is="ms, empty"
    ),
    Aim("window painted / an empty window", "window.painted_ratio", most=2.0),
    Aim(
        "event loop late at 200 tasks/s, p99, ms",
        "window.late_load_p99_ms",
        most=16.0,
        peer="window.late_load_floor_p99_ms",
        peer_is="a bare loop beside it",
    ),
    Aim(
        "event loop late at 4,000 events/s, p99, ms",
        "window.late_heavy_p99_ms",
        most=16.0,
        peer="window.late_heavy_floor_p99_ms",
        peer_is="a bare loop beside it",
    ),
    Aim(
        "event loop late at 4,000 events/s, page Tasks, p99, ms",
        "window.late_tasks_heavy_p99_ms",
        most=16.0,
        peer="window.late_tasks_heavy_floor_p99_ms",
        peer_is="a bare loop beside it",
    ),
    *(
        Aim(
            f"GUI thread busy at a stretch at 4,000 events/s, page {page}, p99, ms of CPU",
            f"window.late_{key}_own_p99_ms",
            most=16.0,
        )
        for key, page in (("heavy", "Overview"), ("tasks_heavy", "Tasks"))
    ),
    *(
        Aim(
            f"panel's part of a core, {what}, %",
            f"window.panel_cpu_{key}_percent",
            most=most,
            peer=f"window.panel_cpu_{key}_with_helpers_percent",
            peer_is="with recorder and guardian",
        )
        for key, what, most in (
            ("idle", "4 idle workers", 2.0),
            ("load", "at 200 tasks/s", 15.0),
            ("tasks_idle", "4 idle workers, page Tasks", 2.0),
            ("tasks_load", "at 200 tasks/s, page Tasks", 15.0),
        )
    ),
    Aim(
        "CPU of a frame of 8 charts, ms",
        "chart.frame_cpu_ms",
        most=6.0,
        peer="chart.peer_frame_cpu_ms",
        peer_is="pyqtgraph as in its examples",
    ),
    Aim(
        "tasks submitted a second / apply_async in a loop",
        "load.ratio",
        least=2.5,
        peer="load.peer",
        peer_is="a second by apply_async",
    ),
)


def judged(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each figure that was measured, beside its aim and its peer."""
    found = []
    for aim in AIMS:
        ours = at(results, aim.ours)
        if ours is None:
            continue
        peer = at(results, aim.peer) if aim.peer else None
        beside = f"{peer} {aim.peer_is}" if peer is not None else "no peer in this run"
        found.append(
            {"what": aim.what, "ours": ours, "aim": aim.words, "met": aim.met(ours), "beside": beside}
        )
    return found


def at(results: Mapping[str, Any], path: str) -> float | None:
    """The number at a path; None when it was not measured."""
    here: Any = results
    for key in path.split("."):
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, int | float) else None


def table(figures: Sequence[Mapping[str, Any]]) -> str:
    """What `judged` found, as the table of docs/benchmarks.md."""
    rows = [f"| {f['what']} | {f['ours']:,} | {f['aim']} | {f['beside']} |" for f in figures]
    return "\n".join(["| figure | ours | aim | beside |", "|---|---|---|---|", *rows])
