"""Sending a workload, so that what is counted as sent is what the broker has got, whatever breaks."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence

import celery

from desktop.engine.api import DeskError, LoadState
from desktop.engine.load import broker
from desktop.engine.load.board import Board
from desktop.engine.load.control import Control
from desktop.engine.load.ledger_file import LedgerWriter, Parcel, Witness
from desktop.engine.load.pace import Mix, Pace, Stopwatch
from desktop.engine.load.plan import Plan, check, target

_LOOKS = (0.0, 0.3, 0.7, 1.0)  # seconds before each look for tasks in doubt; the last ends the search
_BACK_OFF = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)  # seconds between two attempts to reach the broker
_CANCEL_PATIENCE = 0.5  # seconds that an answer of the broker is waited for after a cancel
_LAST_RESORT = 5.0  # seconds after a cancel, when the process ends whatever it waits for
_MARK_EVERY = 1.0  # seconds between two looks at how long the workers' files are


class Run:
    """One workload, from its first task to its last.

    A task is *sent* once the broker confirmed it. When the connection breaks, the tasks that were
    being handed over are *in doubt*. They are looked up as soon as the broker answers: in their
    queues, among what workers hold, and in what workers noted as received; several times over two
    seconds, since a worker may be just taking one. What is found was sent. What is not found is
    nowhere, and is sent again under its own id. (One way round this remains: a worker that was
    frozen while it took the task, through the broker's death and those two seconds.)
    """

    def __init__(self, plan: Plan, control: Control, board: Board) -> None:
        check(plan.workload)
        self._control, self._board = control, board
        workload = plan.workload
        self._app = broker.make_app(plan)
        self._address = broker.check_broker(self._app)
        broker.check_messages(self._app, workload.mix)
        self._sender = broker.Sender(self._app, plan)
        self._search = broker.Search(self._app, self._sender.names)
        self._ledger = LedgerWriter(plan.ledger, plan.load_id, celery.__version__)
        self._witness = Witness(plan.ledger, self._ledger.service)
        self._mark: dict[str, int] = {}
        self._marked = float("-inf")
        self._mix = Mix(workload.mix, workload.seed)
        self._pace = Pace(workload.rate)
        self._watch = Stopwatch()
        self._target = target(workload)
        # A count without a rate may still be bounded by time.
        self._seconds = workload.seconds if workload.rate is None else None
        self._again: deque[Parcel] = deque()
        self._failures = 0
        self._ended = threading.Event()

    def go(self) -> None:
        """Send it all, or until it is cancelled. Raises DeskError where it cannot go on."""
        try:
            while not self._control.cancelled and not self._complete():
                self._step()
        except OSError as error:
            raise DeskError(
                f"The ledger cannot be written: {error.strerror or error}. "
                f"{self._board.sent:,} tasks were sent; the last of them are not in it.",
                "Make room on the disk of the run folder.",
            ) from None
        finally:
            self._ended.set()
            self._sender.close()
            self._search.close()
            self._ledger.close()

    def on_cancel(self) -> None:
        """A broker that does not answer must not hold up a cancel. Called from another thread."""
        if not self._ended.wait(_CANCEL_PATIENCE):
            self._sender.cut()
            self._search.cut()
        if not self._ended.wait(_LAST_RESORT):
            os._exit(1)

    @property
    def average(self) -> float:
        """Tasks a second, over the time in which it was neither paused nor waiting."""
        seconds = self._watch.read(time.monotonic())
        return self._board.sent / seconds if seconds > 0 else 0.0

    def summary(self) -> tuple[LoadState, str]:
        """How it ended, when `go` has returned."""
        sent, doubt = self._board.sent, self._board.in_doubt
        seconds = self._watch.read(time.monotonic())
        if self._complete() and not doubt:
            return LoadState.DONE, f"{sent:,} tasks sent in {seconds:.1f} s, {self.average:,.0f} a second."
        of = f" of {self._target:,}" if self._target is not None else ""
        said = f"Cancelled after {sent:,}{of} tasks."
        if doubt:
            said += (
                f" {doubt:,} more were handed over when the broker broke: whether they arrived is not known."
            )
        return LoadState.CANCELLED, said

    def _complete(self) -> bool:
        if self._seconds is not None and self._watch.read(time.monotonic()) >= self._seconds:
            return True
        return self._target is not None and self._board.sent >= self._target

    def _step(self) -> None:
        if not self._sender.connected:
            self._connect()
        elif self._control.paused:
            self._halt(LoadState.PAUSED)
            self._control.wait(None)
        else:
            self._send_what_is_due()

    def _connect(self) -> None:
        try:
            self._sender.connect()
        except broker.BROKEN as error:
            self._wait_for_broker(error)

    def _send_what_is_due(self) -> None:
        now = time.monotonic()
        if self._board.state is not LoadState.SENDING:
            self._board.say(LoadState.SENDING)
            self._pace.restart(now)
            self._watch.run(now)
        number = self._pace.due(now)
        if self._target is not None:
            number = min(number, self._target - self._board.sent)
        if number:
            self._hand_over(self._next(number))
        else:
            self._control.wait(self._pace.wait(now))

    def _next(self, number: int) -> list[Parcel]:
        """What did not arrive comes first, under the ids that it had."""
        again = [self._again.popleft() for _ in range(min(number, len(self._again)))]
        shares = self._mix.draw(number - len(again))
        return again + [self._sender.parcel(str(uuid.uuid4()), share) for share in shares]

    def _hand_over(self, parcels: Sequence[Parcel]) -> None:
        self._take_mark()
        began = time.monotonic()
        self._board.handing(began)
        try:
            self._sender.send(parcels, self._pace.batched)
        except broker.BROKEN as error:
            self._doubt(parcels, error)
        else:
            self._failures = 0
            self._board.count(sent=len(parcels))
            self._ledger.sent(parcels)
            self._pace.sent(len(parcels))
        finally:
            self._board.handing(None)

    def _take_mark(self) -> None:
        # An older mark is right too, it only leaves more to read: so not for each of many.
        now = time.monotonic()
        if now - self._marked >= _MARK_EVERY:
            self._mark, self._marked = self._witness.mark(), now

    def _doubt(self, parcels: Sequence[Parcel], error: BaseException) -> None:
        self._ledger.doubt(parcels)
        self._board.count(in_doubt=len(parcels))
        self._board.handing(None)
        self._sender.close()
        self._wait_for_broker(error)
        waiting = {parcel.id: parcel for parcel in parcels}
        found: set[str] = set()
        while not self._control.cancelled:
            try:
                self._look_for(waiting, found)
                break
            except broker.BROKEN as broken:
                self._wait_for_broker(broken)
            finally:
                self._search.close()
        if not self._control.cancelled:
            self._settle(waiting, found)

    def _look_for(self, waiting: dict[str, Parcel], found: set[str]) -> None:
        """Adds to `found`. Returns when all are found, or when no more can turn up."""
        self._search.open()
        self._board.say(LoadState.WAITING, f"Looking up {len(waiting):,} tasks: did they arrive?")
        queues = self._sender.queue_names
        for pause in _LOOKS:
            self._control.sleep(pause)
            if self._control.cancelled:
                return
            found |= self._search.find(waiting.keys() - found, queues)
            found |= self._witness.received(waiting.keys() - found, self._mark)
            if len(found) == len(waiting):
                return

    def _settle(self, waiting: dict[str, Parcel], found: set[str]) -> None:
        lost = [parcel for task_id, parcel in waiting.items() if task_id not in found]
        self._ledger.sent(waiting[task_id] for task_id in found)
        self._ledger.unsent(lost)
        self._again.extend(lost)
        self._board.count(sent=len(found), in_doubt=-len(waiting))

    def _wait_for_broker(self, error: BaseException) -> None:
        if broker.refuses_us(error):
            raise DeskError(
                f"The broker at {self._address} refuses the password; {self._board.sent:,} tasks were sent.",
                "Submit the workload again once the stack is up.",
            )
        doubt = self._board.in_doubt
        said = f"The broker at {self._address} {broker.reason(error)}; sending goes on when it can."
        if doubt:
            said += f" {doubt:,} tasks were being handed over; they will be looked up."
        self._halt(LoadState.WAITING, said)
        self._control.wait(_BACK_OFF[min(self._failures, len(_BACK_OFF) - 1)])
        self._failures += 1

    def _halt(self, state: LoadState, detail: str = "") -> None:
        self._watch.halt(time.monotonic())
        if (self._board.state, self._board.detail) != (state, detail):
            self._board.say(state, detail)
