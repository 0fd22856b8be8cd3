"""Faults by hand: presets above, what can be broken at the left, what was done at the right."""

from __future__ import annotations

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import DeskError, FaultKind, FaultSpec, Forecast, StackSnapshot
from desktop.ui.lab_commands import DRILLING, PRESETS, STOPPED, why_no_relay, why_not
from desktop.ui.page import Shell
from desktop.ui.pages.lab_done import DonePanel
from desktop.ui.pages.lab_form import FaultForm
from desktop.ui.pages.lab_kinds import KindList
from desktop.ui.pages.lab_presets import PresetButton
from desktop.ui.widgets.containers import Card, Column
from desktop.ui.widgets.empty_state import EmptyState

_EVERY = 5  # turns between two forecasts of one fault: twice a second
_NARROW = 960  # px below which what was done stands under what can be done
_KINDS, _WIDE_KINDS, _TALL = 236, 288, 420
_WIDE = 1400  # px from which on there is room for the names of signals too
_FIRST = FaultKind.KILL_WORKER


class FaultsView(QWidget):
    """Asks for forecasts only while it is seen; those of the presets take turns."""

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self.shell = shell
        self.presets = [PresetButton(one, shell.commands[f"lab.{one.key}"]) for one in PRESETS]
        put_relay = shell.commands.button("lab.relay_on", "primary")
        self.kinds, self.form, self.done = KindList(), FaultForm(put_relay), DonePanel(shell)
        self._turns = 0
        self._why = "?"
        self._empty_button = shell.commands.button("stack.start", "primary")
        self.empty = EmptyState("lab", "", "", self._empty_button)
        self._stage = QStackedWidget()
        self._stage.addWidget(self.empty)
        self._stage.addWidget(self._breaking())
        self._both = Column(0, 0)
        self._both.setAccessibleName("Faults")
        self._sides = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._sides.setContentsMargins(0, 0, 0, 12)
        self._sides.setSpacing(16)
        self._both.body.addLayout(self._sides)
        self._sides.addWidget(self._stage, 11)
        self._sides.addWidget(self.done, 8)
        line = QHBoxLayout()
        line.setSpacing(8)
        for preset in self.presets:
            line.addWidget(preset, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(12)
        outer.addLayout(line)
        outer.addWidget(self._both, 1)
        self.kinds.chosen.connect(self._choose)
        self.form.changed.connect(self.look_ahead)
        self.form.wanted.connect(shell.lab_commands.inject)

    def _breaking(self) -> QWidget:
        card = Card(padding=0)
        card.setAccessibleName("Break it now")
        line = QHBoxLayout()
        line.setSpacing(0)
        self.kinds.setFixedWidth(_KINDS)
        line.addWidget(self.kinds)
        line.addWidget(self.form, 1)
        card.body.addLayout(line)
        return card

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show what can be broken, and what was."""
        self._show_kinds()
        self._show_stage(snapshot)
        self.form.show_workers(snapshot.workers)
        self.done.show_snapshot(snapshot)

    def _show_stage(self, snapshot: StackSnapshot) -> None:
        why = why_not(snapshot)
        self._stage.setCurrentIndex(1 if why in ("", DRILLING) else 0)
        self._show_way(snapshot, why)
        if why == self._why:
            return
        self._why = why
        self.empty.say("Nothing can be broken now" if why != STOPPED else "The stack does not run", why)
        self._empty_button.setVisible(why == STOPPED)
        if why:
            for preset in self.presets:
                preset.show_forecast(None)

    def _show_way(self, snapshot: StackSnapshot, why: str) -> None:
        """What the way to the broker allows: without the relay its button leads on."""
        verbs = self.shell.lab_commands
        self.form.show_relay(snapshot.spec.broker.relay and not verbs.relaying, why_no_relay(snapshot))
        self.form.forbid(why)
        put_relay = self.shell.commands["lab.relay_on"]
        for preset in self.presets:
            lacks = not why and verbs.lacks_relay(preset.preset.kind)
            words = "the workers restart" if verbs.relaying else "needs the relay"
            preset.lead_out(put_relay if lacks else None, words if lacks else "")

    def _show_kinds(self) -> None:
        infos = self.shell.desk.fault_kinds()
        if self.kinds.show_kinds(infos):
            first = _FIRST if any(info.kind is _FIRST for info in infos) else infos[0].kind
            self.kinds.choose(first)

    @property
    def done_in_sight(self) -> bool:
        """Whether what was done stands beside what can be done, and not below it."""
        return self._sides.direction() is QBoxLayout.Direction.LeftToRight

    def show_done(self) -> None:
        """Bring what was done to the eye."""
        bar = self._both.verticalScrollBar()
        bar.setValue(bar.maximum())

    def tick(self) -> None:
        """One of ten turns a second."""
        self.done.tick()
        self._show_way(self.shell.bridge.snapshot, self._why)
        if self._why == "":
            preset = self.presets[self._turns % len(self.presets)]
            preset.show_forecast(self._forecast(preset.preset.spec))
            if self._turns % _EVERY == 0:
                self.look_ahead()
        self._turns += 1

    def look_ahead(self) -> None:
        """Say what the fault of the form would do now."""
        spec = self.form.spec()
        if spec is not None and self._why in ("", DRILLING):
            self.form.show_forecast(self._forecast(spec))

    def _forecast(self, spec: FaultSpec) -> Forecast:
        try:
            return self.shell.desk.forecast(spec)
        except DeskError as error:
            return Forecast(0.0, (), (), impossible=str(error))

    def refresh(self) -> None:
        """F5: ask for everything again."""
        self.look_ahead()
        self.done.refresh()

    def aim_at(self, worker: str) -> None:
        """Choose a fault of workers, at this one."""
        if self.form.info is None or self.form.info.aims_at not in ("worker", "process"):
            self.kinds.choose(_FIRST)
        self.form.aim_at(worker)

    def _choose(self, kind: FaultKind) -> None:
        info = next(info for info in self.shell.desk.fault_kinds() if info.kind is kind)
        self.form.show_kind(info)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.kinds.setFixedWidth(_WIDE_KINDS if self.width() >= _WIDE else _KINDS)
        way = QBoxLayout.Direction
        wanted = way.TopToBottom if self.width() < _NARROW else way.LeftToRight
        if wanted is not self._sides.direction():
            self._sides.setDirection(wanted)
            for part in (self._stage, self.done):
                part.setMinimumHeight(_TALL if wanted is way.TopToBottom else 0)
