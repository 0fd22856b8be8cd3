"""Verbs on drills."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast

from desktop.engine.api import DeskError, DrillInfo, DrillSpec, StackSnapshot, StackState
from desktop.engine.drills.judging import judge_round
from desktop.engine.drills.library import all_drills
from desktop.engine.drills.parse import read_drill
from desktop.engine.drills.runner import Runner, RunnerDesk
from desktop.engine.stack.document import Document

if TYPE_CHECKING:
    from desktop.engine.attach.run import AttachedRun
    from desktop.engine.run import Run
    from desktop.engine.supervise.loop import Loop

_HALT_LIMIT = 30.0  # seconds that a drill may take to undo everything at the end of the program


class DrillVerbs:
    """The part of `Desk` that reads, runs and halts drills."""

    _drill: Runner | None = None
    _kept: tuple[Document, Run | AttachedRun | None] | None = None  # the desk's own, during a drill

    if TYPE_CHECKING:
        _workers: ThreadPoolExecutor
        _loop: Loop
        _document: Document
        _run: Run | AttachedRun | None

        def _changed(self) -> None: ...
        def _must_be_live(self, next_step: str = "") -> None: ...
        def _must_be_stopped(self, to_do: str) -> None: ...
        def snapshot(self) -> StackSnapshot: ...

    def drills(self) -> Future[tuple[DrillInfo, ...]]:
        return self._workers.submit(all_drills)

    def read_drill(self, path_or_name: str | Path) -> Future[DrillSpec]:
        return self._workers.submit(read_drill, path_or_name)

    def start_drill(
        self, drill: DrillSpec, seed: int | None = None, repeat: int | None = None
    ) -> Future[str]:
        return self._loop.ask(lambda: self._start_drill(drill, seed, repeat))

    def _start_drill(self, drill: DrillSpec, seed: int | None, repeat: int | None) -> str:
        """In the loop."""
        if self._drill is not None and not self._drill.over:
            name = self._drill.snapshot().spec.name
            raise DeskError(f"The drill '{name}' runs.", "Halt it, or wait for its end.")
        self._must_be_ready_for(drill)
        times = drill.repeat if repeat is None else repeat
        desk = cast("RunnerDesk", self)
        first = drill.seed if seed is None else seed
        self._drill = Runner(desk, drill, first, times, judge_round, self._changed)
        self._drill.start()
        return f"The drill '{drill.name}' has begun, with the seed {first}."

    def _must_be_ready_for(self, drill: DrillSpec) -> None:
        """Raises DeskError, with the next step, where the drill would get into the way of something."""
        self._must_be_live("Close it to run a drill.")
        moment = self.snapshot()
        if moment.attached:
            raise DeskError(
                f"This desk is attached to {moment.attached}, and breaks nothing there.",
                "Detach to run a drill.",
            )
        if moment.leftovers:
            left = moment.leftovers[0]
            raise DeskError(
                f"What a crashed panel left of '{left.stack}' (pid {left.processes[0][1]}) still runs."
                if left.processes
                else f"A crashed panel left '{left.stack}'.",
                "Take it over, stop it or leave it first.",
            )
        if drill.stack is not None:
            self._must_be_stopped(f"run the drill '{drill.name}', which starts a stack of its own")
        elif moment.state not in (StackState.RUNNING, StackState.TROUBLED):
            raise DeskError(
                f"The drill '{drill.name}' breaks the stack that runs, and none does.",
                "Start the stack first.",
            )

    def halt_drill(self) -> Future[str]:
        runner = self._drill
        if runner is None or runner.over:
            done: Future[str] = Future()
            done.set_result("No drill runs.")
            return done
        return runner.halt()

    def _with_drill(self, moment: StackSnapshot) -> StackSnapshot:
        """The snapshot, with the drill that runs or the last one."""
        runner = self._drill
        return moment if runner is None else dataclasses.replace(moment, drill=runner.snapshot())

    def _end_drill(self) -> None:
        """At the end of the program: halt it and wait for what it undoes."""
        runner = self._drill
        if runner is not None and not runner.over:
            runner.halt()
            runner.join(_HALT_LIMIT)

    def _must_not_drill(self, to_do: str) -> None:
        """Raises DeskError while a drill uses a stack of its own."""
        if self._kept is not None and self._drill is not None:
            name = self._drill.snapshot().spec.name
            raise DeskError(f"The drill '{name}' runs.", f"Halt it to {to_do}.")

    # the drill's own stack, for its runner

    def take_drill_stack(self, drill: DrillSpec) -> Future[str]:
        """Make the drill's stack the desk's; its own, with all that is shown of it, is kept."""

        def take() -> Run | AttachedRun | None:
            assert drill.stack is not None
            done = None
            if self._kept is None:
                self._kept = (self._document, self._run)
            else:
                done = self._run
            self._document, self._run = Document(drill.stack, drill.stack_text), None
            self._changed()
            return done

        return self._workers.submit(self._exchange, take)

    def put_back_stack(self) -> Future[str]:
        """Show the desk's own stack again, as it was before `take_drill_stack`."""

        def put_back() -> Run | AttachedRun | None:
            kept, self._kept = self._kept, None
            if kept is None:
                return None
            done = self._run
            self._document, self._run = kept
            self._changed()
            return done

        return self._workers.submit(self._exchange, put_back)

    def _exchange(self, exchange: Callable[[], Run | AttachedRun | None]) -> str:
        """Let go of a run of the drill, and wait until its record is whole."""
        run = self._loop.ask(exchange).result()
        if run is not None:
            run.close()
        return f"The stack '{self._document.spec.name}' is open."
