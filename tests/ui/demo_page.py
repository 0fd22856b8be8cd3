"""A page for the tests of the window around it."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QVBoxLayout

from desktop.engine.api import StackSnapshot
from desktop.ui.page import Page, Shell


class DemoPage(Page):
    """Remembers what it was told."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.snapshots: list[StackSnapshot] = []
        self.ticks = 0
        self.refreshed = 0
        self.about = ""
        QVBoxLayout(self).addWidget(QLabel("demo"))

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        self.snapshots.append(snapshot)

    def tick(self) -> None:
        self.ticks += 1

    def refresh(self) -> None:
        self.refreshed += 1

    def show_about(self, about: str) -> None:
        self.about = about
