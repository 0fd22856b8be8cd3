"""A record that has everything up to this moment."""

from __future__ import annotations

from typing import Protocol

from desktop.engine.api import Record


class Recorded(Protocol):
    """A desk whose run may be recorded at this moment (`LocalDesk`)."""

    def record(self) -> Record | None: ...

    def write_record(self) -> None:
        """Wait until all that is known of the living run is in its record; at once where none lives."""


def settled_record(desk: Recorded) -> Record | None:
    """The record that is shown, with every line of the ledger that was written before the call.

    None where nothing was recorded yet. Waits some milliseconds while its run lives: for a thread that may.
    Raises DeskError where the recorder does not answer, or the disk takes nothing.
    """
    desk.write_record()
    return desk.record()
