"""The window: until it is painted, until a death is on the screen, how late its loop is, its part of a core.

The peer of the first figure is a bare `import PySide6.QtWidgets` with an empty window, in turn with ours; the
floor of the loop's lateness is a bare Qt loop beside ours, at the same time on the same cores.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.up import ROOT

RATE = 200.0  # no-op tasks a second
FAST = 1000.0  # four lines of the ledger each: the 4,000 events a second of the aim
SETTLE = 5.0  # seconds after the last worker is ready
GROWN = 75.0  # seconds after which graphs show five minutes at once, as they mostly do, and glide slower
FOUR_IDLE = """
name = "bench"
[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
[[worker]]
name = "w2"
pool = "threads"
concurrency = 4
[[worker]]
name = "w3"
pool = "gevent"
concurrency = 50
[[worker]]
name = "w4"
pool = "solo"
"""
FOUR_SOLO = """
name = "bench"
[[worker]]
name = "w"
pool = "solo"
count = 4
"""

# Both say when the whole of their first frame is painted, and what CPU time they took until then: a posted
# event is looked at after the paint, and one of high priority before anything else that waits.
_SAY = """
import os, sys, time
began = float(sys.argv[1])
def watched(window):
    from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt
    class Done(QObject):
        def event(self, event):
            print((time.monotonic() - began) * 1000, time.process_time() * 1000, flush=True)
            os._exit(0)
    def paint(self, event):
        super(window, self).paintEvent(event)
        self.done = Done()
        high = Qt.EventPriority.HighEventPriority.value
        QCoreApplication.postEvent(self.done, QEvent(QEvent.Type.User), high)
    window.paintEvent = paint
    return window
"""
_BARE = (
    _SAY
    + """
from PySide6.QtWidgets import QApplication, QMainWindow
class Empty(QMainWindow):
    pass
watched(Empty)
app = QApplication([])
window = Empty()
window.resize(1280, 800)
window.show()
app.exec()
"""
)
_OURS = (
    _SAY
    + """
import builtins
real = builtins.__build_class__
def build(function, name, *bases, **options):
    made = real(function, name, *bases, **options)
    return watched(made) if name == "Window" and made.__module__ == "desktop.ui.window" else made
builtins.__build_class__ = build
sys.argv = ["main.py"]
with open("main.py") as file:
    exec(compile(file.read(), "main.py", "exec"), {"__name__": "__main__"})
"""
)


# As `window_panel` measures it, with nothing else to do.
_BARE_LOOP = """
import json, sys, time
from PySide6.QtCore import QCoreApplication, Qt, QTimer
app, late, began = QCoreApplication([]), [], time.perf_counter()
due = began
def tick():
    global due
    now = time.perf_counter()
    due += 0.01
    late.append(max(0.0, now - due) * 1000)
    due = max(due, now - 0.01)
    if now - began > float(sys.argv[1]):
        app.quit()
timer = QTimer()
timer.setTimerType(Qt.TimerType.PreciseTimer)
timer.timeout.connect(tick)
timer.start(10)
app.exec()
print(json.dumps(late))
"""


def run(quick: bool = False) -> dict[str, Any]:
    """Milliseconds, ratios, percent of one core."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELERY_DESK_HOME"] = folder
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        return {
            **painted(3 if quick else 11),
            **shown(Path(folder), 8 if quick else 20),
            **in_use(Path(folder), 10.0 if quick else 20.0, 0.0 if quick else GROWN),
        }


# -- painted


def painted(rounds: int) -> dict[str, Any]:
    """From the start of the process to the first frame; ours and the bare one take turns."""
    first_frame(_OURS)  # a first run compiles what is not compiled yet
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(first_frame(_BARE))
        ours.append(first_frame(_OURS))
    return {
        "painted_ms": round(statistics.median(wall for wall, _ in ours)),
        "painted_bare_ms": round(statistics.median(wall for wall, _ in bare)),
        "painted_ratio": _ratio([w for w, _ in ours], [w for w, _ in bare]),
        "painted_cpu_ratio": _ratio([c for _, c in ours], [c for _, c in bare]),
    }


def _ratio(ours: list[float], peer: list[float]) -> float:
    return round(statistics.median(o / p for o, p in zip(ours, peer, strict=True)), 2)


def first_frame(program: str) -> tuple[float, float]:
    """(milliseconds by the clock, milliseconds of CPU)."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(time.monotonic())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(f"no window was painted: {done.stderr[-500:]}")
    wall, cpu = done.stdout.split()
    return float(wall), float(cpu)


# -- shown


def shown(folder: Path, count: int) -> dict[str, Any]:
    """SIGKILL of a worker from outside, until its node on the Overview is painted with the news."""
    from tests.benchmarks.window_eye import Eye

    file = folder / "solo.toml"
    file.write_text(FOUR_SOLO)
    with Eye(file) as eye:
        eye.start()
        names = eye.names()
        heard, seen = [], []
        for turn in range(count):
            engine, screen = eye.kill(names[turn % len(names)])
            heard.append(engine)
            seen.append(screen)
    return {
        "sigkill_shown_ms": round(statistics.median(seen), 1),
        "sigkill_shown_worst_ms": round(max(seen), 1),
        "sigkill_told_by_engine_ms": round(statistics.median(heard), 1),
        "kills": count,
    }


# -- in use


class Panel:
    """The program in a process of its own, with a hand in its window (`window_panel`)."""

    def __init__(self, stack: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.window_panel", "--stack", str(stack)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Have something done; the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the window ended while it was asked to {do}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def cpu(self, seconds: float) -> tuple[float, float]:
        """Percent of one core that the panel's own process takes, and with its recorder and guardian."""
        me = psutil.Process(self.process.pid)
        ours = [me, *(child for child in me.children() if _helps(child))]
        began, before = time.monotonic(), [sum(process.cpu_times()[:2]) for process in ours]
        time.sleep(seconds)
        took = time.monotonic() - began
        parts = [sum(p.cpu_times()[:2]) - then for p, then in zip(ours, before, strict=True)]
        return 100 * parts[0] / took, 100 * sum(parts) / took

    def late(self, seconds: float) -> tuple[float, float, float]:
        """p99 of milliseconds: by which ticks of 10 ms came late; that the GUI thread computed between two of
        them, whoever else has the cores; and by which those of a bare loop beside it came late.
        """
        bare = [sys.executable, "-c", _BARE_LOOP, str(seconds)]
        with subprocess.Popen(bare, stdout=subprocess.PIPE, text=True) as floor:
            ours = self.ask("lateness", seconds=seconds)
            told, _ = floor.communicate()
        return _p99(ours["late_ms"]), _p99(ours["own_ms"]), _p99(json.loads(told))

    def close(self) -> None:
        """Close the window and wait for the end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def _helps(process: psutil.Process) -> bool:
    """Whether it is a recorder or a guardian; the others are the stack's, or send its workload."""
    line = " ".join(process.cmdline())
    return "record.recorder" in line or "guardian" in line


@contextmanager
def panel(stack: Path) -> Iterator[Panel]:
    """Running on this stack."""
    made = Panel(stack)
    try:
        made.ask("start")
        time.sleep(SETTLE)
        yield made
    finally:
        made.close()


def in_use(folder: Path, seconds: float, grown: float) -> dict[str, Any]:
    """The pages Overview and Tasks of four workers, after so long: idle, under a load, under a heavy load."""
    file = folder / "four.toml"
    file.write_text(FOUR_IDLE)
    with panel(file) as window:
        time.sleep(grown)
        figures = {**_cpu(window, "idle", seconds), **_lateness(window, "idle", seconds)}
        figures |= _under(window, "load", RATE, seconds)
        figures |= _under(window, "heavy", FAST, seconds)
        window.ask("go", page="tasks")
        time.sleep(SETTLE)
        figures |= _cpu(window, "tasks_idle", seconds)
        figures |= _under(window, "tasks_load", RATE, seconds)
        figures |= _under(window, "tasks_heavy", FAST, seconds)
    return figures


def _cpu(window: Panel, what: str, seconds: float) -> dict[str, float]:
    panel, together = window.cpu(seconds)
    return {
        f"panel_cpu_{what}_percent": round(panel, 2),
        f"panel_cpu_{what}_with_helpers_percent": round(together, 2),
    }


def _under(window: Panel, what: str, rate: float, seconds: float) -> dict[str, float]:
    """The panel's part of a core and its lateness at so many no-op tasks a second."""
    window.ask("submit", task="tasks.noop", rate=rate, seconds=2 * seconds + SETTLE)
    time.sleep(SETTLE)
    before = window.ask("tasks")
    cpu = _cpu(window, what, seconds)
    after = window.ask("tasks")
    ended = (after["succeeded"] - before["succeeded"]) / (after["t"] - before["t"])
    late = _lateness(window, what, seconds)
    time.sleep(SETTLE)  # what is still under way is not part of the next measurement
    return {**cpu, f"{what}_tasks_per_second": round(ended), **late}


def _lateness(window: Panel, what: str, seconds: float) -> dict[str, float]:
    ours, own, floor = window.late(seconds)
    return {
        f"late_{what}_p99_ms": round(ours, 1),
        f"late_{what}_own_p99_ms": round(own, 1),
        f"late_{what}_floor_p99_ms": round(floor, 1),
    }


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
