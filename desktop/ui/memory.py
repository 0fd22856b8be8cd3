"""What the window remembers from one start to the next: its place, its page, its scheme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings

from desktop.engine import paths


class Memory:
    """Small values by key. Without a file (`Memory(None)`) nothing outlives the window."""

    def __init__(self, file: Path | None) -> None:
        self._kept: dict[str, Any] = {}
        self._settings = QSettings(str(file), QSettings.Format.IniFormat) if file else None

    @classmethod
    def of_user(cls) -> Memory:
        """The memory in the panel's own state folder."""
        return cls(paths.state_folder() / "window.ini")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key. What cannot be read any more is as if it had never been kept."""
        if self._settings is not None:
            return self._settings.value(key, default)
        return self._kept.get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Keep a value: text, numbers or a QByteArray."""
        self._kept[key] = value
        if self._settings is not None:
            self._settings.setValue(key, value)
