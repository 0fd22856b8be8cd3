"""The failure lab: break the stack on purpose, know what will happen, prove what did."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout

from desktop.engine.api import StackSnapshot
from desktop.ui.lab_commands import drilling
from desktop.ui.page import Page, Shell
from desktop.ui.pages.lab_drills import DrillsView
from desktop.ui.pages.lab_faults import FaultsView
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.labels import ElidedLabel, label
from desktop.ui.widgets.segmented import Segmented

FAULTS, DRILLS = "faults", "drills"
_VIEWS = ((FAULTS, "Faults"), (DRILLS, "Drills"))
_HINTS = {
    FAULTS: "Break the stack on purpose: what will happen is said before, what did is proved afterwards",
    DRILLS: "A workload, faults and expectations, with a verdict and its evidence",
}


class LabPage(Page):
    """Two views: faults by hand, and drills. Esc halts a drill."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.views = Segmented("View", _VIEWS)
        self.faults, self.drills = FaultsView(shell), DrillsView(shell)
        self.hint = ElidedLabel("", "small", "muted")
        self.undo = shell.commands.button("lab.undo")
        self.halt = shell.commands.button("lab.halt", "danger")
        self._stage = QStackedWidget()
        self._stage.addWidget(self.faults)
        self._stage.addWidget(self.drills)
        head = row(label("Failure lab", "title"), self.views, spacing=12)
        head.addWidget(self.hint, 1)
        head.addWidget(self.undo)
        head.addWidget(self.halt)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 16, 16, 0)
        outer.setSpacing(12)
        outer.addLayout(head)
        outer.addWidget(self._stage, 1)
        self.views.chosen.connect(self.show_view)
        self.drills.report_wanted.connect(shell.lab_commands.report)
        self.show_view(FAULTS)

    @property
    def view(self) -> FaultsView | DrillsView:
        """The view that is shown."""
        return self.faults if self._stage.currentIndex() == 0 else self.drills

    def show_view(self, key: str) -> None:
        """Show the faults or the drills."""
        self.views.choose(key)
        self._stage.setCurrentIndex(0 if key == FAULTS else 1)
        self.hint.setText(_HINTS[key])
        self.show_snapshot(self.shell.bridge.snapshot)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        runs = drilling(snapshot)
        self.undo.setVisible(not runs and self.undo.isEnabled())
        self.halt.setVisible(runs and self.view is self.faults)  # beside its progress there is another
        self.view.show_snapshot(snapshot)

    def tick(self) -> None:
        self.view.tick()

    def refresh(self) -> None:
        self.view.refresh()
        self.show_snapshot(self.shell.bridge.snapshot)

    def show_about(self, about: str) -> None:
        """`about`: "drills", "faults", "drill:<name>", or "worker:<name>", who is the target then."""
        kind, _, name = about.partition(":")
        if kind in (DRILLS, "drill"):
            self.show_view(DRILLS)
            if name:
                self.drills.choose(name)
            return
        self.show_view(FAULTS)
        if kind == "worker":
            self.faults.aim_at(name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and drilling(self.shell.bridge.snapshot):
            self.shell.lab_commands.halt()
            return
        super().keyPressEvent(event)
