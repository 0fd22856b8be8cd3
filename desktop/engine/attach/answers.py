"""What the workers say that they have: for what ran before we came, and for ends that were missed."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from desktop.engine.attach.lines import moment
from desktop.engine.attach.nodes import Node
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.translate import Translator
from desktop.engine.supervise.control import ControlClient

log = logging.getLogger(__name__)

COMMANDS = ("active", "reserved", "scheduled")
ALL = "active_queues"  # asked of everybody: who is there, and what they consume
ANSWER_WITHIN = 2.0  # seconds
TWICE_WITHIN = 2.0  # seconds between two looks that agree that a task is no longer there
HEARTBEATS = 2  # in a row that count fewer active tasks than we do
EVERY = 3.0  # seconds between two looks at one worker for the same reason
MUTE_EVERY = 2.5  # seconds between two looks at one that tells of no task
EVERYBODY = 10.0  # seconds between two calls for workers that we do not know
FIRST = 1.5  # seconds that the first answers are waited for: what is heard before names no queue
STILL = 0.3  # seconds without a further one, after which they are all there
HIDDEN = 8.0  # seconds after its first answer: a worker that sends heartbeats was heard by then


@dataclass(slots=True)
class _Look:
    due: float  # when it is asked next; by the monotonic clock
    asked: float = 0.0
    missing: dict[str, float] = field(default_factory=dict)  # tasks it did not name, and since which look


class Answers:
    """Asks each worker when it is first heard, after a break, and where its count and ours differ.

    A task that we think runs and that its worker names in none of two answers came to an end that no event
    told: it becomes UNKNOWN. A worker that does not answer proves nothing, and nothing is said of its tasks.
    """

    def __init__(self, options: AttachOptions, translator: Translator) -> None:
        self._options = options
        self._translator = translator
        self._control: ControlClient | None = None
        self._heard: queue.SimpleQueue[tuple[str, str, float, Any]] = queue.SimpleQueue()
        self._looks: dict[str, _Look] = {}
        self._waits_until = 0.0
        self._opening: threading.Thread | None = None
        self._all_at = 0.0  # when everybody is asked next
        self._answered: dict[str, tuple[float, float]] = {}  # (first, last) answer of each worker
        self._queues: dict[str, str | None] = {}  # worker → the only queue that it consumes
        self._began = time.monotonic()
        self._since = time.time()
        self._last = 0.0  # when the last answer came
        self.unknown = 0  # tasks whose end was missed

    def close(self) -> None:
        """End its threads."""
        if self._opening is not None:
            self._opening.join()
        if self._control is not None:
            self._control.close()

    @property
    def settled(self) -> bool:
        """Who is there has said so, or had the time to."""
        now = time.monotonic()
        return (self._last > 0.0 and now - self._last > STILL) or now - self._began > FIRST

    @property
    def answered(self) -> int:
        """How many workers have answered."""
        return len(self._answered)

    @property
    def hidden(self) -> list[str]:
        """Workers that answer and send nothing, not even heartbeats."""
        now = time.monotonic()
        return sorted(
            name
            for name, (first, last) in self._answered.items()
            if name not in self._translator.nodes and now - first > HIDDEN and now - last < 3 * EVERYBODY
        )

    def again(self) -> None:
        """Ask every worker: something was missed."""
        now = time.monotonic()
        for look in self._looks.values():
            look.due = now

    def beat(self) -> None:
        """Take the answers that have come, and ask what is due. Never waits."""
        now = time.monotonic()
        while True:
            try:
                name, command, asked, reply = self._heard.get_nowait()
            except queue.Empty:
                break
            self._take(name, command, asked, reply)
        for name, node in self._translator.nodes.items():
            node.queue = self._queues.get(name)
            look = self._looks.get(name)
            if look is None:
                look = self._looks[name] = _Look(due=now)
            elif now - look.asked > (MUTE_EVERY if node.mute else EVERY) and (
                node.mute or node.too_many >= HEARTBEATS
            ):
                look.due = min(look.due, now)
        self._ask(now)
        if self._translator.ended is not None and now > self._waits_until:
            self._translator.ended = None

    def _ask(self, now: float) -> None:
        if now >= self._all_at:
            control = self._open()
            if control is not None:
                self._all_at = now + EVERYBODY
                control.ask("active_queues", {}, None, self._put(ALL, time.time()), ANSWER_WITHIN)
        due = [name for name, look in self._looks.items() if look.due <= now]
        if not due:
            return
        control = self._open()
        if control is None:
            return
        asked = time.time()
        for name in due:
            look = self._looks[name]
            look.due, look.asked = float("inf"), now
        if self._translator.ended is None:
            self._translator.ended = set()
        self._waits_until = now + 2 * ANSWER_WITHIN
        for command in COMMANDS:
            heard = self._put(command, asked)
            control.ask(command, {}, due, heard, ANSWER_WITHIN)

    def _put(self, command: str, asked: float) -> Any:
        return lambda node, reply: self._heard.put((node, command, asked, reply))

    def _open(self) -> ControlClient | None:
        """The client; opened by a thread, because the first import of kombu takes a moment."""
        if self._control is None and self._opening is None:
            self._opening = threading.Thread(target=self._connect, name="answers-open", daemon=True)
            self._opening.start()
        return self._control

    def _connect(self) -> None:
        options = self._options
        self._control = ControlClient(options.url, options.transport_options, options.control_exchange)

    def _take(self, name: str, command: str, asked: float, reply: Any) -> None:
        now = self._last = time.monotonic()
        if not isinstance(reply, list):
            return
        node = self._translator.nodes.get(name)
        try:
            if command == ALL:
                self._answered[name] = self._answered.get(name, (now, now))[0], now
                queues = [str(item["name"]) for item in reply]
                self._queues[name] = queues[0] if len(queues) == 1 else None
            elif node is None:
                return
            elif command == "active":
                self._active(node, asked, reply)
            else:
                for item in reply:
                    self._held(node, asked, item.get("request") or item, item.get("eta"))
        except (KeyError, TypeError, AttributeError, ValueError):
            log.debug("an answer to '%s' that is none of Celery's", command)

    def _active(self, node: Node, asked: float, reply: list[Any]) -> None:
        there = {item["id"] for item in reply}
        for item in reply:
            if item["id"] not in node.running and not self._over(item["id"]):
                started = float(item.get("time_start") or asked)
                if node.counter.seen == 0 and started > self._since + 1.0:
                    node.mute = True  # that start was for us to hear
                if item["id"] not in node.received:
                    self._translator.received(node, started, _as_event(item), None, _queue(item))
                self._translator.running(node, item["id"], str(item["name"]), started)
        look = self._looks[node.name]
        now = time.time()
        missing: dict[str, float] = {}
        for task_id, running in list(node.running.items()):
            if task_id in there or running.started > asked - 0.5:
                continue
            first = look.missing.get(task_id, asked)
            if asked - first >= TWICE_WITHIN - 0.5:
                self._translator.unknown(node, task_id, now)
                self.unknown += 1
                node.mute = node.mute or node.counter.seen == 0
            else:
                missing[task_id] = first
        look.missing = missing
        if missing:
            look.due = time.monotonic() + TWICE_WITHIN

    def _held(self, node: Node, asked: float, item: Mapping[str, Any], eta: Any) -> None:
        task_id = item["id"]
        if task_id in node.received or task_id in node.running or self._over(task_id):
            return
        due = moment(eta) if isinstance(eta, str) else None
        self._translator.received(node, asked, _as_event(item), due, _queue(item))

    def _over(self, task_id: str) -> bool:
        ended = self._translator.ended
        return ended is not None and task_id in ended


def _as_event(item: Mapping[str, Any]) -> dict[str, Any]:
    """A task as `inspect` tells it, under the names that events use."""
    args, kwargs = item.get("args"), item.get("kwargs")
    return {
        "uuid": item["id"],
        "name": item["name"],
        "args": args if isinstance(args, str) else repr(args),
        "kwargs": kwargs if isinstance(kwargs, str) else repr(kwargs),
    }


def _queue(item: Mapping[str, Any]) -> str | None:
    """Where it came from, if that is sure: without an exchange the routing key is the queue's name."""
    info = item.get("delivery_info") or {}
    if info.get("exchange"):
        return None
    key = info.get("routing_key")
    return str(key) if key else None
