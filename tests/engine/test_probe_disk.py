"""The probe's file on a disk that is full: what is lost is counted, and told when there is room."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from desktop.engine.ledger.lines import parsed, source_of
from tests.support_apps.workers import PROBE, ROOT

FULL_DISK = """
import os, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import celery_desk_lines
celery_desk_lines.RETRY_SECONDS = 0
file = celery_desk_lines.LedgerFile({folder!r}, "w1", 1)

def room(beyond):
    size = os.path.getsize(file.path(os.getpid())) + beyond if beyond else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

file.write('{{"k":"ready","t":1}}\\n')
room(5)
for _ in range(3):
    file.write('{{"k":"lost","t":2}}\\n')
room({later})
file.write('{{"k":"ready","t":3}}\\n')
file.tell()
room(0)
file.tell()
file.write('{{"k":"ready","t":4}}\\n')
"""


@pytest.mark.parametrize(
    ("later", "kinds", "counts"),
    [
        (0, ["open", "ready", "", "dropped", "ready", "ready"], [3]),
        (1, ["open", "ready", "", "dropped", "ready"], [4]),  # no room for a word of it yet
        (40, ["open", "ready", "", "", "dropped", "ready"], [4]),  # room for a part of it
        (110, ["open", "ready", "", "dropped", "", "dropped", "ready"], [3, 1]),  # for it alone
    ],
)
def test_a_full_disk(tmp_path: Path, later: int, kinds: list[str], counts: list[int]) -> None:
    """What does not fit is lost and counted; the lines after it are whole again."""
    program = FULL_DISK.format(folder=str(tmp_path), later=later)
    before = time.time()
    subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(PROBE)}, cwd=ROOT, check=True, timeout=30
    )
    (file,) = tmp_path.iterdir()
    lines = [parsed(line) for line in file.read_bytes().splitlines()]
    assert [line["k"] if line else "" for line in lines] == kinds
    dropped = [line for line in lines if line and line["k"] == "dropped"]
    assert [line["count"] for line in dropped] == counts
    for line in dropped:
        assert before <= line["since"] <= line["t"] <= time.time()
        assert (line["pid"], line["why"]) == (source_of(file).pid, "EFBIG")  # type: ignore[union-attr]
