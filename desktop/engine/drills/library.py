"""The drills that ship with Celery Desk and those of the user's own folder, each known by its bare name."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from desktop.engine import paths
from desktop.engine.api import DrillInfo
from desktop.engine.stack.finding import find_file
from desktop.engine.stack.problems import StackFileError


def shipped_folder() -> Path:
    """The folder of the shipped drill files."""
    return Path(str(importlib.resources.files("resources"))) / "drills"


def all_drills() -> tuple[DrillInfo, ...]:
    """The shipped drills, then those of the user's own folder; one that cannot be read says why."""
    own = [_info(path, shipped=False) for path in _files(paths.drills_folder())]
    return (*(_info(path, shipped=True) for path in _files(shipped_folder())), *own)


def find_drill(path_or_name: str | Path) -> Path:
    """The file that is meant; a user's own goes before a shipped one. Raises StackFileError."""
    files = [*_files(shipped_folder()), *_files(paths.drills_folder())]
    names = list(dict.fromkeys(path.stem for path in files))
    return find_file(path_or_name, "drill", (paths.drills_folder(), shipped_folder()), names)


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
