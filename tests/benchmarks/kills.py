"""The panel killed with SIGKILL at a random moment under load: what is left of its session after a second.

    python -m tests.benchmarks.kills --times 30 --who both
    python -m tests.benchmarks.kills --times 30 --guardian-first

Each turn has a home folder of its own. Whatever carries that folder in its environment, its working folder
or its arguments is of that turn, as is the turn's guardian: the engine's own list of what it started is not
asked. With --guardian-first both die (the panel is frozen, its guardian killed, then the panel), and the
next start of `up` has to find and clear what they left. Moments are drawn with a seed, which is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.left import guardians, of_home
from tests.support.up import ROOT
from tests.support.waiting import eventually

LIMIT = 1.0  # seconds after which nothing may be left
PATIENCE = 15.0  # seconds after which what is left is called a survivor for good
LATEST = 6.0  # seconds after its start at which a panel is killed at the latest
LOOK = 0.01
LOAD = ("--task", "tasks.sleep:3", "--task", "tasks.noop:6", "--task", "tasks.primes:1", "--rate", "100")


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one kill."""

    who: str
    at: float  # seconds after its start
    processes: int  # of the session, when it was killed
    cleared_ms: float | None  # until nothing was left; None: never
    loaded: bool
    left: tuple[str, ...] = ()
    found: bool = False  # guardian first: the next start said what it found

    @property
    def in_time(self) -> bool:
        """Nothing was left after the limit."""
        return self.cleared_ms is not None and self.cleared_ms <= LIMIT * 1000


@dataclass(slots=True)
class Panel:
    """One `up` or one window of a turn, with a load on it as soon as it can take one."""

    who: str
    home: Path
    process: subprocess.Popen[str] = field(init=False)
    clients: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        program = {
            "up": [str(ROOT / "main.py"), "up", "laptop", "--json"],
            "window": ["-m", "tests.support.driven_window"],
        }[self.who]
        self.process = subprocess.Popen(
            [sys.executable, *program],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment(self.home),
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    @property
    def loaded(self) -> bool:
        """Whether a load generator runs, or did."""
        return any(self.home.glob("data/runs/*/ledger/load-*.jsonl"))

    def run_for(self, seconds: float) -> None:
        """Let it run so long, and put the load on it on the way."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.who == "up" and not self.clients and (folder := self._announced()):
                self.clients.append(self._load(folder))
            time.sleep(min(LOOK, left))

    def _announced(self) -> str:
        """The run folder, once the first line has come."""
        assert self.process.stdout is not None
        with suppress(TypeError):  # nothing there yet
            if line := self.process.stdout.readline():
                return str(json.loads(line)["run_folder"])
        return ""

    def _load(self, folder: str) -> subprocess.Popen[bytes]:
        """A client of its own: it is no part of the session, and ends by itself when the broker is gone."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "load", folder, *LOAD],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(self.home),
        )

    def kill(self) -> None:
        """SIGKILL, and nothing else."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def end_clients(self) -> None:
        """Those of ours, after the turn."""
        for client in self.clients:
            client.kill()
            client.wait()


def environment(home: Path) -> dict[str, str]:
    """A home of its own, also for the socket of its window, and no display."""
    own = {"CELERY_DESK_HOME": str(home), "TMPDIR": str(home), "QT_QPA_PLATFORM": "offscreen"}
    return {**os.environ, **own}


def watch_it_go(home: Path, but: frozenset[int], since: float) -> tuple[float | None, dict[int, str]]:
    """(milliseconds until nothing was left, what was left after the limit)."""
    late: dict[int, str] = {}
    while True:
        left = of_home(home, but)
        passed = time.monotonic() - since
        if not left:
            return passed * 1000, late
        if passed > LIMIT:
            late = late or left
        if passed > PATIENCE:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return None, left
        time.sleep(LOOK)


def one_kill(who: str, home: Path, at: float) -> Turn:
    """Start, load, SIGKILL at that moment; the guardian does the rest."""
    panel = Panel(who, home)
    panel.run_for(at)
    but = frozenset(client.pid for client in panel.clients)
    before = len(of_home(home, but))
    loaded = panel.loaded
    killed = time.monotonic()
    panel.kill()
    cleared, late = watch_it_go(home, but, killed)
    panel.end_clients()
    return Turn(who, at, before, cleared, loaded, tuple(late.values()))


def one_double_kill(who: str, home: Path, at: float) -> Turn:
    """Both killed, `at` seconds after the guardian is there; then the next start of `up`."""
    panel = Panel(who, home)
    guarding = eventually(lambda: guardians(panel.process.pid), f"the guardian of {who}", within=30)
    panel.run_for(at)
    but = frozenset(client.pid for client in panel.clients)
    before, loaded = len(of_home(home, but)), panel.loaded
    os.kill(panel.process.pid, signal.SIGSTOP)
    for guardian in guarding:
        os.kill(guardian, signal.SIGKILL)
    panel.kill()
    panel.end_clients()
    orphans = of_home(home, but)
    began = time.monotonic()
    following = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "up", "solo", "--for", "0", "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
        check=False,
        timeout=120,
    )
    took = (time.monotonic() - began) * 1000
    _, left = watch_it_go(home, but, time.monotonic() - LIMIT)
    found = "crashed and left" in following.stderr or not orphans
    if following.returncode != 0:
        left = {**left, 0: f"the next start ended with {following.returncode}: {following.stderr[-300:]}"}
    return Turn(who, at, before, None if left else took, loaded, tuple(left.values()), found)


def turns(args: argparse.Namespace, draw: random.Random) -> Iterator[Turn]:
    """Each told on stderr as it comes."""
    panels = ("up", "window") if args.who == "both" else (args.who,)
    kill = one_double_kill if args.guardian_first else one_kill
    for who in panels:
        for number in range(1, args.times + 1):
            at = draw.uniform(0, args.latest)
            with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as home:
                turn = kill(who, Path(home), at)
            cleared = f"{turn.cleared_ms:.0f} ms" if turn.cleared_ms is not None else "NEVER"
            load = ", loaded" if turn.loaded else ""
            line = f"{who} {number}: at {at:.3f} s, {turn.processes} processes{load}: cleared in {cleared}"
            print(line, *turn.left, sep="\n    ", file=sys.stderr, flush=True)
            yield turn


def figures(done: list[Turn], guardian_first: bool) -> dict[str, Any]:
    """Counts, and how long it took."""
    times = [turn.cleared_ms for turn in done if turn.cleared_ms is not None]
    told: dict[str, Any] = {
        "kills": len(done),
        "under_load": sum(turn.loaded for turn in done),
        "processes_at_the_kill": [min(t.processes for t in done), max(t.processes for t in done)],
        "never_cleared": sum(turn.cleared_ms is None for turn in done),
        "cleared_median_ms": round(statistics.median(times)) if times else None,
        "cleared_slowest_ms": round(max(times)) if times else None,
    }
    if guardian_first:
        return {**told, "told_by_the_next_start": sum(turn.found for turn in done)}
    return {**told, "left_after_a_second": sum(not turn.in_time for turn in done)}


def main() -> int:
    """Exit code 1 when anything was left."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=30, help="kills of each kind of panel")
    parser.add_argument("--who", choices=("up", "window", "both"), default="both")
    parser.add_argument("--guardian-first", action="store_true", help="both die; the next start clears")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--latest", type=float, default=LATEST, help="seconds after the start")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr)
    done = list(turns(args, random.Random(seed)))
    by_panel = {
        who: figures([t for t in done if t.who == who], args.guardian_first)
        for who in dict.fromkeys(turn.who for turn in done)
    }
    print(json.dumps({"seed": seed, "load": round(os.getloadavg()[0], 1), **by_panel}, indent=2))
    wrong = [t for t in done if t.cleared_ms is None or (not args.guardian_first and not t.in_time)]
    return 1 if wrong or not all(t.found for t in done if args.guardian_first) else 0


if __name__ == "__main__":
    sys.exit(main())
