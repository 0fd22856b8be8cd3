"""Which tasks pass a filter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import TaskFilter
from desktop.engine.record.layout import MOST
from desktop.engine.record.reading.table import Mask, Table
from desktop.engine.record.schema import CODES, TWICE


def mask_of(table: Table, chosen: TaskFilter, words: Sequence[str]) -> Mask | None:
    """What passes all parts of the filter but its text; None when everything does."""
    masks: list[Mask] = []
    if chosen.states:
        masks.append(_among(table, "state", [CODES[state] for state in chosen.states], 256))
    for column, names in (("name", chosen.names), ("worker", chosen.workers), ("queue", chosen.queues)):
        if names:
            numbers = [min(number, MOST) for number, word in enumerate(words) if word in names]
            masks.append(_among(table, column, numbers, MOST + 1))
    if chosen.ran_twice:
        masks.append(np.asarray((table.column("flags") & np.uint8(TWICE)) != 0))
    if chosen.retried:
        masks.append(table.column("attempts") > np.uint16(1))
    if chosen.load is not None:
        masks.append(table.column("load") == np.uint16(min(max(chosen.load + 1, 0), MOST)))
    if chosen.until is not None:
        masks.append(began(table) <= chosen.until)
    if chosen.since is not None:
        masks.append(~(table.column("ended") < chosen.since))
    if not masks:
        return None
    whole = masks[0]
    for mask in masks[1:]:
        whole &= mask
    return table.flattened(whole)


def began(table: Table) -> NDArray[np.float64]:
    """When each task was first heard of; NaN where no time of it is known."""
    first = np.fmin(table.column("sent"), table.column("received"))
    np.fmin(first, table.column("started"), out=first)
    return np.asarray(np.fmin(first, table.column("ended"), out=first))


def _among(table: Table, column: str, numbers: Iterable[int], size: int) -> Mask:
    chosen = np.zeros(size, np.bool_)
    chosen[list(numbers)] = True
    return np.asarray(chosen[table.column(column)])
