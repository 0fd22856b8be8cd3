"""The supervisor's one thread: exits of processes, timers, and calls from other threads.

All that changes a service happens here, so services need no locks. An exit is seen through a
pidfd where the system has them (Linux), else by a thread that waits for the process: both wake
the loop at once, nothing polls.
"""

from __future__ import annotations

import array
import fcntl
import heapq
import itertools
import logging
import os
import selectors
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil

T = TypeVar("T")
log = logging.getLogger(__name__)

HAS_PIDFD = hasattr(os, "pidfd_open")


@dataclass(slots=True, order=True)
class Timer:
    """A call that is due later."""

    at: float
    number: int
    call: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Make sure that it is never called."""
        self.call = None


@dataclass(slots=True)
class ExitWatch:
    """The watch on one process; `close` ends it."""

    loop: Loop
    pid: int
    gone: Callable[[], None] | None
    fd: int | None = None
    status: int | None = None  # wait status, where the kernel tells it to a non-parent

    def close(self) -> None:
        """Stop watching."""
        self.gone = None
        if self.fd is not None:
            self.loop._selector.unregister(self.fd)
            os.close(self.fd)
            self.fd = None

    def fire(self) -> None:
        gone = self.gone
        self.status = exit_status(self.pid, self.fd)
        self.close()
        if gone is not None:
            gone()


class Loop(threading.Thread):
    """One thread that runs every callback, one after the other."""

    def __init__(self, name: str = "supervisor") -> None:
        super().__init__(name=name, daemon=True)
        self._selector = selectors.DefaultSelector()
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[Timer] = []
        self._numbers = itertools.count()
        self._ending = False

    def call(self, function: Callable[[], None]) -> None:
        """Run `function` in the loop's thread soon; from any thread."""
        self._calls.append(function)
        try:
            self._mouth.send(b"x")
        except (BlockingIOError, OSError):
            pass  # full: the loop is awake anyway; closed: it has ended

    def ask(self, function: Callable[[], T]) -> Future[T]:
        """Run `function` in the loop's thread; the future has its result or its exception."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except Exception as error:
                future.set_exception(error)

        self.call(run)
        return future

    def later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Run `function` in the loop's thread after `seconds`; only from that thread."""
        timer = Timer(time.monotonic() + seconds, next(self._numbers), function)
        heapq.heappush(self._timers, timer)
        return timer

    def watch_exit(self, pid: int, gone: Callable[[], None]) -> ExitWatch:
        """Call `gone` once when the process has ended (a child is then still a zombie).

        Raises ProcessLookupError when there is no such process.
        """
        watch = ExitWatch(self, pid, gone)
        if HAS_PIDFD:
            watch.fd = os.pidfd_open(pid)
            self._selector.register(watch.fd, selectors.EVENT_READ, watch)
        else:
            if not psutil.pid_exists(pid):
                raise ProcessLookupError(pid)
            waiter = threading.Thread(target=self._wait, args=(watch,), name=f"wait-{pid}", daemon=True)
            waiter.start()
        return watch

    def _wait(self, watch: ExitWatch) -> None:
        """Stand-in for pidfd: block in waitid (without reaping), or in psutil for what is no child."""
        try:
            os.waitid(os.P_PID, watch.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            try:
                psutil.Process(watch.pid).wait()
            except psutil.Error:
                pass
        self.call(watch.fire)

    def end(self) -> None:
        """Let the thread finish what is queued and end; from any thread."""

        def last() -> None:
            self._ending = True

        self.call(last)

    def run(self) -> None:
        while not self._ending:
            wait = max(0.0, self._timers[0].at - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    self._drain_ear()
                else:
                    self._guarded(key.data.fire)
            while self._calls:
                self._guarded(self._calls.popleft())
            self._run_due()
        self._selector.close()
        self._ear.close()
        self._mouth.close()

    def _run_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].at <= now:
            timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self._guarded(timer.call)

    def _drain_ear(self) -> None:
        try:
            while self._ear.recv(4096):
                pass
        except BlockingIOError:
            pass

    @staticmethod
    def _guarded(function: Callable[[], Any]) -> None:
        """One broken callback must not end the supervision of everything else."""
        try:
            function()
        except Exception:
            log.exception("a callback of the supervisor failed")


def exit_status(pid: int, pidfd: int | None) -> int | None:
    """The wait status of an ended process, also of one that is no child of ours; None where nobody tells.

    Until its parent has asked, the zombie tells it in /proc; then its pidfd does (Linux 6.15 and later).
    """
    if sys.platform != "linux":
        return None
    status = _told_by_pidfd(pidfd)
    if status is None:
        status = _told_by_zombie(pid)
    return _told_by_pidfd(pidfd) if status is None else status


def _told_by_zombie(pid: int) -> int | None:
    """Field 52 of /proc/<pid>/stat, while it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[-1]) if fields[0] == b"Z" else None


def _told_by_pidfd(pidfd: int | None) -> int | None:
    """PIDFD_GET_INFO."""
    if pidfd is None:
        return None
    # struct pidfd_info: mask, cgroupid, 11 ids, exit_code; PIDFD_INFO_EXIT is bit 3
    wanted_exit = 1 << 3
    size = 64
    buffer = array.array("B", struct.pack("=Q", wanted_exit).ljust(size, b"\0"))
    request = (3 << 30) | (size << 16) | (0xFF << 8) | 11  # _IOWR(PIDFS_IOCTL_MAGIC, 11, 64 bytes)
    try:
        fcntl.ioctl(pidfd, request, buffer, True)
    except OSError:
        return None
    (mask,) = struct.unpack_from("=Q", buffer, 0)
    (status,) = struct.unpack_from("=i", buffer, 60)
    return int(status) if mask & wanted_exit else None
