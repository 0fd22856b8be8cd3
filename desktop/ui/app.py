"""The application around the window: theme, one instance, and the engine behind it once it is painted."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication

from desktop.engine.api import Desk, DeskError
from desktop.ui import icons
from desktop.ui.calling import may_be_open
from desktop.ui.memory import Memory
from desktop.ui.page import PAGES, PageInfo
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window

ALREADY_OPEN = "Celery Desk is open already; its window was brought to the front."
SETTLED_MS = 3000  # after the first frame; by then the first page and its charts are there
NO_DISPLAY = (
    "There is no display to open a window on: neither DISPLAY nor WAYLAND_DISPLAY is set. "
    "Without a window, `celery-desk up STACK` runs a stack."
)


def make_application() -> QApplication:
    """The one QApplication, made if need be, with names and icon. The theme is not applied yet."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["celery-desk"])
    app.setApplicationName("celery-desk")
    app.setApplicationDisplayName("Celery Desk")
    app.setDesktopFileName("celery-desk")
    app.setWindowIcon(icons.app_icon())
    # The window says when it is closed; Qt would also quit when a dialog was the last one seen.
    app.setQuitOnLastWindowClosed(False)
    return app


def run_window(
    desk: Desk | Callable[[], Desk],
    page: str | None = None,
    stack: Path | None = None,
    pages: Sequence[PageInfo] = PAGES,
    run: Path | None = None,
) -> int:
    """Open the window and run until it is closed; the exit code of the program.

    `desk` may be a function: it is called when the window is painted, and only if no window of this
    user is open yet; its DeskError ends the program. `stack` is the file that was asked for: a window
    that is open already takes it; `run` is a recorded run that is opened, here or there. The desk is not
    closed: that is for whoever made it.
    """
    if not _has_display():
        print(NO_DISPLAY, file=sys.stderr)
        return 1
    app = make_application()
    if hand_over(stack, run):
        print(ALREADY_OPEN)
        return 0
    return _Run(app, desk, page, pages, run).run()


def hand_over(stack: Path | None, run: Path | None = None) -> bool:
    """Whether a window that is open already took it."""
    if not may_be_open():
        return False
    from desktop.ui import single

    return single.hand_over(stack, run)


class _Run:
    """One window from its first frame to its end."""

    def __init__(
        self,
        app: QApplication,
        desk: Desk | Callable[[], Desk],
        page: str | None,
        pages: Sequence[PageInfo],
        run: Path | None,
    ) -> None:
        self._app, self._desk, self._wanted = app, desk, run
        memory = Memory.of_user()
        Theme.current.apply(app, _remembered_scheme(memory))
        self._window = Window(None if callable(desk) else desk, page, memory, pages)
        self._window.closed.connect(app.quit)
        self._window.painted.connect(self._painted)
        self._ends: list[Callable[[], None]] = []
        self._failed: DeskError | None = None

    def run(self) -> int:
        """Until it is closed."""
        self._window.show()
        try:
            code = self._app.exec()
        finally:
            for end in reversed(self._ends):
                end()
            self._window.deleteLater()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        if self._failed is not None:
            raise self._failed
        return code

    def _painted(self) -> None:
        from desktop.ui.surroundings import surround

        if self._ends:
            return
        self._ends += surround(self._window)
        try:
            if callable(self._desk):
                self._window.take(self._desk())
                if self._wanted is not None:
                    self._window.run_commands.open_run(self._wanted)
                # What was imported is no garbage. Each full search through it held the window up for 50 to
                # 130 ms (measured under load); set aside, it is not searched any more.
                QTimer.singleShot(SETTLED_MS, self._window, gc.freeze)
        except DeskError as error:
            self._failed = error
            self._window.close_now()


def _remembered_scheme(memory: Memory) -> Scheme:
    try:
        return Scheme(str(memory.get("scheme", Scheme.SYSTEM)))
    except ValueError:
        return Scheme.SYSTEM


def _has_display() -> bool:
    """Qt would abort the interpreter without one. macOS and Windows always have one."""
    if sys.platform in ("darwin", "win32") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
