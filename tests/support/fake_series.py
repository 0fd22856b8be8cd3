"""The series of `FakeRecord`: believable values of any moment, with a spike now and then."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np

from desktop.engine.api import Band
from tests.support.fake_tasks import QUEUES, TWICE_EVERY, WORKERS, Array

SERIES = (
    *(f"{kind}:{name}" for kind in ("cpu", "memory", "size", "busy", "min", "max") for name in WORKERS[:3]),
    *(f"{kind}:{name}" for kind in ("depth", "in", "out", "stranded") for name in QUEUES),
    *(
        "cpu:broker",
        "memory:broker",
        "unacked:",
        "ended:",
        "failed:",
        "wait50:",
        "wait95:",
        "run50:",
        "run95:",
    ),
    "run99:",
)


def band_of(
    name: str,
    span: tuple[float, float],
    since: float,
    until: float,
    buckets: int,
    holes: Sequence[tuple[float, float]] = (),
) -> Band:
    """A series over a span, known only within the run's own `span`, and not within `holes`."""
    edges = np.linspace(since, until, buckets + 1)
    wide = max(1, math.ceil((until - since) / buckets / 0.5))  # samples in a bucket
    t = edges[:-1, None] + (edges[1] - edges[0]) * np.arange(wide) / wide
    values = _wave(name, t)
    began, now = span
    for first, last in ((-np.inf, began), *holes, (now, np.inf)):
        values[(t > first) & (t < last)] = np.nan
    empty = np.isnan(values).all(axis=1)
    full = np.where(np.isnan(values), -np.inf, values), np.where(np.isnan(values), np.inf, values)
    high, low = np.where(empty, np.nan, full[0].max(1)), np.where(empty, np.nan, full[1].min(1))
    middle = (edges[:-1] + edges[1:]) / 2
    return Band(*(array("d", part.tolist()) for part in (middle, low, high, values[:, -1])))


def _wave(name: str, t: Array) -> Array:
    """A believable value of any series at any moment, with a spike now and then."""
    kind, _, service = name.partition(":")
    number = service.rpartition("-")[2]
    index = WORKERS.index(service) if service in WORKERS else 7 + int(number) if number.isdigit() else 7
    index += len(kind) % 3
    wave = 0.5 + 0.5 * np.sin(t / (23 + 5 * index) + index)
    noise = 0.5 + 0.5 * np.sin(t * 7.3 + index * 1.7) * np.cos(t * 3.1)
    spike = (np.floor(t * 2) % TWICE_EVERY == 500) * 3.0
    scale = {
        "cpu": 380.0, "memory": 2.4e8, "size": 4.0, "busy": 4.0, "depth": 900.0, "in": 60.0, "out": 55.0,
        "unacked": 40.0, "ended": 42.0, "wait50": 0.2, "wait95": 1.2, "run50": 0.15, "run95": 0.9,
        "run99": 2.5,
    }.get(kind, 4.0)  # fmt: skip
    if kind == "failed":
        return np.where(noise > 0.8, 1.4 * noise, 0.0) + spike
    if kind in ("min", "max"):
        return np.full_like(t, 1.0 if kind == "min" else 4.0)
    values = scale * (
        0.75 * wave + 0.2 * noise + 0.05 + spike * (kind in ("cpu", "ended", "wait95", "depth"))
    )
    return np.asarray(np.round(values) if kind in ("size", "busy") else values)
