"""A stack file as it may leave the machine: in run folders, zips and reports."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

import tomlkit

LEFT_OUT = "left out"
_IN_URL = re.compile(r"(?<=://)(?P<user>[^\s/@:]*):[^\s/@]+(?=@)")
_NAMES = r"passw(?:or)?d|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key"
_SECRET = re.compile(_NAMES, re.IGNORECASE)
_OPTION = re.compile(
    rf"(?P<name>(?<![\w-])--?[\w-]*(?:{_NAMES})[\w-]*)=(?P<value>{LEFT_OUT}|\"[^\"]*\"|'[^']*'|[^\s\"',\]]+)",
    re.I,
)


def without_secrets(text: str) -> str:
    """The same file without what may be one: still a valid stack file (or drill file), with its comments.

    Left out are the values of `[app] env` (variables are where projects keep their keys), every text under a
    key whose name says that it is a secret, the value of every option of that kind (`--password=…`), and the
    password of every URL. Raises nothing for a file that is a stack file; what a person writes into a comment
    stays.
    """
    document = tomlkit.parse(text)
    for stack in (document, document.get("stack")):  # a drill file has a stack inside
        app = stack.get("app") if isinstance(stack, MutableMapping) else None
        env = app.get("env") if isinstance(app, MutableMapping) else None
        if isinstance(env, MutableMapping):
            for name in env:
                env[name] = LEFT_OUT
    _clean(document)
    return tomlkit.dumps(document)


def _clean(holder: Any) -> None:
    """In place: `holder` is a table or an array of tomlkit's."""
    entries = holder.items() if isinstance(holder, MutableMapping) else enumerate(holder)
    before: Any = None
    for key, value in list(entries):
        if isinstance(value, (MutableMapping, list)):
            _clean(value)
        elif isinstance(value, str):
            named = (isinstance(key, str) and is_secret(key)) or _is_option(before)
            clean = LEFT_OUT if named else hidden(value)
            if clean != value:
                holder[key] = clean
        before = value if isinstance(key, int) else None


def _is_option(word: object) -> bool:
    """The word in front of a secret: `--password`."""
    return isinstance(word, str) and word.startswith("-") and "=" not in word and is_secret(word)


def hidden(text: str) -> str:
    """Any text without the password of any URL or option in it: a line of a log, an error, a command."""
    return _OPTION.sub(rf"\g<name>={LEFT_OUT}", _IN_URL.sub(_hidden, text))


def is_secret(name: str) -> bool:
    """Whether the name of a key or an argument says that its value is one."""
    return _SECRET.search(name) is not None


def _hidden(found: re.Match[str]) -> str:
    return f"{found['user']}:…"
