"""Verbs that break the stack on purpose."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from desktop.engine.api import DeskError, FaultInfo, FaultSpec, Forecast, StackSnapshot
from desktop.engine.faults import catalog
from desktop.engine.faults.targets import of_the_living
from desktop.engine.forecast.forecast import forecast
from desktop.engine.forecast.situation import situation_of

if TYPE_CHECKING:
    from desktop.engine.run import Run

T = TypeVar("T")


class FaultVerbs:
    """The part of `Desk` that injects faults, says what they will do, and undoes them."""

    if TYPE_CHECKING:

        def _running(self, to_do: str = "") -> Run: ...
        def snapshot(self) -> StackSnapshot: ...

    def fault_kinds(self) -> tuple[FaultInfo, ...]:
        return catalog.fault_kinds()

    def forecast(self, fault: FaultSpec) -> Forecast:
        snapshot = self.snapshot()
        # As for the fault itself; of another machine's processes nothing can be told from here.
        ours = not snapshot.attached and snapshot.recorded is None
        return self._foresee(of_the_living(snapshot) if ours else snapshot, fault)

    @staticmethod
    def _foresee(snapshot: StackSnapshot, fault: FaultSpec) -> Forecast:
        return forecast(situation_of(snapshot, time.time()), fault)

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
