"""Logs: what every service wrote, in one list."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout

from desktop.engine.api import StackSnapshot
from desktop.ui.page import Page, Shell
from desktop.ui.pages.logs_bar import FilterBar, SearchBar, ViewBar
from desktop.ui.widgets.containers import Card
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.log_view import LogView
from desktop.ui.widgets.log_view_model import MOST, LogModel

_BLOCK = 5_000  # lines taken in one turn: the window stays quick while it catches up


class LogsPage(Page):
    """Filters and search above, the list below. New lines are taken ten times a second, as one block."""

    searches = True

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.model = LogModel()
        self.view = LogView(self.model)
        self.filters, self.search, self.options = FilterBar(), SearchBar(), ViewBar()
        self._run: Path | None = None
        self._empty = EmptyState("logs", "No line yet", "What the services write appears here.")
        self._stage = QStackedWidget()
        self._stage.addWidget(self._empty)
        self._stage.addWidget(self.view)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(12)
        top.addWidget(label("Logs", "title"))
        top.addStretch(1)
        top.addWidget(self.search)
        second = QHBoxLayout()
        second.setSpacing(12)
        second.addWidget(self.filters, 1)
        second.addWidget(self.options, 0, Qt.AlignmentFlag.AlignTop)
        card = Card(padding=1)
        card.body.setContentsMargins(1, 6, 1, 6)
        card.add(self._stage)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 16, 16, 16)
        outer.setSpacing(10)
        outer.addLayout(top)
        outer.addLayout(second)
        outer.addWidget(card, 1)

    def _connect(self) -> None:
        self.filters.changed.connect(self._filter)
        self.search.changed.connect(self._search)
        self.search.step.connect(self.view.go_to_hit)
        self.view.current_changed.connect(self._count)
        self.view.following_changed.connect(self.options.show_following)
        self.options.follow_wanted.connect(self.view.follow)
        self.options.wrap_wanted.connect(self.view.wrap)
        self.options.copy_wanted.connect(self._copy)

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        services = ["broker", *(w.name for w in snapshot.workers)]
        if snapshot.web is not None or snapshot.spec.web is not None:
            services.append("web")
        self.filters.show_services(services)
        if snapshot.run_folder != self._run:
            # Another run counts its lines from the beginning.
            if self._run is not None and snapshot.run_folder is not None:
                self.model.clear()
                self.view.show_all()
            self._run = snapshot.run_folder or self._run

    def tick(self) -> None:
        first = self.model.last_seq < 0
        lines = self.shell.desk.log_lines(self.model.last_seq, MOST if first else _BLOCK)
        if not lines:
            return
        self.view.show_added(self.model.add(lines))
        self._show_stage()
        self._count()

    def _show_stage(self) -> None:
        self._stage.setCurrentIndex(1 if self.model.rows else 0)
        if self.model.rows:
            return
        if len(self.model):
            self._empty.say("No line passes the filter", "Choose another service or a lower level.")
        else:
            self._empty.say("No line yet", "What the services write appears here.")

    def show_about(self, about: str) -> None:
        """A service's name; or "text:" and what to search for in all lines."""
        kind, _, text = about.partition(":")
        if kind == "text":
            self.search.field.setText(text)
        else:
            self.filters.only(about)

    def start_search(self) -> None:
        self.search.start()

    # filter and search

    def _filter(self) -> None:
        self.model.filter(self.filters.services, self.filters.level)
        self.view.show_all()
        self._show_stage()
        self._count()

    def _search(self) -> None:
        error = self.model.search(self.search.text, self.search.regex)
        self.search.show_error(error)
        self.view.current = -1
        if self.model.hits:
            self.view.go_to_hit(forward=False)
        self.view.viewport().update()
        self._count()

    def _count(self, _row: int = -1) -> None:
        hits, current = self.model.hits, self.view.current
        self.search.show_count(hits.index(current) + 1 if current in hits else 0, len(hits))

    def _copy(self) -> None:
        lines = self.view.selected or len(self.model.rows)
        self.view.copy()
        self.shell.toasts.say(f"{lines:,} lines are on the clipboard.", "info")
