"""`open`: the window on a recorded run."""

from __future__ import annotations

from desktop.commands.window import open_window
from desktop.engine.runs.folders import find_run
from desktop.engine.runs.opening import check_path


def open_run(run: str, page: str | None) -> int:
    """Open the window on a run folder or a zip of one; a window that is open already takes it.

    Raises DeskError, before any window, for what is surely no run.
    """
    path = find_run(run).resolve()
    check_path(path)
    return open_window(page=page, run=path)
