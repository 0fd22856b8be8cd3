"""What can be done to a queue: one registered action a queue and verb; each that destroys asks first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject

from desktop.engine.api import Held, PurgeOffer, QueueSnapshot, StackSnapshot, StackState
from desktop.ui.actions import Action
from desktop.ui.page import Shell
from desktop.ui.widgets.confirm import Confirm, confirm
from desktop.ui.words import count, duration, listed

VERBS = ("look", "purge", "restore")
ALL = "queue.restore"
_UP = (StackState.RUNNING, StackState.TROUBLED)
_Key = tuple[bool, bool, int]


class QueueCommands(QObject):
    """Keeps the registry's queue verbs in step with the queues there are."""

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._names: tuple[str, ...] = ()
        self._offers: set[str] = set()  # keys of the verbs by which a worker takes a queue on, or leaves it
        self._told: tuple[object, ...] = ()  # what these were made from
        self._allowed: dict[str, _Key] = {}
        tip = "Put stranded messages back into their queues now"
        self._add(ALL, "Bring back all stranded messages…", self.ask_restore, "restart", tip)
        shell.commands.enable(ALL, False, "Nothing is stranded.")
        shell.bridge.snapshot_changed.connect(self.show_snapshot)
        self.show_snapshot(shell.bridge.snapshot)

    def _add(
        self, key: str, text: str, run: Callable[[], None], icon: str, tip: str, danger: bool = False
    ) -> None:
        self._shell.commands.add(Action(key, text, run, icon, "", tip, "Queues", danger=danger))

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Register verbs of new queues, forget those of queues that are gone, allow what makes sense now."""
        names = tuple(q.name for q in snapshot.queues)
        for name in set(self._names) - set(names):
            self._allowed.pop(name, None)
            for verb in VERBS:
                self._shell.commands.remove(f"queue.{verb}:{name}")
        for name in names:
            if name not in self._names:
                self._register(name)
        self._names = names
        up = snapshot.state in _UP and snapshot.recorded is None
        for queue in snapshot.queues:
            self._allow(queue, up)
        self._allow_all(sum(q.stranded for q in snapshot.queues), up)
        self._offer_consumers(snapshot)

    def _register(self, name: str) -> None:
        look = f"Look at queue {name}"
        self._add(f"queue.look:{name}", look, partial(self._shell.go, "queues", name), "queue", look)
        tip = "Delete every message that waits in it"
        ask = partial(self.ask_purge, name)
        self._add(f"queue.purge:{name}", f"Purge {name}…", ask, "trash", tip, danger=True)
        text, tip = f"Bring stranded messages of {name} back…", "Put them back into the queue now"
        self._add(f"queue.restore:{name}", text, partial(self.ask_restore, name), "restart", tip)

    def _allow(self, queue: QueueSnapshot, up: bool) -> None:
        key = up, queue.waiting > 0, queue.stranded
        if self._allowed.get(queue.name) == key:
            return
        self._allowed[queue.name] = key
        enable, name, off = self._shell.commands.enable, queue.name, "The broker does not run."
        enable(f"queue.purge:{name}", up and queue.waiting > 0, "Nothing waits in it." if up else off)
        enable(f"queue.restore:{name}", up and queue.stranded > 0, "Nothing is stranded." if up else off)

    def _allow_all(self, stranded: int, up: bool) -> None:
        if self._allowed.get("") != (up, False, stranded):
            self._allowed[""] = up, False, stranded
            self._shell.commands.enable(ALL, up and stranded > 0, "Nothing is stranded.")

    # who could consume it

    def _offer_consumers(self, snapshot: StackSnapshot) -> None:
        """A verb for each living worker and each queue: to consume it, or to stop that."""
        alive = [w.name for w in snapshot.workers if w.service.state.alive] if snapshot.state in _UP else []
        told = tuple(alive), tuple((q.name, q.consumers) for q in snapshot.queues)
        if told == self._told:
            return
        self._told = told
        wanted = {turn_key(q, worker): (q, worker) for q in snapshot.queues for worker in alive}
        for key in self._offers - set(wanted):
            self._shell.commands.remove(key)
        for key, (queue, worker) in wanted.items():
            if key not in self._offers:
                self._offer(key, queue, worker)
        self._offers = set(wanted)

    def _offer(self, key: str, queue: QueueSnapshot, worker: str) -> None:
        desk, name = self._shell.desk, queue.name
        if worker in queue.consumers:
            text, tip = f"Stop {worker} consuming {name}", f"{worker} takes no more tasks from {name}"
            self._add(key, text, lambda: self._shell.do(desk.cancel_queue(worker, name)), "stop", tip)
        else:
            text, tip = f"Let {worker} consume {name}", f"{worker} takes tasks from {name} too, at once"
            self._add(key, text, lambda: self._shell.do(desk.add_queue(worker, name)), "plus", tip)

    # purging

    def ask_purge(self, queue: str) -> None:
        """Count first, then ask."""
        self._shell.bridge.run(self._shell.desk.purge_offer(queue), self._confirm_purge, None, self)

    def _confirm_purge(self, offer: PurgeOffer) -> None:
        if not offer.waiting:
            self._shell.toasts.say(f"Nothing waits in {offer.queue}: there is nothing to purge.", "info")
            return
        word = f"Delete {count(offer.waiting, 'message')}"
        confirm(
            self._shell.window_widget(),
            f"Purge {offer.queue}?",
            purge_losses(offer),
            word,
            partial(self._purge, offer.queue),
        )

    def _purge(self, queue: str) -> None:
        self._shell.do(self._shell.desk.purge(queue))

    # bringing back

    def ask_restore(self, queue: str | None = None, worker: str | None = None) -> None:
        """Say how many and whose, then bring them back: of a queue, of a worker, of both, or all."""
        snapshot = self._shell.bridge.snapshot
        held = stranded_of(snapshot.queues, queue, worker)
        number = sum(h.stranded for h in held)
        if not number:
            self._shell.toasts.say("Nothing is stranded any more.", "info")
            return
        words = count(number, "stranded message")
        title = f"Bring back {words}{f' of {queue}' if queue else ''}?"
        run = partial(self._restore, queue, worker)
        losses = restore_sentences(held, snapshot.t)
        Confirm(self._shell.window_widget(), title, losses, [("Bring back now", "primary", run)]).open()

    def _restore(self, queue: str | None, worker: str | None) -> None:
        self._shell.do(self._shell.desk.restore_stranded(queue, worker))


def consume_key(queue: str, worker: str) -> str:
    """The action that lets a worker consume a queue."""
    return f"queue.consume:{queue}:{worker}"


def turn_key(queue: QueueSnapshot, worker: str) -> str:
    """The action that changes whether a worker consumes a queue."""
    return (
        f"queue.leave:{queue.name}:{worker}" if worker in queue.consumers else consume_key(queue.name, worker)
    )


def stranded_of(
    queues: Sequence[QueueSnapshot], queue: str | None = None, worker: str | None = None
) -> tuple[Held, ...]:
    """What is stranded, of these; what nobody knows the worker of is of the worker ""."""
    found: list[Held] = []
    for q in queues:
        if queue in (None, q.name):
            found += [h for h in q.held if h.stranded]
            rest = q.stranded - sum(h.stranded for h in q.held)
            found += [Held("", stranded=rest)] if rest > 0 else []
    return tuple(h for h in found if worker in (None, h.worker))


def purge_losses(offer: PurgeOffer) -> list[str]:
    """What a purge deletes and what it leaves, in sentences."""
    said = [f"{count(offer.waiting, 'waiting message')} will be deleted. Their tasks will never run."]
    steps = [(step, n) for step, n in sorted(offer.by_priority.items()) if n]
    if len(steps) > 1:
        parts = [f"{n:,} of priority {step}" for step, n in steps]
        said.append(f"These are {listed(parts)}.")
    if offer.untouched:
        held = count(offer.untouched, "message")
        said.append(f"{held} of this queue that workers hold or took with them stay untouched.")
    said.append("The record keeps the ids of the deleted ones as PURGED.")
    return said


def _soon(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds > 0 else "any moment"


def restore_sentences(held: Sequence[Held], now: float) -> list[str]:
    """Whose messages come back, and what that means for their tasks."""
    by_worker: dict[str, list[Held]] = {}
    for part in held:
        by_worker.setdefault(part.worker, []).append(part)
    said = []
    for worker, parts in by_worker.items():
        times = [part.back_at for part in parts if part.back_at is not None]
        alone = f"; by themselves they would be back {_soon(min(times) - now)}" if times else ""
        number = sum(part.stranded for part in parts)
        said.append(f"{count(number, 'message')} delivered to {worker or 'an unknown worker'}{alone}.")
    said.append("They go back into their queues now. A task that had begun runs again from the start.")
    said.append("What a living worker holds is never touched.")
    return said
