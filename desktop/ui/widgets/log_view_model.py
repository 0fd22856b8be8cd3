"""The lines behind the log view: capped, filtered by hand, searched. No Qt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from desktop.engine.api import LogLine

MOST = 20_000  # lines kept
_TRIM = 1_000  # more than that beyond the cap are dropped in one go
RANKS = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3, "CRITICAL": 4}


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it is shown: a continuation has the level of the line that it belongs to."""

    line: LogLine
    level: str


class LogModel:
    """All lines so far, and of these the ones that are shown (`rows`).

    Everything that is added is filtered and searched once; only a change of the filter or of the search
    looks at all lines again.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._all: list[Row] = []
        self._levels: dict[str, str] = {}  # of the last line of each service
        self._services: frozenset[str] | None = None
        self._least = 0
        self._pattern: re.Pattern[str] | None = None
        self.rows: list[Row] = []
        self.hits: list[int] = []  # indexes into `rows`
        self.last_seq = -1

    def __len__(self) -> int:
        return len(self._all)

    # filling

    def add(self, lines: Sequence[LogLine]) -> int:
        """Take new lines, oldest first; how many rows fell off the top for it."""
        for line in lines:
            level = line.level or self._levels.get(line.service, "INFO")
            self._levels[line.service] = level
            self.last_seq = max(self.last_seq, line.seq)
            row = Row(line, level)
            self._all.append(row)
            if self._passes(row):
                self._show(row)
        return self._trim()

    def clear(self) -> None:
        """Forget every line; filter and search stay."""
        self._all, self.rows, self.hits, self._levels = [], [], [], {}
        self.last_seq = -1

    def _show(self, row: Row) -> None:
        if self._pattern is not None and self._pattern.search(row.line.text):
            self.hits.append(len(self.rows))
        self.rows.append(row)

    def _trim(self) -> int:
        over = len(self._all) - self._most
        if over < _TRIM:
            return 0
        first = self._all[over].line.seq
        del self._all[:over]
        gone = 0
        while gone < len(self.rows) and self.rows[gone].line.seq < first:
            gone += 1
        del self.rows[:gone]
        self.hits = [hit - gone for hit in self.hits if hit >= gone]
        return gone

    # filter

    def filter(self, services: Collection[str] | None, least: str = "DEBUG") -> None:
        """Show these services (None: all) and levels from `least` up."""
        self._services = None if services is None else frozenset(services)
        self._least = RANKS.get(least, 0)
        self._again(self._all)

    def _passes(self, row: Row) -> bool:
        if self._services is not None and row.line.service not in self._services:
            return False
        return RANKS.get(row.level, 1) >= self._least

    def _again(self, rows: Iterable[Row]) -> None:
        self.rows, self.hits = [], []
        for row in rows:
            if self._passes(row):
                self._show(row)

    # search

    def search(self, text: str, regex: bool = False) -> str:
        """Find `text` in the rows; a sentence when it is not a regular expression, else empty.

        Capital letters count only where `text` has one.
        """
        self._pattern, self.hits = None, []
        if not text:
            return ""
        flags = re.NOFLAG if any(c.isupper() for c in text) else re.IGNORECASE
        try:
            self._pattern = re.compile(text if regex else re.escape(text), flags)
        except re.error as error:
            return f"Not a regular expression: {error.msg}."
        self.hits = [i for i, row in enumerate(self.rows) if self._pattern.search(row.line.text)]
        return ""

    def spans(self, index: int) -> list[tuple[int, int]]:
        """Where the search text stands in a row: (begin, end) each."""
        if self._pattern is None:
            return []
        found = self._pattern.finditer(self.rows[index].line.text)
        return [match.span() for match in found if match.end() > match.start()]

    def next_hit(self, after: int, forward: bool = True) -> int:
        """The row of the next hit after (or before) a row, round the end; -1 when there is none."""
        if not self.hits:
            return -1
        if forward:
            return next((hit for hit in self.hits if hit > after), self.hits[0])
        return next((hit for hit in reversed(self.hits) if hit < after), self.hits[-1])
