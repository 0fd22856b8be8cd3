"""The part of `FakeDesk` that stands for drills and reports. A test moves a drill on by `drill_goes_on`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop.engine.api import (
    DeskError,
    DrillInfo,
    DrillSnapshot,
    DrillSpec,
    Expect,
    FaultKind,
    FaultSpec,
    PlannedFault,
    Stage,
    TaskShare,
    Underway,
    Workload,
)
from tests.support.fake_faults import DRILLS


class FakeDrillVerbs:
    """Records the verbs. `the_drill` is what the snapshot shows."""

    the_drill: DrillSnapshot | None = None
    the_drills: tuple[DrillInfo, ...] = DRILLS
    clock: Callable[[], float]

    def _future(self, verb: str, args: tuple[Any, ...], result: Any) -> Future[Any]:
        raise NotImplementedError  # FakeDesk's

    def drills(self) -> Future[tuple[DrillInfo, ...]]:
        return self._future("drills", (), self.the_drills)

    def read_drill(self, path_or_name: str | Path) -> Future[DrillSpec]:
        info = next((one for one in self.the_drills if str(path_or_name) in (one.name, str(one.path))), None)
        future = self._future("read_drill", (path_or_name,), info and drill_of(info))
        if info is None or info.problem:
            failed: Future[DrillSpec] = Future()
            failed.set_exception(DeskError(f"{path_or_name} cannot be read.", "Mend the file."))
            return failed
        return future

    def start_drill(
        self, drill: DrillSpec, seed: int | None = None, repeat: int | None = None
    ) -> Future[str]:
        of = repeat or drill.repeat
        begun = DrillSnapshot(
            drill,
            Stage.PREPARING,
            self.clock(),
            drill.seed if seed is None else seed,
            "Reading the stack of the drill",
            of=of,
        )
        self.the_drill = begun
        return self._future("start_drill", (drill, seed, repeat), f"{drill.title} has begun.")

    def halt_drill(self) -> Future[str]:
        self.drill_goes_on(Stage.HALTING, "Undoing everything")
        return self._future("halt_drill", (), "The drill was halted; the stack is as it was before.")

    def drill_goes_on(self, stage: Stage, doing: str = "", **more: Any) -> None:
        """The drill comes to another stage."""
        assert self.the_drill is not None
        self.the_drill = replace(self.the_drill, stage=stage, doing=doing, **more)

    def report_run(self, folder: Path, to: Path, formats: Sequence[str]) -> Underway[tuple[Path, ...]]:
        made = Underway[tuple[Path, ...]]()
        paths = tuple(to / f"report.{one}" for one in formats)
        held = self._future("report_run", (folder, to, tuple(formats)), paths)
        held.add_done_callback(lambda done: made.set_result(done.result()))
        return made


def drill_of(info: DrillInfo) -> DrillSpec:
    """What the file of a drill says."""
    return DrillSpec(
        name=info.name,
        title=info.title,
        teaches=info.teaches,
        change=info.change,
        workloads=(Workload((TaskShare("tasks.sleep"),), count=200, name="200 sleeps"),),
        faults=(
            PlannedFault(FaultSpec(FaultKind.KILL_WORKER), when="2 active on w1"),
            PlannedFault(FaultSpec(FaultKind.FREEZE_WORKER, seconds=3.0), at=8.0),
        ),
        expect=Expect(duplicates=0, recovered_within=10.0),
        gives=info.gives,
        seed=17,
        path=info.path,
    )
