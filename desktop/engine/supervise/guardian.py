"""The guardian: one small process per session that outlives the panel by a moment.

Its standard input is a pipe from the panel, so the end of the panel, however it comes, is the end
of that input: on any Unix, without polling. It then kills what the panel registered (process id
and start time checked, so a reused id is never hit) and sweeps what carries the session's marker
in its environment but was not registered yet, until nothing is left.

Run as a script by the plain interpreter: standard library only, imports nothing of ours.
Lines on its input: `add PID START GROUP`, `del PID`, `session FILE` and, for a clean end, `bye`.
START is field 22 of /proc/PID/stat (elsewhere what `ps -o lstart=` prints, spaces as `_`).
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

MARKER = "CELERY_DESK_SESSION"
LAST = (
    "CELERY_DESK_LAST"  # in the environment of what ends by itself when the panel does, after its last words
)
LAST_WORDS = 0.8  # seconds that it has for them
HAS_PROC = os.path.exists("/proc/self/stat")


def start_time(pid: int) -> "str | None":
    """What tells this process from a later one with the same id; None when there is none."""
    if HAS_PROC:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[19].decode()
        except (OSError, IndexError):
            return None
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "_".join(shown.stdout.split()) or None


def marked(session: str) -> "list[int]":
    """Every other process whose environment carries the session's marker."""
    found = []
    wanted = f"{MARKER}={session}"
    if HAS_PROC:
        needle = wanted.encode()
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    with open(f"/proc/{name}/environ", "rb") as file:
                        if needle in file.read().split(b"\0"):
                            found.append(int(name))
                except OSError:
                    continue  # gone, or another user's
        return found
    shown = subprocess.run(
        ["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=False
    )
    for line in shown.stdout.splitlines():
        pid, _, rest = line.strip().partition(" ")
        if wanted in rest.split() and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def kill(pid: int, group: bool = False) -> None:
    """SIGKILL a process, or its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def end_all(session: str, registered: "dict[int, tuple[str, bool]]") -> None:
    """Kill what is registered, then sweep until two looks in a row find nothing."""
    for pid, (start, group) in registered.items():
        if start_time(pid) == start:
            kill(pid, group)
            kill(pid)
    clean, began = 0, time.monotonic()
    while clean < 2 and time.monotonic() < began + 10:
        found = [pid for pid in marked(session) if not is_zombie(pid)]
        for pid in found:
            if time.monotonic() > began + LAST_WORDS or not has_last_words(pid):
                kill(pid)
        clean = 0 if found else clean + 1
        time.sleep(0.02)


def has_last_words(pid: int) -> bool:
    """Whether a process ends by itself."""
    if HAS_PROC:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return f"{LAST}=1".encode() in file.read().split(b"\0")
        except OSError:
            return False
    shown = subprocess.run(
        ["ps", "eww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return f"{LAST}=1" in shown.stdout.split()


def is_zombie(pid: int) -> bool:
    """A process that is dead already, only not yet waited for."""
    if not HAS_PROC:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True


def main() -> None:
    """Follow the panel's lines until its end."""
    session = sys.argv[1]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    registered: dict[int, tuple[str, bool]] = {}
    files: list[str] = []
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "add":
            pid, start, group = rest.split()
            registered[int(pid)] = (start, group == "1")
        elif verb == "del":
            registered.pop(int(rest), None)
        elif verb == "session":
            files.append(rest)
        elif verb == "bye":
            return
    end_all(session, registered)
    for path in files:
        with contextlib.suppress(OSError):
            os.unlink(path)


if __name__ == "__main__":
    main()
