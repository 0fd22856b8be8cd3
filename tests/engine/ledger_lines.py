"""Lines as the probe writes them and looks at a broker, for tests of the account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from desktop.engine.api import Balance, TaskState
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.ledger.settle import Settler
from desktop.engine.messages.look import View

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


def place(account: Account, task_id: str = "a") -> TaskState:
    task = account.task(task_id)
    assert task is not None, task_id
    return task.place


def view(
    asked: float,
    unacked: Mapping[str, float] | None = None,
    waiting: int = 0,
    complete: bool = True,
) -> View:
    held = {task: ("q", t) for task, t in (unacked or {}).items()}
    depths = {"q": (waiting, {0: waiting})}
    return View(asked + 0.01, asked, depths, {}, held, {}, len(held), complete)


def looked(settler: Settler, *views: View, ids: Iterable[str] = (), quiet: bool = True) -> Balance:
    """Look after look; queues that are asked for are listed in the next one."""
    wanted: frozenset[str] = frozenset()
    for one in views:
        wanted = settler.settle(one, {queue: list(ids) for queue in wanted}, quiet)
    return settler.balance()


def killed_worker() -> Account:
    """w1 is dead; it ran a and held b, which it had from t = 1."""
    account = account_of(
        opened(MAIN), opened(POOL, "pool"), sent("a", "b"), received("a"), received("b"), started("a", 2)
    )
    account.cut("w1", t=3)
    return account
