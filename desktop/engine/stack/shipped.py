"""The stacks that ship with Celery Desk, each also known by its bare name."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from desktop.engine.stack.problems import Problem, StackFileError, did_you_mean, printable


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
    given = str(path_or_name)
    if not given.strip() or "\0" in given:
        raise _missing(given, "is no path of a stack file.")
    path = Path(path_or_name)
    try:
        if path.is_file():
            return path
        if isinstance(path_or_name, str) and path.name == given and given in shipped_names():
            return shipped_folder() / f"{given}.toml"
        if path.exists():
            return path
        path = path.expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _missing(given, f"cannot be looked for: {why}.") from None
    raise _missing(given, "does not exist.")


def _missing(given: str, what: str) -> StackFileError:
    names = shipped_names()
    hint = did_you_mean(given, names) if Path(given).suffix == "" else ""
    step = f"{hint}Name a stack file, or a shipped stack: {', '.join(names)}."
    return StackFileError(printable(given, 300), [Problem(1, "", what, step, whole=True)])
