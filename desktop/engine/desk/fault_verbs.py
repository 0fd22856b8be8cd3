"""Verbs that break the stack on purpose."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from desktop.engine.api import DeskError, FaultInfo, FaultSpec, Forecast, StackSnapshot
from desktop.engine.faults import catalog

if TYPE_CHECKING:
    from desktop.engine.run import Run

T = TypeVar("T")

_NOT_YET = DeskError("This is being built.", "Come back with the next version.")


class FaultVerbs:
    """The part of `Desk` that injects faults, says what they will do, and undoes them."""

    if TYPE_CHECKING:

        def _running(self, to_do: str = "") -> Run: ...
        def snapshot(self) -> StackSnapshot: ...

    def fault_kinds(self) -> tuple[FaultInfo, ...]:
        return catalog.fault_kinds()

    def forecast(self, fault: FaultSpec) -> Forecast:
        raise _NOT_YET

    def _foresee(self, snapshot: StackSnapshot, fault: FaultSpec) -> Forecast | None:
        return None

    def inject(self, fault: FaultSpec, by_drill: bool = False) -> Future[int]:
        try:
            catalog.check_fault(fault)
            return self._running("break").faults.inject(fault, by_drill=by_drill)
        except DeskError as error:
            return _failed(error)

    def undo_fault(self, fault: int) -> Future[str]:
        try:
            return self._running("mend").faults.undo(fault)
        except DeskError as error:
            return _failed(error)


def _failed(error: DeskError) -> Future[T]:
    future: Future[T] = Future()
    future.set_exception(error)
    return future
