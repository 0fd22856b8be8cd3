"""Real workers for tests: one process with a ledger folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PROBE = ROOT / "desktop" / "engine" / "probe"


class Worker:
    """A worker of `tests.support_apps.endings`, with the probe in it unless `ledger` is None."""

    def __init__(
        self, url: str, pool: str, folder: Path, *options: str, ledger: Path | None, service: str = "w1"
    ) -> None:
        self.folder, self.ledger, self.service = folder, ledger, service
        self.log_file = folder / f"{service}.log"
        self.command = [sys.executable, "-m", "celery", "-A", "tests.support_apps.endings", "worker"]
        self.command += ["-P", pool, "-n", f"{service}@test", "-l", "INFO"]
        self.command += ["--without-mingle", "--without-gossip", "--include", "celery_desk_probe", *options]
        self.env: dict[str, str] = dict(os.environ) | {"CELERY_BROKER_URL": url}
        self.env["PYTHONPATH"] = f"{PROBE}{os.pathsep}{ROOT}"
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The pid of its main process."""
        assert self.process is not None
        return self.process.pid

    def start(self, extra: Mapping[str, str] | None = None) -> Worker:
        """Start it and wait until it consumes."""
        self.starts += 1
        env = self.env | dict(extra or {})
        if self.ledger is not None:
            env |= {"CELERY_DESK_LEDGER": str(self.ledger), "CELERY_DESK_SERVICE": self.service}
            env["CELERY_DESK_START"] = str(self.starts)
        began = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
            )
        eventually(
            lambda: b" ready." in self.log_file.read_bytes()[began:], f"{self.service} is ready", within=40
        )
        return self

    def stop(self, within: float = 30.0) -> int:
        """Warm stop; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        """SIGKILL to its main process; its children go with it, or are sent after it."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
