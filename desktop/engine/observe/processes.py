"""CPU, memory and threads of whole process trees, cheap enough to be asked for twice a second."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from desktop.engine.observe.proc import Memory, ProcessTable, Stat, process_table

# Counting PSS makes the kernel walk every page of the process: by far the dearest of all reads. What
# changed is counted again after this many seconds, what did not after those. Changed is who touched
# more new pages than a graph would show: a waking Python process always touches a few.
_RECOUNT_CHANGED = 0.9
_RECOUNT_SAME = 5.0
_CHANGED_PAGES = 64
_PAGE = 4096
# A tree seen for the first time is charged for its past only where that past is short.
_SHORT_LIFE = 10.0
_CPU_LIMIT = 100.0 * (os.cpu_count() or 1)
_KINDS = ("PSS", "USS", "RSS")


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process of a tree."""

    pid: int
    parent: int
    cpu: float  # percent of one core
    memory: int  # bytes
    threads: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class TreeSample:
    """A process and all its descendants, together."""

    cpu: float  # percent of one core, with the time of children that ended since the last sample
    memory: int  # bytes
    threads: int
    processes: tuple[ProcessSample, ...]  # the root first, each parent before its children
    memory_kind: str = "PSS"  # how memory was counted: "PSS" | "USS" | "RSS" (the coarsest in the tree)


@dataclass(slots=True)
class _Known:
    """A process of a tree, as last seen."""

    stat: Stat
    at: float
    memory: Memory | None = None
    counted_at: float = 0.0
    rss_then: int = 0
    faults_then: int = 0


class TreeSampler:
    """Samples process trees; remembers the last sample of each to tell CPU from CPU time.

    Not thread safe: one thread samples.
    """

    def __init__(
        self, table: ProcessTable | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table or process_table()
        self._clock = clock
        self._trees: dict[str, _Tree] = {}

    def sample(self, roots: Mapping[str, tuple[int, float]]) -> dict[str, TreeSample]:
        """The trees below `roots` (service → pid and its `start_time`).

        A service whose root has ended, or whose pid is now another process, is left out. The
        first sample of a process tells its CPU over its whole life if that is short, else 0.
        """
        self._table.begin()
        trees = {}
        samples = {}
        for service, (pid, start) in roots.items():
            tree = self._trees.get(service)
            if tree is None or (tree.pid, tree.start) != (pid, start):
                tree = _Tree(self._table, self._clock, pid, start)
            sample = tree.sample()
            if sample is not None:
                trees[service], samples[service] = tree, sample
        self._trees = trees
        return samples


class _Tree:
    """One tree, between samples."""

    def __init__(self, table: ProcessTable, clock: Callable[[], float], pid: int, start: float) -> None:
        self.pid = pid
        self.start = start
        self._table = table
        self._clock = clock
        self._known: dict[int, _Known] = {}
        self._at: float | None = None  # of the last sample

    def sample(self) -> TreeSample | None:
        """The tree now; None when its root is gone."""
        found = self._walk()
        if not found:
            return None
        before, self._known = self._known, found
        gone = _time_of_the_gone(before, found)
        since, self._at = self._at, found[self.pid].at
        total, memory, threads, kind, processes = 0.0, 0, 0, 0, []
        for pid, now in found.items():
            then = before.get(pid)
            if then is not None and then.stat.start != now.stat.start:
                then = None
            own, of_ended = self._cpu(then, now, since, gone.get(pid, 0.0))
            total += own + of_ended
            stat = now.stat
            if stat.ended:
                continue
            counted = self._count_memory(then, now)
            memory += counted.size
            threads += stat.threads
            kind = max(kind, _KINDS.index(counted.kind))
            processes.append(ProcessSample(pid, stat.parent, own, counted.size, stat.threads, stat.frozen))
        return TreeSample(min(total, _CPU_LIMIT), memory, threads, tuple(processes), _KINDS[kind])

    def _walk(self) -> dict[int, _Known]:
        """Every process of the tree, parents first; empty when the root is gone."""
        root = self._table.stat(self.pid)
        if root is None or root.start != self.start or root.ended:
            return {}
        found = {self.pid: _Known(root, self._clock())}
        pending = deque(self._table.children(root))
        # The kernel's list of children may skip one while a sibling ends: whoever was there
        # before and is not listed is asked once more.
        missed = list(self._known)
        while pending or missed:
            if not pending:
                pending, missed = deque(missed), []
            pid = pending.popleft()
            stat = None if pid in found else self._table.stat(pid)
            if stat is not None and stat.parent in found:
                found[pid] = _Known(stat, self._clock())
                if not stat.ended:
                    pending.extend(self._table.children(stat))
        return found

    def _cpu(self, then: _Known | None, now: _Known, since: float | None, gone: float) -> tuple[float, float]:
        """Percent of one core: of the process itself, and of its children that ended.

        `gone` seconds of the latter were told by earlier samples of these children.
        """
        stat = now.stat
        if then is not None:
            span = now.at - then.at
            own, ended = stat.cpu - then.stat.cpu, stat.children_cpu - then.stat.children_cpu
        else:
            span = self._charged_span(now, since)
            own, ended = stat.cpu, stat.children_cpu
        if span <= 0.0:
            return 0.0, 0.0
        scale = 100.0 / span
        return min(max(own, 0.0) * scale, _CPU_LIMIT), max(ended - gone, 0.0) * scale

    def _charged_span(self, now: _Known, since: float | None) -> float:
        """Over how many seconds the past of a process seen for the first time is spread; 0: not told."""
        age = self._table.age(now.stat)
        if since is None:
            return max(age, 0.25) if age <= _SHORT_LIFE else 0.0
        span = now.at - since
        return span if age <= span + 0.1 else 0.0

    def _count_memory(self, then: _Known | None, now: _Known) -> Memory:
        """Memory now: counted where that is due, else carried forward by what RSS did since."""
        stat = now.stat
        if then is not None and then.memory is not None:
            touched = max(stat.faults - then.faults_then, abs(stat.rss - then.rss_then) // _PAGE)
            fresh = _RECOUNT_CHANGED if touched > _CHANGED_PAGES else _RECOUNT_SAME
            if now.at - then.counted_at < fresh:
                now.memory, now.counted_at = then.memory, then.counted_at
                now.rss_then, now.faults_then = then.rss_then, then.faults_then
                return then.memory._replace(size=max(then.memory.size + stat.rss - then.rss_then, 0))
        counted = self._table.memory(stat) or Memory(0, _KINDS[0])
        now.memory, now.counted_at, now.rss_then, now.faults_then = counted, now.at, stat.rss, stat.faults
        return counted


def _time_of_the_gone(before: Mapping[int, _Known], found: Mapping[int, _Known]) -> dict[int, float]:
    """By process that is still there: CPU seconds, already told, of its descendants that are not.

    A process that waits for its children is charged with their time when they end. That time was
    shown while they lived, and must not be shown again.
    """
    gone: dict[int, float] = {}
    for pid, known in before.items():
        now = found.get(pid)
        if now is not None and now.stat.start == known.stat.start:
            continue
        heir = known.stat.parent
        while heir in before and heir not in found:
            heir = before[heir].stat.parent
        gone[heir] = gone.get(heir, 0.0) + known.stat.cpu + known.stat.children_cpu
    return gone
