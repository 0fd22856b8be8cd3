"""Reads the tables of a stack file one key at a time, and gathers every problem on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from desktop.engine.stack.positions import Path, Positions
from desktop.engine.stack.problems import Fault, Problem, WrongError, did_you_mean, kind_of, printable

T = TypeVar("T")
D = TypeVar("D")


class Reader:
    """The problems of one file so far, and the reading of a key: a faulty one leaves its default."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self.problems: list[Problem] = []
        self.worker_names: dict[int, str] = {}  # by the index of the [[worker]] table

    def fault(self, path: Path, what: str, next_step: str) -> None:
        """Note one thing wrong at `path`."""
        self.problems.append(Problem(self._positions.line(path), self._where(path), what, next_step, path))

    def faults(self, path: Path, faults: Iterable[Fault]) -> None:
        """Note faults found in the value at `path`."""
        for fault in faults:
            self.fault(path + fault.at, fault.what, fault.next_step)

    def line(self, path: Path) -> int:
        """The line on which what is at `path` begins."""
        return self._positions.line(path)

    def faulty(self, path: Path) -> bool:
        """Whether something at `path`, or inside it, is wrong already."""
        return any(problem.path[: len(path)] == path for problem in self.problems)

    def take(
        self, table: Mapping[str, Any], path: Path, key: str, read: Callable[[Any], T], default: D
    ) -> T | D:
        """The value of a key as `read` gives it; the default where the key is missing or wrong."""
        if key not in table:
            return default
        try:
            return read(table[key])
        except WrongError as error:
            self.faults((*path, key), error.faults)
            return default

    def table(
        self,
        data: Mapping[str, Any],
        key: str,
        known: Iterable[str],
        hint: Callable[[str], str] = lambda _: "",
    ) -> Mapping[str, Any]:
        """A table at the root; empty where it is missing or no table. Notes keys that are not known."""
        found = data.get(key, {})
        if not isinstance(found, dict):
            self.fault((key,), f"must be a table, not {kind_of(found)}.", f"Write it as a line [{key}].")
            return {}
        self.unknown(found, (key,), known, hint)
        return found

    def unknown(
        self,
        table: Mapping[str, Any],
        path: Path,
        known: Iterable[str],
        hint: Callable[[str], str] = lambda _: "",
    ) -> None:
        """Note each key that is not known; `hint` may say where else it belongs."""
        allowed = tuple(known)
        for key in table:
            if key not in allowed:
                step = did_you_mean(key, allowed) or hint(key) or ""
                self.fault((*path, key), "is not known here.", f"{step}Allowed: {', '.join(allowed)}.")

    def _where(self, path: Path) -> str:
        match path:
            case ():
                return ""
            case ("worker", int(index), *rest):
                name = self.worker_names.get(index)
                worker = f"worker {name}" if name else f"[[worker]] number {index + 1}"
                return f"{worker}, {_dotted(rest)}" if rest else worker
            case (str(table),):
                return printable(table)
            case (str(table), *rest):
                return f"[{printable(table)}] {_dotted(rest)}"
        return _dotted(path)


def _dotted(path: Iterable[str | int]) -> str:
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{printable(part)}" for part in path)
    return "".join(parts).lstrip(".")
