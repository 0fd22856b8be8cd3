"""On which line of a TOML text each key stands.

No TOML library tells that, so a text that one of them has found valid is walked once more.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# A closing delimiter may be preceded by one or two quotes that belong to the text.
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_SCALAR = re.compile(r"[^,\]}#\n]+")


@dataclass(frozen=True, slots=True)
class Header:
    """A line `[a.b]` or `[[a]]`."""

    line: int
    keys: tuple[str, ...]
    array: bool


@dataclass(slots=True)
class Positions:
    """Lines (from 1) by path; the items of lists and arrays of tables have their index in the path."""

    lines: dict[Path, int] = field(default_factory=dict)
    headers: list[Header] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that the file has."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def locate(text: str) -> Positions:
    """The positions of everything in a text that is valid TOML (`tomllib` has read it before)."""
    walker = _Walker(text)
    walker.document()
    return walker.found


class _Walker:
    """Walks valid TOML from front to back. Where it gets no further it ends, with lines missing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.found = Positions()
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lengths: dict[Path, int] = {}  # of arrays of tables

    def document(self) -> None:
        here: Path = ()
        while True:
            self._skip(_GAP)
            if self.pos >= len(self.text):
                return
            before = self.pos
            if self.text[self.pos] == "[":
                here = self._header()
            else:
                self._pair(here)
            if self.pos == before:
                return

    def _header(self) -> Path:
        line = self._line()
        array = self.text.startswith("[[", self.pos)
        self.pos += 2 if array else 1
        keys = self._key()
        self._skip(_BLANK)
        self.pos += 2 if array else 1
        self.found.headers.append(Header(line, keys, array))
        path = self._resolve(keys[:-1]) + keys[-1:] if array else self._resolve(keys)
        if array:
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = (*path, index)
        self._note_all(path, 1, line)
        return path

    def _resolve(self, keys: tuple[str, ...]) -> Path:
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        return path

    def _pair(self, here: Path) -> None:
        line = self._line()
        path = here + self._key()
        self._note_all(path, len(here) + 1, line)
        self._skip(_BLANK)
        self.pos += 1  # =
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        keys: list[str] = []
        while True:
            self._skip(_BLANK)
            keys.append(self._key_part())
            self._skip(_BLANK)
            if self.text[self.pos : self.pos + 1] != ".":
                return tuple(keys)
            self.pos += 1

    def _key_part(self) -> str:
        for pattern in (_BASIC, _LITERAL):
            if match := pattern.match(self.text, self.pos):
                self.pos = match.end()
                value = tomllib.loads("key = " + match.group())["key"]
                return str(value)
        return self._take(_BARE_KEY)

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        match self.text[self.pos : self.pos + 1]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                for pattern in (_LONG_BASIC, _LONG_LITERAL, _BASIC, _LITERAL):
                    if self._take(pattern):
                        break
            case _:
                self._take(_SCALAR)

    def _array(self, path: Path) -> None:
        self.pos += 1
        index = 0
        while self._more("]"):
            before = self.pos
            self._note((*path, index), self._line())
            self._value((*path, index))
            index += 1
            if self.pos == before:
                return

    def _inline_table(self, path: Path) -> None:
        self.pos += 1
        while self._more("}"):
            before = self.pos
            self._pair(path)
            if self.pos == before:
                return

    def _more(self, end: str) -> bool:
        """Go to the next item of a list or inline table; False when it is closed."""
        self._skip(_GAP)
        if self.text[self.pos : self.pos + 1] == ",":
            self.pos += 1
            self._skip(_GAP)
        if self.text[self.pos : self.pos + 1] in (end, ""):
            self.pos += 1
            return False
        return True

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.pos)
        if match:
            self.pos = match.end()

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.pos)
        if match is None:
            return ""
        self.pos = match.end()
        return match.group()

    def _line(self) -> int:
        return bisect_right(self._starts, self.pos)

    def _note_all(self, path: Path, shortest: int, line: int) -> None:
        """Note a path and everything around it that is new with it."""
        for length in range(shortest, len(path) + 1):
            self._note(path[:length], line)

    def _note(self, path: Path, line: int) -> None:
        self.found.lines.setdefault(path, line)
