"""Made-up runs of a size, recorded as a real one is: by the recorder, from the ledger that tells of them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from desktop.engine.api import Mark, MarkKind
from desktop.engine.record.recorder import recover
from desktop.engine.record.schema import NAME, VERSION
from desktop.engine.record.writing.store import Store
from tests.support.made_run import WORKERS, MadeRun, write_ledger

CACHE = Path(tempfile.gettempdir()) / "celery-desk-benchmarks"


def recorded(count: int) -> Path:
    """The folder of a run of `count` tasks; it stays for the benchmarks after this one.

    A million take two or three minutes to make, once. Delete the folder to have them made anew.
    """
    folder = CACHE / f"run-{count}-format-{VERSION}"
    if (folder / "made.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = write_ledger(folder / "ledger", MadeRun(count))
    recover(folder)
    _watch(folder, count)
    size = sum(file.stat().st_size for file in folder.glob(f"{NAME}*"))
    told = {"tasks": count, "lines": lines, "database_mib": round(size / 2**20, 1)}
    (folder / "made.json").write_text(json.dumps(told))
    return folder


def _watch(folder: Path, count: int) -> None:
    """Two beats a second of every series of a stack of three workers, over the whole run, and some marks."""
    store, dice, made = Store.resume(folder), random.Random(1), MadeRun(count)
    kinds = ("cpu", "memory", "size", "busy")
    names = [f"{kind}:{worker}" for kind in kinds for worker in (*WORKERS, "broker")]
    kinds = ("depth", "in", "out", "stranded")
    names += [f"{kind}:{queue}" for kind in kinds for queue in ("celery", "io", "mail")]
    names += ["ended:", "failed:", "wait50:", "wait95:", "run50:", "run95:", "run99:", "unacked:"]
    for beat in range(int(2 * count / made.rate)):
        t = made.began + beat / 2
        store.sample(t, {name: dice.random() * 100 for name in names})
        if not beat % 200:
            store.mark(Mark(t, MarkKind.KILLED, "w1", "w1 was killed by SIGKILL"))
            store.commit({})
    store.close(clean=True)


def read_by_itself(folder: Path, rounds: int) -> dict[str, float]:
    """What `record_reader` measures of a run, in a process that has nothing else in its memory."""
    command = [sys.executable, "-m", "tests.benchmarks.record_reader", str(folder), str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found
