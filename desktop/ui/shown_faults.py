"""The faults of the run that is shown: of a living stack from its snapshot, of a past one from its record."""

from __future__ import annotations

from desktop.engine.api import Desk, FaultRecord, Record, StackSnapshot


class ShownFaults:
    """Reads those of a recorded run once."""

    def __init__(self) -> None:
        self._record: Record | None = None
        self._faults: tuple[FaultRecord, ...] = ()

    def of(self, desk: Desk, snapshot: StackSnapshot) -> tuple[FaultRecord, ...]:
        """Oldest first."""
        if snapshot.recorded is None or snapshot.faults:
            return snapshot.faults
        record = desk.record()
        if record is not self._record:
            self._record = record
            self._faults = () if record is None else record.faults()
        return self._faults
