"""A run that is told line by line, with what lay in the broker at its end: recorded as a living one is."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from desktop.engine.api import Balance, FaultRecord, Mark
from desktop.engine.faults.kept import append_record
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.ledger.settle import Settler
from desktop.engine.messages.look import View
from desktop.engine.record.moment import MOMENT
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.recording import ACCOUNT
from desktop.engine.record.writing.store import Store

BEGAN = 1_790_000_000.0
QUEUE = "celery"
LOAD = Source("load-1", 1, 9)
DESK = Source("desk", 1, 8)
_LOOKS = 5
_AT_REST = 1_000.0  # seconds after the beginning: everything was written by then


def id_of(name: str) -> str:
    """An id as Celery makes them, that a test knows by a word."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def main_of(worker: str, start: int = 1) -> int:
    """The main process of a worker."""
    return 1000 * (1 + sum(map(ord, worker))) + start


@dataclass(slots=True)
class ToldRun:
    """Times are seconds after `BEGAN`; tasks are words. Each method tells one thing."""

    lines: list[Line] = field(default_factory=list)
    deaths: list[tuple[str, int, float, bool]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)  # messages in the queue at the end
    unacked: dict[str, float] = field(default_factory=dict)  # delivered and not acknowledged at the end
    marks: list[Mark] = field(default_factory=list)
    faults: list[FaultRecord] = field(default_factory=list)
    gaps: tuple[str, ...] = ()
    balance: Balance | None = None  # the sum as it was told last

    def tell(self, kind: str, t: float, source: Source, **fields: Any) -> None:
        self.lines.append(Line(source, {"k": kind, "t": BEGAN + t, **fields}))

    def sent(self, *tasks: str, t: float = 0.0) -> None:
        self.tell("sent", t, LOAD, ids=[id_of(task) for task in tasks], name="tasks.x", queue=QUEUE)

    def purged(self, *tasks: str, t: float) -> None:
        self.tell("purged", t, DESK, ids=[id_of(task) for task in tasks], queue=QUEUE)

    def received(self, task: str, t: float, worker: str, start: int = 1, retries: int = 0) -> None:
        source = Source(worker, start, main_of(worker, start))
        again = {
            "eta": None,
            "redelivered": False,
            "root": None,
            "parent": None,
            "args": "[]",
            "kwargs": "{}",
        }
        self.tell(
            "received", t, source, id=id_of(task), name="tasks.x", queue=QUEUE, retries=retries, **again
        )

    def started(
        self, task: str, t: float, worker: str, start: int = 1, retries: int = 0, pid: int | None = None
    ) -> None:
        source = Source(worker, start, pid or main_of(worker, start) + 500)
        self.tell("started", t, source, id=id_of(task), name="tasks.x", retries=retries)

    def ended(
        self,
        task: str,
        t: float,
        worker: str,
        state: str = "SUCCESS",
        start: int = 1,
        run: float = 0.5,
        pid: int | None = None,
        error: str | None = None,
        traceback: str | None = None,
        by_main: bool = False,
        **more: Any,
    ) -> None:
        """`by_main`: of a process that died, its main process tells."""
        own = pid or main_of(worker, start) + 500
        source = Source(worker, start, main_of(worker, start) if by_main else own)
        if by_main:
            more["pid"] = own
        if traceback is not None:
            more["traceback"] = traceback
        self.tell("ended", t, source, id=id_of(task), state=state, run=run, cpu=None, error=error, **more)

    def revoked(self, task: str, t: float, worker: str, start: int = 1) -> None:
        source = Source(worker, start, main_of(worker, start))
        self.tell("revoked", t, source, id=id_of(task), name="tasks.x", terminated=False, expired=False)

    def ran(self, task: str, t: float, worker: str, run: float = 0.5, start: int = 1, **how: Any) -> None:
        """Received, started and ended, from `t` on."""
        self.received(task, t, worker, start)
        self.started(task, t + 0.1, worker, start)
        self.ended(task, t + 0.1 + run, worker, start=start, run=run, **how)

    def died(self, worker: str, t: float, start: int = 1, gave_back: bool = False) -> None:
        self.deaths.append((worker, start, BEGAN + t, gave_back))

    # what becomes of it

    def record(self, folder: Path) -> RunReader:
        """The record that a recorder would have made of it. The caller closes it."""
        account = self.account()
        folder.mkdir(parents=True, exist_ok=True)
        store = Store.create(folder, {"stack": "told", "began": BEGAN, "versions": {}})
        store.write(account.changed())
        store.put(ACCOUNT, account.saved())
        if self.gaps:
            store.put("gaps", list(self.gaps))
        if self.balance is not None:
            store.put(MOMENT, {"balance": asdict(self.balance), "queues": {}})
        for mark in self.marks:
            store.mark(mark)
        store.commit({})
        store.close(clean=True)
        for fault in self.faults:
            append_record(folder, fault)
        return RunReader.open(folder)

    def account(self) -> Account:
        """The recorder's account at the end: lines, deaths, and look after look at the broker."""
        account = Account()
        account.take(self._by_file())
        for worker, start, t, gave_back in self.deaths:
            account.cut(worker, start=start, t=t, gave_back=gave_back)
        settler = Settler(account)
        wanted: frozenset[str] = frozenset()
        for look in range(_LOOKS):
            listed = {queue: [id_of(one) for one in self.waiting] for queue in wanted}
            wanted = settler.settle(self._view(BEGAN + _AT_REST + look), listed, quiet=True)
        return account

    def _by_file(self) -> Iterable[Line]:
        """A tail reads file after file: each in its own order."""
        sources = dict.fromkeys(line.source for line in self.lines)
        for source in sources:
            yield from sorted(
                (line for line in self.lines if line.source == source), key=lambda line: line.data["t"]
            )

    def _view(self, asked: float) -> View:
        unacked = {id_of(task): (QUEUE, BEGAN + t) for task, t in self.unacked.items()}
        count = len(self.waiting)
        return View(asked + 0.01, asked, {QUEUE: (count, {0: count})}, {}, unacked, {}, len(unacked), True)
