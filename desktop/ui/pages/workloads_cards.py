"""Workloads that were submitted: how far they are, and what can be done about them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtWidgets import QProgressBar, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import Desk, LoadSnapshot, LoadState
from desktop.ui import icons
from desktop.ui.widgets.containers import Card, Column, row
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import ElidedLabel, label
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import duration

OVER = frozenset({LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED})


class LoadCard(Card):
    """One workload: sent and ended as two bars of one scale, exact figures, and its buttons."""

    def __init__(self, desk: Desk, load: LoadSnapshot) -> None:
        super().__init__(padding=14)
        self._desk, self.id = desk, load.id
        self._load = load
        self.body.setSpacing(6)
        name = load.workload.name or load.workload.mix[0].task
        self.setAccessibleName(f"Workload {name}")
        self.pill = StatePill(name)
        self.sent_bar, self.ended_bar = self._bar(f"{name}: sent"), self._bar(f"{name}: ended")
        self.sent, self.ended = label("", "small", wrap=True), label("", "small", "muted", wrap=True)
        self.doubt = label("", "small", "warn", wrap=True)
        self.detail = label("", "small", "muted", wrap=True)
        self.pause = _button("Pause", "pause", name)
        self.resume = _button("Resume", "play", name)
        self.cancel = _button("Cancel", "close", name)
        self.pause.clicked.connect(lambda: desk.pause_load(self.id))
        self.resume.clicked.connect(lambda: desk.resume_load(self.id))
        self.cancel.clicked.connect(lambda: desk.cancel_load(self.id))
        title = ElidedLabel(name, "strong")
        head = row(spacing=8)
        head.addWidget(title, 1)
        head.addWidget(self.pill)
        self.body.addLayout(head)
        for widget in (self.sent_bar, self.sent, self.ended_bar, self.ended, self.doubt, self.detail):
            self.add(widget)
        self._buttons = QWidget()
        self._buttons.setLayout(row(self.pause, self.resume, self.cancel, 1))
        self.add(self._buttons)
        self.show_load(load)

    def _bar(self, name: str) -> QProgressBar:
        bar = QProgressBar()
        bar.setTextVisible(False)
        bar.setAccessibleName(name)
        return bar

    def show_load(self, load: LoadSnapshot) -> None:
        """Show how far it is."""
        self._load = load
        self.pill.set_state(load.state, load.detail)
        whole = load.workload.count or max(load.sent, 1)
        for bar, value in ((self.sent_bar, load.sent), (self.ended_bar, load.ended)):
            bar.setRange(0, whole)
            bar.setValue(min(value, whole))
        self.sent.setText(_sent_text(load))
        on_way = max(0, load.sent - load.ended)
        self.ended.setText(f"{load.ended:,} ended, {on_way:,} on their way")
        self.doubt.setText(f"{load.in_doubt:,} in doubt: handed over when the broker broke; being looked up.")
        self.doubt.setVisible(load.in_doubt > 0)
        self.detail.setText(load.detail)
        self.detail.setVisible(bool(load.detail))
        self._buttons.setVisible(load.state not in OVER)
        self.pause.setVisible(load.state is not LoadState.PAUSED)
        self.resume.setVisible(load.state is LoadState.PAUSED)


def _sent_text(load: LoadSnapshot) -> str:
    of = f" of {load.workload.count:,}" if load.workload.count else ""
    text = f"{load.sent:,}{of} sent"
    if load.state in OVER:
        if load.ended_at is not None:
            text += f" in {duration(load.ended_at - load.started_at)}"
        return f"{text}, {time.strftime('%H:%M:%S', time.localtime(load.started_at))}"
    return f"{text}, {load.rate:,.1f} a second"


def _button(word: str, icon: str, name: str) -> QPushButton:
    button = QPushButton(word)
    button.setAccessibleName(f"{word} {name}")
    icons.set_icon(button, icon)
    return button


class LoadList(QWidget):
    """The workloads of the stack, the newest first."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.cards: dict[int, LoadCard] = {}
        self._list = Column(0, 8)
        self._list.setAccessibleName("Submitted workloads")
        self._list.body.setContentsMargins(0, 0, 6, 12)
        self._list.body.addStretch()
        self._stage = QStackedWidget()
        self._stage.addWidget(
            EmptyState(
                "workloads", "Nothing submitted yet", "Take a preset and submit it: every graph moves."
            )
        )
        self._stage.addWidget(self._list)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stage)

    def show_loads(self, loads: Sequence[LoadSnapshot]) -> None:
        """Show these."""
        self._stage.setCurrentIndex(1 if loads else 0)
        for gone in set(self.cards) - {load.id for load in loads}:
            card = self.cards.pop(gone)
            card.hide()
            card.deleteLater()
        for load in sorted(loads, key=lambda load: load.started_at):
            if load.id in self.cards:
                self.cards[load.id].show_load(load)
            else:
                self.cards[load.id] = LoadCard(self._desk, load)
                self._list.body.insertWidget(0, self.cards[load.id])
