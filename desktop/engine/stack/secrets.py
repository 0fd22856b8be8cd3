"""A stack file as it may leave the machine: in run folders, zips and reports."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

import tomlkit

LEFT_OUT = "left out"
_IN_URL = re.compile(r"(?<=://)(?P<user>[^\s/@:]*):[^\s/@]+(?=@)")
_SECRET = re.compile(r"passw(or)?d|secret|token|credential|api_?key|access_?key|private_?key", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """The same file without what may be one: still a valid stack file (or drill file), with its comments.

    Left out are the values of `[app] env` (variables are where projects keep their keys), every text under a
    key whose name says that it is a secret, and the password of every URL. Raises nothing for a file that is
    a stack file; what a person writes into a comment stays.
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
    for key, value in list(entries):
        if isinstance(value, (MutableMapping, list)):
            _clean(value)
        elif isinstance(value, str):
            clean = LEFT_OUT if isinstance(key, str) and _SECRET.search(key) else _IN_URL.sub(_hidden, value)
            if clean != value:
                holder[key] = clean


def hidden(text: str) -> str:
    """Any text without the password of any URL in it: a line of a log, an error, a command."""
    return _IN_URL.sub(_hidden, text)


def is_secret(name: str) -> bool:
    """Whether the name of a key or an argument says that its value is one."""
    return _SECRET.search(name) is not None


def _hidden(found: re.Match[str]) -> str:
    return f"{found['user']}:…"
