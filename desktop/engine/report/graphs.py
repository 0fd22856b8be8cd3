"""The graphs of a run: which series there are, and their values over one span."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from desktop.engine.api import Band, Record
from desktop.engine.report.model import Curve, Graph

BUCKETS = 600
_BEAT = 0.5  # seconds between two samples: more buckets than samples only make holes
_CURVES = 8  # in one graph; those with the largest values
_PATIENCE = 120.0  # seconds
# (title, unit, (prefix of the series, word in front of its label))
_KINDS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Queue depth", "messages waiting", (("depth", ""),)),
    ("Stranded", "messages out of reach", (("stranded", ""),)),
    ("Tasks ended", "tasks a second", (("ended", "ended"), ("failed", "failed"))),
    ("CPU", "% of one core", (("cpu", ""),)),
    ("Running tasks", "tasks", (("busy", ""),)),
    ("Pool size", "processes, threads or greenlets", (("size", ""),)),
)


def graphs_of(record: Record, workers: Sequence[str], since: float, until: float) -> tuple[Graph, ...]:
    """Those that have anything to show, over one span and in the same buckets."""
    wanted = {prefix for _, _, kinds in _KINDS for prefix, _ in kinds}
    names = [name for name in record.series_names() if name.partition(":")[0] in wanted]
    if not names or until <= since:
        return ()
    buckets = max(1, min(BUCKETS, round((until - since) / _BEAT)))
    bands = record.series(names, since, until, buckets).result(_PATIENCE)
    graphs = (_graph(title, unit, kinds, bands, workers) for title, unit, kinds in _KINDS)
    return tuple(graph for graph in graphs if graph is not None)


def _graph(
    title: str,
    unit: str,
    kinds: Sequence[tuple[str, str]],
    bands: Mapping[str, Band],
    workers: Sequence[str],
) -> Graph | None:
    curves: list[tuple[float, Curve]] = []
    t: array[float] = array("d")
    for name, band in bands.items():
        prefix, _, of = name.partition(":")
        word = next((word for kind, word in kinds if kind == prefix), None)
        highest = max((value for value in band.high if not math.isnan(value)), default=None)
        if word is None or highest is None or (highest == 0 and prefix == "failed"):
            continue
        t = band.t
        place = workers.index(of) if of in workers else None
        label = of or word or {"depth": "queue", "stranded": "all"}.get(prefix, prefix)
        curves.append((highest, Curve(label, place, band.low, band.high, band.last)))
    if not curves or (title == "Stranded" and all(highest == 0 for highest, _ in curves)):
        return None
    if len(curves) > _CURVES:
        curves = sorted(curves, key=lambda one: -one[0])[:_CURVES]
        title = f"{title} (the {_CURVES} largest)"
    return Graph(title, unit, t, tuple(curve for _, curve in curves))
