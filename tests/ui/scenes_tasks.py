"""Tasks that are hard to draw: a crowded list, long names, tracebacks, lives of many attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from desktop.engine.api import TaskFilter, TaskState
from tests.support.fake_record import FakeRecord
from tests.support.fake_tasks import CODE

LONG = "shop.orders.tasks.recompute_the_totals_of_all_open_orders"
COUNT = 6_000


def shown(window: Any, now: float, live: bool = True) -> FakeRecord:
    """Give the window's desk a record, and let the page see it."""
    record = FakeRecord(COUNT, live=live, clock=lambda: now)
    window.bridge.desk.shown = record
    window.page.show_snapshot(window.bridge.snapshot)
    for _ in range(12):
        window.page.tick()
    return record


def listed(now: float) -> Callable[[Any], object]:
    """The list of a living run."""
    return lambda window: shown(window, now)


def filtered(now: float) -> Callable[[Any], object]:
    """Everything that can be chosen is."""

    def act(window: Any) -> None:
        record = shown(window, now)
        since, until = record.span()
        middle = (since + until) / 2
        window.page.list.choose_filter(
            TaskFilter(
                states=frozenset({TaskState.FAILURE, TaskState.LOST, TaskState.STRANDED, TaskState.PURGED}),
                names=frozenset({LONG, "tasks.trouble.flaky"}),
                text="a",
                since=middle - 60,
                until=middle + 20,
                load=None,
            )
        )

    return act


def nothing_found(now: float) -> Callable[[Any], object]:
    """A filter that nothing passes."""

    def act(window: Any) -> None:
        shown(window, now)
        window.page.list.choose_filter(TaskFilter(text="a text that is nowhere to be found in this run"))

    return act


def by_name(now: float) -> Callable[[Any], object]:
    """Groups."""

    def act(window: Any) -> None:
        shown(window, now)
        window.page.list.mode._buttons["groups"].click()

    return act


def task(now: float, which: Callable[[FakeRecord], int]) -> Callable[[Any], object]:
    """A task's own page."""

    def act(window: Any) -> None:
        record = shown(window, now)
        _open(window, record, which(record))

    return act


def _open(window: Any, record: FakeRecord, number: int) -> None:
    """Open a task, and lay it out."""
    from PySide6.QtWidgets import QApplication

    window.page.open_task(record.texts.id(number))
    for _ in range(50):
        QApplication.processEvents()
        if window.page.stage.currentWidget() is window.page.detail:
            break
    QApplication.processEvents()


def failed(record: FakeRecord) -> int:
    """One with a long name and a long traceback."""
    moment = record.moment()
    names = record.made.columns(moment.count)["name"][: moment.count]
    return int(np.flatnonzero((moment.state == CODE[TaskState.FAILURE]) & (names == 7))[-1]) + 1


def retried(record: FakeRecord) -> int:
    """One with four attempts."""
    return int(np.flatnonzero(record.moment().attempts == 4)[-1]) + 1


def headed(record: FakeRecord) -> int:
    """The head of a group."""
    return record.moment().count // 40 * 40 - 70


def asked(now: float, verb: str) -> Callable[[Any], object]:
    """The confirmation of a verb."""

    def act(window: Any) -> None:
        record = shown(window, now)
        moment = record.moment()
        workers = record.made.columns(moment.count)["worker"][: moment.count]
        active = (moment.state == CODE[TaskState.ACTIVE]) & (workers == 0)  # w1: it has processes to end
        _open(window, record, int(np.flatnonzero(active)[-1]) + 1)
        window.commands[f"task.{verb}"].trigger()

    return act
