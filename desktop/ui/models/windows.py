"""The part of a long list that was read: windows of so many rows, the least looked at go first. No Qt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from desktop.engine.api import TaskRow

WINDOW = 200  # rows that are read at once
_KEPT = 16  # windows that are kept


class Windows:
    """Rows by their place in the list. `newest` of a window: the largest number when it was read."""

    def __init__(self) -> None:
        self._rows: OrderedDict[int, list[TaskRow]] = OrderedDict()
        self._newest: dict[int, int] = {}

    def clear(self) -> None:
        """Forget all."""
        self._rows.clear()
        self._newest.clear()

    def put(self, at: int, rows: Sequence[TaskRow], newest: int) -> bool:
        """Take a window; whether it differs from what was there."""
        new = list(rows)
        differs = self._rows.get(at) != new
        self._rows[at] = new
        self._newest[at] = newest
        self._rows.move_to_end(at)
        while len(self._rows) > _KEPT:
            gone, _ = self._rows.popitem(last=False)
            del self._newest[gone]
        return differs

    def keep_only(self, at: int) -> None:
        """Forget every window but this."""
        for other in [key for key in self._rows if key != at]:
            del self._rows[other], self._newest[other]

    def agree_with(self, at: int) -> int | None:
        """Forget what was read at another moment than this window; the newest number at that moment."""
        newest = self._newest.get(at)
        for other in [key for key, value in self._newest.items() if value != newest]:
            del self._rows[other], self._newest[other]
        return newest

    def touch(self, at: int) -> bool:
        """Whether a window is there; it is kept longer then."""
        if at not in self._rows:
            return False
        self._rows.move_to_end(at)
        return True

    def row(self, at: int) -> TaskRow | None:
        """The row of a place; None: not read."""
        window = self._rows.get(at // WINDOW)
        return window[at % WINDOW] if window is not None and at % WINDOW < len(window) else None

    def change(self, at: int, row: TaskRow) -> None:
        """Put another row in a place that is there."""
        self._rows[at // WINDOW][at % WINDOW] = row

    def rows(self, first: int, last: int) -> Iterator[TaskRow]:
        """Those of the rows `first` to `last` that are there."""
        found = (self.row(at) for at in range(max(0, first), last + 1))
        return (row for row in found if row is not None)

    def place(self, number: int) -> int | None:
        """Where a task lies; None: not among what was read."""
        for at, rows in self._rows.items():
            for k, row in enumerate(rows):
                if row.number == number:
                    return at * WINDOW + k
        return None


def stretches(numbers: Sequence[int], gap: int = 40) -> list[tuple[int, int]]:
    """Rising numbers as few stretches, at most a window long each, that hold them all."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number - found[-1][1] <= gap and number - found[-1][0] < WINDOW:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
