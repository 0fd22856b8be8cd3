"""Reads the tables of a drill file; an inline stack in it is read as a stack file is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desktop.engine.stack.positions import Path, Positions
from desktop.engine.stack.problems import Problem, kind_of
from desktop.engine.stack.reader import Reader

_MOST_TABLES = 100


class DrillReader(Reader):
    """Names [[workload]] and [[fault]] tables by their number."""

    def __init__(self, positions: Positions) -> None:
        super().__init__(positions)
        self._all = positions

    def inside(self, key: str) -> Reader:
        """A reader for the table `key`, as if it were a file of its own; `take_over` brings its problems."""
        lines = {path[1:]: line for path, line in self._all.lines.items() if path[:1] == (key,)}
        return Reader(Positions(lines))

    def take_over(self, key: str, inner: Reader) -> None:
        """The problems of a table that a reader of its own has read."""
        for problem in inner.problems:
            where = f"[{key}] {problem.where}".rstrip()
            path = (key, *problem.path)
            self.problems.append(Problem(problem.line, where, problem.what, problem.next_step, path))

    def tables(self, data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        """The [[key]] tables; none where the key is missing or something else."""
        found = data.get(key, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            what = "a single table" if isinstance(found, dict) else kind_of(found)
            self.fault((key,), f"must be a list of tables, not {what}.", f"Write each {key} as [[{key}]].")
            return []
        if len(found) > _MOST_TABLES:
            self.fault((key,), f"stands {len(found)} times.", f"Allowed: up to {_MOST_TABLES}.")
            return []
        return found

    def _where(self, path: Path) -> str:
        match path:
            case (("workload" | "fault") as key, int(index)):
                return f"[[{key}]] number {index + 1}"
            case (("workload" | "fault") as key, int(index), *rest):
                return f"[[{key}]] number {index + 1}, {super()._where(('', *rest)).removeprefix('[] ')}"
        return super()._where(path)
