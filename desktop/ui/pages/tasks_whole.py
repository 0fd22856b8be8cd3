"""What is said of a run as a whole above its tasks: how many there are of each kind, and the graph."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, QTimer

from desktop.engine.api import Band, DeskError, Facets, Record
from desktop.ui.page import Shell
from desktop.ui.pages.tasks_filter import FilterBar
from desktop.ui.pages.tasks_graph import SERIES, RunGraph

_PATIENCE = 80  # ms after the last change of the graph's width


class WholeRun(QObject):
    """Feeds the filter's counts and the graph of one record after the other."""

    def __init__(self, shell: Shell, graph: RunGraph, filters: FilterBar) -> None:
        super().__init__(graph)
        self._shell, self._graph, self._filters = shell, graph, filters
        self._record: Record | None = None
        self._facets: Facets | None = None
        self._resized = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._resized.timeout.connect(self._read_graph)
        graph.width_changed.connect(self._resized.start)

    def show_record(self, record: Record | None) -> None:
        """Another record; nothing is read of it before `read`."""
        self._record, self._facets = record, None

    @property
    def span(self) -> tuple[float, float]:
        """From the first task on; of a run that is over, to the last moment of one."""
        if self._record is None:
            return 0.0, 1.0
        (since, until), facets = self._record.span(), self._facets
        if facets is not None and facets.first is not None and facets.last is not None:
            since = min(max(since, facets.first - 1), until)
            until = until if self._record.live else max(min(until, facets.last + 1), since)
        return since, until

    def read(self) -> None:
        """Read counts, and then the graph."""
        if self._record is not None:
            self._shell.bridge.run(self._record.facets(), self._show_facets, self._ignore, self)

    def _show_facets(self, facets: Facets) -> None:
        self._facets = facets
        self._filters.show_facets(facets)
        self._read_graph()

    def _read_graph(self) -> None:
        record = self._record
        if record is None:
            return
        since, until = self.span
        asked = record.series(SERIES, since, until, self._graph.buckets(until - since))

        def show(bands: Mapping[str, Band]) -> None:
            if record is self._record:
                self._graph.show_bands((since, until), bands, record.marks())

        self._shell.bridge.run(asked, show, self._ignore, self)

    def _ignore(self, _error: DeskError) -> None:
        """The list tells of a record that cannot be read."""
