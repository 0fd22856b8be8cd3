"""The faults of one run: done, proved, kept, and undone at their time, by hand or when the stack stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from desktop.engine.api import (
    DeskError,
    FaultRecord,
    FaultSpec,
    FaultState,
    Forecast,
    Mark,
    MarkKind,
    Outcome,
    StackSnapshot,
    StackState,
    Workload,
)
from desktop.engine.faults import targets
from desktop.engine.faults.catalog import check_fault, info_of, seconds_of
from desktop.engine.faults.doers import doer_of
from desktop.engine.faults.ground import Ended, Ground, Landed
from desktop.engine.faults.kept import append_record, read_faults
from desktop.engine.faults.left import mend
from desktop.engine.supervise.live import LiveStack
from desktop.engine.supervise.loop import Timer

log = logging.getLogger(__name__)

_AT_ONCE = 16  # faults that are done, undone or go on at the same time

Foresee = Callable[[StackSnapshot, FaultSpec], Forecast]


@dataclass(slots=True)
class _Life:
    """One fault that is under way."""

    landed: Landed
    timer: Timer | None = None
    over: threading.Event = field(default_factory=threading.Event)  # of one that goes on by itself


class Faults:
    """Injects and undoes. Every method may be called from any thread; none but `close` waits."""

    def __init__(
        self,
        live: LiveStack,
        *,
        submit: Callable[[Workload], int],
        draw: Callable[[], StackSnapshot],
        foresee: Foresee,
        changed: Callable[[], None],
    ) -> None:
        """`submit` is only called in the loop, `draw` gives a snapshot of the moment."""
        self._live = live
        self._submit = submit
        self._draw = draw
        self._foresee = foresee
        self._changed = changed
        self._lock = threading.Lock()
        self._records: dict[int, FaultRecord] = {one.id: one for one in read_faults(live.run_folder)}
        self._last = max(self._records, default=0)
        self._lives: dict[int, _Life] = {}
        self._going: list[threading.Thread] = []
        self._stopping = False
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="fault")

    def records(self) -> tuple[FaultRecord, ...]:
        """Every fault of this run, oldest first."""
        with self._lock:
            return tuple(self._records[number] for number in sorted(self._records))

    def judge(self, outcomes: Mapping[int, Outcome]) -> None:
        """Keep what became of the tasks in reach of these faults."""
        for number, outcome in outcomes.items():
            with self._lock:
                record = self._records.get(number)
            if record is not None and record.outcome != outcome:
                self._keep(number, outcome=outcome)

    # doing

    def inject(self, spec: FaultSpec, *, by_drill: bool = False) -> Future[int]:
        """Do it; ends with its number when it has landed, with DeskError when it cannot be done or missed."""
        asked = time.time()
        return self._threads.submit(lambda: self._inject(spec, by_drill, asked).id)

    def _inject(self, spec: FaultSpec, by_drill: bool, asked: float) -> FaultRecord:
        check_fault(spec)
        if self._stopping or self._live.state() in (StackState.STOPPING, StackState.STOPPED):
            raise DeskError("The stack is being stopped.", "Start it to break something.")
        with self._lock:
            self._last = number = self._last + 1
        snapshot = targets.of_the_living(self._draw())
        record = FaultRecord(number, spec, FaultState.MISSED, asked, by_drill=by_drill)
        try:
            record = replace(record, forecast=self._foretold(snapshot, spec))
            aims = targets.choose(spec, snapshot)
            landed = doer_of(spec.kind)(self._ground(snapshot, by_drill), spec, aims)
        except Exception as error:
            raise self._missed(record, error) from error
        return self._landed(record, landed)

    def _foretold(self, snapshot: StackSnapshot, spec: FaultSpec) -> Forecast | None:
        """None where it failed: what is said of a fault must not keep it from being done."""
        try:
            return self._foresee(snapshot, spec)
        except DeskError:
            raise
        except Exception as error:
            log.error("a fault could not be foretold", exc_info=error)
            return None

    def _ground(self, snapshot: StackSnapshot, by_drill: bool) -> Ground:
        return Ground(
            live=self._live,
            submit=self._submit,
            draw=self._draw,
            inject=lambda spec: self._inject(spec, by_drill, time.time()),
            snapshot=snapshot,
        )

    def _missed(self, record: FaultRecord, error: Exception) -> DeskError:
        told = _for_people(error)
        self._take(replace(record, text=str(told)))
        self._mark(time.time(), record, f"{info_of(record.spec.kind).title} missed: {told}")
        return told

    def _landed(self, record: FaultRecord, landed: Landed) -> FaultRecord:
        lasts = landed.undo is not None or landed.goes_on is not None
        seconds = seconds_of(record.spec) if lasts else None
        since = landed.at if landed.since is None else landed.since
        record = replace(
            record,
            state=FaultState.UNDER_WAY if lasts else FaultState.OVER,
            targets=landed.targets,
            pids=landed.pids,
            landed_at=landed.at,
            ends_at=since + seconds if seconds is not None else None,
            ended_at=None if lasts else landed.at,
            text=landed.text,
        )
        if lasts:
            with self._lock:
                self._lives[record.id] = _Life(landed)
        self._take(record)
        self._mark(landed.at, record, landed.text)
        if lasts:
            self._begin_life(record)
        return record

    def _begin_life(self, record: FaultRecord) -> None:
        number = record.id
        if self._stopping:  # it landed while the stack began to stop: nobody else ends it
            self._end_quietly(number, stopping=True)
            return
        with self._lock:
            life = self._lives.get(number)
        if life is None:
            return
        if life.landed.goes_on is not None:
            # A thread of its own that ends with the program: it may wait for an hour.
            going = threading.Thread(
                target=self._go_on, args=(number, life), name="fault-goes-on", daemon=True
            )
            self._going.append(going)
            going.start()
        if record.ends_at is not None:
            left = max(0.0, record.ends_at - time.time())

            def set_timer() -> None:
                life.timer = self._live.loop.later(left, lambda: self._time_is_over(number))

            self._live.loop.call(set_timer)

    def _time_is_over(self, number: int) -> None:
        """In the loop."""
        if not self._stopping:
            self._threads.submit(self._end_quietly, number)

    def _go_on(self, number: int, life: _Life) -> None:
        assert life.landed.goes_on is not None
        try:
            text = life.landed.goes_on(_OfFault(self, number, life.over))
        except Exception as error:
            text = str(_for_people(error))
        with self._lock:
            mine = self._lives.pop(number, None) is not None
        if mine:
            self._over(number, Ended(time.time(), text))

    # undoing

    def undo(self, number: int) -> Future[str]:
        """End a fault that lasts, now. Ends with DeskError where it does not."""
        return self._threads.submit(self._end, number)

    def _end(self, number: int, stopping: bool = False) -> str:
        with self._lock:
            record = self._records.get(number)
            life = self._lives.pop(number, None)
        if record is None:
            raise DeskError(f"There is no fault {number} in this run.", "Choose one that is under way.")
        if life is None:
            raise DeskError(f"Fault {number} is over already.", "There is nothing to undo.")
        if life.timer is not None:
            life.timer.cancel()
        life.over.set()
        try:
            ended = life.landed.undo(stopping) if life.landed.undo else Ended(time.time(), "it was ended")
        except Exception as error:
            told = _for_people(error)
            with self._lock:
                self._lives[number] = life  # it can be tried again
            self._keep(number, text=f"{record.text}; it could not be undone: {told}")
            raise told from error
        return self._over(number, ended)

    def _end_quietly(self, number: int, stopping: bool = False) -> None:
        try:
            self._end(number, stopping)
        except DeskError as error:
            log.info("fault %d: %s", number, error)

    def _over(self, number: int, ended: Ended) -> str:
        with self._lock:
            record = self._records[number]
        sentence = f"{record.text}; {ended.text}"
        self._keep(number, state=FaultState.OVER, ended_at=ended.at, text=sentence)
        self._mark(ended.at, record, f"{info_of(record.spec.kind).title} is over: {ended.text}")
        return f"{ended.text[:1].upper()}{ended.text[1:]}."

    def under_way(self) -> tuple[int, ...]:
        """Faults that are to be undone, the last one first."""
        with self._lock:
            return tuple(sorted(self._lives, reverse=True))

    def end_all(self, then: Callable[[], None]) -> None:
        """The stack is to stop: undo what is under way, the last one first, and then call `then`.

        From the loop, in which `then` is called. Nothing new is done from now on.
        """
        self._stopping = True
        numbers = self.under_way()
        if not numbers:
            then()
            return

        def end() -> None:
            for number in numbers:
                self._end_quietly(number, stopping=True)
            self._live.loop.call(then)

        threading.Thread(target=end, name="faults-end", daemon=True).start()

    def take_over(self) -> None:
        """A panel that crashed left this run: its faults are over."""
        for record in self.records():
            if record.state is FaultState.UNDER_WAY:
                self._over(record.id, Ended(time.time(), mend(record, self._live.session_id)))

    def let_go(self) -> None:
        """Everything is killed: what is under way ends with its process."""
        self._stopping = True
        for number in self.under_way():
            with self._lock:
                life = self._lives.pop(number, None)
            if life is not None:
                life.over.set()
                self._over(number, Ended(time.time(), "the stack was killed"))

    def close(self) -> None:
        """End the threads, and wait for them. Not from the loop's thread."""
        self.let_go()
        self._threads.shutdown(wait=True)
        for going in self._going:
            going.join()

    # keeping

    def _take(self, record: FaultRecord) -> None:
        with self._lock:
            self._records[record.id] = record
            self._write(record)
        self._changed()

    def _keep(self, number: int, **changes: object) -> None:
        with self._lock:
            record = self._records[number] = replace(self._records[number], **changes)  # type: ignore[arg-type]
            self._write(record)
        self._changed()

    def _write(self, record: FaultRecord) -> None:
        try:
            append_record(self._live.run_folder, record)
        except OSError as error:  # a full disk: the stack and its faults go on
            log.error("a fault cannot be kept: %s", error.strerror or error)

    def _mark(self, at: float, record: FaultRecord, text: str) -> None:
        whom = record.targets or _targets_named(record.spec)
        self._live.mark(Mark(at, MarkKind.FAULT, whom[0] if len(whom) == 1 else "", text))

    def _tell(self, number: int, text: str, whom: tuple[str, ...] = (), pids: tuple[int, ...] = ()) -> None:
        with self._lock:
            record = self._records[number]
        self._keep(
            number,
            text=f"{record.text}; {text}",
            targets=tuple(dict.fromkeys((*record.targets, *whom))),
            pids=(*record.pids, *pids),
        )


def _for_people(error: Exception) -> DeskError:
    """What a person is told of it; what nobody thought of is in the log as well."""
    if isinstance(error, DeskError):
        return error
    log.error("a fault could not be done or undone", exc_info=error)
    return DeskError(f"It could not be done: {error or type(error).__name__}.", "Look at the panel's log.")


def _targets_named(spec: FaultSpec) -> tuple[str, ...]:
    """Whom a spec names, where it hit nobody."""
    return (spec.target.name,) if spec.target.name else ()


@dataclass(frozen=True, slots=True)
class _OfFault:
    """`Going`, of one fault."""

    faults: Faults
    number: int
    over: threading.Event

    def tell(self, text: str, targets: tuple[str, ...] = (), pids: tuple[int, ...] = ()) -> None:
        self.faults._tell(self.number, text, targets, pids)
