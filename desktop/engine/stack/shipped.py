"""The stacks that ship with Celery Desk, each also known by its bare name."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from desktop.engine.stack.finding import find_file


def shipped_folder() -> Path:
    """The folder of the shipped stack files."""
    return Path(str(importlib.resources.files("resources"))) / "stacks"


def shipped_names() -> tuple[str, ...]:
    """Their bare names, the default first."""
    names = (path.stem for path in shipped_folder().glob("*.toml"))
    return tuple(sorted(names, key=lambda name: (name != "laptop", name)))


def shipped_stacks() -> tuple[tuple[str, str], ...]:
    """(name, what it shows) of each, the default first."""
    from desktop.engine.stack.parse import read_stack

    return tuple((name, read_stack(shipped_folder() / f"{name}.toml").about) for name in shipped_names())


def is_shipped(path: Path | None) -> bool:
    """Whether a file is one of ours, which a person saves under another path."""
    return path is not None and path.resolve().parent == shipped_folder().resolve()


def find_stack(path_or_name: str | Path) -> Path:
    """The file that is meant. Raises StackFileError where there is none."""
    return find_file(path_or_name, "stack", (shipped_folder(),), shipped_names())
