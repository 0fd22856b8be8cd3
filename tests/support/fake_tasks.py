"""The tasks of `FakeRecord`: made up, but believable, and the same for the same seed.

They are arrays, so that a million of them are there in a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from desktop.engine.api import TaskState

Array = np.ndarray[Any, np.dtype[Any]]
STATES = tuple(TaskState)
CODE = {state: code for code, state in enumerate(STATES)}
# name, weight, median run in seconds, queue, workers, chance to fail
KINDS = (
    ("tasks.basic.noop", 30, 0.002, 0, (0, 1), 0.0),
    ("tasks.cpu.count_primes", 20, 0.18, 0, (0, 1), 0.0),
    ("tasks.io.fetch", 18, 0.21, 0, (0, 1), 0.004),
    ("tasks.cpu.hash_password", 10, 0.31, 0, (0, 1), 0.0),
    ("tasks.trouble.flaky", 8, 0.05, 1, (0,), 0.12),
    ("shop.mail.send_the_order_confirmation", 8, 0.42, 1, (0,), 0.01),
    ("shop.reports.render_monthly_statement", 4, 2.4, 2, (2,), 0.02),
    ("shop.orders.tasks.recompute_the_totals_of_all_open_orders", 2, 1.3, 2, (2,), 0.2),
)
NAMES = tuple(kind[0] for kind in KINDS)
QUEUES = ("celery", "mail", "reports")
WORKERS = ("w1", "w2", "reports", "solo-1")
BLOCK = 4096
TWICE_EVERY, LOST_EVERY, STRANDED_EVERY, REVOKED_EVERY, PURGED_EVERY = 997, 1999, 4799, 1499, 3499
AWAY = 11.0  # seconds until a message of a killed worker is delivered again
COUNTDOWN = 3.0  # seconds before a retry
TREE = 40  # every so many tasks one begins a chain of three, and ten later one a group of four


@dataclass(slots=True)
class Moment:
    """What was known of each task at one moment; index = number - 1."""

    now: float
    count: int
    state: Array
    received: Array
    started: Array
    ended: Array
    wait: Array
    run: Array
    cpu: Array
    attempts: Array
    worker: Array  # index in WORKERS, 255: none yet


class MadeTasks:
    """`rate` tasks a second from `began` on, as many as are asked for."""

    def __init__(self, began: float, rate: float, seed: int = 7) -> None:
        self.began, self.rate, self.seed = began, rate, seed
        self._blocks: list[dict[str, Array]] = []
        self._whole: dict[str, Array] = {}

    def columns(self, count: int) -> dict[str, Array]:
        """Every column, for at least so many tasks."""
        while len(self._blocks) * BLOCK < max(count, 1):
            self._blocks.append(self._block(len(self._blocks)))
            self._whole = {}
        if not self._whole:
            keys = self._blocks[0]
            self._whole = {key: np.concatenate([block[key] for block in self._blocks]) for key in keys}
        return self._whole

    def sent(self, index: Array | float) -> Any:
        """When the task of an index is sent: in waves of some two minutes."""
        steady = np.asarray(index) / self.rate
        return self.began + steady + 16.0 * np.sin(steady / 20.0) * np.minimum(1.0, steady / 20.0) * 0.8

    def until(self, now: float) -> int:
        """How many were sent by then."""
        guess = int((now - self.began) * self.rate + 20 * self.rate) + 2
        return int(np.searchsorted(self.sent(np.arange(max(guess, 1))), now, side="right"))

    def _block(self, at: int) -> dict[str, Array]:
        index = np.arange(at * BLOCK, (at + 1) * BLOCK)
        chance = np.random.default_rng((self.seed, at)).random((6, BLOCK))
        weights = np.array([kind[1] for kind in KINDS], dtype=float)
        name = np.searchsorted(np.cumsum(weights / weights.sum()), chance[0]).clip(0, len(KINDS) - 1)
        median = np.array([kind[2] for kind in KINDS])[name]
        run = median * np.exp(0.45 * np.sqrt(2) * _inverse(chance[1]))
        sent = self.sent(index)
        wait = 0.012 - 0.35 * np.log(1 - chance[2] * 0.9999)
        choices = np.array([[kind[4][0], kind[4][-1]] for kind in KINDS])
        made = {
            "name": name.astype(np.uint8),
            "queue": np.array([kind[3] for kind in KINDS])[name].astype(np.uint8),
            "worker": choices[name, (chance[3] * 2).astype(int)].astype(np.uint8),
            "sent": sent,
            "received": sent + wait * 0.35,
            "first": sent + wait,
            "run": run,
            "cpu": run * (0.2 + 0.75 * (name % 2)),
            "eta": np.where(index % 61 == 5, sent + 30.0, np.nan),
            "attempts": np.ones(BLOCK, dtype=np.uint8),
            "gap": np.zeros(BLOCK),
            "held": run.copy(),
            "twice": np.zeros(BLOCK, dtype=bool),
            "end": np.full(BLOCK, CODE[TaskState.SUCCESS], dtype=np.uint8),
        }
        self._fates(made, index, chance)
        return made

    def _fates(self, made: dict[str, Array], index: Array, chance: Array) -> None:
        """Who fails, is retried, runs twice, is lost, stranded, revoked or purged."""
        fails = chance[4] < np.array([kind[5] for kind in KINDS])[made["name"]]
        made["end"][fails] = CODE[TaskState.FAILURE]
        again = (made["name"] == 4) & (chance[5] < 0.3)
        made["attempts"][again] = 2 + (chance[5][again] * 10).astype(int) % 3
        made["gap"][again] = made["run"][again] + COUNTDOWN
        late = ~np.isnan(made["eta"])
        made["first"][late] = made["eta"][late] + 0.02
        twice = (index % TWICE_EVERY == 500) & ~late
        made["twice"][twice], made["attempts"][twice] = True, 2
        made["run"][twice] = made["run"][twice] + 1.5
        made["held"][twice] = 0.6
        made["gap"][twice] = 0.6 + AWAY
        made["worker"][twice] = 0
        made["end"][twice] = CODE[TaskState.SUCCESS]
        for every, shift, state in (
            (LOST_EVERY, 3, TaskState.LOST),
            (STRANDED_EVERY, 77, TaskState.STRANDED),
            (REVOKED_EVERY, 9, TaskState.REVOKED),
            (PURGED_EVERY, 21, TaskState.PURGED),
        ):
            hit = (index % every == shift) & ~twice
            made["end"][hit] = CODE[state]
            made["attempts"][hit], made["gap"][hit] = (1 if state is TaskState.LOST else 0), 0

    def at(self, now: float, most: int | None = None) -> Moment:
        """What is known at a moment, of at most so many tasks."""
        count = self.until(now)
        count = count if most is None else min(count, most)
        made = {key: column[:count] for key, column in self.columns(count).items()}
        never = made["attempts"] == 0
        begun = ~never & (made["first"] <= now)
        passed = np.divide(now - made["first"], made["gap"], out=np.zeros(count), where=made["gap"] > 0)
        runs = np.where(begun, np.minimum(np.floor(passed) + 1, made["attempts"]), 0).astype(np.uint8)
        started = np.where(runs > 0, made["first"] + (np.maximum(runs, 1) - 1) * made["gap"], np.nan)
        last = made["first"] + (made["attempts"].astype(float) - 1) * made["gap"]
        end = np.where(never, made["received"] + 4.0, last + made["run"])
        end = np.where(made["end"] == CODE[TaskState.STRANDED], np.inf, end)
        over = end <= now
        received = np.where(made["end"] == CODE[TaskState.PURGED], np.nan, made["received"])
        received = np.where(received <= now, received, np.nan)
        state = self._states(made, now, received, started, runs, over)
        worker = np.where(np.isnan(received), 255, made["worker"]).astype(np.uint8)
        worker = np.where(made["twice"] & (runs < 2) & (worker != 255), 1, worker)
        begin = np.where(np.isnan(made["eta"]), made["sent"], made["eta"])
        run = np.where(over & ~never, made["run"], np.nan)
        return Moment(
            now, count, state, received, started, np.where(over, end, np.nan),
            np.where(runs > 0, made["first"] - begin, np.nan), run,
            np.where(np.isnan(run), np.nan, made["cpu"]), runs, worker,
        )  # fmt: skip

    def _states(
        self, made: dict[str, Array], now: float, received: Array, started: Array, runs: Array, over: Array
    ) -> Array:
        code = {state: np.uint8(CODE[state]) for state in TaskState}
        state = np.full(len(received), code[TaskState.WAITING], dtype=np.uint8)
        held = ~np.isnan(received)
        state[held] = code[TaskState.RESERVED]
        state[held & (made["eta"] > now)] = code[TaskState.SCHEDULED]
        between = (runs > 0) & (runs < made["attempts"]) & (started + made["held"] <= now)
        state[runs > 0] = code[TaskState.ACTIVE]
        state[between] = code[TaskState.SCHEDULED]
        state[between & made["twice"]] = code[TaskState.STRANDED]
        state[held & (made["end"] == code[TaskState.STRANDED])] = code[TaskState.STRANDED]
        return np.where(over, made["end"], state).astype(np.uint8)


class Texts:
    """Ids, arguments, results and errors, by number. Few distinct ones, as in life."""

    @cached_property
    def _frames(self) -> str:
        return "".join(
            f'  File "/srv/shop/orders/{"pricing" if n % 2 else "totals"}.py", line {40 + 7 * n}, in step_{n}'
            f"\n    return recompute(order, depth={n}, currency=settings.CURRENCY, strict=True)\n"
            for n in range(46)
        )

    def id(self, number: int) -> str:
        """The id of a task: looks random, is not."""
        mixed = number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128
        text = f"{mixed:032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-9{text[17:20]}-{text[20:]}"

    def args(self, name: int, number: int) -> str:
        """Positional arguments."""
        if name == 7:
            return '["2026-12", {"currency": "EUR", "round": "half-even"}]'
        return {0: "[]", 3: "[120000]", 5: f'["order-{number % 89}@example.org"]'}.get(
            name, f"[{number % 97}]"
        )

    def kwargs(self, name: int, number: int) -> str:
        """Keyword arguments."""
        return f'{{"shop": "berlin-{number % 7}", "strict": true}}' if name >= 5 else "{}"

    def result(self, name: int, number: int) -> str:
        """What it returned."""
        return {0: "None", 1: str(2262 + number % 13), 2: "200", 6: "'statement.pdf'"}.get(name, "True")

    def error(self, state: TaskState, name: int, number: int) -> str:
        """One line; empty for a task that went well."""
        if state is TaskState.LOST:
            return "WorkerLostError: the worker was killed by SIGKILL while it ran this task"
        if state is not TaskState.FAILURE:
            return ""
        if name == 7:
            return f"PricingError: order {4000 + number % 11} has no price in EUR"
        return f"Unlucky: 0.{number % 89:02d} < 0.3"

    def traceback(self, name: int, number: int, error: str) -> str:
        """As Python prints it; long for one name."""
        frames = (
            self._frames
            if name == 7
            else '  File "/srv/app/tasks.py", line 31, in flaky\n    raise Unlucky(x)\n'
        )
        return f"Traceback (most recent call last):\n{frames}shop.errors.{error}\n" if error else ""


def _inverse(uniform: Array) -> Array:
    """From evenly spread to (nearly) normally spread."""
    return np.clip(np.log(uniform.clip(1e-6, 1 - 1e-6) / (1 - uniform.clip(1e-6, 1 - 1e-6))) / 1.702, -4, 4)
