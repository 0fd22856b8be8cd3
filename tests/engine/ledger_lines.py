"""Lines as the probe writes them, for tests of the account."""

from __future__ import annotations

from typing import Any

from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line, Source

MAIN = Source("w1", 1, 100)
POOL = Source("w1", 1, 101)
OTHER = Source("w2", 1, 200)
LOAD = Source("load-1", 1, 9)
DESK = Source("desk", 1, 1)


def line(kind: str, t: float, source: Source = MAIN, **fields: Any) -> Line:
    return Line(source, {"k": kind, "t": t, **fields})


def opened(source: Source, role: str = "main", t: float = 0.0) -> Line:
    return line("open", t, source, v=1, start=source.start, pid=source.pid, role=role, node="w1@x")


def sent(*tasks: str, t: float = 0.5, queue: str = "q") -> Line:
    return line("sent", t, LOAD, ids=list(tasks), name="n", queue=queue)


def received(task: str, t: float = 1.0, source: Source = MAIN, retries: int = 0, **more: Any) -> Line:
    return line("received", t, source, id=task, name="n", queue="q", retries=retries, **more)


def started(task: str, t: float, source: Source = POOL, retries: int = 0) -> Line:
    return line("started", t, source, id=task, name="n", retries=retries)


def ended(
    task: str, t: float, state: str = "SUCCESS", source: Source = POOL, run: float = 0.5, **more: Any
) -> Line:
    return line("ended", t, source, id=task, state=state, run=run, cpu=None, error=None, **more)


def pool(t: float, source: Source = MAIN, reserved: int = 0, scheduled: int = 0) -> Line:
    figures: dict[str, Any] = {"size": 2, "busy": 0, "min": None, "max": None, "prefetch": 8, "pids": []}
    return line("pool", t, source, reserved=reserved, scheduled=scheduled, **figures)


def account_of(*lines: Line) -> Account:
    account = Account()
    account.take(lines)
    return account
