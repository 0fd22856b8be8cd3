"""A stack that somebody else started, while we watch it: its recorder, its workers, its broker."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, Mark, MarkKind, ServiceEvent, StackState, State
from desktop.engine.attach.crew import Crew, Member
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.states import States, living
from desktop.engine.observe.sampler import Cadence
from desktop.engine.record.client import Recorder
from desktop.engine.stack.model import BrokerSpec, StackSpec
from desktop.engine.supervise.control import ControlClient
from desktop.engine.supervise.guardian import LAST
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.services import base_env

log = logging.getLogger(__name__)

BEAT = 0.25  # seconds between two looks at what the recorder tells
MARKS_KEPT = 1000
ABOUT = "Started by somebody else: watched, and never stopped from here."
_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(("nodes", "hidden", "gaps"), ()),
    "answered": 0,
    "problem": "",
    "listening": False,
}


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a client finds the broker. `url` may hold a password."""

    url: str = field(repr=False)
    address: str


class AttachedLive:
    """What loads, verbs, watch and pictures ask of a living stack. From any thread, but for `start`."""

    def __init__(
        self,
        options: AttachOptions,
        loop: Loop,
        session_id: str,
        run_folder: Path,
        heard: Callable[[ServiceEvent], None],
    ) -> None:
        self.options = options
        self.loop = loop
        self.session_id = session_id
        self.run_folder = run_folder
        self.logs_folder = run_folder / "logs"
        self.endpoint = Reach(options.url, options.address)
        self.started_at = time.time()
        self.ended = False
        self.problem = ""  # a sentence: why the broker cannot be read; set by the watch
        self.marks: deque[Mark] = deque(maxlen=MARKS_KEPT)
        self.feed = self._recorder()
        self.states = States(heard, self.mark, self._running)
        self._transport_options: Mapping[str, Any] = options.transport_options
        self._control: ControlClient | None = None
        self._crew: Crew | None = None
        self._marked: set[int] = set()  # gaps
        self._recorded: list[list[object]] = []  # workers
        self._closing = threading.Event()
        self._opening = threading.Thread(target=self._open_control, name="control-open", daemon=True)
        self._beats = Cadence("attached", BEAT, self._beat)

    def _recorder(self) -> Recorder:
        facts = {
            "stack": self.endpoint.address,
            "attached": self.endpoint.address,
            "began": self.started_at,
            "texts": [[self.started_at, self.stack_text()]],
        }
        begin = {"source": "events", "folder": str(self.run_folder), "facts": facts}
        return Recorder(
            begin | self.options.to_message(),
            log_file=self.logs_folder / "recorder.001.log",
            env={**base_env(self.session_id), LAST: "1"},
        )

    def stack_text(self) -> str:
        """A stack file for the run folder: what is known of it as one."""
        word = re.sub(r"[^A-Za-z0-9._-]+", "-", self.endpoint.address).strip("-.")
        return f'# {ABOUT}\nname = "attached-{word}"\n'

    def start(self) -> None:
        """Begin to listen and to ask."""
        self.feed.start()
        self.feed.broker(self.options.url, self._transport_options)
        self._opening.start()
        self._beats.start()

    def close(self) -> None:
        """Let go of it; the recorder writes what it has. Not from the loop's thread."""
        self._closing.set()
        self._beats.stop()
        if self._opening.ident is not None:
            self._opening.join()
        self.feed.stop()
        if self._control is not None:
            self._control.close()
        self.ended = True

    # what is asked of it

    def spec(self) -> StackSpec:
        """The stack, as far as it is known."""
        seen = self.states.seen
        workers = tuple(member.spec() for name, member in sorted(self.members().items()) if name in seen)
        celery = self.options.celery() | {"broker_transport_options": dict(self._transport_options)}
        return StackSpec(
            name=self.endpoint.address, broker=BrokerSpec(), celery=celery, workers=workers, about=ABOUT
        )

    def told(self) -> Mapping[str, Any]:
        """What the recorder told last of workers and gaps."""
        return self.feed.told.attached or _NOTHING

    @property
    def listening(self) -> bool:
        """Events are, or were, heard: what is missed from now on is known to be."""
        return bool(self.told()["listening"])

    def workers(self) -> int:
        """How many have answered or were heard."""
        return max(int(self.told()["answered"]), len(self.states.seen))

    def members(self) -> Mapping[str, Member]:
        """What workers answered of themselves."""
        return self._crew.members if self._crew is not None else {}

    def mark(self, mark: Mark) -> None:
        """A moment on the time line."""
        self.marks.append(mark)
        self.feed.mark(mark)

    def control(self) -> ControlClient:
        """For questions to workers. Raises DeskError before it is there."""
        if self._control is None:
            raise DeskError("The workers cannot be asked yet.", "Try again in a moment.")
        return self._control

    def asked_anew(self, name: str) -> None:
        """Something about a worker was changed: ask it soon what it is now."""
        if self._crew is not None:
            self._crew.ask_soon(name)

    def forget(self, name: str) -> None:
        """Show a worker no more."""
        self.states.forget(name)
        if self._crew is not None:
            self._crew.forget(name)

    def state(self) -> StackState:
        """The stack as a whole."""
        if self.ended:
            return StackState.STOPPED
        if not self.listening:
            return StackState.STARTING
        bad = (State.SILENT, State.EXITED)
        troubled = self.problem or any(one.state in bad for one in self.states.seen.values())
        return StackState.TROUBLED if troubled else StackState.RUNNING

    # its own threads

    def _open_control(self) -> None:
        """The first import of kombu takes a moment."""
        options = self.options
        control = ControlClient(options.url, options.transport_options, options.control_exchange)
        self._crew, self._control = Crew(control), control

    def _running(self, name: str, start: int) -> int:
        return len(self.feed.running(name, start))

    def _beat(self) -> None:
        told = self.told()
        if not self.feed.told.attached:
            return
        self.states.take(told, self.problem or told["problem"])
        if self._crew is not None and not self.problem:
            self._crew.beat(living(self.states.seen.values()))
        self._learn()
        for gap in told["gaps"]:
            if gap["number"] not in self._marked and gap["until"] is not None:
                self._marked.add(gap["number"])
                self.mark(Mark(gap["since"], MarkKind.GAP, gap["node"] or "broker", gap["why"]))

    def _learn(self) -> None:
        """What only the workers know: their pools for the record, and the visibility timeout for the look."""
        asked = [member for member in self.members().values() if member.asked]
        crew: list[list[object]] = [[member.name, member.pool.value, list(member.queues)] for member in asked]
        if crew != self._recorded:
            self._recorded = crew
            self.feed.put("workers", crew)
        for member in self.members().values():
            if member.transport_options:
                options = {**member.transport_options, **self.options.transport_options}
                if options != self._transport_options:
                    self._transport_options = options
                    self.feed.broker(self.options.url, options)
                return
