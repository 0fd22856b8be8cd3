"""CPU of a frame of live charts: 8 charts × 3 series × 600 points, beside pyqtgraph as in its examples."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

PLOTS, SERIES, POINTS = 8, 3, 600
AIM_MS = 6.0


def run(quick: bool = False) -> dict[str, Any]:
    """CPU milliseconds a frame of our charts and of the peer, both measured now; median of the frames."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    frames, rounds = (15, 2) if quick else (60, 3)
    ours = min(_ours(app, frames) for _ in range(rounds))
    peer = min(_bare(app, frames) for _ in range(rounds))
    return {
        "plots": PLOTS,
        "series": SERIES,
        "points": POINTS,
        "frame_cpu_ms": round(ours, 2),
        "peer": "pyqtgraph as in its examples (grid on, x range moves)",
        "peer_frame_cpu_ms": round(peer, 2),
        "aim_ms": AIM_MS,
        "met": ours <= AIM_MS,
    }


def _noise(seed: int, frame: int) -> list[float]:
    """Something like CPU of a busy worker: different in each frame, the same in each run."""
    return [100 + 40 * ((i * 7919 + frame * 104729 + seed * 31) % 1000) / 1000 for i in range(POINTS)]


def _measure(app: Any, frames: int, step: Callable[[int], None]) -> float:
    costs = []
    for frame in range(frames + 5):
        begin = time.process_time()
        step(frame)
        app.processEvents()
        costs.append((time.process_time() - begin) * 1000)
    return statistics.median(costs[5:])  # the first frames lay out and fill caches


def _ours(app: Any, frames: int) -> float:
    from PySide6.QtWidgets import QGridLayout, QWidget

    from desktop.engine.api import Series
    from desktop.ui.theme import Theme
    from desktop.ui.widgets.chart import Chart, TimeAxis
    from desktop.ui.widgets.chart_line import worker_lines
    from desktop.ui.widgets.chart_scale import Unit

    names = [f"w{i}" for i in range(1, SERIES + 1)]
    Theme.current.remember_workers(names)
    window, axis = QWidget(), TimeAxis()
    grid = QGridLayout(window)
    charts = [Chart(axis, "CPU", Unit.PERCENT, empty="") for _ in range(PLOTS)]
    for i, chart in enumerate(charts):
        chart.set_lines(worker_lines("cpu", names))
        grid.addWidget(chart, i // 2, i % 2)
    window.resize(1600, 1000)
    window.show()
    deadline = time.monotonic() + 20
    while any(chart.loading for chart in charts) and time.monotonic() < deadline:
        app.processEvents()
    data = [[array("d", _noise(s, f)) for s in range(SERIES)] for f in range(8)]

    def step(frame: int) -> None:
        now = 1e9 + frame * 0.1
        times = array("d", [now - 300 + 0.5 * i for i in range(POINTS)])
        row = {f"cpu:{n}": Series(times, data[frame % 8][s]) for s, n in enumerate(names)}
        axis.advance(now, ())
        for chart in charts:
            chart.feed(row.__getitem__)

    cost = _measure(app, frames, step)
    window.close()
    window.deleteLater()
    return cost


def _bare(app: Any, frames: int) -> float:
    import numpy as np
    import pyqtgraph as pg
    from PySide6.QtWidgets import QGridLayout, QWidget

    window = QWidget()
    grid = QGridLayout(window)
    curves, plots = [], []
    for i in range(PLOTS):
        plot = pg.PlotWidget()
        plot.showGrid(x=True, y=True)
        plots.append(plot)
        curves.append([plot.plot(pen=(s, SERIES)) for s in range(SERIES)])
        grid.addWidget(plot, i // 2, i % 2)
    window.resize(1600, 1000)
    window.show()
    app.processEvents()
    data = [[np.array(_noise(s, f)) for s in range(SERIES)] for f in range(8)]

    def step(frame: int) -> None:
        times = np.arange(POINTS) * 0.5 + frame * 0.1
        for plot, row in zip(plots, curves, strict=True):
            for s, curve in enumerate(row):
                curve.setData(times, data[frame % 8][s])
            plot.setXRange(times[0], times[-1], padding=0)

    cost = _measure(app, frames, step)
    window.close()
    window.deleteLater()
    return cost


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=1))
