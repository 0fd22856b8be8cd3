"""The states of the workers of an attached stack, told by what was heard of them, and each change of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from desktop.engine.api import Kind, Light, Mark, MarkKind, ServiceEvent, State
from desktop.engine.supervise.outcome import plural

GONE_SHOWN = 600.0  # seconds for which a worker that has ended is still shown


@dataclass(frozen=True, slots=True)
class Seen:
    """One worker of this moment."""

    name: str
    state: State
    detail: str
    since: float
    pid: int | None = None
    start: int = 1
    busy: int = 0
    mute: bool = False
    local: bool = False
    hidden: bool = False  # answers, and sends nothing

    @property
    def process(self) -> Light:
        """What is known of its process."""
        if self.state in (State.EXITED, State.STOPPED):
            return Light.OFF
        return Light.ON if self.local or self.state is not State.SILENT else Light.NO

    @property
    def answers(self) -> Light:
        """Whether it is heard."""
        if self.state in (State.EXITED, State.STOPPED):
            return Light.OFF
        return Light.NO if self.state is State.SILENT else Light.ON


class States:
    """Compares each moment with the one before. Used from one thread; `seen` may be read from any."""

    def __init__(
        self,
        tell: Callable[[ServiceEvent], None],
        mark: Callable[[Mark], None],
        running: Callable[[str, int], int],
    ) -> None:
        """`running`: how many tasks a start of a worker runs by the account."""
        self._tell, self._mark, self._running = tell, mark, running
        self._forgotten: set[tuple[str, int]] = set()
        self._broker = State.STARTING
        self._began = time.time()
        self.seen: Mapping[str, Seen] = {}

    def take(self, told: Mapping[str, Any], problem: str) -> None:
        """What the recorder tells of the workers, and why the broker cannot be read (empty: it can)."""
        now = time.time()
        self._take_broker(now, State.SILENT if problem else State.READY, problem)
        found = {}
        for node in told["nodes"]:
            one = self._of(node, now)
            if (one.name, one.start) not in self._forgotten and not _old(one, now):
                found[one.name] = one
        for name in told["hidden"]:
            detail = "answers, and sends neither heartbeats nor events of tasks"
            found.setdefault(name, self._kept(Seen(name, State.READY, detail, now, mute=True, hidden=True)))
        before, self.seen = self.seen, found
        for one in found.values():
            self._change(before.get(one.name), one, now)

    def forget(self, name: str) -> None:
        """Show it no more, until it is heard again as another process."""
        one = self.seen[name]
        self._forgotten.add((name, one.start))
        self.seen = {key: seen for key, seen in self.seen.items() if key != name}

    def _of(self, node: Mapping[str, Any], now: float) -> Seen:
        state, detail = _state(node)
        if state is State.EXITED and (running := self._running(node["name"], node["start"])):
            detail += f", while it ran {plural(running, 'task')}"
        return self._kept(
            Seen(
                name=node["name"],
                state=state,
                detail=detail,
                since=now,
                pid=node["pid"],
                start=node["start"],
                busy=node["active"] or 0,
                mute=node["mute"],
                local=node["local"],
            )
        )

    def _kept(self, one: Seen) -> Seen:
        """Since when it is so."""
        before = self.seen.get(one.name)
        if before is None or (before.state, before.start) != (one.state, one.start):
            return one
        return Seen(**{**_fields(one), "since": before.since})

    def _change(self, before: Seen | None, one: Seen, now: float) -> None:
        if before is not None and (before.state, before.start) == (one.state, one.start):
            return
        self._tell(ServiceEvent(now, one.name, Kind.WORKER, one.state, one.pid, one.detail))
        mark = _mark_of(before, one)
        if mark is not None and not (before is None and now - self._began < 5.0):
            self._mark(Mark(now, mark[0], one.name, mark[1]))

    def _take_broker(self, now: float, state: State, problem: str) -> None:
        if state is self._broker:
            return
        before, self._broker = self._broker, state
        detail = problem or "answers"
        self._tell(ServiceEvent(now, "broker", Kind.BROKER, state, None, detail))
        if state is State.SILENT:
            self._mark(Mark(now, MarkKind.EXITED, "broker", detail))
        elif before is State.SILENT:
            self._mark(Mark(now, MarkKind.RECOVERED, "broker", "the broker answers again"))


def living(seen: Iterable[Seen]) -> list[str]:
    """The names of those that may answer."""
    return [one.name for one in seen if one.state.alive]


def _fields(one: Seen) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Seen.__slots__}


def _state(node: Mapping[str, Any]) -> tuple[State, str]:
    name = node["name"]
    if node["gone"] and node["closing"]:
        return State.STOPPED, f"{name} said goodbye and has ended"
    if node["gone"]:
        return State.EXITED, f"{name} ended without a word"
    if node["closing"]:
        return State.STOPPING, "said goodbye; its last tasks may still end"
    if node["silent"]:
        missed = f"is not heard: no heartbeat for more than {2 * node['freq']:g} s"
        return State.SILENT, f"{missed}. What it ran is not taken for lost"
    return State.READY, f"is heard (Celery {node['version']})" if node["version"] else "is heard"


def _old(one: Seen, now: float) -> bool:
    return one.state in (State.EXITED, State.STOPPED) and now - one.since > GONE_SHOWN


def _mark_of(before: Seen | None, one: Seen) -> tuple[MarkKind, str] | None:
    name = one.name
    if one.state is State.READY:
        if before is None or before.start != one.start:
            return MarkKind.STARTED, f"{name} came online"
        return MarkKind.RECOVERED, f"{name} is heard again"
    if one.state is State.SILENT:
        return MarkKind.SIGNAL, f"{name} is silent"
    if one.state is State.EXITED:
        return MarkKind.KILLED, one.detail
    if one.state is State.STOPPING:
        return MarkKind.EXITED, f"{name} said goodbye"
    return None
