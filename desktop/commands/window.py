"""The window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop.engine.desk import LocalDesk

DEFAULT_STACK = "laptop"


def open_window(stack: str | None = None, page: str | None = None, run: Path | None = None) -> int:
    """Open the window on a stack, or on a recorded run, and stay until it is closed. Returns the exit code.

    A window that is open already takes the stack or run and comes to the front instead. Raises DeskError,
    before any window, for a stack file that cannot be read.
    """
    from desktop.ui.app import run_window

    asked = _file_of(stack) if stack else None
    desks: list[LocalDesk] = []

    def make() -> LocalDesk:
        # The engine is half of the imports: the first paint does not wait for it.
        from desktop.engine.desk import LocalDesk
        from desktop.engine.stack.parse import read_stack

        desks.append(LocalDesk(read_stack(stack or DEFAULT_STACK)))
        return desks[0]

    try:
        return run_window(make, page, asked, run=run)
    finally:
        for desk in desks:
            desk.close()


def _file_of(stack: str) -> Path | None:
    from desktop.engine.stack.parse import read_stack

    path = read_stack(stack).path
    return path.absolute() if path else None
