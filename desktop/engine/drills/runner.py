"""Runs a drill as often as it should be, in one thread, with the verbs of a desk alone."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from desktop.engine.api import DrillSnapshot, DrillSpec, FaultRecord, Stage, Verdict
from desktop.engine.drills.found import DrillDesk, Judge
from desktop.engine.drills.round import Round

log = logging.getLogger(__name__)

_CLOSE_LIMIT = 30.0  # seconds in which the record of a large run must be whole


class RunnerDesk(DrillDesk, Protocol):
    """A desk whose own stack can be put back."""

    def put_back_stack(self) -> Future[str]:
        """Show the desk's own stack again, as it was before `take_drill_stack`."""


class Runner:
    """One drill under way. `snapshot` may be read from any thread; `changed` is called at each change."""

    def __init__(
        self,
        desk: RunnerDesk,
        drill: DrillSpec,
        seed: int,
        repeat: int,
        judge: Judge,
        changed: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._drill = drill
        self._repeat = repeat
        self._judge = judge
        self._changed = changed
        self._halted = threading.Event()
        self._over: Future[str] = Future()
        self._shown = DrillSnapshot(drill, Stage.PREPARING, time.time(), seed, of=repeat)
        self._thread = threading.Thread(target=self._run, name="drill", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def halt(self) -> Future[str]:
        """End it and undo everything; ends when the stack is as it was."""
        self._halted.set()
        return self._over

    def join(self, limit: float) -> bool:
        """Whether it has ended, after at most `limit` seconds."""
        self._thread.join(limit)
        return not self._thread.is_alive()

    @property
    def over(self) -> bool:
        """It has come to its end, and the stack is as it was before."""
        return self._shown.stage is Stage.OVER

    def snapshot(self) -> DrillSnapshot:
        """Where it stands."""
        return self._shown

    def _run(self) -> None:
        problem = ""
        try:
            for number in range(1, self._repeat + 1):
                if self._halted.is_set():
                    break
                self._keep(self._round(number))
        except Exception as error:
            log.exception("the drill broke off")
            problem = f"The drill broke off: {error}"
        finally:
            problem = self._put_back() or problem
            self._show(stage=Stage.OVER, share=1.0, problem=problem, doing="")
            self._over.set_result(self._said())

    def _round(self, number: int) -> Verdict:
        seed = self._shown_first_seed() + number - 1
        self._show(number=number, seed=seed, stage=Stage.PREPARING, faults=())

        def tell(stage: Stage, doing: str, share: float, faults: tuple[FaultRecord, ...]) -> None:
            whole = (number - 1 + share) / self._repeat
            self._show(stage=stage, doing=doing, share=max(whole, self._shown.share), faults=faults)

        return Round(self._desk, self._drill, seed, number, self._halted, tell, self._judge).run()

    def _shown_first_seed(self) -> int:
        return self._shown.seed - (self._shown.number - 1)

    def _keep(self, verdict: Verdict) -> None:
        self._show(verdicts=(*self._shown.verdicts, verdict), faults=verdict.faults)

    def _put_back(self) -> str:
        """Why the desk's own stack is not shown again; "" when it is."""
        if self._drill.stack is None:
            return ""
        try:
            self._desk.put_back_stack().result(_CLOSE_LIMIT)
        except Exception as error:
            return f"The stack of before could not be put back: {error}"
        return ""

    def _said(self) -> str:
        if self._shown.problem:
            return self._shown.problem
        if self._halted.is_set():
            return f"'{self._drill.name}' was halted; the stack is as it was before."
        return f"'{self._drill.name}' is over."

    def _show(self, **changes: object) -> None:
        shown = dataclasses.replace(self._shown, **changes)  # type: ignore[arg-type]
        if shown != self._shown:
            self._shown = shown
            self._changed()
