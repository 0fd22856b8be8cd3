"""Watching a stack that somebody else started, and the verbs on its workers that remote control allows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from desktop.engine import paths
from desktop.engine.api import DeskError, MarkKind, ServiceEvent, State, StopHow, TaskInfo
from desktop.engine.attach import reach, remote
from desktop.engine.attach.live import AttachedLive
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.run import AttachedRun
from desktop.engine.stack.command import live_change, live_steps
from desktop.engine.stack.model import WorkerSpec
from desktop.engine.supervise import session as sessions
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.outcome import plural

if TYPE_CHECKING:
    from desktop.engine.run import Run

HEARD_WITHIN = 3.0  # seconds in which a worker sends a heartbeat, or answers


class AttachVerbs:
    """The part of `Desk` that attaches to a broker."""

    if TYPE_CHECKING:
        _workers: ThreadPoolExecutor
        _loop: Loop
        _session: sessions.Session
        _run: Run | AttachedRun | None

        def _must_be_live(self, next_step: str = "") -> None: ...
        def _must_be_stopped(self, to_do: str) -> None: ...
        def _open_guard(self) -> Guard: ...
        def _tell(self, event: ServiceEvent) -> None: ...
        def _changed(self) -> None: ...

    def attach(self, url: str) -> Future[str]:
        return self._workers.submit(self._attach, url)

    def _attach(self, url: str) -> str:
        """In a thread that may wait: the broker is tried before anything is taken."""
        options = AttachOptions.of(url)
        reach.check(options)
        live = self._loop.ask(lambda: self._begin_to_watch(options)).result()
        until = time.monotonic() + HEARD_WITHIN
        while time.monotonic() < until and not (live.listening and live.workers()) and not live.ended:
            time.sleep(0.05)
        workers, address = live.workers(), options.address
        if workers:
            return f"Attached to {address}: {plural(workers, 'worker')} answer{'s' if workers == 1 else ''}."
        elsewhere = reach.heard_elsewhere(options)
        return f"Attached to {address}, where no worker is heard yet. {elsewhere}".strip()

    def _begin_to_watch(self, options: AttachOptions) -> AttachedLive:
        """In the loop."""
        self._must_be_live("Close it to attach to a broker.")
        self._must_be_stopped("attach to a broker")
        guard = self._open_guard()
        if self._run is not None:
            self._run.let_go()
        folder = paths.new_run_folder(f"attached-{options.address}")
        live = AttachedLive(options, self._loop, self._session.id, folder, self._tell)
        self._run = run = AttachedRun(live, guard)
        run.start()
        self._changed()
        return live

    def _detached(self) -> None:
        """In the loop: the stack that is open is shown again."""
        self._run = None
        self._changed()

    @property
    def attached(self) -> AttachedRun | None:
        """The attachment that lasts."""
        run = self._run
        return run if isinstance(run, AttachedRun) and not run.over else None

    def _refuse_foreign(self, to_do: str) -> None:
        """Raises DeskError where the stack is not ours."""
        run = self.attached
        if run is not None:
            address = run.live.endpoint.address
            raise DeskError(
                f"The stack at {address} was started by somebody else: it is not ours to {to_do}.",
                "Detach, to go on with a stack of your own.",
            )

    # its workers

    def enable_events(self, worker: str | None = None) -> Future[str]:
        def enable() -> str:
            run = self._foreign()
            names = [worker] if worker is not None else None
            said = remote.enable_events(run.live.control(), names)
            run.mark(MarkKind.SETTINGS, worker or "broker", "task events enabled")
            return said

        return self._workers.submit(enable)

    def _foreign(self) -> AttachedRun:
        run = self.attached
        if run is None:
            raise DeskError("This desk is not attached to a broker.", "Attach to one first.")
        return run

    def _stop_foreign(self, run: AttachedRun, name: str, how: StopHow) -> str:
        """A warm shutdown is all that remote control has."""
        if how is not StopHow.WARM:
            self._refuse_foreign("stop cold or to kill")
        self._member(run, name)
        remote.shut_down(run.live.control(), name)
        run.mark(MarkKind.SIGNAL, name, f"{name} was asked to stop (remote control)")
        return f"{name} was asked to stop warm. It is not ours: from here it will not come back."

    def _edit_foreign(self, run: AttachedRun, name: str, change: Callable[[WorkerSpec], WorkerSpec]) -> str:
        """What remote control can change of a worker that runs."""
        old = self._member(run, name)
        new = change(old)
        possible, text = live_change(old, new)
        if not possible:
            raise DeskError(text, "It is not ours to restart: whoever started it can.")
        control = run.live.control()
        for step in live_steps(old, new):
            control.request(step.command, step.arguments, name)
        run.live.asked_anew(name)
        run.mark(MarkKind.SETTINGS, name, f"{name}: {text}")
        return f"{name}: {text}"

    def _queues_of_foreign(
        self, run: AttachedRun, name: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> str:
        return self._edit_foreign(
            run, name, lambda spec: dataclasses.replace(spec, queues=change(spec.queues))
        )

    def _member(self, run: AttachedRun, name: str) -> WorkerSpec:
        """What a worker is, by its own answers. Raises DeskError."""
        if name not in run.live.states.seen:
            raise DeskError(f"No worker named {name} is heard.", "Choose another one.")
        member = run.live.members().get(name)
        if member is None or not member.asked:
            raise DeskError(f"{name} has not answered yet.", "Try again in a moment.")
        return member.spec()

    def _forget_foreign(self, run: AttachedRun, name: str) -> str:
        """A worker that is not heard any more leaves the list."""
        one = run.live.states.seen.get(name)
        if one is None:
            raise DeskError(f"No worker named {name} is shown.")
        if one.state is State.READY:
            raise DeskError(f"{name} is alive and not ours to remove.", "Stop it, or leave it.")
        run.live.forget(name)
        run.watch.forget(name)
        self._changed()
        return f"{name} is shown no more, until it is heard again."

    def _foreign_catalog(self, run: AttachedRun) -> tuple[TaskInfo, ...]:
        """The tasks that its workers know."""
        return remote.catalog(run.live.control())
