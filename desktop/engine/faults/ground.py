"""What a fault stands on: the living stack, its moment, and the words of a fault that landed.

Everything here is called in a thread that may wait, never in the loop's nor the window's.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from desktop.engine.api import DeskError, FaultRecord, FaultSpec, Kind, StackSnapshot, Workload
from desktop.engine.faults.targets import Aim
from desktop.engine.messages.link import Link
from desktop.engine.observe.proc import alive, start_time

if TYPE_CHECKING:
    from desktop.engine.supervise.live import LiveStack
    from desktop.engine.supervise.services import WorkerService

T = TypeVar("T")

LANDS_WITHIN = 5.0  # seconds in which a fault must be seen to have landed
POLL = 0.002  # seconds between two looks at what should have happened
_LOOP_PATIENCE = 10.0  # seconds; the loop answers within milliseconds
_BROKER_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a fault that lasted."""

    at: float  # seconds since the epoch
    text: str  # "SIGCONT to w1"


class Going(Protocol):
    """What a fault that goes on by itself has: it ends when `over` is set, and when it returns."""

    @property
    def over(self) -> threading.Event:
        """Set when it is to end."""

    def tell(self, text: str, targets: tuple[str, ...] = (), pids: tuple[int, ...] = ()) -> None:
        """A further sentence for its record, with whom it hit."""


Undo = Callable[[bool], Ended]
"""Ends a fault: called once, with True while the stack is being stopped. Raises DeskError where it cannot."""

GoOn = Callable[[Going], str]
"""The rest of a fault that goes on by itself, in a thread of its own; gives a sentence of what it did."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A fault that did what it should have done, proved."""

    at: float  # the moment before its first blow, in seconds since the epoch
    targets: tuple[str, ...]
    text: str  # "SIGKILL to w1 (pid 4242, 3 processes), while it ran 2 tasks"
    pids: tuple[int, ...] = ()
    undo: Undo | None = None  # None: it is over already
    since: float | None = None  # from when its seconds count; None: `at`
    goes_on: GoOn | None = None  # instead of an undo


@dataclass(frozen=True, slots=True)
class Ground:
    """The stack that a fault is done to. `stopping` is set when the stack is to end."""

    live: LiveStack
    submit: Callable[[Workload], int]  # only in the loop
    draw: Callable[[], StackSnapshot]  # a snapshot of this moment
    inject: Callable[[FaultSpec], FaultRecord]  # a fault of a fault; waits until it landed or missed
    snapshot: StackSnapshot  # of the moment at which the fault was asked for

    def in_loop(self, function: Callable[[], T]) -> T:
        """Run it in the loop's thread and wait for it. Raises what it raises."""
        try:
            return self.live.loop.ask(function).result(_LOOP_PATIENCE)
        except TimeoutError:
            raise DeskError("The supervisor is busy and did not do it in time.", "Try again.") from None

    def worker(self, name: str) -> WorkerService:
        """The service of a worker. Raises DeskError."""
        found = self.live.workers.get(name)
        if found is None:
            raise DeskError(f"{name} is no longer a worker of this stack.", "Choose another one.")
        return found

    def node(self, name: str) -> str:
        """Its node name."""
        return self.worker(name).node

    def link(self) -> Link:
        """A connection to the broker, to be closed by who asked. Raises DeskError where there is none."""
        endpoint = self.live.endpoint
        if endpoint is None:
            raise DeskError("The stack has no broker that could be asked.", "Start it first.")
        return Link(endpoint.url, _BROKER_PATIENCE)

    @property
    def transport_options(self) -> Mapping[str, Any]:
        """`broker_transport_options` of the stack."""
        options = self.live.spec().celery.get("broker_transport_options", {})
        return options if isinstance(options, Mapping) else {}


Doer = Callable[[Ground, FaultSpec, tuple[Aim, ...]], Landed]
"""Does one kind of fault and proves that it landed. Raises DeskError where it did not."""


@dataclass(frozen=True, slots=True)
class Victim:
    """One process, told apart from a later one with the same id."""

    pid: int
    start: float

    @classmethod
    def of(cls, pid: int, who: str) -> Victim:
        """The process that has this id now. Raises DeskError when it is gone."""
        start = start_time(pid)
        if start is None or not alive(pid, start):
            raise DeskError(f"{who} (pid {pid}) had ended before.", "Choose another one, or try again.")
        return cls(pid, start)

    @property
    def lives(self) -> bool:
        """Whether it still runs, frozen or not."""
        return alive(self.pid, self.start)

    def thaw(self) -> None:
        """SIGCONT, if it lives."""
        if self.lives:
            os.kill(self.pid, signal.SIGCONT)


def prove(landed: Callable[[], bool], what: str, within: float = LANDS_WITHIN, every: float = POLL) -> None:
    """Wait until it is so. Raises DeskError: "It did not land: <what> within 5 s"."""
    until = time.monotonic() + within
    while not landed():
        if time.monotonic() > until:
            raise DeskError(f"It did not land: {what} within {within:g} s.", "Look at the log of its target.")
        time.sleep(every)


def main_process(ground: Ground, name: str) -> Victim:
    """The main process of a service. Raises DeskError when it has none."""
    service = ground.live.service(name)
    who, process = (f"The {name}" if service.kind is Kind.BROKER else name), service.process
    if process is None:
        raise DeskError(f"{who} has no process: it had ended before.", "Wait until it runs again.")
    return Victim.of(process.pid, who)
