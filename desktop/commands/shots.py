"""`shots`: pictures of every page, of a stack that really runs under load."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from desktop.engine.api import (
    DeskError,
    FaultKind,
    FaultSpec,
    Pick,
    Stage,
    StopHow,
    Target,
    TaskColumn,
    TaskFilter,
    TaskQuery,
    TaskShare,
    TaskState,
    Workload,
)
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack

_DRILL, _PATIENCE = "kill-early", 90.0
_SETTLE = 6.0  # seconds in which a worker that was killed is there again
MIX = Workload(
    name="Mixed, 2,000 tasks",
    mix=(
        TaskShare("tasks.primes", weight=3),
        TaskShare("tasks.csv_total", weight=2),
        TaskShare("tasks.hash", weight=2),
        TaskShare("tasks.http", weight=4),
        TaskShare("tasks.sleep", weight=4),
        TaskShare("tasks.flaky", weight=1),
    ),
    count=2000,
    rate=40.0,
)


def take_shots(folder: Path, stack: str, seconds: float) -> int:
    """Run `stack` under a mixed load for `seconds`, kill a worker on the way, save the pictures."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from desktop.ui.app import make_application
    from desktop.ui.shots import grab, wait
    from desktop.ui.theme import Scheme, Theme
    from desktop.ui.window import Window

    app = make_application()
    Theme.current.apply(app, Scheme.LIGHT)
    desk = LocalDesk(read_stack(stack))
    window = Window(desk)
    window.show()
    try:
        files = grab(window, folder / "stopped", sizes=((1280, 800),))
        click.echo(desk.start().result(120), err=True)
        desk.submit(MIX).result(20)
        wait(seconds * 2 / 3)
        _kill_the_last_worker(desk)
        wait(seconds / 3)
        files += grab(window, folder)
        _break_it(desk)
        wait(_SETTLE)
        files += grab(window, folder, views={"lab": ("lab", "faults")}, settle=2.5)
        files += grab(window, folder, views={"task": ("tasks", _a_task_with_a_story(desk))})
        _run_a_drill(desk)
        files += grab(window, folder, views={"lab-verdict": ("lab", f"drill:{_DRILL}")}, settle=2.0)
    finally:
        window.close_now()
        desk.close()
    for file in files:
        click.echo(str(file))
    return 0


def _a_task_with_a_story(desk: LocalDesk) -> str:
    """One that the killed worker took with it; else the one that was tried most often."""
    record = desk.record()
    assert record is not None
    for states in ({TaskState.LOST}, {TaskState.SUCCESS, TaskState.FAILURE}):
        tried = TaskQuery(TaskFilter(states=frozenset(states)), TaskColumn.ATTEMPTS)
        for row in record.tasks(tried, 0, 1).result(20).rows:
            return row.id
    raise DeskError("No task has ended yet.", "Give it more --seconds.")


def _break_it(desk: LocalDesk) -> None:
    """One fault that is over and one that lasts, so that the lab shows a forecast beside an outcome."""
    desk.inject(FaultSpec(FaultKind.KILL_WORKER)).result(20)
    worker = desk.snapshot().workers[0].name
    desk.inject(FaultSpec(FaultKind.FREEZE_WORKER, Target(Pick.NAME, worker), 60.0)).result(20)


def _run_a_drill(desk: LocalDesk) -> None:
    """On its own stack; ends with its verdict. Raises DeskError when there is none in time."""
    from desktop.ui.shots import wait

    desk.stop(StopHow.KILL).result(30)
    desk.start_drill(desk.read_drill(_DRILL).result(20)).result(20)
    end = time.monotonic() + _PATIENCE
    while (drill := desk.snapshot().drill) is None or drill.stage is not Stage.OVER:
        if time.monotonic() > end:
            raise DeskError(
                f"The drill {_DRILL} gave no verdict within {_PATIENCE:.0f} s.", "Look at its run."
            )
        wait(0.2)


def _kill_the_last_worker(desk: LocalDesk) -> None:
    """From outside, so that the pictures show a worker that died and came back."""
    pid = desk.snapshot().workers[-1].service.pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
