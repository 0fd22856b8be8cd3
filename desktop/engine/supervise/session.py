"""A session: what one living panel runs, written down so that the next start can find its leftovers.

`<sessions>/<id>.json` holds it, readable by its owner only because the broker's URL is in it (so that
`load` and an adopting panel can connect); `<id>.lock` is held with flock for as long as the panel
lives. A panel is alive if its lock cannot be taken: a process id alone can lie.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from desktop.engine import paths
from desktop.engine.api import Leftover
from desktop.engine.supervise import guardian


@dataclass(frozen=True, slots=True)
class Registered:
    """One process of a session."""

    name: str
    kind: str
    pid: int
    start: str  # as `guardian.start_time`
    started_at: float
    starts: int
    log_file: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return guardian.start_time(self.pid) == self.start and not guardian.is_zombie(self.pid)


@dataclass(frozen=True, slots=True)
class Record:
    """What the session file says."""

    id: str
    panel_pid: int
    stack: str
    stack_file: str
    stack_text: str  # the live stack, as a stack file
    run_folder: str
    started_at: float
    port: int = 0
    password: str = ""
    services: tuple[Registered, ...] = ()
    relay_ports: Mapping[str, int] = field(default_factory=dict)  # by worker, in a stack with a relay

    @property
    def broker_url(self) -> str:
        """What a client connects to."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


@dataclass(slots=True)
class Session:
    """Our own session file, while we live."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    _lock: int | None = None

    @property
    def file(self) -> Path:
        """The session file."""
        return paths.sessions_folder() / f"{self.id}.json"

    @property
    def lock_file(self) -> Path:
        """Held while the panel lives."""
        return paths.sessions_folder() / f"{self.id}.lock"

    def open(self) -> None:
        """Take the lock."""
        self._lock = os.open(self.lock_file, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, record: Record) -> None:
        """Replace the file as a whole, so that no reader ever sees half of it."""
        fresh = self.file.with_suffix(".new")
        handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(record), file)
        os.replace(fresh, self.file)

    def clear(self) -> None:
        """Nothing of ours runs any more."""
        self.file.unlink(missing_ok=True)

    def close(self) -> None:
        """A clean end."""
        self.clear()
        self.lock_file.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _read(file: Path) -> Record | None:
    try:
        data: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        services = tuple(Registered(**service) for service in data["services"])
        return Record(**{**data, "services": services})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def held(lock_file: Path) -> bool:
    """Whether a living process holds a lock file."""
    try:
        handle = os.open(lock_file, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def living() -> tuple[Record, ...]:
    """Sessions of panels that live now, the newest first."""
    found = [
        record
        for file in paths.sessions_folder().glob("*.json")
        if held(file.with_suffix(".lock")) and (record := _read(file)) is not None
    ]
    return tuple(sorted(found, key=lambda record: -record.started_at))


def recording() -> tuple[Record, ...]:
    """Sessions whose run folder somebody still writes: a living panel, or what a crashed one left running."""
    found = []
    for file in paths.sessions_folder().glob("*.json"):
        record = _read(file)
        if record is not None and (held(file.with_suffix(".lock")) or processes_of(record)):
            found.append(record)
    return tuple(found)


def crashed() -> tuple[Record, ...]:
    """Sessions whose panel is dead but of which something still runs; the rest is tidied away."""
    found = []
    for lock in paths.sessions_folder().glob("*.lock"):
        if held(lock):
            continue
        file = lock.with_suffix(".json")
        record = _read(file)
        if record is not None and processes_of(record):
            found.append(record)
        else:
            file.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    return tuple(found)


def processes_of(record: Record) -> tuple[tuple[str, int], ...]:
    """(service, pid) of everything of a session that is alive; `process` for what was never registered."""
    named = {service.pid: service.name for service in record.services if service.alive}
    marked = [pid for pid in guardian.marked(record.id) if not guardian.is_zombie(pid)]
    main = [(name, pid) for pid, name in named.items()]
    leaders = {pid for pid in marked if pid not in named and _group(pid) not in named}
    return (*main, *((f"process {pid}", pid) for pid in sorted(leaders)))


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def leftover_of(record: Record) -> Leftover:
    """For people."""
    alive = processes_of(record)
    names = {name for name, _ in alive}
    return Leftover(
        session=record.id,
        stack=record.stack,
        panel_pid=record.panel_pid,
        started_at=record.started_at,
        processes=alive,
        run_folder=Path(record.run_folder),
        adoptable="broker" in names and bool(record.stack_text),
    )


def end_leftover(record: Record) -> int:
    """Kill all that a crashed session left, as its guardian would have; how many processes it were."""
    count = len(processes_of(record))
    guardian.end_all(record.id, {service.pid: (service.start, True) for service in record.services})
    forget(record)
    return count


def forget(record: Record) -> None:
    """Take its file away; what runs is no longer ours."""
    (paths.sessions_folder() / f"{record.id}.json").unlink(missing_ok=True)
    (paths.sessions_folder() / f"{record.id}.lock").unlink(missing_ok=True)


def find_living(what: str) -> Record | None:
    """The living session of a stack: by its name, its file or its run folder."""
    wanted = Path(what).expanduser().absolute()
    for record in living():
        if what in (record.stack, record.id) or str(wanted) in (record.stack_file, record.run_folder):
            return record
    return None
