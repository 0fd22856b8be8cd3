"""Stacks that are hard to draw, and pictures of them: `python -m tests.ui.scenes --out FOLDER [WORD …]`.

`make shots` draws a stack that is well. These are crowded, broken and wordy ones, in the smallest window too,
with what pops up over it. Whoever touches the window looks at them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from desktop.engine.api import (
    Cap,
    DeskError,
    Leftover,
    Light,
    LoadSnapshot,
    LoadState,
    Mark,
    MarkKind,
    PoolProcess,
    RunningTask,
    SignalOffer,
    StackSnapshot,
    StackState,
    State,
    TaskShare,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.faults.catalog import fault_kinds
from desktop.engine.signals import process_offers, worker_offers
from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from tests.support.fake_desk import FakeDesk
from tests.ui import scenes_attach, scenes_graphs, scenes_lab, scenes_queues, scenes_tasks

SIZES = ((1024, 680), (1280, 800), (1920, 1080))
NOON = 1_790_000_000.0
QUEUES = ("celery", "mail", "reports.nightly", "thumbnails-for-the-shop-front", "payments", "imports")
LOG_LINES = "\n".join(
    f'[2026-12-01 10:14:{n:02d},101: ERROR/MainProcess] File "/srv/shop/app.py", line {n}, in <module>'
    for n in range(20)
)
LOOP = (
    "w4 exited 6 times within a minute and is left stopped; at last: w4 exited with code 1 after 0.8 s. "
    f"Mend the cause, then start it. Its last log lines:\n{LOG_LINES}"
)

Dress = Callable[[StackSnapshot], StackSnapshot]


class Scene(FakeDesk):
    """A fake whose snapshots are dressed up."""

    def __init__(self, dress: Dress, **options: Any) -> None:
        self._dress = dress
        super().__init__(**{"clock": lambda: NOON, "workers": 4, **options})
        self.infos = fault_kinds()  # the engine's own, which are more and longer

    def snapshot(self) -> StackSnapshot:
        return self._dress(super().snapshot())

    def signal_offers(self, worker: str, pid: int | None = None) -> tuple[SignalOffer, ...]:
        """The engine's own sentences, which are longer than any that a fake would think of."""
        shown = self.snapshot().worker(worker)
        assert shown is not None
        if pid is None:
            return worker_offers(shown, {})
        process = next((p for p in shown.processes if p.pid == pid), None)
        return process_offers(shown, process, {}) if process is not None else ()


# -- stacks


def _worker(base: WorkerSnapshot, name: str, pool: Pool, queues: tuple[str, ...]) -> WorkerSnapshot:
    scale = Autoscale(1, 4) if pool is Pool.PREFORK else None
    size = {Pool.PREFORK: 4, Pool.THREADS: 16, Pool.GEVENT: 500, Pool.EVENTLET: 100, Pool.SOLO: 1}[pool]
    spec = WorkerSpec(
        name, pool, scale, concurrency=None if scale or pool is Pool.SOLO else size, queues=queues
    )
    service = replace(base.service, name=name, memory=1_345_000_000, cpu=187.4, threads=118)
    running = tuple(
        RunningTask(
            f"0b3e1f3a-5a0e-4b0c-9a2f-77cd0a1e{k:04x}",
            "shop.orders.tasks.recompute_the_totals_of_all_open_orders" if k % 2 else "tasks.http",
            base.service.since + 290 - 3 * k,
            41001 + k,
            attempt=2 if k == 1 else 1,
        )
        for k in range(min(size, 4))
    )
    processes = tuple(
        PoolProcess(
            41001 + k, 96.0, 140_000_000, k == 2, f"0b3e-{k}", "shop.orders.tasks.recompute_all", NOON - 12
        )
        for k in range(4 if pool is Pool.PREFORK else 0)
    )
    return replace(
        base,
        service=service,
        spec=spec,
        node=f"{name}@a-laptop-with-a-long-name",
        pool_size=size,
        busy=min(size, 4),
        bounds=(1, 4) if scale else None,
        queues=queues,
        running=running,
        processes=processes,
        reserved=12_345,
        scheduled=1_204,
        prefetch=16,
        command=f"celery -A shop.app:application worker -n {name}@%h --pool={pool.value} "
        f"-Q {','.join(queues)} --loglevel=INFO --prefetch-multiplier=4 --max-tasks-per-child=100",
    )


NAMES = (
    ("w1", Pool.PREFORK),
    ("thumbnails-and-other-pictures", Pool.PREFORK),
    ("threads", Pool.THREADS),
    ("gevent-for-the-slow-partners", Pool.GEVENT),
    ("solo", Pool.SOLO),
    ("w6", Pool.EVENTLET),
    ("w7", Pool.THREADS),
    ("w8", Pool.PREFORK),
)


def crowd(snapshot: StackSnapshot) -> StackSnapshot:
    """Eight workers, six queues, long names, large numbers."""
    base = snapshot.workers[0]
    workers = tuple(
        _worker(base, name, pool, QUEUES[: 1 + at % 6] if at else QUEUES)
        for at, (name, pool) in enumerate(NAMES)
    )
    queues = scenes_queues.crowded(QUEUES, workers, NOON)
    mix = Workload((TaskShare("tasks.sleep"),), rate=1200.0, name="A steady flood of small tasks for an hour")
    loads = (
        LoadSnapshot(3, mix, LoadState.SENDING, NOON - 900, 1_204_331, 0, 1_004_000, 1200.3),
        LoadSnapshot(
            id=4,
            workload=replace(mix, count=2_000_000),
            state=LoadState.WAITING,
            started_at=NOON - 90,
            sent=4_331,
            in_doubt=12,
            detail="The broker is gone; 12 are looked up.",
        ),
        *snapshot.loads,
    )
    totals = replace(
        snapshot.totals,
        submitted=1_204_331,
        succeeded=1_103_204,
        failed=12_044,
        retried=98_221,
        cut=104,
        ran_twice=88,
        running=640,
        per_second=1204.3,
    )
    spec = replace(snapshot.spec, name="the-shop-as-in-production", workers=tuple(w.spec for w in workers))
    parts = {"queues": queues, "balance": scenes_queues.crowded_sum(queues), "loads": loads}
    return replace(snapshot, spec=spec, workers=workers, totals=totals, dirty=True, **parts)


def _in(worker: WorkerSnapshot, state: State, detail: str, **more: Any) -> WorkerSnapshot:
    lights = {
        "process": more.pop("process", Light.ON if state.alive else Light.OFF),
        "answers": more.pop("answers", Light.OFF),
    }
    return replace(worker, service=replace(worker.service, state=state, detail=detail, **lights), **more)


def trouble(snapshot: StackSnapshot) -> StackSnapshot:
    """A worker that is silent, one frozen, one backing off, one in a crash loop, and what a crash left."""
    one, two, three, four = snapshot.workers
    workers = (
        _in(
            one,
            State.SILENT,
            "w1 has not answered for 14 s, and nothing it runs explains it",
            answers=Light.NO,
        ),
        _in(two, State.SILENT, "w2 was frozen by SIGSTOP 8 s ago", process=Light.FROZEN, answers=Light.NO),
        _in(
            three,
            State.BACKING_OFF,
            "reports was killed by SIGKILL after 4 min 12 s, while it ran 4 tasks; starts again in 8.0 s",
            running=(),
            busy=0,
        ),
        _in(four, State.CRASH_LOOP, LOOP.replace("w4", four.name), running=(), busy=0),
    )
    left = Leftover(
        "s1",
        "laptop",
        4711,
        NOON - 4000,
        (("broker", 40990), ("w1", 41000), ("w2", 41100), ("reports", 41200), ("web", 41300)),
        Path("runs/x"),
    )
    marks = (*snapshot.marks, Mark(NOON - 3, MarkKind.EXITED, "w4", LOOP.partition(" Its last")[0]))
    snapshot = scenes_queues.troubled(snapshot)
    return replace(snapshot, state=StackState.TROUBLED, workers=workers, leftovers=(left,), marks=marks)


def stopping(snapshot: StackSnapshot) -> StackSnapshot:
    """A warm stop that waits for two tasks."""
    workers = tuple(
        _in(w, State.STOPPING, f"{w.name} stops warm", answers=Light.OFF, waiting_for=2 if not i else 0)
        for i, w in enumerate(snapshot.workers)
    )
    return replace(snapshot, state=StackState.STOPPING, workers=workers)


def calm(snapshot: StackSnapshot) -> StackSnapshot:
    """As the fake has it."""
    return snapshot


# -- what is opened over them


@dataclass(frozen=True)
class Shot:
    """One picture: a stack, a page, and what is done before it is taken."""

    name: str
    page: str
    dress: Dress = calm
    act: Callable[[Any], object] | None = None
    state: StackState = StackState.RUNNING


def _kill_menu(window: Any) -> object:
    from desktop.ui.pages.kill_menu import KillButton

    return next(b for b in window.page.findChildren(KillButton) if b.text()).open_menu()


def _process_menu(window: Any) -> object:
    from desktop.ui.pages.kill_menu import KillButton

    return next(b for b in window.page.findChildren(KillButton) if not b.text()).open_menu()


def _form(window: Any) -> object:
    return window.worker_commands.open_form()


def _edit_form(window: Any) -> object:
    from PySide6.QtTest import QTest

    dialog = window.worker_commands.open_form("w1")
    QTest.keyClicks(dialog.fields.queues, ", a b")
    QTest.keyClicks(dialog.fields.soft_limit, "60")
    QTest.keyClicks(dialog.fields.hard_limit, "30")
    return dialog


def _toasts(window: Any) -> None:
    window.toasts.say("w1 was changed.")
    window.toasts.error(
        DeskError(
            "w2 did not answer within 5 s, so its queues were not changed.",
            "Look at its log; a worker that computes answers later.",
        )
    )
    error = DeskError("\n".join(PROBLEMS))
    window.toasts.error(error)


_FILE = "/srv/projects/somebody/shop/stacks/production.toml"
PROBLEMS = [
    f"{_FILE}, line 3, broker.port: must be from 0 to 65535, not 99999. Allowed: 0 for a free one.",
    f"{_FILE}, line 12, worker w1, poool: is no key. Did you mean `pool`? Allowed: name, pool, queues.",
    f"{_FILE}, line 19, worker w2, autoscale: does not work on threads: Celery's worker dies at its first "
    "task (celery#5333). Write concurrency = 4.",
]


def _notices(window: Any) -> None:
    error = DeskError("Port 6379 is taken by redis-server (pid 812).", "Use 6380, the next free one.")
    error.free_port = 6380
    window.stack_commands.start_failed.emit(error)


def _choose(name: str) -> Callable[[Any], None]:
    return lambda window: window.page.list.choose(name)


def _scrolled(window: Any) -> None:
    bar = window.page.detail.verticalScrollBar()
    bar.setValue(bar.maximum())


def _open_failed(window: Any) -> None:
    window.bridge.desk.fail_next = DeskError("\n".join(PROBLEMS))
    window.stack_commands.open_stack("/srv/somebody/projects/shop/stacks/production.toml")


def recorded(snapshot: StackSnapshot) -> StackSnapshot:
    """A finished run is shown instead of the stack."""
    folder = Path("runs/run-1")
    return replace(snapshot, t=NOON - 280_000, started_at=NOON - 280_624, recorded=folder, run_folder=folder)


def _pack(window: Any) -> None:
    """Half of a large run is packed."""
    window.bridge.desk.hold = True
    window.run_commands.pack_to(window.bridge.desk.kept_runs[1], "run-1.zip")
    future = window.run_commands.busy.future
    future.doing, future.share = "Copying the database", 0.42


def _of_run(at: int, verb: str) -> Callable[[Any], object]:
    """A verb on one of the fake's runs."""

    def act(window: Any) -> object:
        window.run_commands.choose(window.bridge.desk.kept_runs[at])
        return window.commands[f"run.{verb}"].trigger()

    return act


def _small_cap(window: Any) -> None:
    from desktop.ui.pages.runs_dialogs import CapDialog

    window.bridge.desk.the_cap = Cap(60 * 1024**2, 90.0, None)
    window.run_commands.open_cap()
    assert window.findChildren(CapDialog)


def _over_the_cap(window: Any) -> None:
    window.bridge.desk.the_cap = Cap(60 * 1024**2, 90.0, None)
    window.run_commands.look_at_cap()
    window.page.refresh()


PAGES_OF = ("overview", "workers", "queues", "tasks", "graphs", "workloads", "lab", "runs", "logs")
SHOTS = (
    *(Shot(f"calm-{page}", page) for page in PAGES_OF),
    *(Shot(f"stopped-{page}", page, state=StackState.STOPPED) for page in PAGES_OF),
    *(Shot(f"crowd-{page}", page, crowd) for page in PAGES_OF),
    *(Shot(f"trouble-{page}", page, trouble) for page in PAGES_OF),
    Shot("stopping-overview", "overview", stopping),
    Shot("stopping-workers", "workers", stopping),
    Shot("crowd-workers-below", "workers", crowd, _scrolled),
    Shot("trouble-workers-loop", "workers", trouble, _choose("solo-1")),
    Shot("calm-kill-menu", "workers", crowd, _kill_menu),
    Shot("calm-process-menu", "workers", crowd, _process_menu),
    Shot("calm-form", "workers", calm, _form),
    Shot("calm-edit-form", "workers", calm, _edit_form),
    Shot("calm-confirm", "workers", crowd, lambda w: w.commands["worker.kill:w1"].trigger()),
    Shot("calm-confirm-stack", "overview", crowd, lambda w: w.commands["stack.kill"].trigger()),
    Shot("calm-confirm-close", "overview", crowd, lambda w: w.close()),
    Shot("calm-palette", "overview", calm, lambda w: w.commands["view.palette"].trigger()),
    Shot("calm-sheet", "overview", calm, lambda w: w.commands["help.shortcuts"].trigger()),
    Shot("calm-toasts", "overview", calm, _toasts),
    Shot("crowd-queues-below", "queues", crowd, scenes_queues.below),
    Shot("calm-queues-message", "queues", calm, scenes_queues.message),
    Shot("calm-queues-purge", "queues", crowd, scenes_queues.purge),
    Shot("trouble-queues-restore", "queues", trouble, scenes_queues.restore),
    Shot("trouble-queues-unserved", "queues", trouble, scenes_queues.unserved),
    Shot("graphs-whole", "graphs", calm, scenes_graphs.whole(NOON)),
    Shot("graphs-crowd", "graphs", crowd, scenes_graphs.whole(NOON)),
    Shot("graphs-second", "graphs", calm, scenes_graphs.second(NOON)),
    Shot("graphs-crossed", "graphs", calm, scenes_graphs.crossed(NOON)),
    Shot("graphs-drawn", "graphs", calm, scenes_graphs.drawn(NOON)),
    Shot("graphs-young", "graphs", calm, scenes_graphs.young(NOON)),
    Shot("graphs-gappy", "graphs", calm, scenes_graphs.gappy(NOON)),
    Shot("graphs-twelve", "graphs", calm, scenes_graphs.twelve(NOON)),
    Shot("graphs-focused", "graphs", calm, scenes_graphs.focused(NOON)),
    Shot("calm-queues-focused", "queues", calm, scenes_queues.focused),
    Shot("tasks-list", "tasks", calm, scenes_tasks.listed(NOON)),
    Shot("tasks-filtered", "tasks", calm, scenes_tasks.filtered(NOON)),
    Shot("tasks-none", "tasks", calm, scenes_tasks.nothing_found(NOON)),
    Shot("tasks-groups", "tasks", calm, scenes_tasks.by_name(NOON)),
    Shot("tasks-failed", "tasks", calm, scenes_tasks.task(NOON, scenes_tasks.failed)),
    Shot("tasks-twice", "tasks", calm, scenes_tasks.task(NOON, lambda record: record.twice(-1))),
    Shot("tasks-retried", "tasks", calm, scenes_tasks.task(NOON, scenes_tasks.retried)),
    Shot("tasks-group", "tasks", calm, scenes_tasks.task(NOON, scenes_tasks.headed)),
    Shot("tasks-terminate", "tasks", calm, scenes_tasks.asked(NOON, "terminate")),
    Shot("attached-overview", "overview", scenes_attach.attached),
    Shot("attached-workers", "workers", scenes_attach.attached),
    Shot("attached-queues", "queues", scenes_attach.attached),
    Shot("attached-dialog", "overview", calm, scenes_attach.dialog, StackState.STOPPED),
    *scenes_lab.shots(Shot, NOON),
    Shot("attached-lab", "lab", scenes_attach.attached),
    Shot("recorded-lab", "lab", recorded, scenes_lab.done(NOON), StackState.STOPPED),
    Shot("calm-port", "overview", calm, _notices, StackState.STOPPED),
    Shot("calm-runs-packing", "runs", crowd, _pack),
    Shot("calm-runs-cap", "runs", calm, _small_cap),
    Shot("calm-runs-over", "runs", calm, _over_the_cap, StackState.STOPPED),
    Shot("calm-runs-note", "runs", calm, _of_run(1, "note")),
    Shot("calm-runs-delete", "runs", calm, _of_run(4, "delete")),
    Shot("recorded-runs", "runs", recorded, lambda w: w.page.table.selectRow(1), StackState.STOPPED),
    Shot("recorded-overview", "overview", recorded, lambda w: None, StackState.STOPPED),
    Shot("calm-broken-file", "overview", calm, _open_failed, StackState.STOPPED),
)


def opened(window: Any) -> Iterator[Any]:
    """Windows over the window: dialogs and popups, the lowest first."""
    from PySide6.QtWidgets import QApplication

    for top in QApplication.topLevelWidgets():
        if top is not window and top.isVisible() and top.isWindow():
            yield top


def picture(window: Any) -> Any:
    """The window, and over it what it has opened, where it has opened it."""
    from PySide6.QtGui import QPainter

    made = window.grab()
    painter = QPainter(made)
    corner = window.mapToGlobal(window.rect().topLeft())
    for top in opened(window):
        painter.drawPixmap(top.mapToGlobal(top.rect().topLeft()) - corner, top.grab())
    painter.end()
    return made


def _take(app: Any, shot: Shot, scheme: Any, size: tuple[int, int], folder: Path) -> None:
    from PySide6.QtCore import QEvent

    from desktop.ui.page import PAGES
    from desktop.ui.theme import Theme
    from desktop.ui.window import Window

    Theme.current.apply(app, scheme)
    window = Window(Scene(shot.dress, state=shot.state), shot.page, pages=PAGES)
    window.resize(*size)
    window.show()
    _until(app, lambda: window.page is not None)
    if shot.act is not None:
        shot.act(window)
    _until(app, lambda: False, 0.5)
    picture(window).save(str(folder / f"{shot.name}-{scheme}-{size[0]}.png"))
    for top in opened(window):
        top.close()
    window.close_now()
    window.deleteLater()
    _until(app, lambda: False, 0.02)
    # Outside of an event loop nobody else does it: each picture would take longer than the one before.
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _until(app: Any, true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not true():
        app.processEvents()
        time.sleep(0.005)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--width", type=int, choices=[w for w, _ in SIZES], help="only this size")
    parser.add_argument("--scheme", choices=("light", "dark"), help="only this scheme")
    parser.add_argument("words", nargs="*", help="only the pictures with one of these words in their name")
    asked = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from desktop.ui.app import make_application
    from desktop.ui.theme import Scheme

    app = make_application()
    asked.out.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        if asked.words and not any(word in shot.name for word in asked.words):
            continue
        for scheme in (Scheme.LIGHT, Scheme.DARK):
            for size in SIZES:
                if asked.width in (None, size[0]) and asked.scheme in (None, scheme.value):
                    _take(app, shot, scheme, size, asked.out)


if __name__ == "__main__":
    main()
