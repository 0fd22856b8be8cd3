"""A finished run that is shown instead of a stack: everything of its last moment, and its whole record."""

from __future__ import annotations

import contextlib
import math
import threading
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from desktop.engine import snapshots
from desktop.engine.api import (
    Balance,
    DeskError,
    Facets,
    Leftover,
    LogLine,
    QueueSnapshot,
    Record,
    Series,
    StackSnapshot,
    TaskState,
    Totals,
)
from desktop.engine.runs.catalog import info_of
from desktop.engine.runs.folders import STACK
from desktop.engine.runs.logs import RecordedLogs
from desktop.engine.stack.model import StackSpec
from desktop.engine.stack.parse import parse_stack

_LAST = 900.0  # seconds at the end that the small graphs show
_BEAT = 0.5  # seconds between two points of them
_MARKS = 1000
_ENDED = "It ran while this was recorded."
_PATIENCE = 60.0  # seconds for what a small answer of the record may take


class OpenedRun:
    """Reads a run folder, read only. `close` lets go of it."""

    def __init__(self, folder: Path, record: Record) -> None:
        """Raises DeskError where the record cannot be read."""
        self.folder, self.record = folder, record
        self.info = info_of(folder)
        self._graphs: Mapping[str, Series] = {}
        self._snapshot = _moment(folder, record, record.facets().result(_PATIENCE))
        self.logs = RecordedLogs(folder / "logs")
        threading.Thread(target=self._read_graphs, name="run-graphs", daemon=True).start()

    def snapshot(self, leftovers: Sequence[Leftover]) -> StackSnapshot:
        """Its last moment; the same at every call."""
        if self._snapshot.leftovers != tuple(leftovers):
            self._snapshot = replace(self._snapshot, leftovers=tuple(leftovers))
        return self._snapshot

    def series(self, name: str, seconds: float) -> Series:
        """The last `seconds` before its end, as far as they were read already."""
        whole = self._graphs.get(name)
        if whole is None:
            return Series(array("d"), array("d"))
        first = self._snapshot.t - seconds
        start = next((at for at, t in enumerate(whole.t) if t >= first), len(whole.t))
        return Series(whole.t[start:], whole.v[start:])

    def _read_graphs(self) -> None:
        """Not before the run is shown: a graph may come a moment later."""
        end = self._snapshot.t
        buckets = round(_LAST / _BEAT)
        with contextlib.suppress(Exception):  # it was closed, or has no samples: then there are no graphs
            bands = self.record.series(self.record.series_names(), end - _LAST, end, buckets).result(
                _PATIENCE
            )
            self._graphs = {name: _points(band.t, band.last) for name, band in bands.items()}

    def log_lines(self, after: int, limit: int) -> Sequence[LogLine]:
        """As `Desk.log_lines`."""
        return self.logs.lines(after, limit)

    def close(self) -> None:
        """Let go of its files."""
        self.logs.close()
        self.record.close()


def _points(t: array[float], values: array[float]) -> Series:
    """Buckets without a sample are left out: a run that was sampled less often has no holes between them."""
    kept = [at for at, value in enumerate(values) if not math.isnan(value)]
    return Series(array("d", (t[at] for at in kept)), array("d", (values[at] for at in kept)))


def _moment(folder: Path, record: Record, facets: Facets) -> StackSnapshot:
    began, ended = record.span()
    known = record.settings()
    spec, why = read_spec(folder)
    gaps = [*_gaps(known), *([why] if why else [])]
    stopped = snapshots.of_stopped(spec, False, ())
    done = dict(facets.workers)
    workers = tuple(
        replace(worker, service=replace(worker.service, detail=_ENDED), done=done.get(worker.name, 0))
        for worker in stopped.workers
    )
    return replace(
        stopped,
        t=ended,
        started_at=began,
        workers=workers,
        queues=_queues(spec, facets),
        totals=_totals(known, facets),
        marks=tuple(record.marks()[-_MARKS:]),
        run_folder=folder,
        recorded=folder,
        balance=_made_of(Balance, known.get("balance")),
        gaps=tuple(gaps),
    )


def read_spec(folder: Path) -> tuple[StackSpec, str]:
    """The stack as it was run, and why it cannot be told where this version does not understand its file."""
    name = info_of(folder, counts=False).stack
    try:
        return parse_stack((folder / STACK).read_text(encoding="utf-8")), ""
    except DeskError as error:
        first = str(error).splitlines()[0]
        return StackSpec(name=name), f"The stack file of this run is not understood here: {first}"
    except (OSError, ValueError):
        return StackSpec(name=name), "The stack file of this run is missing: its workers are not known."


def _gaps(known: Mapping[str, Any]) -> list[str]:
    said = known.get("gaps", ())
    return [str(gap) for gap in said] if isinstance(said, (list, tuple)) else []


def _queues(spec: StackSpec, facets: Facets) -> tuple[QueueSnapshot, ...]:
    used = [name for name, _ in facets.queues if name]
    return tuple(QueueSnapshot(name) for name in snapshots.queue_names(spec, used))


def _totals(known: Mapping[str, Any], facets: Facets) -> Totals:
    """As the recorder left them; of a run whose recorder was killed, what the states of its tasks tell."""
    left: Totals | None = _made_of(Totals, known.get("totals"))
    if left is not None:
        return replace(left, running=0, per_second=0.0)
    count = dict(facets.states)
    return Totals(
        submitted=sum(count.values()),
        received=sum(count.values()) - count.get(TaskState.WAITING, 0),
        succeeded=count.get(TaskState.SUCCESS, 0),
        failed=count.get(TaskState.FAILURE, 0),
        revoked=count.get(TaskState.REVOKED, 0),
        cut=count.get(TaskState.LOST, 0),
        ran_twice=facets.ran_twice,
    )


def _made_of(kind: Any, said: Any) -> Any:
    """A dataclass from what the record remembers of it; None where that is not a mapping of its fields."""
    if not isinstance(said, Mapping):
        return None
    names = {field.name for field in fields(kind)}
    return kind(**{key: value for key, value in said.items() if key in names})
