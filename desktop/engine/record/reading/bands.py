"""Series over a span: the level of samples that fits, and the rest of it from the finer ones."""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import Band
from desktop.engine.record.writing.samples import BLOCK, NODE, PIECE, TIMES, unpacked_beat

_SECONDS = 0.5  # between two beats, about
_ENOUGH = 0.6  # nodes for each bucket that was asked for
Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Nodes:
    """Stretches of beats: when they begin and end, and low, high, last of each series in them."""

    first: list[Floats] = field(default_factory=list)
    end: list[Floats] = field(default_factory=list)
    values: dict[int, list[Floats]] = field(default_factory=dict)  # (3, n) each


class BandReader:
    """Reads the series of a run. Not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def names(self) -> dict[str, int]:
        """Every series and its number."""
        return dict(self._connection.execute("SELECT name, id FROM series"))

    def span(self) -> tuple[float, float] | None:
        """The first and the last beat; None before the first."""
        first = self._ends("ORDER BY number LIMIT 1", "ORDER BY n LIMIT 1")
        last = self._ends("ORDER BY number DESC LIMIT 1", "ORDER BY n DESC LIMIT 1")
        known = [t for t in (*first, *last) if t is not None]
        return (min(known), max(known)) if known else None

    def _ends(self, pieces: str, beats: str) -> tuple[float | None, ...]:
        piece = self._connection.execute(
            f"SELECT data FROM piece WHERE series = ? AND level = 2 {pieces}", (TIMES,)
        ).fetchone()
        beat = self._connection.execute(f"SELECT t FROM beat {beats}").fetchone()
        times = array("d", zlib.decompress(piece[0])) if piece else ()
        return (times[0] if times else None, times[-1] if times else None, beat[0] if beat else None)

    def bands(
        self,
        names: Sequence[str],
        since: float,
        until: float,
        buckets: int,
        check: Callable[[], None],
    ) -> dict[str, Band]:
        """Each series in at most so many buckets; fewer where the samples that fit the span are coarser.

        Each sample of the span is in the low and high of one bucket: of its own, or of that of the stretch
        of beats it was folded into, which is no longer than a bucket and a half.
        """
        numbers = self.names()
        wanted = {numbers[name]: name for name in names if name in numbers}
        if buckets < 1 or until <= since:
            return {name: _empty() for name in names}
        level, buckets = self._level(since, until, buckets)
        nodes = self._read(set(wanted), level, since, until, check)
        found = {name: _empty() for name in names}
        if not nodes.first:
            return found
        middles = (np.concatenate(nodes.first) + np.concatenate(nodes.end)) / 2
        width = (until - since) / buckets
        places = np.clip(((middles - since) / width).astype(np.int64), 0, buckets - 1)
        order = np.argsort(places, kind="stable") if (np.diff(places) < 0).any() else None
        t = array("d", (since + (np.arange(buckets) + 0.5) * width).tobytes())
        for number, name in wanted.items():
            check()
            found[name] = _band(t, places, order, np.concatenate(nodes.values[number], axis=1), buckets)
        return found

    def _level(self, since: float, until: float, buckets: int) -> tuple[int, int]:
        """The coarsest level with enough nodes for the buckets, and how many buckets it can fill."""
        beats = (until - since) / _SECONDS
        for level, size in ((2, BLOCK), (1, NODE)):
            if beats / size >= _ENOUGH * buckets:
                return level, max(1, min(buckets, int(beats / size)))
        return 0, buckets

    def _read(
        self, series: set[int], level: int, since: float, until: float, check: Callable[[], None]
    ) -> _Nodes:
        """The nodes of the level in the span, with finer ones at both its ends, and the live edge."""
        nodes = _Nodes(values={number: [] for number in series})
        blocks = self._blocks(since, until)
        if blocks is not None:
            first, last = blocks
            if level == 0 or last - first < 2:
                self._read_raw(nodes, series, range(first, last + 1), since, until, check)
            else:
                # Blocks at the ends are partly outside of the span: sample by sample there.
                self._read_raw(nodes, series, [first], since, until, check)
                self._read_level(nodes, series, level, first + 1, last - 1, check)
                self._read_raw(nodes, series, [last], since, until, check)
        self._read_beats(nodes, series, since, until)
        return nodes

    def _blocks(self, since: float, until: float) -> tuple[int, int] | None:
        """The first and the last block with beats in the span."""
        starts, ends = [], []
        for _, data in self._connection.execute(
            "SELECT number, data FROM piece WHERE series = ? AND level = 2 ORDER BY number", (TIMES,)
        ):
            times = np.frombuffer(zlib.decompress(data)).reshape(-1, 3)
            starts.append(times[:, 0])
            ends.append(times[:, 1])
        if not starts:
            return None
        inside = np.flatnonzero((np.concatenate(starts) <= until) & (np.concatenate(ends) >= since))
        return (int(inside[0]), int(inside[-1])) if len(inside) else None

    def _pieces(
        self, series: Iterable[int], level: int, first: int, last: int
    ) -> dict[tuple[int, int], Floats]:
        wanted = sorted({TIMES, *series})
        marks = ",".join("?" * len(wanted))
        rows = self._connection.execute(
            f"SELECT series, number, data FROM piece WHERE series IN ({marks}) AND level = ?"
            " AND number BETWEEN ? AND ?",
            (*wanted, level, first, last),
        )
        return {(one, number): np.frombuffer(zlib.decompress(data)) for one, number, data in rows}

    def _read_raw(
        self,
        nodes: _Nodes,
        series: set[int],
        blocks: Iterable[int],
        since: float,
        until: float,
        check: Callable[[], None],
    ) -> None:
        for block in blocks:
            check()
            pieces = self._pieces(series, 0, block, block)
            times = pieces.get((TIMES, block))
            if times is None:
                continue
            inside = (times >= since) & (times <= until)
            nodes.first.append(times[inside])
            nodes.end.append(times[inside])
            for number in series:
                values = pieces.get((number, block))
                chosen = np.full(len(times), np.nan)[inside] if values is None else values[inside]
                nodes.values[number].append(np.stack((chosen, chosen, chosen)))

    def _read_level(
        self, nodes: _Nodes, series: set[int], level: int, first: int, last: int, check: Callable[[], None]
    ) -> None:
        """Whole blocks `first` … `last` from a level."""
        per_block = BLOCK // NODE if level == 1 else 1
        low, high = first * per_block, (last + 1) * per_block
        numbers = range(low // PIECE, (high - 1) // PIECE + 1)
        check()
        pieces = self._pieces(series, level, numbers[0], numbers[-1])
        check()
        times = _joined(pieces, TIMES, numbers)[:, low - numbers[0] * PIECE : high - numbers[0] * PIECE]
        known = ~np.isnan(times[0])
        nodes.first.append(times[0, known])
        nodes.end.append(times[1, known])
        for number in series:
            values = _joined(pieces, number, numbers)[:, low - numbers[0] * PIECE : high - numbers[0] * PIECE]
            nodes.values[number].append(values[:, known])

    def _read_beats(self, nodes: _Nodes, series: set[int], since: float, until: float) -> None:
        """What is not folded yet."""
        rows = self._connection.execute(
            "SELECT t, data FROM beat WHERE t BETWEEN ? AND ? ORDER BY n", (since, until)
        ).fetchall()
        if not rows:
            return
        times = np.array([t for t, _ in rows])
        columns = {number: np.full(len(rows), np.nan) for number in series}
        for place, (_, data) in enumerate(rows):
            for number, value in zip(*unpacked_beat(data), strict=True):
                if number in columns:
                    columns[number][place] = value
        nodes.first.append(times)
        nodes.end.append(times)
        for number, column in columns.items():
            nodes.values[number].append(np.stack((column, column, column)))


def _joined(pieces: dict[tuple[int, int], Floats], series: int, numbers: range) -> Floats:
    """The nodes of some pieces as (3, n), NaN where there are none."""
    whole = np.full((len(numbers) * PIECE, 3), np.nan)
    for place, number in enumerate(numbers):
        values = pieces.get((series, number))
        if values is not None:
            whole[place * PIECE : place * PIECE + len(values) // 3] = values.reshape(-1, 3)
    return whole.T


def _band(
    t: array[float], places: NDArray[np.int64], order: NDArray[np.int64] | None, values: Floats, buckets: int
) -> Band:
    if order is not None:
        places, values = places[order], values[:, order]
    known = ~np.isnan(values[2])
    places, values = places[known], values[:, known]
    low, high, last = (np.full(buckets, np.nan) for _ in range(3))
    if len(places):
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        filled = places[starts]
        low[filled] = np.minimum.reduceat(values[0], starts)
        high[filled] = np.maximum.reduceat(values[1], starts)
        last[filled] = values[2][np.append(starts[1:], len(places)) - 1]
    return Band(t, *(array("d", one.tobytes()) for one in (low, high, last)))


def _empty() -> Band:
    return Band(array("d"), array("d"), array("d"), array("d"))
