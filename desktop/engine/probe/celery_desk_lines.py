"""The ledger file of a process, and the pieces of its lines (`ledger/FORMAT.md`). Part of the probe."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import traceback
from json.encoder import encode_basestring_ascii
from time import perf_counter, time
from typing import Any, Optional

import celery

try:  # eventlet replaces os.open and os.write by green ones; these stay what they are
    import posix as _os
except ImportError:
    import os as _os  # type: ignore[no-redef]

VERSION = 1
RETRY_SECONDS = 2.0  # between attempts to open a file that could not be written
PAYLOAD_CAP = 2048  # characters of args, and of kwargs; a longer one is null
ERROR_CAP = 500  # characters
TRACEBACK_CAP = 6000  # characters: the first third, and the rest from its end
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_NO_CALLBACKS = b', {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
quote = encode_basestring_ascii  # text as JSON, in C


def quoted(text: Any) -> str:
    return "null" if text is None else quote(str(text))


def dumped(value: Any) -> str:
    """JSON of a task's args or kwargs, however long; null when it is none."""
    if not value:
        return "{}" if isinstance(value, dict) else "[]"
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):
        return "null"


def payload(request: Any) -> str:
    """The members `args` and `kwargs` of a received task's line, and `args_cut` where one was too long.

    As they stand in the message where that is sure: a body that ends as Celery ends those of plain tasks,
    and of which args or kwargs are empty, so that it is known where the other one ends. Else written anew.
    """
    body = request.body
    if isinstance(body, (bytes, str)):
        if len(body) > 8 * PAYLOAD_CAP:
            return '"args":null,"kwargs":null,"args_cut":true'
        if isinstance(body, bytes) and len(body) <= PAYLOAD_CAP and body.endswith(_NO_CALLBACKS):
            end = len(body) - len(_NO_CALLBACKS)
            if body.startswith(b"[[], {") and b"\n" not in body:
                return '"args":[],"kwargs":' + body[5:end].decode("utf-8")
            if body.endswith(b"], {}", 0, end) and b"\n" not in body:
                return '"args":' + body[1 : end - 4].decode("utf-8") + ',"kwargs":{}'
    info = request.request_dict
    args, kwargs = dumped(info.get("args")), dumped(info.get("kwargs"))
    long, longer = len(args) > PAYLOAD_CAP, len(kwargs) > PAYLOAD_CAP
    return '"args":%s,"kwargs":%s%s' % (
        "null" if long else args,
        "null" if longer else kwargs,
        ',"args_cut":true' if long or longer else "",
    )


def described(exc: Any) -> str:
    """An exception as one short line; its own text may be anything, even broken."""
    kind = type(exc).__name__
    try:
        text = str(getattr(exc, "reason", exc) if kind == "Reject" else exc)[:ERROR_CAP]
    except Exception:
        text = ""
    return text if text.startswith(kind) else "%s: %s" % (kind, text) if text else kind


def shortened(text: Any) -> Optional[str]:
    """A traceback within its cap; None when there is none."""
    if not isinstance(text, str) or not text:
        return None
    cut = len(text) - TRACEBACK_CAP
    if cut <= 0:
        return text
    head = TRACEBACK_CAP // 3
    return "%s\n  ... %d characters left out ...\n%s" % (text[:head], cut, text[head + cut :])


def formatted(exc: BaseException) -> Optional[str]:
    """The traceback of an exception, within its cap."""
    try:
        return shortened("".join(traceback.format_exception(type(exc), exc, exc.__traceback__)))
    except Exception:
        return None


class LedgerFile:
    """The ledger file of this process. Falls silent when it cannot write, and tries again later.

    Then it says first how many lines it could not write: tasks of which nothing is known may have run.
    """

    def __init__(self, folder: str, service: str, start: int) -> None:
        self.folder, self.service, self.start = folder, service, start
        self.role: Optional[str] = None
        self.node = self.pool = ""
        self._fd = -1
        self._path = ""  # once this process has created its file
        self._torn = False  # its last line is not whole
        self._missing = 0  # lines that could not be written and that no `dropped` line has told of
        self._missing_since = 0.0
        self._why = ""
        self._retry_at = 0.0
        self.look_at = 0.0  # seconds since the epoch

    def path(self, pid: int, nth: int = 1) -> str:
        """Its `nth` file: system process numbers come round, and each process has a file of its own."""
        again = "" if nth == 1 else "-%d" % nth
        return os.path.join(self.folder, "%s.%03d.%d%s.jsonl" % (self.service, self.start, pid, again))

    def last_path(self, pid: int) -> str:
        """The file of the last process of that number."""
        nth = 1
        while os.path.exists(self.path(pid, nth + 1)):
            nth += 1
        return self.path(pid, nth)

    def latest(self, count: int) -> list[tuple[int, str]]:
        """(pid, path) of the files of this start that were written last, the newest first."""
        name = re.compile(re.escape("%s.%03d." % (self.service, self.start)) + r"(\d+)(?:-\d+)?\.jsonl")
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                match = name.fullmatch(entry.name)
                if match:
                    found.append((entry.stat().st_mtime_ns, int(match.group(1)), entry.path))
        return [(pid, path) for _, pid, path in sorted(found, reverse=True)[:count]]

    def write(self, line: str) -> None:
        fd = self._fd
        if fd < 0:
            fd = self.open()
            if fd < 0:
                self._drop(not self._missing)
                return
        data = line.encode("utf-8", "replace")
        if self._missing or self._torn:
            self._write_after_a_gap(fd, data)
            return
        try:
            if _os.write(fd, data) != len(data):
                self._torn, self._why = True, "ENOSPC"
                self._drop(True)
        except OSError as error:
            self._why = _name_of(error)
            self.close()
            self._drop(True)

    def tell(self, at_once: bool = False) -> None:
        """Say what could not be written, if there is something; `at_once`: there is no later."""
        if self._missing:
            if at_once:
                self._retry_at = 0.0
            fd = self._fd if self._fd >= 0 else self.open()
            if fd >= 0 and self._missing:
                self._write_after_a_gap(fd, b"")

    def _write_after_a_gap(self, fd: int, data: bytes) -> None:
        first = b"\n" if self._torn else b""
        missing, self._missing = self._missing, 0  # no other thread tells of them as well
        if missing:
            told = '{"k":"dropped","t":%.6f,"count":%d,"since":%.6f,"pid":%d,"why":"%s"}\n'
            first += (told % (time(), missing, self._missing_since, os.getpid(), self._why)).encode()
        wrote = 0
        try:
            wrote = _os.write(fd, first + data)
        except OSError as error:
            self._why = _name_of(error)
            self.close()
        if wrote:
            self._torn = not (first + data).endswith(b"\n", 0, wrote)
        untold = 0 if wrote >= len(first) else missing
        self._missing += untold
        if wrote < len(first) + len(data):
            self._drop(not untold, bool(data))

    def _drop(self, first: bool, lines: int = 1) -> None:
        """Lines could not be written, and are the first ones of which nobody was told."""
        if first:
            self._missing_since = time()
        self._missing += lines

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        self._retry_at = perf_counter() + RETRY_SECONDS
        if fd >= 0:
            try:
                _os.close(fd)
            except OSError:
                pass

    def forked(self) -> None:
        """Begin anew in a forked process: its file is its own, opened when it first writes."""
        self.close()
        self.role = "pool"
        self._path, self._torn, self._missing = "", False, 0
        self._retry_at = 0.0

    def look(self, now: float) -> None:
        """Leave a file that was deleted under us. Worth a call when `now` has come to `look_at`."""
        self.look_at = now + RETRY_SECONDS
        try:
            if self._fd >= 0 and _os.fstat(self._fd).st_nlink == 0:
                self.close()
                self._retry_at = 0.0
        except OSError:
            self.close()

    def open(self) -> int:
        if perf_counter() < self._retry_at:
            return -1
        pid = os.getpid()
        try:
            fd = self._fd = _os.open(self._path, _APPEND, 0o600) if self._path else self._create(pid)
            begun = _os.fstat(fd).st_size > 0
        except OSError as error:
            self._why = _name_of(error)
            self.close()
            return -1
        if not begun:
            missing = self._missing, self._missing_since
            self._missing = 0  # told after the first line, which is tried again
            self.write(self._first_line(pid))
            self._missing, self._missing_since = missing
        return self._fd

    def _create(self, pid: int) -> int:
        nth = 1
        while True:
            try:
                fd = _os.open(self.path(pid, nth), _APPEND | os.O_EXCL, 0o600)
            except FileExistsError:
                nth += 1
            else:
                self._path = self.path(pid, nth)
                return fd

    def _first_line(self, pid: int) -> str:
        fields = {
            "k": "open",
            "t": round(time(), 6),
            "v": VERSION,
            "service": self.service,
            "start": self.start,
            "pid": pid,
            "parent": os.getppid(),
            "role": self.role or "pool",
            "node": self.node,
            "pool": self.pool,
            "celery": celery.__version__,
            "python": platform.python_version(),
        }
        return json.dumps(fields, separators=(",", ":")) + "\n"


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


def alive(pid: Optional[int]) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def last_run(path: str, task_id: str) -> tuple[Optional[float], bool]:
    """(when the task last started, whether that run ended) as a pool process wrote it."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.path.getsize(path) - 65536, 0))
            lines = file.read().split(b"\n")
    except OSError:
        return None, False
    wanted = ('"id":' + quote(task_id)).encode("ascii")
    ended = False
    for line in reversed(lines):
        if wanted not in line:
            continue
        if line.startswith(b'{"k":"ended"'):
            ended = True
        elif line.startswith(b'{"k":"started"'):
            t = re.match(rb'{"k":"started","t":([0-9.]+)', line)
            return (float(t.group(1)) if t else None), ended
    return None, False
