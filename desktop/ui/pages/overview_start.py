"""Before anything runs: what will be started, and the button that does it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop.engine.stack.model import BrokerSpec, Persistence, Pool, StackSpec, WorkerSpec
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import hairline, label

_WIDTH = 640
_UNITS = {
    Pool.PREFORK: ("process", "processes"),
    Pool.THREADS: ("thread", "threads"),
    Pool.GEVENT: ("greenlet", "greenlets"),
    Pool.EVENTLET: ("greenlet", "greenlets"),
    Pool.SOLO: ("task at a time", "tasks at a time"),
}
_KEEPS = {
    Persistence.NONE: "keeps nothing over a restart",
    Persistence.SNAPSHOT: "keeps snapshots over a restart",
    Persistence.APPEND_ONLY: "keeps every message over a restart",
}


def broker_sentence(broker: BrokerSpec) -> str:
    """What the broker will be."""
    where = f"on port {broker.port}" if broker.port else "on a free port"
    return f"{where}, {_KEEPS[broker.persistence]}"


def worker_sentence(spec: WorkerSpec) -> str:
    """What a worker will be."""
    one, many = _UNITS[spec.pool]
    if spec.pool is Pool.SOLO:
        size = f"1 {one}"
    elif spec.autoscale is not None:
        size = f"{spec.autoscale.min} to {spec.autoscale.max} {many}, as the load asks"
    elif spec.concurrency is not None:
        size = f"{spec.concurrency} {one if spec.concurrency == 1 else many}"
    else:
        size = f"one {one} per CPU core"
    return f"{spec.pool.value}, {size}, takes from {' and '.join(spec.queues)}"


class StartPanel(QWidget):
    """A card in the middle: the stack's name, its services, and Start; below, the other stacks there are."""

    def __init__(self, start: QPushButton, attach: QPushButton, others: Sequence[QPushButton]) -> None:
        super().__init__()
        self._others = others
        self.name = label("", "title")
        self.about = label("", tone="muted", wrap=True)
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(24)
        self._rows.setVerticalSpacing(12)
        self._rows.setColumnStretch(1, 1)
        self._shown: StackSpec | None = None
        card = Card(padding=28)
        card.setFixedWidth(_WIDTH)
        card.body.setSpacing(8)
        card.add(self.name)
        card.add(self.about)
        card.body.addSpacing(8)
        card.add(hairline())
        card.body.addSpacing(8)
        card.body.addLayout(self._rows)
        card.body.addSpacing(16)
        card.add(_large(start, attach))
        column = QVBoxLayout()
        column.addStretch(2)
        column.addWidget(card)
        if others:
            column.addSpacing(16)
            column.addWidget(_others(others))
        column.addStretch(3)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 8, 0, 8)
        outer.addStretch(1)
        outer.addLayout(column)
        outer.addStretch(1)

    def show_spec(self, spec: StackSpec) -> None:
        """Show what this stack will start."""
        if spec == self._shown:
            return
        self._shown = spec
        self.name.setText(f"Start {spec.name}")
        self.about.setText(spec.about)
        self.about.setVisible(bool(spec.about))
        for other in self._others:
            other.setVisible(other.text() != spec.name)
        while (item := self._rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._line(0, "broker", "Redis " + broker_sentence(spec.broker), "")
        for i, worker in enumerate(spec.workers, start=1):
            self._line(i, worker.name, worker_sentence(worker), worker.name)
        if spec.web is not None:
            self._line(len(spec.workers) + 1, "web", "a slow server on this machine, for tasks that wait", "")

    def _line(self, at: int, name: str, sentence: str, worker: str) -> None:
        self._rows.addWidget(Swatch(name, worker), at, 0, Qt.AlignmentFlag.AlignTop)
        self._rows.addWidget(label(sentence, tone="muted", wrap=True), at, 1)


def _large(start: QPushButton, attach: QPushButton) -> QWidget:
    box = QWidget()
    box.setFixedHeight(42)
    start.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
    start.setMinimumWidth(180)
    attach.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
    hint = label("Ctrl+Enter", "small", "muted")
    box.setLayout(row(start, hint, 1, attach, spacing=16))
    return box


def _others(buttons: Sequence[QPushButton]) -> QWidget:
    box = QWidget()
    box.setFixedWidth(_WIDTH)
    column = QVBoxLayout(box)
    column.setContentsMargins(28, 0, 28, 0)
    column.setSpacing(6)
    column.addWidget(label("Or take another stack", "small", "muted"))
    flow = FlowLayout(gap=8)
    for button in buttons:
        flow.addWidget(button)
    column.addLayout(flow)
    return box


class Swatch(QFrame):
    """A service's name behind its colour."""

    def __init__(self, name: str, worker: str) -> None:
        super().__init__()
        self.words: QLabel = label(name, "strong")
        column = row(ColourBar(worker), self.words, spacing=10)
        self.setLayout(column)


class ColourBar(QWidget):
    """A short bar in a worker's colour; muted for what is no worker."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self.setFixedSize(4, 18)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Theme.current.color_of(self._service))
        painter.drawRoundedRect(self.rect(), 2, 2)
