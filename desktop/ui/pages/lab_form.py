"""One fault, before it is done: whom it hits, for how long, and what that will cost."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from desktop.engine.api import (
    FaultInfo,
    FaultKind,
    FaultOption,
    FaultSpec,
    Forecast,
    Pick,
    Target,
    WorkerSnapshot,
)
from desktop.ui import icons
from desktop.ui.fault_words import button_words
from desktop.ui.pages.lab_forecast import ForecastView
from desktop.ui.pages.lab_options import Editor, editor_of, limits
from desktop.ui.widgets.containers import Column
from desktop.ui.widgets.form import Field
from desktop.ui.widgets.labels import ElidedLabel, label, set_property, set_tone

_WORDS = {
    Pick.BUSIEST: "Busiest worker",
    Pick.RANDOM: "Random worker",
    Pick.ALL: "All workers",
    Pick.RUNS: "Who runs a task…",
}
_ANY = "A busy one"
_SEEDS = 100_000
_SECONDS = FaultOption(
    "seconds", "float", None, "How long it lasts. 0: until it is undone by hand.", "s", 0.0
)


class FaultForm(QWidget):
    """`spec` is what the fields say; `wanted` carries it when the button is pressed."""

    wanted = Signal(object)  # FaultSpec
    changed = Signal()

    def __init__(self, put_relay: QPushButton) -> None:
        """`put_relay` is what leads on where the relay is missing that a fault needs."""
        super().__init__()
        self.info: FaultInfo | None = None
        self.put_relay = put_relay
        self._relayed, self._why_no_relay = True, ""
        self._forbidden = ""
        self._seed = _draw()
        self._workers: tuple[WorkerSnapshot, ...] = ()
        self.title = label("", "section", wrap=True)
        self.about = label("", tone="muted", wrap=True)
        self.target, self.runs, self.process = QComboBox(), QLineEdit(), QComboBox()
        self.runs.setPlaceholderText("id or name of a task")
        self.fields: dict[str, Field] = {}
        self.editors: dict[str, Editor] = {}
        self._fixed = {
            "target": Field("Target", self.target),
            "runs": Field("Task", self.runs),
            "process": Field("Pool process", self.process),
        }
        for field in self._fixed.values():
            field.setParent(self)  # those that do not apply lie in no layout
            field.hide()
        self.forecast = ForecastView()
        self.inject = QPushButton()
        self.problem = ElidedLabel("", "small", "muted")
        self._seen: Forecast | None = None
        self._lay_out()
        self._fill_targets()
        self.target.currentIndexChanged.connect(self._target_changed)
        self.process.currentIndexChanged.connect(self._touched)
        self.runs.textEdited.connect(self._touched)
        self.inject.clicked.connect(self._want)

    def _lay_out(self) -> None:
        inside = Column(0, 12)
        inside.setAccessibleName("The fault and its forecast")
        inside.body.setContentsMargins(12, 12, 12, 8)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(self.title)
        words.addWidget(self.about)
        inside.body.addLayout(words)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(12)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1)
        inside.body.addLayout(self._grid)
        inside.body.addWidget(self.forecast)
        inside.body.addStretch(1)
        self.inject.setMinimumHeight(36)
        icons.set_icon(self.inject, "kill", "on_danger")
        foot = QVBoxLayout()
        foot.setContentsMargins(12, 8, 12, 12)
        foot.setSpacing(6)
        self.put_relay.setMinimumHeight(36)
        foot.addWidget(self.inject)
        foot.addWidget(self.put_relay)
        foot.addWidget(self.problem)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(inside, 1)
        outer.addLayout(foot)

    # what it is told

    def show_kind(self, info: FaultInfo) -> None:
        """Be about this kind of fault."""
        if info == self.info:
            return
        self.info = info
        self.title.setText(info.title)
        undo = f" It ends by itself: {info.undo}" if info.lasts and info.undo else ""
        self.about.setText(f"{info.what}{undo}")
        self._seen = None
        self._rebuild(info)
        self._touched()

    def show_workers(self, workers: Sequence[WorkerSnapshot]) -> None:
        """The workers to choose from; what is chosen stays."""
        before = tuple(w.name for w in self._workers)
        self._workers = tuple(workers)
        if before != tuple(w.name for w in workers):
            self._fill_targets()
        self._fill_processes()

    def aim_at(self, worker: str) -> None:
        """Choose this worker as the target."""
        at = self.target.findData(_named(worker))
        if at >= 0:
            self.target.setCurrentIndex(at)

    def show_forecast(self, seen: Forecast) -> None:
        """What would happen now."""
        self._seen = seen
        self.forecast.show_forecast(seen)
        self._show_button()

    def show_relay(self, there: bool, why: str) -> None:
        """Whether the workers reach the broker through the relay, and why that cannot be changed now."""
        if (there, why) != (self._relayed, self._why_no_relay):
            self._relayed, self._why_no_relay = there, why
            self._show_button()

    def forbid(self, why: str) -> None:
        """Nothing can be done now, because; empty: it can."""
        if why != self._forbidden:
            self._forbidden = why
            self._show_button()

    # the fields

    def _rebuild(self, info: FaultInfo) -> None:
        for key, field in self.fields.items():
            self._grid.removeWidget(field)
            if key not in self._fixed:
                field.hide()
                field.deleteLater()
        self.fields, self.editors = {}, {}
        if info.aims_at in ("worker", "process"):
            self.fields.update(target=self._fixed["target"], runs=self._fixed["runs"])
        if info.aims_at == "process":
            self.fields["process"] = self._fixed["process"]
        options = list(info.options)
        if info.lasts:
            options.insert(0, _SECONDS)
        for option in options:
            self._add_option(info, option)
        self._place()
        self._target_changed()

    def _add_option(self, info: FaultInfo, option: FaultOption) -> None:
        default = info.seconds if option is _SECONDS else option.default
        editor = editor_of(option, default)
        editor.edited.connect(self._touched)
        self.editors[option.name] = editor
        unit = f", {option.unit}" if option.unit else ""
        word = "For how long" if option is _SECONDS else option.name.replace("_", " ").capitalize()
        self.fields[option.name] = Field(f"{word}{unit}", editor.widget, limits(option))
        editor.widget.setAccessibleName(f"{word}{unit}")

    def _place(self) -> None:
        """The fields two in a line; those that do not apply to the target are left out."""
        for field in self._fixed.values():
            self._grid.removeWidget(field)
            field.setVisible(False)
        shown = [field for key, field in self.fields.items() if self._applies(key)]
        for at, field in enumerate(shown):
            self._grid.addWidget(field, at // 2, at % 2, Qt.AlignmentFlag.AlignTop)
            field.setVisible(True)

    def _applies(self, key: str) -> bool:
        if key == "runs":
            return self._pick() is Pick.RUNS
        return key != "process" or self._pick() is Pick.NAME

    def _pick(self) -> Pick:
        return Pick(str(self.target.currentData()).partition(":")[0])

    def _name(self) -> str:
        """The worker that is chosen by its name; empty: none is."""
        return str(self.target.currentData()).partition(":")[2]

    def _fill_targets(self) -> None:
        chosen = self.target.currentData()
        self.target.blockSignals(True)
        self.target.clear()
        for pick, word in _WORDS.items():
            self.target.addItem(word, f"{pick}:")
        for worker in self._workers:
            self.target.addItem(worker.name, _named(worker.name))
        self.target.setCurrentIndex(max(0, self.target.findData(chosen)))
        self.target.blockSignals(False)

    def _fill_processes(self) -> None:
        worker = next((w for w in self._workers if w.name == self._name()), None)
        wanted: list[tuple[str, int | None]] = [(_ANY, None)]
        for one in worker.processes if worker is not None else ():
            what = (one.task_name or "").rpartition(".")[2]
            wanted.append((f"{one.pid}  {what or 'idle'}", one.pid))
        if [self.process.itemText(i) for i in range(self.process.count())] == [word for word, _ in wanted]:
            return
        chosen = self.process.currentData()
        self.process.blockSignals(True)
        self.process.clear()
        for word, pid in wanted:
            self.process.addItem(word, pid)
        self.process.setCurrentIndex(max(0, self.process.findData(chosen)))
        self.process.blockSignals(False)

    def _target_changed(self) -> None:
        self._fill_processes()
        self._place()
        self._touched()

    def _touched(self, _value: object = None) -> None:
        self._show_button()
        self.changed.emit()

    # what comes of it

    def spec(self) -> FaultSpec | None:
        """What would be injected; None while a field is wrong."""
        info = self.info
        if info is None:
            return None
        values, errors = self._values()
        for key, field in self.fields.items():
            if field.error != errors.get(key, ""):
                field.set_error(errors.get(key, ""))
        if errors:
            return None
        seconds = values.pop("seconds", None) if info.lasts else None
        target = self._target(info)
        drawn = target.pick is Pick.RANDOM or info.kind is FaultKind.ROLLING
        return FaultSpec(info.kind, target, seconds, values, self._seed if drawn else 0)

    def _values(self) -> tuple[dict[str, Any], dict[str, str]]:
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for name, editor in self.editors.items():
            try:
                values[name] = editor.value()
            except ValueError as error:
                errors[name] = str(error)
        return values, errors

    def _target(self, info: FaultInfo) -> Target:
        if info.aims_at not in ("worker", "process"):
            return Target()
        pick = self._pick()
        if pick is Pick.NAME:
            pid = self.process.currentData() if info.aims_at == "process" else None
            return Target(pick, self._name(), pid)
        return Target(pick, self.runs.text().strip() if pick is Pick.RUNS else "")

    def _show_button(self) -> None:
        lacks = self.info is not None and self.info.needs_relay and not self._relayed
        self.put_relay.setVisible(lacks)
        self.inject.setVisible(not lacks)
        spec, seen = self.spec(), self._seen
        why = self._forbidden or ("A value is wrong." if spec is None else "")
        if not why and spec is not None and spec.target.pick is Pick.RUNS and not spec.target.name:
            why = "Say which task: its id, or its name."
        blocked = why or (seen.impossible if seen is not None else "")
        words = button_words(spec, seen if not blocked else None) if spec is not None else "Break it"
        self.inject.setText(f" {words}")
        self.inject.setAccessibleName(words)
        self.inject.setEnabled(not blocked and seen is not None)
        hurts = seen is not None and (seen.hurts or not seen.sure)
        kind = "danger" if hurts else "primary"
        if not self.inject.isEnabled():
            kind = "primary"
        set_property(self.inject, "kind", kind)
        token = "disabled" if not self.inject.isEnabled() else "on_danger" if hurts else "on_accent"
        icons.set_icon(self.inject, "kill", token)
        why = self._why_no_relay if lacks else why
        self.problem.setText(why)
        set_tone(self.problem, "warn" if why else "muted")
        self.problem.setVisible(bool(why))

    def _want(self) -> None:
        spec = self.spec()
        if spec is not None:
            self.wanted.emit(spec)
            self._seed = _draw()  # the next one is another draw, and its forecast is of that
            self._touched()


def _draw() -> int:
    return 1 + secrets.randbelow(_SEEDS)


def _named(worker: str) -> str:
    """What stands behind a worker in the list of targets; Qt keeps plain texts only."""
    return f"{Pick.NAME}:{worker}"
