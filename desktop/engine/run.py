"""One run of a stack, from its start to its stop: what lives, what loads it, what watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from desktop.engine import snapshots
from desktop.engine.api import (
    DeskError,
    Leftover,
    Mark,
    MarkKind,
    Record,
    StackSnapshot,
    StackState,
    State,
    StopHow,
)
from desktop.engine.faults.life import Faults, Foresee
from desktop.engine.loads import Loads
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.schema import NAME
from desktop.engine.stack.document import Document
from desktop.engine.supervise import session as sessions
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.live import LiveStack
from desktop.engine.supervise.outcome import duration, plural
from desktop.engine.supervise.service import Service
from desktop.engine.watch import Watch

_FAILED = (State.EXITED, State.BACKING_OFF, State.CRASH_LOOP, State.STOPPED)


class Run:
    """Ties a living stack to its loads and its watch. Verbs run in the loop's thread and end a future."""

    def __init__(
        self,
        live: LiveStack,
        guard: Guard,
        document: Document,
        *,
        foresee: Foresee,
        changed: Callable[[], None],
    ) -> None:
        """`foresee` forecasts a fault, `changed` is called when one begins or ends."""
        self.live = live
        self.loads = Loads(live, guard)
        self.watch = Watch(live, self.loads)
        self.faults = Faults(
            live, submit=self.loads.submit, draw=lambda: self.snapshot(()), foresee=foresee, changed=changed
        )
        self._document = document
        self._record: RunReader | None = None
        (live.run_folder / "stack.toml").write_text(document.kept_text(), encoding="utf-8")

    @property
    def over(self) -> bool:
        """Nothing of it runs any more."""
        return self.live.ended

    def snapshot(self, leftovers: tuple[Leftover, ...]) -> StackSnapshot:
        """The moment; from any thread."""
        live = self.live
        queues = snapshots.queue_names(live.spec(), self.loads.queues())
        loads = self.loads.snapshots()
        shown = snapshots.of_living(live, self.watch.sampler, queues, loads, self._document.dirty, leftovers)
        return replace(shown, faults=self.faults.records())

    def record(self) -> Record | None:
        """What is recorded of it; None before anything is. From any thread."""
        if self._record is None and (self.live.run_folder / NAME).exists():
            self._record = RunReader.open(self.live.run_folder, live=True)
        return self._record

    # start and stop

    def start(self, done: Future[str]) -> None:
        """Start everything; `done` ends when all answer, or one has failed."""
        self.watch.start()
        self.live.start()
        self._when_up(done)

    def adopt(self, record: sessions.Record) -> None:
        """Take over what a crashed panel left running."""
        self.live.started_at = record.started_at
        self.watch.start()
        self.live.adopt(record)
        self.faults.take_over()

    def start_what_is_down(self, done: Future[str]) -> None:
        """Start what exited or was stopped. Raises DeskError while everything is being stopped."""
        if self.live.state() is StackState.STOPPING:
            raise DeskError("The stack is being stopped.", "Start it when it has stopped.")
        for service in self.live.services():
            service.start()
        self._when_up(done)

    def _when_up(self, done: Future[str]) -> None:
        live = self.live

        def broken() -> list[Service]:
            waiting = live.waiting_to_start()
            return [s for s in live.services() if s.state in _FAILED and s.name not in waiting]

        def settled() -> bool:
            return bool(broken()) or live.state() is StackState.RUNNING

        def tell() -> None:
            if bad := broken():
                done.set_exception(DeskError(f"{bad[0].detail}.", f"Its log: {bad[0].log_file}"))
            else:
                took = duration(time.time() - live.started_at)
                workers = f"and {plural(len(live.workers), 'worker')} answer" if live.workers else "answers"
                done.set_result(f"'{live.spec().name}' runs: the broker {workers}, after {took}.")

        live.when(settled, tell)

    def stop(self, how: StopHow, done: Future[str], then: Callable[[], None]) -> None:
        """Stop everything, loads and faults first; `then` runs in the loop when nothing is left."""
        began = time.time()
        live = self.live
        self.loads.cancel_all()
        if how is StopHow.KILL:
            self.faults.let_go()
            live.kill_everything()
        else:
            self.faults.end_all(then=lambda: live.stop(how))

        def stopped() -> None:
            then()
            threading.Thread(target=live.close, name="live-close", daemon=True).start()
            done.set_result(f"'{live.spec().name}' stopped, after {duration(time.time() - began)}.")

        live.when(lambda: live.ended, stopped)

    def stop_service(self, name: str, how: StopHow, done: Future[str]) -> None:
        """Stop one service; what a person stopped stays stopped."""
        service = self.live.service(name)
        service.stop(how)
        self.live.when(
            lambda: service.process is None and service.state is State.STOPPED,
            lambda: done.set_result(f"{service.detail}."),
        )

    def restart_service(self, name: str, how: StopHow, done: Future[str]) -> None:
        """Stop one service and start it again."""
        service = self.live.service(name)
        starts = service.starts

        def tell() -> None:
            if service.state in _FAILED:
                done.set_exception(DeskError(f"{service.detail}.", f"Its log: {service.log_file}"))
            else:
                done.set_result(f"{name} was restarted; it {service.detail}.")

        def settled() -> bool:
            if service.state is State.STOPPED:
                return not service.starts_again
            return service.starts > starts and service.state is not State.STARTING

        service.restart(how)
        self.live.when(settled, tell)

    def send_signal(self, name: str, number: int, signal_name: str, pid: int | None) -> str:
        """Signal a service's main process (KILL: its group), or a pool process; what was done."""
        service = self.live.service(name)
        if service.process is None:
            raise DeskError(f"{name} has no process to signal.", "Start it first.")
        main = pid is None or pid == service.pid
        whom = name if main else f"pool process {pid} of {name}"
        self.mark(MarkKind.SIGNAL, name, f"SIG{signal_name} sent to {whom}")
        if main or pid is None:
            service.send(number)
        else:
            self.live.signal_pool_process(name, pid, number)
        return f"SIG{signal_name} was sent to {whom}."

    def mark(self, kind: MarkKind, service: str, text: str) -> None:
        """A mark of this moment."""
        self.live.mark(Mark(time.time(), kind, service, text))

    def let_go(self) -> None:
        """End its threads in the background: another run follows."""

        def end() -> None:
            self.watch.stop()
            self.faults.close()
            self._close_record()

        threading.Thread(target=end, name="run-end", daemon=True).start()

    def close(self) -> None:
        """End its threads and its generators, and wait for them. Not from the loop's thread."""
        self.loads.close()
        self.watch.stop()
        self.faults.close()
        self.live.close()
        self._close_record()

    def _close_record(self) -> None:
        record, self._record = self._record, None
        if record is not None:
            record.close()
