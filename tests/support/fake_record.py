"""A record of made-up tasks for the window's tests and pictures: `api.Record` without a database.

Everything is a function of the clock and the seed. Answers are there at once; with `hold=True` they wait for
`settle`, with `threads=True` they come from a thread, as the real ones do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from desktop.engine.api import (
    Band,
    DeskError,
    Facets,
    FaultRecord,
    Mark,
    MarkKind,
    RunInfo,
    Spread,
    TaskColumn,
    TaskDetail,
    TaskFilter,
    TaskGroup,
    TaskPage,
    TaskQuery,
    TaskRow,
    TaskState,
    TextIn,
)
from tests.support.fake_series import SERIES, band_of
from tests.support.fake_task_detail import detail_of
from tests.support.fake_tasks import (
    CODE,
    NAMES,
    QUEUES,
    STATES,
    WORKERS,
    Array,
    MadeTasks,
    Moment,
    Texts,
)

_FAILED = (CODE[TaskState.FAILURE], CODE[TaskState.LOST])


class FakeRecord:
    """`count` tasks up to the clock's present; with `live` they grow with it, `rate` a second.

    `asked` has every call as (verb, arguments).
    """

    def __init__(
        self,
        count: int = 20_000,
        live: bool = False,
        clock: Callable[[], float] = time.time,
        rate: float = 40.0,
        seed: int = 7,
        hold: bool = False,
        threads: bool = False,
    ) -> None:
        self.clock, self._live, self._born = clock, live, clock()
        self.all_series: tuple[str, ...] = SERIES
        self.holes: tuple[tuple[float, float], ...] = ()  # of the series: nobody recorded then
        self.count = count
        self.made = MadeTasks(self._born, rate, seed)
        self.made.began -= float(self.made.sent(count - 1)) - self._born
        self.texts = Texts()
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.hold = hold
        self.pending: list[tuple[str, Future[Any], Callable[[], Any]]] = []
        self.fail_next: DeskError | None = None
        self.version_ahead = 0  # for a test that wants something to have been written
        self._threads = ThreadPoolExecutor(1, "fake-record") if threads else None
        self._moment: tuple[int, Moment] | None = None
        self._orders: dict[Any, Array] = {}
        self.closed = False
        self.done_to_it: tuple[FaultRecord, ...] = ()

    # -- for the test

    def called(self, verb: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of a verb."""
        return [args for name, args in self.asked if name == verb]

    def settle(self, verb: str = "") -> int:
        """End held answers (of a verb); how many there were. Cancelled ones stay so."""
        held = [one for one in self.pending if not verb or one[0] == verb]
        self.pending = [one for one in self.pending if one not in held]
        for _verb, future, work in held:
            if not future.cancelled():
                self._answer(future, work)
        return len(held)

    def moment(self) -> Moment:
        """What the record says at this version."""
        version = self.version()
        if self._moment is None or self._moment[0] != version:
            now = self._born + (version - self.version_ahead - 1) / 2 if self._live else self._born + 40.0
            self._moment = (version, self.made.at(now, None if self._live else self.count))
            self._orders = {}
        return self._moment[1]

    def number_of(self, state: TaskState, which: int = -1) -> int:
        """The number of some task in that state: by default the youngest."""
        return int(np.flatnonzero(self.moment().state == CODE[state])[which]) + 1

    def twice(self, which: int = -2) -> int:
        """The number of some task that ran twice."""
        now = self.moment()
        twice = self.made.columns(now.count)["twice"][: now.count] & (now.attempts > 1)
        return int(np.flatnonzero(twice)[which]) + 1

    # -- Record

    @property
    def info(self) -> RunInfo:
        began, ended = self.span()
        return RunInfo(
            Path("runs/20261122-101500-laptop"),
            "laptop",
            began,
            None if self._live else ended,
            self.moment().count,
            live=self._live,
        )

    @property
    def live(self) -> bool:
        return self._live

    def version(self) -> int:
        return self.version_ahead + 1 + (int((self.clock() - self._born) * 2) if self._live else 0)

    def tasks(self, query: TaskQuery, first: int, count: int) -> Future[TaskPage]:
        return self._future("tasks", (query, first, count), lambda: self._page(query, first, count))

    def position(self, query: TaskQuery, number: int) -> Future[int]:
        def find() -> int:
            found = np.flatnonzero(self._order(query) == number - 1)
            return int(found[0]) if len(found) else -1

        return self._future("position", (query, number), find)

    def groups(self, chosen: TaskFilter) -> Future[tuple[TaskGroup, ...]]:
        return self._future("groups", (chosen,), lambda: self._groups(chosen))

    def facets(self) -> Future[Facets]:
        return self._future("facets", (), self._facets)

    def task(self, task_id: str) -> Future[TaskDetail]:
        return self._future("task", (task_id,), lambda: self._detail(task_id))

    def ids(self, chosen: TaskFilter, limit: int = 100_000) -> Future[tuple[str, ...]]:
        def find() -> tuple[str, ...]:
            return tuple(self.texts.id(int(i) + 1) for i in np.flatnonzero(self._mask(chosen))[:limit])

        return self._future("ids", (chosen, limit), find)

    def series_names(self) -> tuple[str, ...]:
        return self.all_series

    def series(
        self, names: Sequence[str], since: float, until: float, buckets: int
    ) -> Future[Mapping[str, Band]]:
        def read() -> dict[str, Band]:
            known = [name for name in names if name in self.all_series]
            return {name: band_of(name, self.span(), since, until, buckets, self.holes) for name in known}

        return self._future("series", (tuple(names), since, until, buckets), read)

    def span(self) -> tuple[float, float]:
        return self.made.began, self.moment().now

    def faults(self) -> tuple[FaultRecord, ...]:
        return self.done_to_it

    def marks(self) -> tuple[Mark, ...]:
        began, now = self.span()
        made = [Mark(began, MarkKind.STARTED, "w1", "w1 started")]
        columns = self.made.columns(self.moment().count)
        for index in np.flatnonzero(columns["twice"][: self.moment().count])[-6:]:
            t = float(columns["first"][index] + columns["held"][index])
            made.append(Mark(t, MarkKind.KILLED, "w2", "w2 was killed by SIGKILL while it ran 2 tasks"))
            made.append(Mark(t + 0.5, MarkKind.STARTED, "w2", "w2 started again after 0.5 s"))
            made.append(Mark(t + 2.6, MarkKind.RECOVERED, "w2", "w2 answers again"))
        return tuple(mark for mark in made if mark.t <= now)

    def settings(self) -> Mapping[str, Any]:
        return {"stack": 'name = "laptop"\n', "versions": {"celery": "5.7.0"}, "machine": {"cores": 8}}

    def close(self) -> None:
        self.closed = True
        for _verb, future, _work in self.pending:
            future.cancel()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    # -- answers

    def _future(self, verb: str, args: tuple[Any, ...], work: Callable[[], Any]) -> Future[Any]:
        self.asked.append((verb, args))
        future: Future[Any] = Future()
        if self.hold:
            self.pending.append((verb, future, work))
        elif self._threads is not None:
            self._threads.submit(lambda: None if future.cancelled() else self._answer(future, work))
        else:
            self._answer(future, work)
        return future

    def _answer(self, future: Future[Any], work: Callable[[], Any]) -> None:
        failure, self.fail_next = self.fail_next, None
        try:
            result = work() if failure is None else None
        except DeskError as error:
            failure = error
        if not future.set_running_or_notify_cancel():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)

    def _page(self, query: TaskQuery, first: int, count: int) -> TaskPage:
        order, now = self._order(query), self.moment()
        rows = tuple(self.row(int(i) + 1) for i in order[first : first + count])
        return TaskPage(rows, first, len(order), now.count, now.count)

    def row(self, number: int) -> TaskRow:
        """A task as it stands now."""
        now, i = self.moment(), number - 1
        made = self.made.columns(now.count)
        state, name = STATES[now.state[i]], int(made["name"][i])
        return TaskRow(
            number,
            self.texts.id(number),
            NAMES[name],
            state,
            QUEUES[made["queue"][i]],
            WORKERS[now.worker[i]] if now.worker[i] != 255 else "",
            float(made["sent"][i]),
            _known(now.received[i]),
            _known(now.started[i]),
            _known(now.ended[i]),
            _known(now.wait[i]),
            _known(now.run[i]),
            _known(now.cpu[i]),
            int(now.attempts[i]),
            bool(made["twice"][i]) and int(now.attempts[i]) > 1,
            self.texts.error(state, name, number),
        )

    def _detail(self, task_id: str) -> TaskDetail:
        for number in range(1, self.moment().count + 1):
            if self.texts.id(number) == task_id:
                return detail_of(self, number)
        raise DeskError(f"This run knows no task {task_id}.", "Look for it in another run.")

    def _mask(self, chosen: TaskFilter, upto: int | None = None) -> Array:
        now = self.moment()
        made = {key: column[: now.count] for key, column in self.made.columns(now.count).items()}
        mask = np.ones(now.count, dtype=bool)
        if upto is not None:
            mask[max(0, upto) :] = False
        for column, words, wanted in (
            (made["name"], NAMES, chosen.names),
            (made["queue"], QUEUES, chosen.queues),
            (now.worker, WORKERS, chosen.workers),
            (now.state, STATES, chosen.states),
        ):
            if wanted:
                mask &= np.isin(column, [i for i, word in enumerate(words) if word in wanted])
        ended = np.where(np.isnan(now.ended), np.inf, now.ended)
        mask &= (chosen.until is None) | (made["sent"] <= (chosen.until or 0))
        mask &= (chosen.since is None) | (ended >= (chosen.since or 0))
        if chosen.ran_twice:
            mask &= made["twice"] & (now.attempts > 1)
        if chosen.retried:
            mask &= now.attempts > 1
        if chosen.text:
            mask &= self._with_text(chosen.text.casefold(), chosen.text_in, mask)
        return mask

    def _with_text(self, text: str, where: TextIn, among: Array) -> Array:
        found = np.zeros(len(among), dtype=bool)
        now, names, texts = self.moment(), self.made.columns(len(among))["name"], self.texts
        for i in np.flatnonzero(among):
            name, number, state = int(names[i]), int(i) + 1, STATES[now.state[i]]
            error = texts.error(state, name, number)
            parts = {
                TextIn.ID: texts.id(number),
                TextIn.ARGS: f"{texts.args(name, number)} {texts.kwargs(name, number)}",
                TextIn.RESULT: texts.result(name, number) if state is TaskState.SUCCESS else "",
                TextIn.ERROR: f"{error} {texts.traceback(name, number, error)}",
            }
            looked = parts.values() if where is TextIn.ANYWHERE else (parts[where],)
            found[i] = any(text in part.casefold() for part in looked)
        return found

    def _order(self, query: TaskQuery) -> Array:
        now = self.moment()
        if query not in self._orders:
            chosen = np.flatnonzero(self._mask(query.filter, query.upto))
            key = self._key(query.order, now)[chosen]
            away = np.isnan(key) if key.dtype.kind == "f" else np.zeros(len(key), dtype=bool)
            sign = -1 if query.descending else 1
            self._orders[query] = chosen[np.lexsort((chosen * sign, np.where(away, 0, key) * sign, away))]
        return self._orders[query]

    def _key(self, order: TaskColumn, now: Moment) -> Array:
        made = self.made.columns(now.count)
        if order in (TaskColumn.NAME, TaskColumn.QUEUE):
            words = NAMES if order is TaskColumn.NAME else QUEUES
            ranks = np.argsort(np.argsort(np.array(words)))
            return np.asarray(ranks[made[order.value][: now.count]].astype(int))
        if order is TaskColumn.NUMBER:
            return np.arange(now.count)
        column = made["sent"][: now.count] if order is TaskColumn.SENT else getattr(now, order.value)
        return np.asarray(column.astype(float))

    def _groups(self, chosen: TaskFilter) -> tuple[TaskGroup, ...]:
        mask, now = self._mask(chosen), self.moment()
        made = self.made.columns(now.count)
        found = []
        for code, name in enumerate(NAMES):
            hit = mask & (made["name"][: now.count] == code)
            count = int(hit.sum())
            if count:
                failed = int(np.isin(now.state[hit], _FAILED).sum())
                over = int(np.isin(now.state[hit], [CODE[s] for s in TaskState if s.over]).sum())
                twice = int((made["twice"][: now.count][hit] & (now.attempts[hit] > 1)).sum())
                waits, runs = spread(now.wait[hit]), spread(now.run[hit])
                cpu = float(np.nansum(now.cpu[hit]))
                found.append(TaskGroup(name, count, over, failed, twice, waits, runs, cpu))
        return tuple(sorted(found, key=lambda group: -group.count))

    def _facets(self) -> Facets:
        now = self.moment()
        made = self.made.columns(now.count)

        def counts(column: Array, words: Sequence[Any]) -> tuple[tuple[Any, int], ...]:
            tally = np.bincount(column, minlength=len(words))[: len(words)]
            return tuple((word, int(n)) for word, n in zip(words, tally, strict=True) if n)

        twice = int((made["twice"][: now.count] & (now.attempts > 1)).sum())
        return Facets(
            counts(now.state, STATES),
            counts(made["name"][: now.count], NAMES),
            counts(now.worker, WORKERS),
            counts(made["queue"][: now.count], QUEUES),
            twice,
            *self.span(),
        )


def spread(values: Array) -> Spread:
    """Percentiles of what is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Spread()
    return Spread(*(float(v) for v in np.percentile(known, (50, 95, 99, 100))))


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
