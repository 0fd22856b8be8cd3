"""One process, as the system tells it: the small facts that supervision and sampling share.

Linux is read straight from /proc, everything else through psutil. A process that is gone, or that
we may not look at, is `None` here and never an error.
"""

from __future__ import annotations

import os
import sys
import time
from typing import NamedTuple, Protocol

import psutil

LINUX = sys.platform.startswith("linux")

# Above this many threads one look at all processes is cheaper than one look at each thread.
_MANY_THREADS = 16
_ENDED = "ZX"
_FROZEN = "Tt"


class Stat(NamedTuple):
    """A process at one moment."""

    pid: int
    parent: int
    state: str  # the letter of /proc/<pid>/stat: R, S, D, T (stopped), t (traced), Z (ended, not reaped)
    start: float  # Linux: clock ticks since boot; elsewhere seconds since the epoch
    cpu: float  # seconds used by the process itself
    children_cpu: float  # seconds used by children that ended and were waited for
    threads: int
    rss: int  # bytes
    faults: int  # page faults so far; 0 where they cannot be told

    @property
    def ended(self) -> bool:
        """True for a zombie: it has exited, and its parent has not yet asked how."""
        return self.state in _ENDED

    @property
    def frozen(self) -> bool:
        """True while SIGSTOP or a debugger holds it."""
        return self.state in _FROZEN


class Memory(NamedTuple):
    """Memory of a process and how it was counted."""

    size: int  # bytes
    kind: str  # "PSS" (shared pages divided among their users) | "USS" (unshared pages only) | "RSS"


class ProcessTable(Protocol):
    """Where a sampler looks processes up. `begin` comes before each round of look-ups."""

    def begin(self) -> None: ...

    def stat(self, pid: int) -> Stat | None: ...

    def children(self, stat: Stat) -> list[int]: ...

    def memory(self, stat: Stat) -> Memory | None: ...

    def age(self, stat: Stat) -> float:
        """Seconds since the process was started."""


def _read(path: str, size: int = 4096) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, size)
    except OSError:
        return None
    finally:
        os.close(fd)


class LinuxTable:
    """/proc, read with as few system calls as the kernel allows."""

    def __init__(self) -> None:
        self._tick = 1.0 / os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        # CONFIG_PROC_CHILDREN is off in some kernels.
        self._by_thread = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
        self._by_parent: dict[int, list[int]] | None = None

    def begin(self) -> None:
        """Forget what was seen of the last round."""
        self._by_parent = None

    def stat(self, pid: int) -> Stat | None:
        """/proc/<pid>/stat."""
        raw = _read(f"/proc/{pid}/stat", 1024)
        if not raw:
            return None
        # The name stands in parentheses and may itself hold spaces and parentheses.
        f = raw[raw.rindex(b")") + 2 :].split()
        return Stat(
            pid,
            int(f[1]),
            f[0].decode("ascii"),
            int(f[19]),
            (int(f[11]) + int(f[12])) * self._tick,
            (int(f[13]) + int(f[14])) * self._tick,
            int(f[17]),
            int(f[21]) * self._page,
            int(f[7]) + int(f[9]),
        )

    def children(self, stat: Stat) -> list[int]:
        """Direct children; may miss one while another ends in the same moment (see proc(5))."""
        if not self._by_thread or stat.threads > _MANY_THREADS:
            return self._parents().get(stat.pid, [])
        tids = [str(stat.pid)]
        if stat.threads > 1:
            try:
                tids = os.listdir(f"/proc/{stat.pid}/task")
            except OSError:
                return []
        found: list[int] = []
        for tid in tids:
            raw = _read(f"/proc/{stat.pid}/task/{tid}/children", 65536)
            if raw:
                found += map(int, raw.split())
        return found

    def _parents(self) -> dict[int, list[int]]:
        if self._by_parent is None:
            self._by_parent = {}
            for name in os.listdir("/proc"):
                if name.isdigit() and (stat := self.stat(int(name))):
                    self._by_parent.setdefault(stat.parent, []).append(stat.pid)
        return self._by_parent

    def memory(self, stat: Stat) -> Memory | None:
        """PSS (Linux 4.14 and later, processes of our own user), else RSS."""
        raw = _read(f"/proc/{stat.pid}/smaps_rollup")
        at = raw.find(b"\nPss:") if raw else -1
        if raw is None or at < 0:
            return Memory(stat.rss, "RSS")
        return Memory(int(raw[at + 5 : raw.index(b"k", at)]) * 1024, "PSS")

    def age(self, stat: Stat) -> float:
        """By the clock that field 22 of `stat` counts, which goes on while the machine sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - stat.start * self._tick


_STATES = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X", psutil.STATUS_STOPPED: "T"}
_STATES |= {psutil.STATUS_TRACING_STOP: "t", psutil.STATUS_RUNNING: "R"}


class PsutilTable:
    """Any system that psutil knows."""

    def __init__(self) -> None:
        self._by_parent: dict[int, list[int]] | None = None

    def begin(self) -> None:
        """Forget what was seen of the last round."""
        self._by_parent = None

    def stat(self, pid: int) -> Stat | None:
        """The facts of one process."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                state = _STATES.get(process.status(), "S")
                parent, start = process.ppid(), process.create_time()
                if state in _ENDED:  # most systems tell nothing else of a zombie
                    return Stat(pid, parent, state, start, 0.0, 0.0, 0, 0, 0)
                times = process.cpu_times()
                ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
                cpu = times.user + times.system
                rss = process.memory_info().rss
                return Stat(pid, parent, state, start, cpu, ended, process.num_threads(), rss, 0)
        except (psutil.Error, OSError):
            return None

    def children(self, stat: Stat) -> list[int]:
        """Direct children, from one look at all processes a round."""
        if self._by_parent is None:
            self._by_parent = {}
            for process in psutil.process_iter(["ppid"]):
                self._by_parent.setdefault(process.info["ppid"], []).append(process.pid)
        return self._by_parent.get(stat.pid, [])

    def memory(self, stat: Stat) -> Memory | None:
        """PSS where there is one, else USS, else (it may be forbidden) RSS."""
        try:
            full = psutil.Process(stat.pid).memory_full_info()
        except psutil.NoSuchProcess:
            return None
        except (psutil.Error, OSError):
            return Memory(stat.rss, "RSS")
        if hasattr(full, "pss"):
            return Memory(full.pss, "PSS")
        return Memory(full.uss, "USS")

    def age(self, stat: Stat) -> float:
        """Seconds since the process was started."""
        return time.time() - stat.start


def process_table() -> ProcessTable:
    """The fastest table that this system has."""
    return LinuxTable() if LINUX and os.path.exists("/proc/self/stat") else PsutilTable()


_TABLE = process_table()


def start_time(pid: int) -> float | None:
    """When the process was started: with its pid, its identity. None when there is none.

    Linux: clock ticks since boot (field 22 of /proc/<pid>/stat), which no change of the clock
    moves. Elsewhere: seconds since the epoch. Compare only with values of this same function.
    """
    stat = _TABLE.stat(pid)
    return stat.start if stat else None


def alive(pid: int, start: float | None = None) -> bool:
    """True while that very process runs, frozen or not.

    A zombie is not alive, and neither is another process that was given the same pid. Without
    `start` any process of that pid counts.
    """
    stat = _TABLE.stat(pid)
    return stat is not None and not stat.ended and (start is None or stat.start == start)


def is_frozen(pid: int) -> bool:
    """True while SIGSTOP (or a debugger) holds the process. False when there is none."""
    stat = _TABLE.stat(pid)
    return stat is not None and stat.frozen
