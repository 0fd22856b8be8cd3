"""Where the one window of a user can be called. Costs next to nothing: the first paint waits for it."""

from __future__ import annotations

import getpass
import sys
import zlib
from pathlib import Path

from PySide6.QtCore import QDir

from desktop.engine import paths


def calling_name() -> str:
    """One a user and a state folder, so a panel with a home of its own is alone in it."""
    place = f"{getpass.getuser()}:{paths.state_folder().absolute()}"
    return f"celery-desk-{zlib.crc32(place.encode()):08x}"


def may_be_open() -> bool:
    """False when surely no window is open: there is no socket where Qt's local server puts it."""
    return sys.platform == "win32" or Path(QDir.tempPath(), calling_name()).exists()
