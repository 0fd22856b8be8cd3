"""Runs: everything that was recorded, how much room it takes, and what can be done with it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPoint
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QProgressBar, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import Cap, DeskError, RunInfo, StackSnapshot
from desktop.ui.page import Page, Shell
from desktop.ui.pages.runs_table import RunTable
from desktop.ui.run_commands import RunCommands
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone
from desktop.ui.words import count, memory, place

_EVERY = 50  # ticks between two looks at the folders: living runs grow, and `up` makes others
_MENU = ("run.open", None, "run.pack", "run.keep", "run.note", "run.folder", None, "run.delete")
_BARS = 1000


class RunsPage(Page):
    """The cap above, the verbs below it, then the table; at the foot what is known of the chosen run."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.verbs: RunCommands = shell.run_commands
        self.table = RunTable()
        self.hint = label("", "small", "muted")
        self.room, self.bar, self.limits = label(), QProgressBar(), ElidedLabel("", "small", "muted")
        self.about = ElidedLabel("", "small", "muted")
        self.strip = BusyStrip(self.verbs)
        self._turns = 0
        self._asked, self._answered = 0, 0  # the number of the last question, and of the last answer shown
        self._runs: tuple[RunInfo, ...] | None = None
        self._stage = QStackedWidget()
        self._lay_out()
        self.table.chosen.connect(self._chosen)
        self.table.opened.connect(self.verbs.open_chosen)
        self.table.menu_wanted.connect(self._open_menu)
        self.verbs.changed.connect(self.refresh)

    def _lay_out(self) -> None:
        button = self.shell.commands.button
        self._stage.addWidget(
            EmptyState(
                "runs",
                "No run yet",
                "Each start of the stack is recorded here, with its tasks, graphs, marks and logs. "
                "Drop a packed run on the window to open it.",
                button("run.open_file"),
            )
        )
        self._stage.addWidget(self._filled())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 16, 16, 12)
        outer.setSpacing(12)
        outer.addLayout(row(label("Runs", "title"), self.hint, 1, button("run.open_file")))
        outer.addWidget(self._stage, 1)
        outer.addWidget(self.strip)

    def _filled(self) -> QWidget:
        commands = self.shell.commands
        keys = ("run.pack", "run.keep", "run.note", "run.folder")
        line = row(commands.button("run.open", "primary"), *(commands.button(key) for key in keys), 1)
        line.addWidget(commands.button("run.delete"))
        card = Card(padding=1)
        card.body.setContentsMargins(1, 4, 1, 4)
        card.add(self.table, 1)
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addWidget(self._cap())
        column.addLayout(line)
        column.addWidget(card, 1)
        column.addWidget(self.about)
        return box

    def _cap(self) -> QWidget:
        self.bar.setRange(0, _BARS)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(180)
        card = Card(padding=12)
        card.setAccessibleName("Room")
        line = row(self.room, self.bar, spacing=12)
        line.addWidget(self.limits, 1)
        line.addWidget(self.shell.commands.button("run.cap"))
        card.body.addLayout(line)
        return card

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        if not self._asked:
            self.refresh()
        elif self._runs is not None:
            self.table.show_runs(self._runs, snapshot.recorded)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._asked:
            self.refresh()  # a run may have begun since it was left

    def tick(self) -> None:
        self._turns += 1
        if self._turns % _EVERY == 0:
            self.refresh()

    def refresh(self) -> None:
        """Read the folders again; an answer that is overtaken by another is dropped."""
        self._asked += 1
        self.shell.bridge.run(self.shell.desk.runs(), partial(self._show, self._asked), self._failed, self)

    def _show(self, asked: int, runs: tuple[RunInfo, ...]) -> None:
        if asked < self._answered:
            return
        self._answered = asked
        first, self._runs = self._runs is None, runs
        self._stage.setCurrentIndex(1 if runs else 0)
        self.hint.setText(count(len(runs), "run") if runs else "")
        shown = self.shell.bridge.snapshot.recorded
        self.table.show_runs(runs, shown)
        if first and shown is not None:
            self.table.choose(shown)
        self._show_room(sum(run.size for run in runs), self.shell.desk.cap())

    def _show_room(self, size: int, cap: Cap) -> None:
        limit = f" of {memory(cap.bytes)}" if cap.bytes is not None else ""
        over = cap.bytes is not None and size > cap.bytes
        self.room.setText(f"{memory(size)}{limit}{', over the cap' if over else ''}")
        set_tone(self.room, "warn" if over else "")
        self.bar.setVisible(cap.bytes is not None)
        self.bar.setValue(min(_BARS, round(_BARS * size / cap.bytes)) if cap.bytes else _BARS)
        self.bar.setAccessibleName(f"Room that runs take: {self.room.text()}")
        self.limits.setText("  ·  ".join(limits_of(cap)))

    def _failed(self, error: DeskError) -> None:
        self.about.setText(str(error))
        set_tone(self.about, "bad")

    def _chosen(self, run: RunInfo | None) -> None:
        self.verbs.choose(run)
        if run is None:
            self.about.setText("")
            return
        versions = "  ·  ".join(f"{name} {version}" for name, version in run.versions.items())
        self.about.setText(
            run.problem or "  ·  ".join(word for word in (place(run.folder), versions) if word)
        )
        set_tone(self.about, "bad" if run.problem else "muted")

    def show_about(self, about: str) -> None:
        """`about` is the path of a run folder."""
        from pathlib import Path

        self.table.choose(Path(about))

    def _open_menu(self, place: QPoint) -> None:
        menu = self.shell.commands.menu(_MENU, self)
        menu.setAccessibleName("What can be done with the run")
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)


def limits_of(cap: Cap) -> list[str]:
    """The limits besides the size, in words."""
    said = []
    if cap.days is not None:
        said.append(
            f"none older than {count(round(cap.days), 'day')}" if cap.days >= 1 else "none of before today"
        )
    if cap.runs is not None:
        said.append(f"at most {count(cap.runs, 'run')}")
    return said or (["no limit of age or number"] if cap.bytes is not None else ["everything is kept"])


class BusyStrip(Card):
    """What is under way, how far it is, and the button that ends it. Hidden while nothing is."""

    def __init__(self, verbs: RunCommands) -> None:
        super().__init__(padding=10)
        self._verbs = verbs
        self.words = ElidedLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, _BARS)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(240)
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName("Cancel")
        self.cancel.clicked.connect(verbs.cancel)
        line = row(spacing=12)
        line.addWidget(self.words, 1)
        line.addWidget(self.bar)
        line.addWidget(self.cancel)
        self.body.addLayout(line)
        verbs.moved.connect(self._move)
        self._move()

    def _move(self) -> None:
        busy = self._verbs.busy
        self.setVisible(busy is not None)
        if busy is None:
            return
        share = busy.future.share
        doing = f"  ·  {busy.future.doing}" if busy.future.doing else ""
        self.words.setText(f"{busy.title}{doing}  ·  {share:.0%}" if share else f"{busy.title}{doing}")
        self.bar.setValue(round(_BARS * share))
        self.bar.setAccessibleName(f"{busy.title}: {share:.0%}")
        self.cancel.setAccessibleName(f"Cancel: {busy.title}")
