"""What this machine has and lacks, and the one command that mends each."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from desktop.engine import paths
from desktop.engine.supervise.broker import bundled_server, find_servers
from desktop.engine.supervise.ports import LOOPBACK
from desktop.machine import display_trouble, install_line, missing_libraries, needed_libraries

ROOM = 200 * 2**20  # bytes; what a few runs take
DESCRIPTORS = 512  # macOS gives 256; a dozen workers with their logs, pidfds and connections take more
# What is imported by the window and by every worker; Qt, Celery and the pools have findings of their own.
_PACKAGES = ("pyqtgraph", "psutil", "tomlkit", "platformdirs", "click", "orjson")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    `what` is a sentence for people. `mend` is the one command that mends it; empty where all is
    fine, and where no command would help. What only makes the product see less is fine, and `what`
    says what is missed.
    """

    name: str
    fine: bool
    what: str
    mend: str = ""


def examine() -> tuple[Finding, ...]:
    """Look at everything; takes some tens of milliseconds, starts and changes nothing that stays."""
    return (
        python(),
        qt(sys.version_info[:2], _version("PySide6-Essentials")),
        *qt_libraries(os.environ),
        display(os.environ),
        celery(_version("celery"), _version("redis"), _version("packaging")),
        pools(_version("gevent"), _version("eventlet")),
        packages({name: _version(name) for name in _PACKAGES}),
        broker(),
        loopback(),
        descriptors(),
        exits(),
        memory(),
        data_folder(paths.data_folder()),
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """(6, 12) of "6.12.0"; enough to compare with."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _install(*requirements: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


def python() -> Finding:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), f"{version}, {sys.executable}")


def qt(running: tuple[int, int], version: str | None) -> Finding:
    """PySide6 of a version that does not abort this Python.

    Source: void methods of PySide6 6.12's wheel lose a reference to None at each call before Python
    3.12 (CPython gh-134989).
    """
    name = "PySide6"
    wanted = "PySide6-Essentials>=6.11.3,<6.12" if running < (3, 12) else "PySide6-Essentials>=6.12"
    if version is None:
        return Finding(name, False, "not installed, so there is no window", _install(wanted))
    if running < (3, 12) and _numbers(version) >= (6, 12):
        aborts = f"{version} aborts Python {running[0]}.{running[1]} after some thousand calls"
        return Finding(name, False, aborts, _install(wanted))
    return Finding(name, True, version)


def qt_libraries(environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """The system's libraries that Qt loads: everywhere, on X11, on Wayland.

    One that this display does not need may lack.
    """
    missing, needed = missing_libraries(), needed_libraries(environ)
    found = []
    for kind, name in (("always", "Qt libraries"), ("x11", "Qt on X11"), ("wayland", "Qt on Wayland")):
        lacking = [library for library in missing if library.needs == kind]
        fine = not any(library in needed for library in lacking)
        what = "missing: " + ", ".join(library.soname for library in lacking) if lacking else "all there"
        what += " (not needed here)" if lacking and fine else ""
        found.append(Finding(name, fine, what, "" if fine else install_line(lacking)))
    return tuple(found)


def display(environ: Mapping[str, str]) -> Finding:
    """Whether a window can open. Without one the whole command line works, so that is fine too."""
    platform = environ.get("QT_QPA_PLATFORM")
    if platform:
        return Finding("Display", True, f"Qt is told to use {platform} (QT_QPA_PLATFORM)")
    shown = environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY") or "the system's own"
    return Finding("Display", True, display_trouble(environ) or shown)


def celery(version: str | None, redis: str | None, packaging: str | None) -> Finding:
    """Celery with its Redis transport. Source: kombu 5.7 imports `packaging`, which only the extra brings."""
    mend = _install("celery[redis]>=5.7,<6")
    if version is None:
        return Finding("Celery", False, "not installed", mend)
    lacking = [name for name, there in (("redis", redis), ("packaging", packaging)) if there is None]
    if lacking:
        return Finding("Celery", False, f"{version} without {' and '.join(lacking)}: no worker starts", mend)
    if not (5, 7) <= _numbers(version) < (6,):
        return Finding("Celery", False, f"{version}; its rules are known for 5.7 and later, below 6", mend)
    return Finding("Celery", True, f"{version}, redis {redis}")


def pools(gevent: str | None, eventlet: str | None) -> Finding:
    """What the gevent and eventlet pools need; prefork, threads and solo need nothing."""
    lacking = [name for name, there in (("gevent", gevent), ("eventlet", eventlet)) if there is None]
    if lacking:
        what = f"{' and '.join(lacking)} not installed: no worker with that pool starts"
        return Finding("Pools", False, what, _install(*lacking))
    return Finding("Pools", True, f"gevent {gevent}, eventlet {eventlet}")


def packages(versions: Mapping[str, str | None]) -> Finding:
    """Everything else that we import."""
    lacking = [name for name, version in versions.items() if version is None]
    if lacking:
        return Finding("Packages", False, f"not installed: {', '.join(lacking)}", _install(*lacking))
    return Finding("Packages", True, ", ".join(f"{name} {version}" for name, version in versions.items()))


def broker() -> Finding:
    """The servers that a stack can be started with; the first is taken."""
    servers = find_servers()
    if not servers:
        mend = "brew install valkey" if sys.platform == "darwin" else "sudo apt-get install redis-server"
        return Finding("Broker", False, "neither on PATH nor bundled for this machine", mend)
    bundled = bundled_server()
    told = (f"{s} ({'bundled' if s.path == bundled else s.path})" for s in servers)
    return Finding("Broker", True, ", ".join(told))


def loopback() -> Finding:
    """A port of 127.0.0.1 that a server of ours can listen on and a client can reach."""
    try:
        with closing(socket.create_server((LOOPBACK, 0))) as server:
            address = server.getsockname()
            with closing(socket.create_connection(address, timeout=2)):
                return Finding("Ports", True, f"free ones on {LOOPBACK}, such as {address[1]}")
    except OSError as error:
        return Finding("Ports", False, f"{LOOPBACK} does not work: {error}", "sudo ip link set lo up")


def descriptors() -> Finding:
    """How many files and connections this process may have open."""
    if sys.platform == "win32":
        return Finding("Open files", True, "no limit that matters")
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    enough = limit == resource.RLIM_INFINITY or limit >= DESCRIPTORS
    what = f"at most {limit}" if limit != resource.RLIM_INFINITY else "no limit"
    return Finding("Open files", enough, what, "" if enough else "ulimit -n 4096")


def exits() -> Finding:
    """How the end of a process is seen. Every way sees it at once; they differ in what they cost."""
    if hasattr(os, "pidfd_open"):
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError as error:
            return Finding("Exits", True, f"by a waiting thread each: pidfd is refused ({error.strerror})")
        return Finding("Exits", True, "by pidfd")
    return Finding("Exits", True, "by a waiting thread each: no pidfd on this system")


def memory() -> Finding:
    """Whether the shared memory of a worker's processes is counted once (PSS) or in each (RSS)."""
    if os.access("/proc/self/smaps_rollup", os.R_OK):
        return Finding("Memory", True, "PSS: shared pages are counted once")
    return Finding(
        "Memory", True, "RSS, for want of PSS: pages that a worker's processes share count in each"
    )


def data_folder(folder: Path) -> Finding:
    """The folder of the runs: writable, with room. It is not made when it is not there."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        mend = f"sudo chown -R {shlex.quote(_user())} {shlex.quote(str(there))}"
        return Finding("Data folder", False, f"{folder} cannot be written: {error.strerror}", mend)
    if free < ROOM:
        return Finding("Data folder", False, f"{folder}: only {free / 2**20:.0f} MB are free on its disk")
    return Finding("Data folder", True, f"{folder}, {free / 2**30:.0f} GB free")


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
