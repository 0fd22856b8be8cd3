"""Where the panel keeps what is its own: nothing is ever written beside a user's code."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import platformdirs

APP = "celery-desk"


def _folder(kind: str, platform_folder: str) -> Path:
    home = os.environ.get("CELERY_DESK_HOME")
    return Path(home) / kind if home else Path(platform_folder)


def data_folder() -> Path:
    """What is kept: run folders and the stack files that a person saved."""
    return _folder("data", platformdirs.user_data_dir(APP, appauthor=False))


def state_folder() -> Path:
    """What only matters while something runs or until the next start: sessions, window geometry."""
    return _folder("state", platformdirs.user_state_dir(APP, appauthor=False))


def config_folder() -> Path:
    """A person's choices."""
    return _folder("config", platformdirs.user_config_dir(APP, appauthor=False))


def runs_folder() -> Path:
    """One folder per run."""
    return data_folder() / "runs"


def stacks_folder() -> Path:
    """Stack files saved without a place of their own."""
    return data_folder() / "stacks"


def drills_folder() -> Path:
    """Drill files of a person's own; each is also known by its bare name."""
    return data_folder() / "drills"


def sessions_folder() -> Path:
    """One file per living panel; it holds the broker's password, so only its owner may read it."""
    folder = state_folder() / "sessions"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def new_run_folder(stack: str) -> Path:
    """A fresh folder `runs/<date>-<time>-<stack>` with `logs`, `ledger` and `broker` in it."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", stack).strip("-.") or "stack"
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{word}"
    for number in range(1, 1000):
        folder = runs_folder() / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        for part in ("logs", "ledger", "broker"):
            (folder / part).mkdir(mode=0o700)
        return folder
    raise FileExistsError(stem)
