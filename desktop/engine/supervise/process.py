"""One process of ours: started in a session of its own, ended as a whole group.

Rules that came from measurements: output goes to a file, never to a pipe (an unread pipe freezes
a Celery worker after some 250 tasks); a group is only ever sent SIGKILL (SIGTERM to the group
destroys running tasks: Celery's pool processes take it as their own end), but by the one fault that
shows what such a SIGTERM does (`term_group`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from desktop.engine.observe.proc import alive, start_time
from desktop.engine.supervise.outcome import Outcome


class ManagedProcess:
    """A process that we started, or that we took over from a crashed panel."""

    def __init__(self, pid: int, started_at: float, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self.started_at = started_at  # seconds since the epoch
        self.start_time = start_time(pid)  # tells a reused pid apart
        self._child = child

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log_file: Path,
        stdin: bytes | None = None,
        talks: bool = False,
    ) -> ManagedProcess:
        """Start `argv`; raises OSError when the program or the folder is not there.

        `talks`: its standard input stays open for `say`, and its output is not for the log but for a reader
        of `stdout`, who must read it.
        """
        with open(log_file, "ab", buffering=0) as out:
            child = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.PIPE if talks or stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else out,
                stderr=out,
                start_new_session=True,
            )
        process = cls(child.pid, time.time(), child)
        if stdin is not None:
            process.say(stdin)
        if not talks:
            process.hang_up()
        return process

    @classmethod
    def adopt(cls, pid: int, started_at: float) -> ManagedProcess:
        """Take over a process that is not our child."""
        return cls(pid, started_at, None)

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it says, where it talks."""
        return self._child.stdout if self._child is not None else None

    def say(self, line: bytes) -> None:
        """Write to its standard input; one that has ended does not hear it, and its exit tells why."""
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.write(line)
                self._child.stdin.flush()

    def hang_up(self) -> None:
        """End its standard input."""
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.close()

    @property
    def running(self) -> bool:
        """True while this very process lives (a zombie does not)."""
        return alive(self.pid, self.start_time)

    def signal(self, number: int) -> None:
        """Signal the main process alone."""
        if self.running:
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        """SIGKILL the whole group: safe also when the main process is a zombie, as its id is still taken."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def term_group(self) -> None:
        """SIGTERM to the whole group, as many deployments send by mistake: only ever as a fault."""
        if self.running:
            os.killpg(self.pid, signal.SIGTERM)

    def reap(self, status: int | None = None) -> Outcome:
        """The outcome of this process, which has ended; what is left of its group is ended too.

        `status` is the wait status where the process is not our child (`ExitWatch.status`).
        """
        ran = time.time() - self.started_at
        self.kill_group()
        self.hang_up()
        if self._child is not None:
            return Outcome.of_returncode(self._child.wait(), ran)
        if status is None:
            return Outcome(None, None, ran)
        return Outcome.of_returncode(os.waitstatus_to_exitcode(status), ran)
