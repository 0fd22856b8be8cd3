"""The window."""

from __future__ import annotations

from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack

DEFAULT_STACK = "laptop"


def open_window(stack: str | None, page: str | None = None) -> int:
    """Open the window on a stack and stay until it is closed. Returns the exit code."""
    from desktop.ui.app import run_window

    desk = LocalDesk(read_stack(stack or DEFAULT_STACK))
    try:
        return run_window(desk, page)
    finally:
        desk.close()
