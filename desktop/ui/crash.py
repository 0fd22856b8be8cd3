"""An error in the panel itself is told and logged; it never ends the window silently."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal

from desktop.engine import paths
from desktop.ui.widgets.toast import Toasts

log = logging.getLogger("desktop")
_BYTES, _KEPT = 1_000_000, 2


def log_file() -> Path:
    """Where the panel's own log is."""
    return paths.state_folder() / "panel.log"


def log_to_file() -> logging.Handler:
    """Let the panel write its log; two older files of 1 MB are kept."""
    log_file().parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        log_file(), maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    log.addHandler(handler)
    return handler


class CrashNet(QObject):
    """Catches what no code of ours caught, in any thread, while it is installed."""

    _caught = Signal(str, str)

    def __init__(self, toasts: Toasts) -> None:
        super().__init__(toasts)
        self._toasts = toasts
        self._caught.connect(self._tell, Qt.ConnectionType.QueuedConnection)
        self._before = (sys.excepthook, threading.excepthook)

    def install(self) -> None:
        """Begin to catch."""
        sys.excepthook = self._hook
        threading.excepthook = self._thread_hook

    def remove(self) -> None:
        """Put back what was there before."""
        sys.excepthook, threading.excepthook = self._before

    def _hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        log.error("uncaught: %s", text)
        if not issubclass(kind, KeyboardInterrupt):
            self._caught.emit(f"{kind.__name__}: {error}", text)

    def _thread_hook(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._hook(args.exc_type, args.exc_value, args.exc_traceback)

    def _tell(self, summary: str, text: str) -> None:
        said = "Something in the panel itself went wrong."
        # What goes wrong ten times a second needs one toast, not ten.
        if not any(t.text == said and t.details == text for t in self._toasts.shown):
            self._toasts.say(said, "bad", f"{summary}. Your stack goes on. Logged in {log_file()}.", text)
