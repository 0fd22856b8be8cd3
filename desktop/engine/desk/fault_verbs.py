"""Verbs that break the stack on purpose."""

from __future__ import annotations

from concurrent.futures import Future

from desktop.engine.api import DeskError, FaultInfo, FaultSpec, Forecast

_NOT_YET = DeskError("This is being built.", "Come back with the next version.")


class FaultVerbs:
    """The part of `Desk` that injects faults, says what they will do, and undoes them."""

    def fault_kinds(self) -> tuple[FaultInfo, ...]:
        return ()

    def forecast(self, fault: FaultSpec) -> Forecast:
        raise _NOT_YET

    def inject(self, fault: FaultSpec) -> Future[int]:
        raise _NOT_YET

    def undo_fault(self, fault: int) -> Future[str]:
        raise _NOT_YET
