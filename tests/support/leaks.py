"""What a test left behind: processes, threads, listening ports, top-level widgets."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import runs

MARK = "CELERY_DESK_TEST"  # in the environment of everything that a test starts
PATIENCE = 6.0  # seconds that what is ending already may take, on a machine where other tests run too
# These two live as long as the interpreter that started them: multiprocessing's own.
_BY_DESIGN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
_BY_QT = ("QTipLabel",)  # Qt keeps one tool tip for itself


class Census:
    """What there was before a test; `leftovers` names what has come since and stayed."""

    def __init__(self, mark: str, folder: Path) -> None:
        self._mark = f"{MARK}={mark}".encode()
        self._folder = str(folder)
        self._me = psutil.Process()
        self._processes = {(p.pid, p.create_time()) for p in _listed(self._me)}
        self._threads = {id(t) for t in threading.enumerate()}
        self._ports = set(self._listening())
        self._widgets = {_address(w) for w in _top_level_widgets()}

    def leftovers(self) -> list[str]:
        """One sentence for each thing left. What is named is also ended, where that can be done."""
        until = time.monotonic() + PATIENCE
        while self._anything() and time.monotonic() < until:
            time.sleep(0.01)
        said = [*self._end_processes(), *self._name_threads(), *self._name_ports(), *self._end_widgets()]
        return said

    def _anything(self) -> bool:
        return bool(self._new_processes() or self._new_threads() or self._new_ports() or self._new_widgets())

    # -- processes

    def _new_processes(self) -> list[psutil.Process]:
        """Ours are: descendants; what carries the test's mark; what works in the test's folder.

        The last two find what outlived its parent (Valkey overwrites its own environment).
        """
        family = {p.pid: p for p in _listed(self._me)}
        ours = dict(family)
        for process in psutil.process_iter():
            if process.pid not in ours and self._is_ours(process):
                ours[process.pid] = process
        return [p for p in ours.values() if not self._known(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == self._me.pid:
            return False
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        except OSError:
            environment = b""
        if self._mark in environment.split(b"\0"):
            return True
        try:
            folder = os.readlink(f"/proc/{process.pid}/cwd")
        except OSError:
            return False
        return folder == self._folder or folder.startswith(self._folder + os.sep)

    def _known(self, process: psutil.Process) -> bool:
        """True for what was there before, its children (a pool replaces its own), and what is by design."""
        try:
            line = [process, *process.parents()]
            if any((p.pid, p.create_time()) in self._processes for p in line if p.pid != self._me.pid):
                return True
            return any(name in " ".join(process.cmdline()) for name in _BY_DESIGN)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False

    def _end_processes(self) -> list[str]:
        left = self._new_processes()
        said = [f"process {_describe(p)}" for p in left]
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        until = time.monotonic() + 5
        while any(runs(p.pid) for p in left) and time.monotonic() < until:
            time.sleep(0.002)
        psutil.wait_procs([p for p in left if p in _listed(self._me)], timeout=5)
        return said

    # -- threads

    def _new_threads(self) -> list[threading.Thread]:
        return [t for t in threading.enumerate() if id(t) not in self._threads and _matters(t)]

    def _name_threads(self) -> list[str]:
        return [f"thread {t.name!r} ({_what_it_runs(t)})" for t in self._new_threads()]

    # -- ports

    def _listening(self) -> Iterator[tuple[str, int, int]]:
        for connection in self._me.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip, connection.laddr.port, connection.fd

    def _new_ports(self) -> list[tuple[str, int, int]]:
        return [port for port in self._listening() if port not in self._ports]

    def _name_ports(self) -> list[str]:
        return [f"listening port {host}:{port} (descriptor {fd})" for host, port, fd in self._new_ports()]

    # -- widgets

    def _new_widgets(self) -> list[Any]:
        widgets = list(_top_level_widgets())
        return [w for w in widgets if _address(w) not in self._widgets]

    def _end_widgets(self) -> list[str]:
        left = self._new_widgets()
        said = [f"top-level widget {type(w).__name__} {w.objectName()!r}" for w in left]
        for widget in left:
            widget.close()
            widget.deleteLater()
        if left:
            _let_qt_delete()
        return said


def _listed(me: psutil.Process) -> list[psutil.Process]:
    return me.children(recursive=True)


def _describe(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"{process.pid} ({process.name()}): ended, and nobody waited for it"
        return f"{process.pid}: {' '.join(process.cmdline()) or process.name()}"
    except psutil.Error:
        return str(process.pid)


def _matters(thread: threading.Thread) -> bool:
    """Threads that keep the interpreter alive, and daemon threads that run code of ours."""
    return not thread.daemon or _what_it_runs(thread).startswith(("desktop.", "tasks."))


def _what_it_runs(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None)
    if target is None:
        return f"{type(thread).__module__}.{type(thread).__qualname__}"
    function = getattr(target, "func", target)
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"


def _top_level_widgets() -> Iterable[Any]:
    """Windows without a parent; none when the test session has not touched Qt's widgets."""
    if "PySide6.QtWidgets" not in sys.modules:
        return ()
    from PySide6.QtWidgets import QApplication

    if not isinstance(QApplication.instance(), QApplication):
        return ()
    _let_qt_delete()
    return [
        w
        for w in QApplication.topLevelWidgets()
        if w.parent() is None and w.metaObject().className() not in _BY_QT
    ]


def _let_qt_delete() -> None:
    from PySide6.QtCore import QCoreApplication, QEvent

    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()


def _address(widget: Any) -> int:
    import shiboken6

    pointers: tuple[int, ...] = shiboken6.getCppPointer(widget)
    return pointers[0]
