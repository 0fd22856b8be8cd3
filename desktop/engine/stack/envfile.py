"""Files of environment variables: KEY=VALUE lines, as many projects keep them in `.env`."""

from __future__ import annotations

import re
from pathlib import Path

from desktop.engine.stack.problems import Fault, WrongError, wrong

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(
    r"""[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^'"\n][^\n]*)|(?P<none>))
    [ \t]*(?:[#][^\n]*)?(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_LARGEST = 1_000_000


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file. Raises WrongError where it cannot be read, naming its lines."""
    try:
        if not path.is_file():
            raise wrong(
                f"names {path}, which is no file.", "Correct the path: it is relative to the stack file."
            )
        if path.stat().st_size > _LARGEST:
            raise wrong(f"names {path}, which is larger than 1 MB.", "Name a file of KEY=VALUE lines.")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise wrong(f"names {path}, which is not UTF-8 text.", "Save it as UTF-8.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise wrong(
            f"names {path}, which cannot be read: {reason}.", "Correct the path or its rights."
        ) from None
    return parse_env(text, path.name)


def parse_env(text: str, file: str) -> dict[str, str]:
    """The variables of a text; a later line wins.

    Understood: KEY=VALUE, `export KEY=VALUE`, single quotes (as it stands), double quotes (with backslash
    escapes), values over several lines in quotes, comments after #.
    """
    text = text.replace("\r\n", "\n")
    found: dict[str, str] = {}
    faults: list[Fault] = []
    pos = 0
    while pos < len(text):
        if blank := _NOTHING.match(text, pos):
            pos = max(blank.end(), pos + 1)
            continue
        match = _LINE.match(text, pos)
        value = _value(match) if match else None
        if match is None or value is None or "\0" in value:
            line = text.count("\n", 0, pos) + 1
            faults.append(Fault(f"names {file}, whose line {line} is not KEY=VALUE.", "Correct that line."))
            end = text.find("\n", pos)
            pos = len(text) if end < 0 else end + 1
            continue
        found[match["key"]] = value
        pos = match.end()
    if faults:
        raise WrongError(*faults)
    return found


def _value(match: re.Match[str]) -> str | None:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match["double"], flags=re.DOTALL)
    return re.sub(r"(?:^#\s|\s+#).*", "", match["bare"] or "").strip()
