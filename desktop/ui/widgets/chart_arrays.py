"""Arrays as lines: steps, stretches without a gap, polygons. numpy and QtGui, nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QPolygonF
from shiboken6 import VoidPtr

Floats = NDArray[np.float64]


def steps(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """A step line with only the points where it changes: few points stay cheap however they are drawn."""
    if len(x) < 2:
        return x, y
    same = (y[1:] == y[:-1]) | (np.isnan(y[1:]) & np.isnan(y[:-1]))
    keep = np.concatenate(([True], ~same))
    keep[-1] = True
    kx, ky = x[keep], y[keep]
    return np.repeat(kx, 2)[1:], np.repeat(ky, 2)[:-1]


def runs(mask: NDArray[np.bool_]) -> list[slice]:
    """Slices of the stretches where `mask` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def polygon(x: Floats, y: Floats) -> QPolygonF:
    """Points as Qt draws them, filled in one go: a list of points would cost ten times as much."""
    made = QPolygonF()
    made.resize(len(x))
    if len(x):
        memory = memoryview(VoidPtr(made.data(), len(x) * 16, True))  # type: ignore[arg-type, call-arg]
        points = np.frombuffer(memory, dtype=np.float64).reshape(-1, 2)
        points[:, 0], points[:, 1] = x, y
    return made
