"""Conditions: "2 active on w1", "10 waiting in celery", "all sent", "w1 ready"."""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from desktop.engine.api import LoadSnapshot, LoadState, QueueSnapshot, StackSnapshot, State, WorkerSnapshot
from desktop.engine.stack.problems import did_you_mean, shown, wrong

LOAD_OVER = frozenset({LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED})
_ON_WORKERS = ("active", "reserved", "scheduled", "stranded")
_IN_QUEUES = ("waiting", *_ON_WORKERS)
_OF_LOADS = ("sent", "ended")
_PLACES = (*_IN_QUEUES, *_OF_LOADS)
_SERVICE_IS = ("ready", "silent", "down")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_COUNTED = re.compile(
    r"(?P<sign>>=|<=|=|<|>)?\s*(?P<number>\d{1,9})\s+(?P<place>[^\s]+)(?:\s+(?P<of>on|in)\s+(?P<name>\S+))?"
)
STEP = (
    'Allowed: "2 active on w1", "10 waiting in celery", "<= 3 stranded", "100 ended", "all sent", "w1 ready".'
)


class Condition(ABC):
    """Something that is true of a moment, or is not."""

    @abstractmethod
    def holds(self, moment: StackSnapshot, loads: Iterable[LoadSnapshot]) -> bool:
        """Whether it holds; `loads` are those that the drill submitted. Cheap: asked 50 times a second."""

    @property
    def workers(self) -> tuple[str, ...]:
        """Names that must be services of the stack."""
        return ()


@dataclass(frozen=True, slots=True)
class Counted(Condition):
    """So many tasks (or more, where no sign says otherwise) are at a place."""

    place: str
    number: int
    sign: str = ">="
    worker: str = ""
    queue: str = ""

    @property
    def workers(self) -> tuple[str, ...]:
        return (self.worker,) if self.worker else ()

    def holds(self, moment: StackSnapshot, loads: Iterable[LoadSnapshot]) -> bool:
        if self.place in _OF_LOADS:
            found = sum(load.sent if self.place == "sent" else load.ended for load in loads)
        elif self.worker:
            found = _on_worker(moment, self.worker, self.place)
        elif self.queue or self.place != "active":
            queues = (queue for queue in moment.queues if self.queue in ("", queue.name))
            found = sum(_in_queue(queue, self.place) for queue in queues)
        else:
            found = sum(len(worker.running) for worker in moment.workers)
        return _COMPARE[self.sign](found, self.number)


@dataclass(frozen=True, slots=True)
class AllSent(Condition):
    """Every workload of the drill has been sent."""

    def holds(self, moment: StackSnapshot, loads: Iterable[LoadSnapshot]) -> bool:
        del moment
        return all(load.state in LOAD_OVER for load in loads)


@dataclass(frozen=True, slots=True)
class ServiceIs(Condition):
    """A worker or the broker is ready, silent or down."""

    service: str
    what: str

    @property
    def workers(self) -> tuple[str, ...]:
        return () if self.service == "broker" else (self.service,)

    def holds(self, moment: StackSnapshot, loads: Iterable[LoadSnapshot]) -> bool:
        del loads
        state = _state(moment, self.service)
        match self.what:
            case "ready":
                return state is State.READY
            case "silent":
                return state is State.SILENT
            case _:
                return state is not None and not state.alive


def parse_condition(text: str) -> Condition:
    """The condition that a text says. Raises WrongError, with the nearest right word."""
    words = text.split()
    if words == ["all", "sent"]:
        return AllSent()
    counted = _COUNTED.fullmatch(" ".join(words))
    if counted is not None:
        return _counted(counted)
    if len(words) == 2 and not words[0][:1].isdigit():
        if words[1] in _SERVICE_IS:
            return ServiceIs(words[0], words[1])
        hint = did_you_mean(words[1], (*_SERVICE_IS, "sent"))
        raise wrong(f"is no condition: {shown(text)}.", f"{hint}{STEP}")
    raise wrong(f"is no condition: {shown(text)}.", STEP)


def _counted(found: re.Match[str]) -> Condition:
    place, of, name = found["place"], found["of"], found["name"] or ""
    if place not in _PLACES:
        hint = did_you_mean(place, _PLACES)
        raise wrong(f"names {shown(place)}, where no task can be.", f"{hint}Allowed: {', '.join(_PLACES)}.")
    allowed = {"on": _ON_WORKERS, "in": _IN_QUEUES}
    if of is not None and place not in allowed[of]:
        whose = "a worker" if of == "on" else "a queue"
        raise wrong(f"asks what is {shown(place)} of {whose}.", f"Leave out {shown(f'{of} {name}')}.")
    return Counted(
        place=place,
        number=int(found["number"]),
        sign=found["sign"] or ">=",
        worker=name if of == "on" else "",
        queue=name if of == "in" else "",
    )


def _on_worker(moment: StackSnapshot, name: str, place: str) -> int:
    worker = moment.worker(name)
    if place == "active":
        return len(worker.running) if worker is not None else 0
    if place == "stranded":  # the worker itself may be dead, or gone
        return sum(held.stranded for queue in moment.queues for held in queue.held if held.worker == name)
    return _held_by(worker, place) if worker is not None else 0


def _held_by(worker: WorkerSnapshot, place: str) -> int:
    return worker.reserved if place == "reserved" else worker.scheduled


def _in_queue(queue: QueueSnapshot, place: str) -> int:
    return {
        "waiting": queue.waiting,
        "active": queue.active,
        "reserved": queue.reserved,
        "scheduled": queue.scheduled,
        "stranded": queue.stranded,
    }[place]


def _state(moment: StackSnapshot, service: str) -> State | None:
    if service == "broker":
        return moment.broker.service.state if moment.broker is not None else None
    worker = moment.worker(service)
    return worker.service.state if worker is not None else None
