"""The verb that puts the relay between workers and broker, or takes it away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from desktop.engine.api import DeskError, MarkKind, StackState, State, StopHow
from desktop.engine.faults.catalog import info_of
from desktop.engine.forecast.words import listed
from desktop.engine.relay.service import NAME, RelayService
from desktop.engine.run import Run
from desktop.engine.stack.document import Document
from desktop.engine.supervise.loop import Loop

if TYPE_CHECKING:
    from desktop.engine.drills.runner import Runner

T = TypeVar("T")
_TO_DO = "change how its workers reach the broker"


class RelayVerbs:
    """The part of `Desk` that changes the way of the workers to the broker, while they live."""

    if TYPE_CHECKING:
        _workers: ThreadPoolExecutor
        _loop: Loop
        _document: Document
        _drill: Runner | None

        def _changed(self) -> None: ...
        def _in_loop(self, begin: Callable[[Future[T]], None]) -> Future[T]: ...
        def _must_be_live(self, next_step: str = "") -> None: ...
        def _refuse_foreign(self, to_do: str) -> None: ...
        def _running(self, to_do: str = "") -> Run: ...
        def stopped(self) -> bool: ...

    def use_relay(self, on: bool) -> Future[str]:
        return self._workers.submit(self._use_relay, on)

    def _use_relay(self, on: bool) -> str:
        """In a thread that may wait for workers."""
        self._must_be_live()
        self._refuse_foreign(_TO_DO)
        if self._drill is not None and not self._drill.over:
            name = self._drill.snapshot().spec.name
            raise DeskError(f"The drill '{name}' runs.", f"Halt it to {_TO_DO}.")
        if self.stopped():
            return self._write_relay(on)
        run = self._running(_TO_DO)
        if not self._loop.ask(lambda: _begin(run, on)).result():
            return "The relay is between already." if on else "There is no relay between."
        try:
            return self._put_between(run) if on else self._take_away(run)
        finally:
            run.live.network.changing = False

    def _write_relay(self, on: bool) -> str:
        self._document.use_relay(on)
        self._changed()
        if on:
            return "The relay will be between the workers and the broker when the stack starts."
        return "The workers will reach the broker directly when the stack starts."

    def _put_between(self, run: Run) -> str:
        live = run.live
        relay = self._loop.ask(lambda: live.network.open_relay(live.workers)).result()
        self._when(run, lambda: relay.state is not State.STARTING)
        names = self._loop.ask(lambda: _lead_through(run, relay)).result()
        self._restart_warm(run, names)
        if not names:
            return "The relay is between: workers that start from now on go through it. The broker stayed up."
        return (
            f"The relay is between: {_restarted(names)} and go{_es(names)} through it. The broker stayed up."
        )

    def _take_away(self, run: Run) -> str:
        relay = run.live.relay
        names = self._loop.ask(lambda: _lead_past(run)).result()
        self._restart_warm(run, names)
        self._when(run, lambda: relay is None or relay.state is State.STOPPED)
        run.watch.forget(NAME)
        if not names:
            return "The relay is gone: workers that start from now on reach the broker directly."
        return f"The relay is gone: {_restarted(names)} and reach{_es(names)} the broker directly."

    def _restart_warm(self, run: Run, names: list[str]) -> None:
        """All at once; ends when each answers again. Raises DeskError where one does not."""
        ended = [
            self._in_loop(lambda done, name=name: _restart(run, name, done))  # type: ignore[misc]
            for name in names
        ]
        wrong = [error for one in ended if (error := one.exception()) is not None]
        if wrong:
            raise wrong[0]

    def _when(self, run: Run, true: Callable[[], bool]) -> None:
        """Wait until it is true; looked at after each change of a state."""
        done: Future[bool] = Future()
        self._loop.call(lambda: run.live.when(true, lambda: done.set_result(True)))
        done.result()


# In the loop


def _begin(run: Run, on: bool) -> bool:
    """Whether there is anything to do. Raises DeskError where it cannot be done now."""
    network, relay = run.live.network, run.live.relay
    if network.changing:
        raise DeskError("The relay is being put between or taken away just now.", "Try again in a moment.")
    if on is run.live.spec().broker.relay and (relay is not None) is on:
        return False
    _must_be_calm(run)
    network.changing = True
    return True


def _must_be_calm(run: Run) -> None:
    """Raises DeskError, with the next step, while a warm restart would lose tasks or end a fault."""
    lasting = run.faults.under_way()
    if lasting:
        record = next(one for one in run.faults.records() if one.id == lasting[0])
        raise DeskError(
            f"Fault {record.id} is under way ({info_of(record.spec.kind).title}), and would not outlive it.",
            "Undo it first.",
        )
    if run.live.state() is StackState.STOPPING:
        raise DeskError("The stack is being stopped.", "Start it when it has stopped.")
    if run.live.broker.state is not State.READY:
        raise DeskError(
            f"The broker is {run.live.broker.state.value}: workers could not give back what they hold.",
            "Try again when it answers.",
        )


def _lead_through(run: Run, relay: RelayService) -> list[str]:
    """From now on workers go through the relay; who is to be restarted for it."""
    if relay.state is not State.READY or run.live.state() is StackState.STOPPING:
        detail, log_file = relay.detail, relay.log_file
        run.live.network.shut_relay()
        raise DeskError(f"The relay could not be put between: {detail}.", f"Its log: {log_file}")
    run.live.lead(through_relay=True)
    run.mark(MarkKind.SETTINGS, NAME, "the relay is put between: workers restart warm, to go through it")
    return _to_restart(run)


def _lead_past(run: Run) -> list[str]:
    """From now on workers go directly; the relay ends with the last that does not. Who is to be restarted."""
    live = run.live
    live.lead(through_relay=False)
    run.mark(MarkKind.SETTINGS, NAME, "the relay is taken away: workers restart warm, to go directly")
    # What a worker held is told to the broker through the relay, however long its tasks take.
    through = [(worker, worker.process) for worker in live.workers.values() if worker.process is not None]
    live.when(lambda: all(worker.process is not one for worker, one in through), live.network.shut_relay)
    return _to_restart(run)


def _to_restart(run: Run) -> list[str]:
    """Workers that run. Those that are being stopped, or start by themselves, take the new way anyway."""
    workers = run.live.workers.values()
    return [one.name for one in workers if one.process is not None and one.state is not State.STOPPING]


def _restart(run: Run, name: str, done: Future[str]) -> None:
    if run.live.state() is StackState.STOPPING:
        raise DeskError("The stack was stopped meanwhile.", "Start it again.")
    run.restart_service(name, StopHow.WARM, done)


def _restarted(names: list[str]) -> str:
    return f"{listed(names)} {'was' if len(names) == 1 else 'were'} restarted warm"


def _es(names: list[str]) -> str:
    """One of them goes, several go."""
    return "es" if len(names) == 1 else ""
