"""One repeat of a drill: start, load, break, wait until nothing moves, judge, stop; halted at any moment."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from desktop.engine.api import (
    DeskError,
    DrillSpec,
    FaultRecord,
    FaultState,
    LoadSnapshot,
    ServiceEvent,
    StackSnapshot,
    StackState,
    Stage,
    Verdict,
)
from desktop.engine.drills.conditions import LOAD_OVER
from desktop.engine.drills.ending import ended, put_back_up, stop_own
from desktop.engine.drills.found import DrillDesk, Found, Judge
from desktop.engine.drills.moments import now_due, plan
from desktop.engine.drills.rest import Look, Rest, last_back
from desktop.engine.supervise.outcome import duration, plural

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL = 0.02  # seconds between two looks: a condition is seen within two of them
_OPEN_LIMIT = 30.0
_UNDO_LIMIT = 10.0
_INJECT_LIMIT = 30.0


class Halted(Exception):
    """A person halted the drill."""


class Round:
    """One repeat. `run` waits for its end, and leaves the stack as it was."""

    def __init__(
        self,
        desk: DrillDesk,
        drill: DrillSpec,
        seed: int,
        number: int,
        halted: threading.Event,
        tell: Callable[[Stage, str, float, tuple[FaultRecord, ...]], None],
        judge: Judge,
    ) -> None:
        self._desk = desk
        self._drill = drill
        self._seed = seed
        self._number = number
        self._halted = halted
        self._told = tell
        self._known_faults: tuple[FaultRecord, ...] = ()
        self._judge = judge
        self._own = drill.stack is not None
        self._before: StackSnapshot | None = None  # of the living stack
        self._was_started = False
        self._folder: Path | None = None
        self._loads: list[int] = []
        self._sent_before = 0
        self._first_sent: float | None = None
        self._load_ended: float | None = None
        self._moved_at = time.time()
        self._progress: object = None
        self._troubles: list[str] = []
        self._moving = ""
        self._under_way: dict[int, Future[int]] = {}
        self._rest = Rest()
        self._rest_at: float | None = None
        self._was_halted = False
        self._events: list[ServiceEvent] = []

    def run(self) -> Verdict:
        """The verdict; UNKNOWN where it was halted or something went wrong. Raises nothing of that."""
        began = time.time()
        unsubscribe = self._desk.subscribe(self._events.append)
        try:
            self._start()
            self._run()
            self._settle()
        except Halted:
            self._was_halted = True
            self._tell(Stage.HALTING, "Undoing what the drill did", 0.9)
        except DeskError as error:
            self._troubles.append(str(error))
        except Exception as error:
            log.exception("a drill broke off")
            self._troubles.append(f"The drill broke off: {error}.")
        try:
            self._calm()
            if not self._was_halted:
                self._tell(Stage.JUDGING, "Asking the ledger what became of every task", 0.9)
            return self._judge(self._desk, self._found(began))
        finally:
            unsubscribe()
            stage = Stage.HALTING if self._was_halted else Stage.STOPPING
            self._tell(stage, "Stopping what it started", 0.95)
            self._stop()

    def _tell(self, stage: Stage, doing: str, share: float) -> None:
        self._told(stage, doing, share, self._known_faults)

    # waiting

    def _check(self) -> None:
        if self._halted.is_set():
            raise Halted

    def _wait(self, done: Callable[[], bool]) -> None:
        """Until it is so, or the drill is halted."""
        while not done():
            self._check()
            self._halted.wait(POLL)

    def _result(self, future: Future[T]) -> T:
        self._wait(future.done)
        return future.result()

    def _moment(self) -> StackSnapshot:
        moment = self._desk.snapshot()
        gone = moment.state in (StackState.STOPPED, StackState.STOPPING)
        if gone or (self._folder is not None and moment.run_folder != self._folder):
            raise DeskError("The stack was stopped while the drill ran.", "Run the drill again.")
        return moment

    def _mine(self, moment: StackSnapshot) -> list[LoadSnapshot]:
        """The drill's loads, and those that its faults sent."""
        before = self._before
        known = {load.id for load in before.loads} if before is not None else frozenset[int]()
        return [load for load in moment.loads if load.id not in known]

    def _faults(self, moment: StackSnapshot) -> tuple[FaultRecord, ...]:
        before = {fault.id for fault in self._before.faults} if self._before is not None else frozenset[int]()
        self._known_faults = tuple(fault for fault in moment.faults if fault.id not in before)
        return self._known_faults

    # start

    def _start(self) -> None:
        self._check()
        self._tell(Stage.STARTING, "Starting the stack", 0.02)
        if self._own:
            # Not left in its middle: what puts the desk's own stack back must come after it.
            self._desk.take_drill_stack(self._drill).result(_OPEN_LIMIT)
            self._check()
            started = self._desk.start()
            self._was_started = True
            self._result(started)
        moment = self._moment()
        self._folder = moment.run_folder
        until = time.monotonic() + _OPEN_LIMIT
        self._wait(lambda: self._moment().balance is not None or time.monotonic() > until)
        if not self._own:
            self._before = self._moment()
            balance = self._before.balance
            self._sent_before = balance.submitted if balance is not None else 0

    # load and faults

    def _run(self) -> None:
        self._tell(Stage.RUNNING, "Sending the workload", 0.1)
        for workload in self._drill.workloads:
            drawn = dataclasses.replace(workload, seed=workload.seed + self._seed)
            self._loads.append(self._desk.submit(drawn).result(_OPEN_LIMIT))
        dues = plan(self._drill, self._seed)
        done: frozenset[int] = frozenset()
        while True:
            moment = self._moment()
            loads = self._mine(moment)
            self._clock(moment, loads)
            elapsed = time.time() - self._first_sent if self._first_sent is not None else None
            for index in now_due(dues, done, elapsed, moment, loads):
                if index in self._under_way:
                    continue
                self._tell(Stage.RUNNING, f"Doing {dues[index].text}", 0.2 + 0.3 * index / len(dues))
                self._under_way[index] = self._desk.inject(dues[index].spec, by_drill=True)
                self._moved_at = time.time()
            landed = self._landed()
            done |= landed
            if len(done) == len(dues) and self._all_sent(loads):
                return
            if self._all_sent(loads) and not self._under_way:
                waiting = [due for index, due in enumerate(dues) if index not in done]
                if self._never_comes(moment, loads, all(due.at is None for due in waiting)):
                    self._troubles.append(f"The moment of a fault never came: {waiting[0].text}.")
                    return
            self._say_what_is_waited_for(dues, done, loads)
            self._check()
            self._halted.wait(POLL)

    def _say_what_is_waited_for(
        self, dues: tuple[object, ...], done: frozenset[int], loads: list[LoadSnapshot]
    ) -> None:
        sent = sum(load.sent for load in loads)
        next_one = next((due for index, due in enumerate(dues) if index not in done), None)
        text = getattr(next_one, "text", "")
        doing = f"{sent:,} sent; next: {text}" if text else f"{sent:,} sent"
        self._tell(Stage.RUNNING, doing, 0.2 + 0.4 * len(done) / max(1, len(dues)))

    def _clock(self, moment: StackSnapshot, loads: list[LoadSnapshot]) -> None:
        """When the first task was sent, when the last; and whether anything goes on at all."""
        now, sent = time.time(), sum(load.sent for load in loads)
        if self._first_sent is None and (sent or moment.totals.submitted > self._sent_before):
            self._first_sent = now
        failed = next(
            (load for load in loads if load.id in self._loads and load.state.value == "failed"), None
        )
        if failed is not None:
            raise DeskError(f"The workload could not be sent: {failed.detail}", "")
        if self._all_sent(loads) and self._load_ended is None:
            self._load_ended = now
        lasting = any(fault.state is FaultState.UNDER_WAY for fault in self._faults(moment))
        ended = moment.balance.ended if moment.balance is not None else 0
        progress = (sent, ended, lasting and round(now))
        if progress != self._progress:
            self._progress, self._moved_at = progress, now
        elif now - self._moved_at > self._drill.limit + self._longest_pause():
            raise DeskError(
                f"Nothing went on for {duration(self._drill.limit)}: {plural(sent, 'task')} sent.",
                "See the log of the broker and of the load.",
            )

    def _longest_pause(self) -> float:
        """How long the drill itself may wait between two faults."""
        faults = self._drill.faults
        return max((one.at_latest or one.at or one.every or 0.0 for one in faults), default=0.0) * 1.5

    def _all_sent(self, loads: list[LoadSnapshot]) -> bool:
        mine = [load for load in loads if load.id in self._loads]
        return len(mine) == len(self._loads) and all(load.state in LOAD_OVER for load in mine)

    def _landed(self) -> frozenset[int]:
        """Those whose injection has ended, well or not."""
        ended = frozenset(index for index, future in self._under_way.items() if future.done())
        for index in ended:
            try:
                self._under_way.pop(index).result()
            except DeskError as error:
                self._troubles.append(f"A fault did not land: {error}")
            self._moved_at = time.time()
        return ended

    def _never_comes(self, moment: StackSnapshot, loads: list[LoadSnapshot], only_conditions: bool) -> bool:
        """Nothing moves any more, and the faults that are left wait for something to happen."""
        if not only_conditions:
            return False
        deadline = self._deadline(moment)
        look = self._rest.look(moment, loads, self._sent_before, deadline)
        return look.since is not None or time.time() > deadline

    def _deadline(self, moment: StackSnapshot) -> float:
        """The limit counts from the end of the load and of the last fault, whichever is later."""
        moments = [self._load_ended or time.time()]
        for fault in self._faults(moment):
            moments += [t for t in (fault.landed_at, fault.ended_at, fault.ends_at) if t is not None]
        return max(moments) + self._drill.limit

    # rest

    def _settle(self) -> None:
        while True:
            moment = self._moment()
            deadline = self._deadline(moment)
            look = self._rest.look(moment, self._mine(moment), self._sent_before, deadline)
            if look.since is not None:
                self._rest_at = look.since
                return
            if time.time() > deadline:
                self._give_up(look)
                return
            left = f"at most {duration(max(0.0, deadline - time.time()))} more"
            self._tell(Stage.SETTLING, f"Waiting until nothing moves: {look.text} ({left})", 0.7)
            self._check()
            self._halted.wait(POLL)

    def _give_up(self, look: Look) -> None:
        why = self._rest.given_up(look)
        if why:
            self._moving = f"after {duration(self._drill.limit)}, {why}"
        else:
            self._rest_at = time.time()

    # the end

    def _calm(self) -> None:
        """Send nothing more, and end every fault that goes on."""
        for load in self._loads:
            self._desk.cancel_load(load)
        for future in self._under_way.values():
            ended(future, _INJECT_LIMIT)
        self._under_way.clear()
        lasting = [
            self._desk.undo_fault(fault.id)
            for fault in self._faults(self._desk.snapshot())
            if fault.state is FaultState.UNDER_WAY
        ]
        for undone in lasting:
            error = ended(undone, _UNDO_LIMIT)
            if error is not None:
                self._troubles.append(f"A fault could not be undone: {error}")

    def _found(self, began: float) -> Found:
        moment = self._desk.snapshot()
        if self._folder is None and self._was_started:
            self._folder = moment.run_folder
        return Found(
            drill=self._drill,
            seed=self._seed,
            number=self._number,
            began=began,
            folder=self._folder,
            since=None if self._own else began,
            faults=self._faults(moment) if self._folder is not None else (),
            rest_at=self._rest_at,
            load_ended=self._load_ended,
            troubles=tuple(self._troubles),
            moving=self._moving,
            halted=self._was_halted,
            back_at=last_back(moment),
            events=tuple(self._events),
        )

    def _stop(self) -> None:
        if not self._own:
            if self._before is not None:
                put_back_up(self._desk, self._before)
            return
        error = stop_own(self._desk, self._halted, warm=not self._was_halted)
        if error is not None:
            log.error("the drill's stack could not be stopped: %s", error)
