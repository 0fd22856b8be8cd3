"""Writing the series: each beat as one small row, folded into pieces with their extremes.

128 beats are a block. A folded block is, for each series, one piece of level 0 (every sample), 16 nodes of
level 1 (8 beats each) and one of level 2 (128 beats); a node is the smallest, the largest and the last
sample, and a piece of these levels holds up to 128 nodes. Series 0 is the times.
"""

from __future__ import annotations

import math
import sqlite3
import zlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from desktop.engine.record.ids import clean

BLOCK: Final = 128  # beats
NODE: Final = 8  # beats of a node of level 1
PIECE: Final = 128  # nodes
TIMES: Final = 0  # the number of the series of times
_PER_BLOCK: Final = {1: BLOCK // NODE, 2: 1}  # nodes that a block adds to each level
_NAN = math.nan

Beat = tuple[float, Sequence[int], Sequence[float]]  # time, series, values


class Drained(NamedTuple):
    """Rows for the tables of the samples."""

    series: list[tuple[int, str]]
    beats: list[tuple[int, float, bytes]]
    folded: list[tuple[int]]  # the last beat that is in pieces: what is up to it goes from `beat`
    pieces: list[tuple[int, int, int, bytes]]


class Samples:
    """Takes beats and gives rows. What is not folded yet is in `beat`, so a crash loses nothing of it."""

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        self._series: dict[str, int] = {}
        self._new_series: list[tuple[int, str]] = []
        self._n = 0  # of the next beat
        self._open: list[Beat] = []
        self._last = 0.0
        self._names: tuple[str, ...] = ()
        self._numbers = array("H")
        self._growing: dict[tuple[int, int], tuple[int, array[float]]] = {}  # (series, level): the last piece
        self._beats: list[tuple[int, float, bytes]] = []
        self._pieces: dict[tuple[int, int, int], bytes] = {}
        self._folded = -1  # beats up to this one are in pieces
        if connection is not None:
            self._resume(connection)

    def add(self, t: float, values: Mapping[str, float]) -> None:
        """One beat. While the clock is behind the last one (it was set back a little) beats are left out."""
        if self._last - 2.0 <= t <= self._last:
            return
        self._last = t
        names = tuple(values)
        if names != self._names:
            self._names = names
            self._numbers = array("H", [self._number(name) for name in names])
        floats = array("d", values.values())
        data = len(floats).to_bytes(2, "little") + self._numbers.tobytes() + floats.tobytes()
        self._beats.append((self._n, t, data))
        self._open.append((t, self._numbers, floats))
        self._n += 1
        if len(self._open) == BLOCK:
            self.fold()

    def _number(self, name: str) -> int:
        number = self._series.get(name)
        if number is None:
            number = self._series[name] = len(self._series) + 1
            self._new_series.append((number, clean(name)))
        return number

    def fold(self) -> None:
        """Make pieces of the beats of this block; a block that is not full stays short."""
        if not self._open:
            return
        block = (self._n - 1) // BLOCK
        columns: dict[int, array[float]] = {TIMES: array("d", [beat[0] for beat in self._open])}
        gaps = array("d", [_NAN]) * len(self._open)
        for place, (_, numbers, values) in enumerate(self._open):
            for number, value in zip(numbers, values, strict=True):
                column = columns.get(number)
                if column is None:
                    column = columns[number] = array("d", gaps)
                column[place] = value
        for number, column in columns.items():
            self._pieces[number, 0, block] = zlib.compress(column.tobytes(), 1)
            self._grow(
                number, 1, block, [_node(column[at : at + NODE]) for at in range(0, len(column), NODE)]
            )
            self._grow(number, 2, block, [_node(column)])
        self._folded = self._n - 1
        self._n = (block + 1) * BLOCK
        self._open = []

    def _grow(self, series: int, level: int, block: int, nodes: Sequence[tuple[float, ...]]) -> None:
        first = block * _PER_BLOCK[level]
        piece, place = divmod(first, PIECE)
        number, values = self._growing.get((series, level), (-1, None))
        if values is None or number != piece:
            values = array("d")
            self._growing[series, level] = piece, values
        values.extend([_NAN] * (3 * place - len(values)))
        for node in nodes:
            values.extend(node)
        self._pieces[series, level, piece] = zlib.compress(values.tobytes(), 1)

    def drain(self) -> Drained:
        """What must be written since the last call."""
        series, beats = self._new_series, [row for row in self._beats if row[0] > self._folded]
        pieces = [(*key, data) for key, data in self._pieces.items()]
        drained = Drained(series, beats, [(self._folded,)] if pieces else [], pieces)
        self._new_series, self._beats, self._pieces = [], [], {}
        return drained

    def _resume(self, connection: sqlite3.Connection) -> None:
        self._series = {name: number for number, name in connection.execute("SELECT id, name FROM series")}
        blocks = connection.execute(
            "SELECT max(number) FROM piece WHERE series = ? AND level = 0", (TIMES,)
        ).fetchone()[0]
        block = -1 if blocks is None else blocks
        self._n = (block + 1) * BLOCK
        self._folded = self._n - 1
        for level, count in _PER_BLOCK.items():
            piece = ((block + 1) * count - 1) // PIECE
            for series, data in connection.execute(
                "SELECT series, data FROM piece WHERE level = ? AND number = ?", (level, piece)
            ):
                self._growing[series, level] = piece, array("d", zlib.decompress(data))
        for n, t, data in connection.execute("SELECT n, t, data FROM beat ORDER BY n"):
            self._open.append((t, *unpacked_beat(data)))
            self._n, self._last = n + 1, t
        if self._last == 0.0 and block >= 0:
            self._last = self._growing[TIMES, 2][1][-1]


def unpacked_beat(data: bytes) -> tuple[array[int], array[float]]:
    """The series and the values of a row of `beat`."""
    count = int.from_bytes(data[:2], "little")
    return array("H", data[2 : 2 + 2 * count]), array("d", data[2 + 2 * count :])


def _node(values: Sequence[float]) -> tuple[float, float, float]:
    known = [value for value in values if value == value]
    return (min(known), max(known), known[-1]) if known else (_NAN, _NAN, _NAN)
