"""The last look at a report before it is written: no text in it keeps a password, wherever it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from desktop.engine.stack.secrets import hidden

T = TypeVar("T")


def scrubbed(value: T) -> T:
    """The same, in which every text went through `hidden`, however deep it lies.

    Texts that are the same afterwards stay the same objects; a report of a million ids is not copied.
    """
    found: T = _scrubbed(value)
    return found


def _scrubbed(value: Any) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return hidden(value) if ":" in value or "=" in value else value
    if isinstance(value, (tuple, list)):
        new = [_scrubbed(one) for one in value]
        same = all(one is other for one, other in zip(value, new, strict=True))
        return value if same else type(value)(new)
    if isinstance(value, Mapping):
        return {key: _scrubbed(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        olds = {item.name: getattr(value, item.name) for item in dataclasses.fields(value) if item.init}
        news = {name: _scrubbed(old) for name, old in olds.items()}
        changed = {name: new for name, new in news.items() if new is not olds[name]}
        return dataclasses.replace(value, **changed) if changed else value
    return value
