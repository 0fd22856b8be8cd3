"""What is wrong with a stack file, told so that a person can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from desktop.engine.api import DeskError

type_word = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, where `at` is the way from the thing that was checked to the value at fault."""

    what: str
    next_step: str
    at: tuple[str | int, ...] = ()

    def under(self, *keys: str | int) -> Fault:
        """The same fault, seen from further out."""
        return Fault(self.what, self.next_step, keys + self.at)


class WrongError(Exception):
    """A value that cannot be taken; carries every fault found in it. Never leaves the package."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.what for fault in faults))
        self.faults = faults


def wrong(what: str, next_step: str) -> WrongError:
    """A value with one fault."""
    return WrongError(Fault(what, next_step))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file. `where` names it for people: "worker w2, autoscale.min"."""

    line: int  # from 1
    where: str  # "" where the whole file is meant
    what: str
    next_step: str  # what is allowed, or what to do; never empty
    path: tuple[str | int, ...] = ()  # keys and indices from the root of the file
    whole: bool = False  # it is about the file itself: the sentence names no line

    def sentence(self, file: str) -> str:
        """The line that a person reads."""
        if self.whole:
            return f"{file} {self.what} {self.next_step}"
        place = ", ".join(part for part in (file, f"line {self.line}", self.where) if part)
        return f"{place}: {self.what} {self.next_step}"


class StackFileError(DeskError):
    """A stack file that cannot be used, with every problem found in it, in the order of its lines."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(problem.sentence(file) for problem in self.problems))


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The right word that a misspelt one most likely stands for."""
    by_lower = {choice.lower(): choice for choice in choices}
    plain = word.lower().replace("-", "_")
    for form in (word.lower(), plain):
        if form in by_lower:
            return by_lower[form]
    found = difflib.get_close_matches(plain, list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Name the nearest right word, as the front of a sentence; "" where none is near."""
    found = nearest(word, choices)
    return f"Did you mean `{found}`? " if found else ""


def printable(text: str, longest: int = 60) -> str:
    """Text that came from a file, fit for a line on a terminal."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def shown(value: object) -> str:
    """A value as a short piece of a sentence, text in quotes."""
    text = printable(value if isinstance(value, str) else repr(value))
    return f'"{text}"' if isinstance(value, str) else text


def kind_of(value: object) -> str:
    """What a TOML value is, in a person's words."""
    return type_word.get(type(value), "a date or time")
