"""Celery's events as the ledger's lines (`ledger/FORMAT.md`), so that one account takes both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from sys import intern

from desktop.engine.attach.lines import (
    RESULT_CAP,
    Event,
    capped,
    ended_line,
    moment,
    open_line,
    received_line,
)
from desktop.engine.attach.nodes import Node, Received, Running, Short
from desktop.engine.ledger.lines import Line, Source

log = logging.getLogger(__name__)

CLIENTS = Source("load-0", 1, 0)  # who sends tasks, all of them together
_OLDER = 64  # processes that are remembered after another took their name
_REJECTED = "reject requeue="  # begins the text of celery.exceptions.Reject


class Translator:
    """Takes events in the order in which they came, and gives lines.

    Two things it must remember to do so: the name and retries of what a worker received (a start names
    neither), and what runs (an end of what was never seen to start, and an end that never came, are told
    apart). Both are dropped at the end of a task.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}  # the newest process of each node
        self.older: dict[tuple[str, int], Node] = {}  # (node, pid) → what the newest took the place of
        self.doubled: set[str] = set()  # nodes of which two processes speak
        self.shorts: list[tuple[Node, Short]] = []  # found since the last look
        self.ended: set[str] | None = None  # ids that ended; None: not wanted
        self.count = 0  # events read
        self.bad = 0  # that lacked what every event has
        self.expected: dict[tuple[str, int], dict[str, Running]] = {}  # (node, pid) → what it ran before us
        self._starts: dict[str, int] = {}
        self._named: dict[tuple[str, int], int] = {}  # (node, pid) → the start that it was given
        self._lines: list[Line] = []
        self._of_task: dict[str, Callable[[Node, Event], None]] = {
            "task-received": self._on_received,
            "task-started": self._on_started,
            "task-succeeded": self._on_succeeded,
            "task-failed": self._on_failed,
            "task-retried": self._on_retried,
            "task-rejected": self._on_rejected,
            "task-revoked": self._on_revoked,
            "task-cancelled": self._on_cancelled,
        }
        self._of_worker: dict[str, Callable[[Node, Event], None]] = {
            "worker-online": self._on_heartbeat,
            "worker-heartbeat": self._on_heartbeat,
            "worker-offline": self._on_offline,
        }

    def take(self, events: Sequence[Event], now: float) -> None:
        """Read further events, which arrived at `now`."""
        of_task, nodes = self._of_task, self.nodes
        self.count += len(events)
        for event in events:
            try:
                kind = event["type"]
                handler = of_task.get(kind)
                if handler is None:
                    self._other(kind, event, now)
                    continue
                node = nodes.get(event["hostname"])
                if node is None or node.source[2] != event["pid"]:
                    node = self._node(event, now)
                node.heard = now
                counter = node.counter
                counter.seen += 1
                if node.mute:
                    node.mute = False
                    counter.anew()
                handler(node, event)
            except (KeyError, TypeError, ValueError, AttributeError):
                self.bad += 1
                log.debug("an event that is none of Celery's")

    def lines(self) -> list[Line]:
        """What was made of them since the last call."""
        found, self._lines = self._lines, []
        return found

    def remember(self, source: Source) -> None:
        """A process that was heard before us keeps the start that it was given."""
        self._named[source.service, source.pid] = source.start
        self._starts[source.service] = max(source.start, self._starts.get(source.service, 0))

    # workers

    def _other(self, kind: str, event: Event, now: float) -> None:
        if kind == "task-sent":
            self._on_sent(event)
            return
        handler = self._of_worker.get(kind)
        if handler is None:
            return  # somebody's own kind
        node = self._node(event, now)
        if kind == "worker-online" and node.heard != now and _restarted(node, event):
            node = self._new_node(event, now)
        node.heard = now
        handler(node, event)

    def _node(self, event: Event, now: float) -> Node:
        """The process that sent it; a new one is told of."""
        name, pid = event["hostname"], event["pid"]
        node = self.nodes.get(name)
        if node is not None and node.source.pid == pid:
            fewer = event.get("processed", node.processed) or 0
            return node if fewer >= (node.processed or 0) else self._new_node(event, now)
        older = self.older.get((name, pid))
        if older is None:
            return self._new_node(event, now)
        if event["type"] == "worker-heartbeat":
            self.doubled.add(name)
        return older

    def _new_node(self, event: Event, now: float) -> Node:
        name, pid, t = intern(event["hostname"]), event["pid"], event["timestamp"]
        before = self.nodes.get(name)
        if before is not None and before.source.pid != pid:
            self.older[name, before.source.pid] = before
            if len(self.older) > _OLDER:
                del self.older[next(iter(self.older))]
        elif before is not None:
            self.gone(before, t, before.closing)
        start = self._named.pop((name, pid), None) or self._starts.get(name, 0) + 1
        self._starts[name] = max(start, self._starts.get(name, 0))
        node = self.nodes[name] = Node(Source(name, start, pid), first=now, heard=now)
        node.running = self.expected.pop((name, pid), {})
        node.version = str(event.get("sw_ver", ""))
        opened = open_line(t, name, start, pid, node.version)
        self._lines.append(Line(node.source, opened))
        self._lines.append(Line(node.source, {"k": "ready", "t": t}))
        return node

    def _on_heartbeat(self, node: Node, event: Event) -> None:
        t = event["timestamp"]
        node.freq = float(event.get("freq") or node.freq)
        node.version = str(event.get("sw_ver") or node.version)
        if node.closing:  # it had only lost the broker
            node.closing = False
            self._lines.append(Line(node.source, {"k": "ready", "t": t + node.shift}))
        node.compare_clocks(t, node.heard)
        active, processed = event.get("active"), event.get("processed")
        if active is None or processed is None:
            return  # the answer to the `heartbeat` command has neither
        node.active, node.processed = active, processed
        node.too_many = node.too_many + 1 if len(node.running) > active else 0
        short = node.counter.heartbeat(t, processed)
        if short is not None:
            self._short(node, short)
        self._pool(node, t)

    def _short(self, node: Node, short: Short) -> None:
        if node.counter.seen == 0:
            node.mute = True
        else:
            by_our_clock = short._replace(since=short.since + node.shift, until=short.until + node.shift)
            self.shorts.append((node, by_our_clock))

    def _pool(self, node: Node, t: float) -> None:
        scheduled = node.scheduled(t + node.shift)
        figures = {
            "k": "pool",
            "t": t + node.shift,
            "size": 0,  # no event tells it
            "busy": node.active,
            "reserved": len(node.received) - scheduled,
            "scheduled": scheduled,
            "min": None,
            "max": None,
            "prefetch": None,
            "pids": [],
        }
        self._lines.append(Line(node.source, figures))

    def _on_offline(self, node: Node, event: Event) -> None:
        node.closing = True
        t = event["timestamp"] + node.shift
        self._lines.append(Line(node.source, {"k": "closing", "t": t, "how": ""}))

    # tasks

    def _on_sent(self, event: Event) -> None:
        sent = {
            "k": "sent",
            "t": event["timestamp"],
            "ids": [event["uuid"]],
            "name": intern(event["name"]),
            "queue": event.get("queue"),
        }
        self._lines.append(Line(CLIENTS, sent))

    def _on_received(self, node: Node, event: Event) -> None:
        task_id, name = event["uuid"], intern(event["name"] or "")
        retries = event.get("retries") or 0
        eta = event.get("eta")
        due = moment(eta) if eta else None
        known = node.received.get(task_id)
        if known is not None and known.asked and known.retries == retries:
            node.received[task_id] = known._replace(asked=False)
            return
        node.received[task_id] = Received(name, retries, due)
        t = event["timestamp"] + node.shift
        self._lines.append(Line(node.source, received_line(t, event, node.queue, due)))

    def _on_started(self, node: Node, event: Event) -> None:
        t, task_id = event["timestamp"], event["uuid"]
        node.counter.started(t)
        known = node.running.get(task_id)
        if known is not None and known.asked:
            node.running[task_id] = known._replace(asked=False)
            return
        name, retries, _eta, _asked = node.received.pop(task_id, _UNSEEN)
        t += node.shift
        node.running[task_id] = Running(name, retries, t)
        self._lines.append(
            Line(node.source, {"k": "started", "t": t, "id": task_id, "name": name, "retries": retries})
        )

    def _on_succeeded(self, node: Node, event: Event) -> None:
        task_id, t = event["uuid"], event["timestamp"] + node.shift
        if node.running.pop(task_id, None) is None:
            node.received.pop(task_id, None)
        if self.ended is not None:
            self.ended.add(task_id)
        line = {
            "k": "ended",
            "t": t,
            "id": task_id,
            "state": "SUCCESS",
            "run": event["runtime"],
            "cpu": None,
            "error": None,
        }
        result = event.get("result")
        if result is not None and result != "None":
            line["result"] = capped(result, RESULT_CAP)
        self._lines.append(Line(node.source, line))

    def _on_failed(self, node: Node, event: Event) -> None:
        error, traceback = event.get("exception") or "", event.get("traceback")
        if error.startswith(_REJECTED):  # of a late acknowledgement `task-rejected` follows, else nothing
            self._ended(node, event, "REJECTED", error, traceback, requeue=False)
        else:
            self._ended(node, event, "FAILURE", error, traceback)

    def _on_retried(self, node: Node, event: Event) -> None:
        self._ended(node, event, "RETRY", event.get("exception"), event.get("traceback"))

    def _on_rejected(self, node: Node, event: Event) -> None:
        requeue = bool(event.get("requeue"))
        if event["uuid"] in node.running or (event["uuid"] in node.received and not requeue):
            self._ended(node, event, "REJECTED", None, None, requeue=requeue)
        # Else its end was told already, or it goes back before it began.

    def _on_revoked(self, node: Node, event: Event) -> None:
        task_id = event["uuid"]
        if event.get("terminated"):
            self._ended(node, event, "REVOKED", "terminated", None)
            return
        known = node.received.pop(task_id, None)
        revoked = {
            "k": "revoked",
            "t": event["timestamp"] + node.shift,
            "id": task_id,
            "name": known.name if known else "",
            "terminated": False,
            "expired": bool(event.get("expired")),
        }
        self._lines.append(Line(node.source, revoked))

    def _on_cancelled(self, node: Node, event: Event) -> None:
        """Cut off by its own worker: at a cold stop, or when it lost the broker. Celery calls it RETRY."""
        if event["uuid"] in node.running:
            self._ended(node, event, "RETRY", "cancelled by its worker", None)

    def _ended(
        self,
        node: Node,
        event: Event,
        state: str,
        error: str | None,
        traceback: str | None,
        requeue: bool | None = None,
    ) -> None:
        task_id, t = event["uuid"], event["timestamp"] + node.shift
        ran = node.running.pop(task_id, None)
        if ran is None:
            node.received.pop(task_id, None)
        if self.ended is not None:
            self.ended.add(task_id)
        run = max(t - ran.started, 0.0) if ran is not None else 0.0
        line = ended_line(task_id, t, state, run, error, traceback)
        if requeue is not None:
            line["requeue"] = requeue
        self._lines.append(Line(node.source, line))

    def unknown(self, node: Node, task_id: str, t: float) -> None:
        """The end of a task that ran was missed."""
        ran = node.running.pop(task_id, None)
        if ran is None:
            return
        line = ended_line(task_id, t, "UNKNOWN", None, "no event told how it ended")
        self._lines.append(Line(node.source, line))

    def running(self, node: Node, task_id: str, name: str, started: float) -> None:
        """The worker answered that it runs this one."""
        retries = node.received.pop(task_id, _UNSEEN).retries
        node.running[task_id] = Running(name, retries, started, asked=True)
        line = {"k": "runs", "t": started, "id": task_id, "name": name, "retries": retries}
        self._lines.append(Line(node.source, line))

    def received(self, node: Node, t: float, task: Event, eta: float | None, queue: str | None) -> None:
        """The worker answered that it has this one; `task` as an event would have it."""
        name = intern(task["name"] or "")
        node.received[task["uuid"]] = Received(name, 0, eta, asked=True)
        line = received_line(t, task, queue or node.queue, eta) | {"k": "has"}
        self._lines.append(Line(node.source, line))

    def gone(self, node: Node, t: float, gave_back: bool) -> None:
        """Its process has ended."""
        node.gone = True
        node.running.clear()
        node.received.clear()
        self._lines.append(Line(node.source, {"k": "gone", "t": t, "gave_back": gave_back}))


_UNSEEN = Received("", 0, None)


def _restarted(node: Node, event: Event) -> bool:
    """Whether a process that goes online again is another one of the same number (containers have those)."""
    if node.processed is None:
        return False  # never heard of its count: nothing to tell them apart by, and nothing lost
    processed = event.get("processed") or 0
    return bool(processed < node.processed or (node.closing and processed == 0 and node.processed == 0))
