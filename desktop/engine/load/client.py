"""The engine's side of a load generator: its process, what it tells, what it is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from desktop.engine.api import DeskError, LoadSnapshot, LoadState
from desktop.engine.load.plan import Plan, check

MODULE = "desktop.engine.load.generator"
FINAL = frozenset({LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED})

_CLOSE_TIME = 8.0  # seconds that a generator may take to end by itself once it is let go


class Load:
    """One workload that is being sent by a process of its own.

    `on_change` gets a snapshot about five times a second and at each change of state, from a
    thread of this object; the last one is final. `ended` of the snapshots is always 0: what
    became of the tasks, others know.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        on_change: Callable[[LoadSnapshot], None] | None = None,
    ) -> None:
        """Start the process. `env`: its whole environment; None: ours.

        Raises DeskError when the workload cannot be sent or the process cannot be started.
        """
        check(plan.workload)
        line = plan.to_line()
        self._on_change = on_change
        self._log_file = log_file
        self._lock = threading.Lock()
        self._snapshot = LoadSnapshot(plan.load_id, plan.workload, LoadState.STARTING, time.time())
        self._process = _start(log_file, env)
        self._write(line)
        self._reader = threading.Thread(target=self._read, name=f"load {plan.load_id}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The generator's process; also its process group and session."""
        return self._process.pid

    def snapshot(self) -> LoadSnapshot:
        """Where it stands."""
        return self._snapshot

    def pause(self) -> None:
        """Send nothing more until `resume`. Does nothing where it has ended, as the other two."""
        self._ask("pause")

    def resume(self) -> None:
        """Go on."""
        self._ask("resume")

    def cancel(self) -> None:
        """End it; what was sent stays sent."""
        self._ask("cancel")

    def wait(self, timeout: float | None = None) -> bool:
        """True when it has ended, within `timeout` seconds, and the last snapshot is there."""
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def close(self) -> None:
        """End it and leave nothing behind; takes moments, at most some seconds where the broker hangs."""
        self._hang_up()
        if not self.wait(_CLOSE_TIME):
            self._process.kill()
            self.wait()

    def _ask(self, what: str) -> None:
        self._write(json.dumps({"do": what}).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with self._lock:
            try:
                if not stdin.closed:
                    stdin.write(line)
                    stdin.flush()
            except OSError:
                pass  # it has ended: its last line or its exit code tells how

    def _hang_up(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with self._lock:
            try:
                stdin.close()
            except OSError:
                pass

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            for line in stdout:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue  # cut off by its death
                self._change(told)
        code = self._process.wait()
        self._hang_up()
        if self._snapshot.state not in FINAL:
            self._set(
                replace(
                    self._snapshot,
                    state=LoadState.FAILED,
                    rate=0.0,
                    detail=self._death(code),
                    ended_at=time.time(),
                )
            )

    def _change(self, told: Mapping[str, object]) -> None:
        state = LoadState(str(told["state"]))
        self._set(
            replace(
                self._snapshot,
                state=state,
                sent=int(str(told["sent"])),
                in_doubt=int(str(told["in_doubt"])),
                rate=float(str(told["rate"])),
                detail=str(told["detail"]),
                ended_at=float(str(told["t"])) if state in FINAL else None,
            )
        )

    def _set(self, snapshot: LoadSnapshot) -> None:
        self._snapshot = snapshot
        if self._on_change is not None:
            self._on_change(snapshot)

    def _death(self, code: int) -> str:
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"broke off with exit code {code}"
        return (
            f"The load generator {how}; {self._snapshot.sent:,} tasks had been sent when it last told. "
            f"Its log is {self._log_file}. Submit the workload again to go on."
        )


def _start(log_file: Path, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    environment = dict(os.environ if env is None else env)
    # The module is found beside this one, whatever the folder that the panel was started in.
    root = str(Path(__file__).resolve().parents[3])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            return subprocess.Popen(
                # -P: a celery.py in the folder where the panel was started is not ours to import.
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise DeskError(
            f"The load generator could not be started: {error.strerror or error}.",
            f"See whether {log_file.parent} can be written.",
        ) from None
