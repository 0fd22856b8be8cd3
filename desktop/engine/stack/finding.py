"""How a file that a person names is found: by its path, or a known one by its bare name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from desktop.engine.stack.problems import Problem, StackFileError, did_you_mean, printable


def find_file(path_or_name: str | Path, what: str, folders: Sequence[Path], names: Sequence[str]) -> Path:
    """The file that is meant: a path, or the bare name of one of `names`, looked for in `folders` in order.

    `what`: "stack" or "drill". Raises StackFileError where there is none.
    """
    given = str(path_or_name)

    def missing(why: str) -> StackFileError:
        hint = did_you_mean(given, names) if Path(given).suffix == "" else ""
        step = f"{hint}Name a {what} file, or a shipped {what}: {', '.join(names)}."
        return StackFileError(printable(given, 300), [Problem(1, "", why, step, whole=True)])

    if not given.strip() or "\0" in given:
        raise missing(f"is no path of a {what} file.")
    try:
        found = _found(path_or_name, given, folders)
    except (OSError, RuntimeError) as error:
        raise missing(f"cannot be looked for: {getattr(error, 'strerror', None) or error}.") from None
    if found is None:
        raise missing("does not exist.")
    return found


def _found(path_or_name: str | Path, given: str, folders: Sequence[Path]) -> Path | None:
    path = Path(path_or_name)
    if path.is_file():
        return path
    if isinstance(path_or_name, str) and path.name == given:
        for folder in folders:
            if (folder / f"{given}.toml").is_file():
                return folder / f"{given}.toml"
    return next((one for one in (path, path.expanduser()) if one.exists()), None)
