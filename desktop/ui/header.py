"""The header: which stack this is, how it is, and the buttons that start and stop it."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton

from desktop.engine.api import ServiceSnapshot, StackSnapshot, StackState, State
from desktop.ui import fonts, icons
from desktop.ui.actions import Actions
from desktop.ui.stack_commands import StackCommands
from desktop.ui.states import Tone, tone_of, word_of
from desktop.ui.widgets.labels import ElidedLabel, hairline, label
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import count, duration, headline

HEIGHT = 56
_NAME = 200  # px of a stack's name


class Header(QFrame):
    """Shows snapshots; every button is an action of the registry."""

    def __init__(self, commands: Actions, stack: StackCommands) -> None:
        super().__init__()
        self._commands = commands
        self._stack = stack
        self.setProperty("kind", "header")
        self.setFixedHeight(HEIGHT)
        self.chooser = MenuButton("Stack", self._fill_chooser, "chevron-down", " ")
        self.chooser.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.chooser.setFont(fonts.font("section"))
        self.pill = StatePill("Stack")
        self.about = ElidedLabel("", "small", "muted")
        self.waiting = label("", "label", "muted")
        self.start = commands.button("stack.start", "primary")
        self.stop = commands.button("stack.stop")
        self.cold = commands.button("stack.cold")
        self.kill = commands.button("stack.kill", "danger")
        self.close_run = commands.button("run.close", "primary")
        self.detach = commands.button("attach.detach")
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 16, 0)
        row.setSpacing(10)
        row.addWidget(self.chooser)
        row.addWidget(self.pill)
        row.addWidget(self.about, 1)
        for widget in (self.waiting, self.cold, self.kill, self.stop, self.start):
            row.addWidget(widget)
        row.addWidget(self.close_run)
        row.addWidget(self.detach)
        row.addSpacing(2)
        line = hairline(vertical=True)
        line.setFixedHeight(24)
        row.addWidget(line)
        row.addSpacing(2)
        row.addWidget(self._palette_button())

    def _palette_button(self) -> QPushButton:
        button = QPushButton("  Commands   Ctrl+K")
        icons.set_icon(button, "search", "muted")
        button.setAccessibleName("Command palette")
        button.setToolTip(self._commands["view.palette"].toolTip())
        button.clicked.connect(self._commands["view.palette"].trigger)
        return button

    def _fill_chooser(self, menu: QMenu) -> None:
        for name in self._stack.shipped:
            menu.addAction(self._commands[f"stack.open:{name}"])
        menu.addSeparator()
        menu.addAction(self._commands["stack.open"])
        menu.addAction(self._commands["attach.open"])
        menu.addSeparator()
        menu.addAction(self._commands["stack.save"])
        menu.addAction(self._commands["stack.save_as"])

    def show_opening(self) -> None:
        """There is nothing to show and nothing to do yet."""
        self.chooser.setEnabled(False)
        for widget in (
            *(self.pill, self.start, self.stop, self.cold, self.kill, self.waiting),
            *(self.close_run, self.detach),
        ):
            widget.setVisible(False)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show name, state and the buttons that fit it."""
        self.chooser.setEnabled(True)
        self.pill.setVisible(True)
        state = snapshot.state
        name = self.chooser.fontMetrics().elidedText(snapshot.spec.name, Qt.TextElideMode.ElideRight, _NAME)
        self.chooser.setText(f"{name}{' (edited)' if snapshot.dirty else ''} ")
        self.chooser.setAccessibleName(f"Stack {snapshot.spec.name}: open another, save")
        recorded = snapshot.recorded is not None
        attached = bool(snapshot.attached)
        if attached:
            self._show_attached(snapshot)
        elif recorded:
            self.pill.set_tone(Tone.IDLE, "Recorded run, read only", str(snapshot.recorded))
        else:
            self.pill.set_state(state, snapshot.spec.about)
        self.show_time(snapshot)
        stopping = state is StackState.STOPPING
        self.start.setVisible(state is StackState.STOPPED and not recorded)
        self.close_run.setVisible(recorded)
        self.detach.setVisible(attached)
        self.stop.setVisible(not attached and state not in (StackState.STOPPED, StackState.STOPPING))
        waits = sum(w.waiting_for for w in snapshot.workers)
        self.waiting.setText(f"Waiting for {count(waits, 'task')}" if waits else "Stopping…")
        for widget in (self.waiting, self.cold, self.kill):
            widget.setVisible(stopping)

    def _show_attached(self, snapshot: StackSnapshot) -> None:
        """Whose it is stands first: nothing here is started or stopped by us."""
        name = self.chooser.fontMetrics().elidedText(snapshot.attached, Qt.TextElideMode.ElideMiddle, _NAME)
        self.chooser.setText(f"{name} ")
        self.chooser.setAccessibleName(f"Attached to {snapshot.attached}")
        tone = {StackState.RUNNING: Tone.GOOD, StackState.TROUBLED: Tone.WARN}.get(snapshot.state, Tone.IDLE)
        self.pill.set_tone(tone, "Attached", "Started by somebody else: watched, and never stopped from here")

    def show_time(self, snapshot: StackSnapshot) -> None:
        """Let the time go on that it has been up."""
        self.about.setText(_about(snapshot))


def _about(snapshot: StackSnapshot) -> str:
    """What is wrong, else where it listens and for how long it has run."""
    services = [w.service for w in snapshot.workers]
    services += [s for s in (snapshot.broker and snapshot.broker.service, snapshot.web) if s]
    if snapshot.recorded is not None:
        return _about_run(snapshot)
    if snapshot.state is StackState.STOPPED:
        return snapshot.spec.about
    if snapshot.state is StackState.STOPPING:
        return ""  # what it waits for stands beside the buttons that end the waiting
    wrong = [s for s in services if tone_of(s.state) in (Tone.BAD, Tone.WARN)]
    if wrong and snapshot.state is StackState.TROUBLED:
        return "  ·  ".join(_wrong(service) for service in wrong)
    ready = sum(w.service.state is State.READY for w in snapshot.workers)
    said = [f"{ready} of {count(len(snapshot.workers), 'worker')} ready"]
    if snapshot.attached:  # its address stands before it
        said.append(snapshot.broker.server if snapshot.broker and snapshot.broker.server else "no answer yet")
    elif snapshot.broker and snapshot.broker.address:
        said.append(f"{snapshot.broker.server} at {snapshot.broker.address}")
    if snapshot.started_at:
        word = "watched for" if snapshot.attached else "up"
        said.append(f"{word} {duration(time.time() - snapshot.started_at)}")
    return "  ·  ".join(said)


def _about_run(snapshot: StackSnapshot) -> str:
    """When it ran, for how long, and where it lies."""
    assert snapshot.recorded is not None
    began = snapshot.started_at
    said = []
    if began:
        said.append(time.strftime("%d %b %Y, %H:%M", time.localtime(began)))
        said.append(f"lasted {duration(snapshot.t - began)}")
    return "  ·  ".join([*said, snapshot.recorded.name])


def _wrong(service: ServiceSnapshot) -> str:
    """Its sentence, which may begin with its name already."""
    said = headline(service.detail) or word_of(service.state).lower()
    return said if said.startswith(f"{service.name} ") else f"{service.name}: {said}"
