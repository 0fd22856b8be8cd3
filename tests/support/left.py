"""What of one panel runs, found from outside: the engine's own list of what it started is not asked."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import runs


def all_pids() -> list[int]:
    """Every process of this machine that we may look at."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid: int) -> int:
    """Of a process; 0 when it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def argv(pid: int) -> str:
    """Its command line; empty when it is gone or a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def guardians(panel: int) -> list[int]:
    """The guardian of a panel; none before it has started anything."""
    return [pid for pid in all_pids() if parent(pid) == panel and "guardian.py" in argv(pid)]


def of_home(home: Path, but: frozenset[int] = frozenset()) -> dict[int, str]:
    """Pid and command line of what runs and has this CELERY_DESK_HOME in its environment, its working folder
    or its arguments, and of the guardians of its sessions.
    """
    sessions = {file.stem for file in home.glob("state/sessions/*.*")}
    found = {}
    for pid in all_pids():
        if pid not in but and pid != os.getpid() and _belongs(pid, str(home), sessions) and runs(pid):
            found[pid] = argv(pid)
    return found


def _belongs(pid: int, home: str, sessions: set[str]) -> bool:
    told = argv(pid)
    if home in told or ("guardian.py" in told and told.split()[-1] in sessions):
        return True
    with suppress(OSError):
        if home in os.readlink(f"/proc/{pid}/cwd"):
            return True
    with suppress(OSError):
        return home.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False
