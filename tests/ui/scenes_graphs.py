"""Graphs that are hard to draw: hours and a second, gaps, every panel, a stretch that is being drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from desktop.engine.api import Mark, MarkKind
from tests.support.fake_record import FakeRecord

COUNT = 160_000
Act = Callable[[Any], object]


def shown(window: Any, now: float, live: bool = True) -> FakeRecord:
    """Give the window's desk a record of more than an hour, and let the page see it."""
    record = FakeRecord(COUNT, live=live, clock=lambda: now)
    window.bridge.desk.shown = record
    window.page.show_snapshot(window.bridge.snapshot)
    return record


def whole(now: float) -> Act:
    """All of a living run."""
    return lambda window: shown(window, now)


def second(now: float) -> Act:
    """One second of it."""

    def act(window: Any) -> None:
        shown(window, now)
        window.page.axis.show(now - 61.0, now - 60.0)

    return act


def crossed(now: float) -> Act:
    """The cross-hair over some minutes of a run that is over, with marks, and more panels than fit."""

    def act(window: Any) -> None:
        record = shown(window, now, live=False)
        last = record.span()[1]
        kinds = (MarkKind.KILLED, MarkKind.STARTED, MarkKind.RECOVERED, MarkKind.SETTINGS, MarkKind.LOAD)
        marks = [Mark(last - 900 + 140 * k, kind, "w1", f"{kind}") for k, kind in enumerate(kinds)]
        page = window.page
        page.axis.grow(last, False, marks)
        page.axis.show(last - 1000, last - 100)
        page.axis.move_cross(-520.0)
        page.chips.choose([*page.chips.chips])
        page.chips.changed.emit()

    return act


def drawn(now: float) -> Act:
    """A stretch is being drawn, over the end of what was recorded."""

    def act(window: Any) -> None:
        record = shown(window, now, live=False)
        last = record.span()[1]
        window.page.axis.select((last - 1500, last - 900))

    return act
