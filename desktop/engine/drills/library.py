"""The drills that ship with Celery Desk and those of the user's own folder, each known by its bare name."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from desktop.engine import paths
from desktop.engine.api import DrillInfo
from desktop.engine.stack.problems import Problem, StackFileError, did_you_mean, printable


def shipped_folder() -> Path:
    """The folder of the shipped drill files."""
    return Path(str(importlib.resources.files("resources"))) / "drills"


def all_drills() -> tuple[DrillInfo, ...]:
    """The shipped drills, then those of the user's own folder; one that cannot be read says why."""
    own = [_info(path, shipped=False) for path in _files(paths.drills_folder())]
    return (*(_info(path, shipped=True) for path in _files(shipped_folder())), *own)


def find_drill(path_or_name: str | Path) -> Path:
    """The file that is meant; a user's own goes before a shipped one. Raises StackFileError."""
    given = str(path_or_name)
    if not given.strip() or "\0" in given:
        raise _missing(given, "is no path of a drill file.")
    path = Path(path_or_name)
    try:
        if path.is_file():
            return path
        if isinstance(path_or_name, str) and path.name == given:
            for folder in (paths.drills_folder(), shipped_folder()):
                if (folder / f"{given}.toml").is_file():
                    return folder / f"{given}.toml"
        path = path.expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _missing(given, f"cannot be looked for: {why}.") from None
    raise _missing(given, "does not exist.")


def _missing(given: str, what: str) -> StackFileError:
    files = [*_files(shipped_folder()), *_files(paths.drills_folder())]
    names = list(dict.fromkeys(path.stem for path in files))
    hint = did_you_mean(given, names) if Path(given).suffix == "" else ""
    step = f"{hint}Name a drill file, or a shipped drill: {', '.join(names)}."
    return StackFileError(printable(given, 300), [Problem(1, "", what, step, whole=True)])


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.toml"))
    except OSError:
        return []


def _info(path: Path, shipped: bool) -> DrillInfo:
    from desktop.engine.drills.parse import read_drill

    try:
        drill = read_drill(path)
    except StackFileError as error:
        return DrillInfo(path.stem, path.stem, "", "", path, shipped=shipped, problem=str(error))
    return DrillInfo(
        name=path.stem,
        title=drill.title,
        teaches=drill.teaches,
        change=drill.change,
        path=path,
        gives=drill.gives,
        shipped=shipped,
    )
