"""The text of a file that people write, as TOML: read with every way told in which it cannot be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from desktop.engine.stack.problems import Problem, StackFileError

_LARGEST = 1_000_000


def read_text(path: Path, kind: str = "stack") -> str:
    """The text of a stack or drill file. Raises StackFileError, and nothing else."""
    file = path.name or str(path)
    try:
        return _read(path, kind)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        what = f"is not UTF-8 text (line {line})."
        raise sole(file, what, "Save it as UTF-8 in your editor.", line, whole=True) from None
    except OSError as error:
        why = error.strerror or str(error)
        step = f"Check the path and its rights: {path}"
        raise sole(file, f"cannot be read: {why}.", step, whole=True) from None
    except ValueError as error:
        raise sole(file, str(error), f"Name a {kind} file (*.toml).", whole=True) from None


def _read(path: Path, kind: str) -> str:
    if path.is_dir():
        raise ValueError(f"is a folder: {path}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"is no ordinary file: {path}.")
    with path.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"is larger than 1 MB, so it is hardly a {kind} file.")
    return content.decode("utf-8")


def plain(text: str) -> str:
    """Without a byte order mark, which tomllib takes for a key, and with its line ends."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def load(text: str, file: str, kind: str = "stack") -> dict[str, Any]:
    """What a TOML text says. Raises StackFileError, with the line, where it is none."""
    try:
        return tomllib.loads(plain(text))
    except ValueError as error:  # TOMLDecodeError is one, and so is an integer with thousands of digits
        what, line = _syntax(str(error), text)
        raise sole(file, f"is not valid TOML: {what}.", _syntax_step(what, kind), line) from None


def sole(file: str, what: str, next_step: str, line: int = 1, *, whole: bool = False) -> StackFileError:
    """The error of a file with one problem."""
    return StackFileError(file, [Problem(line, "", what, next_step, whole=whole)])


def too_deep(file: str) -> StackFileError:
    """The error of a file that Python's stack does not suffice for."""
    return sole(file, "nests lists or tables too deeply to be read.", "Write it flatter.", whole=True)


def _syntax(message: str, text: str) -> tuple[str, int]:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if place is None:
        return message[:1].lower() + message[1:].rstrip("."), 1
    what = message[: place.start()]
    line = int(place[1]) if place[1] else plain(text).rstrip("\n").count("\n") + 1
    return what[:1].lower() + what[1:], line


def _syntax_step(what: str, kind: str) -> str:
    if "overwrite" in what or "twice" in what or "mutate" in what:
        return "The key or table stands twice: keep one."
    if "invalid value" in what:
        return 'Text stands in quotes (pool = "prefork"); true and false are written small, without quotes.'
    if "initial character for a key" in what:
        return "An inline table { … } stands on one line, without a comma at its end."
    if "'='" in what or "invalid statement" in what:
        return 'Each line is a [table], a key = value, or a comment after "#".'
    return f"Correct that line, or compare it with a shipped {kind}."
