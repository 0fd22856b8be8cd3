"""The window."""

from __future__ import annotations

from pathlib import Path

from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack

DEFAULT_STACK = "laptop"


def open_window(stack: str | None, page: str | None = None) -> int:
    """Open the window on a stack and stay until it is closed. Returns the exit code.

    A window that is open already takes the stack and comes to the front instead.
    """
    from desktop.ui.app import run_window

    spec = read_stack(stack or DEFAULT_STACK)
    asked: Path | None = spec.path.absolute() if stack and spec.path else None
    desks: list[LocalDesk] = []

    def make() -> LocalDesk:
        desks.append(LocalDesk(spec))
        return desks[0]

    try:
        return run_window(make, page, asked)
    finally:
        for desk in desks:
            desk.close()
