"""Graphs that are hard to draw: hours and a second, gaps, every panel, a stretch that is being drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt

from desktop.engine.api import Mark, MarkKind
from tests.support.fake_record import FakeRecord

COUNT = 160_000
Act = Callable[[Any], object]


WORKERS = tuple(f"worker-{n}" for n in range(1, 13))


def shown(window: Any, now: float, live: bool = True, record: FakeRecord | None = None) -> FakeRecord:
    """Give the window's desk a record, of more than an hour unless told, and let the page see it."""
    record = record or FakeRecord(COUNT, live=live, clock=lambda: now)
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


def young(now: float) -> Act:
    """A run that began four seconds ago."""
    return lambda window: shown(window, now, record=FakeRecord(160, live=True, clock=lambda: now))


def gappy(now: float) -> Act:
    """A run of ten minutes, in which nothing was recorded for a while, four times."""

    def act(window: Any) -> None:
        record = FakeRecord(24_000, clock=lambda: now)
        last = record.span()[1]
        record.holes = tuple(
            (last - ago, last - ago + long) for ago, long in ((500, 90), (300, 4), (290, 60), (40, 38))
        )
        shown(window, now, record=record)

    return act


def twelve(now: float) -> Act:
    """Twelve workers in each panel."""

    def act(window: Any) -> None:
        record = FakeRecord(COUNT, live=True, clock=lambda: now)
        kinds = ("cpu", "memory", "size", "busy", "min", "max")
        record.all_series += tuple(f"{kind}:{worker}" for kind in kinds for worker in WORKERS)
        shown(window, now, record=record)
        window.page.axis.show(now - 120.0, now)

    return act


def focused(now: float) -> Act:
    """The keyboard is on the charts."""

    def act(window: Any) -> None:
        shown(window, now)
        window.page.canvas.setFocus(Qt.FocusReason.TabFocusReason)

    return act
