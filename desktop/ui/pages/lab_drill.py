"""One drill: what it teaches, what it does, the button that runs it, its progress and its verdict."""

from __future__ import annotations

import secrets

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop.engine.api import DrillInfo, DrillSnapshot, DrillSpec, PlannedFault, StackSnapshot, Stage
from desktop.ui import icons
from desktop.ui.fault_words import deed, sentence
from desktop.ui.lab_commands import FOREIGN, RECORDED, drilling
from desktop.ui.page import Shell
from desktop.ui.pages.lab_forecast import Lines
from desktop.ui.pages.lab_progress import ProgressCard
from desktop.ui.pages.lab_verdict import VerdictCard
from desktop.ui.pages.workers_fields import OptionalNumber
from desktop.ui.pages.workers_pool import Stepper
from desktop.ui.states import tone_of
from desktop.ui.widgets.containers import Card, Column, row
from desktop.ui.widgets.form import Field
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import count, duration

_MOST_REPEATS = 1000
_SEEDS = 100_000


class DrillDetail(Column):
    """Shows one drill; its verdict is the last one of this window."""

    report_wanted = Signal(object, object)  # folder, formats

    def __init__(self, shell: Shell) -> None:
        super().__init__(0, 12)
        self.shell = shell
        self.info: DrillInfo | None = None
        self.spec: DrillSpec | None = None
        self._last: dict[str, DrillSnapshot] = {}  # the last of each drill that ran in this window
        self.setAccessibleName("Drill")
        self.body.setContentsMargins(0, 0, 8, 12)
        self.about = AboutCard()
        self.progress = ProgressCard(shell.commands.button("lab.halt", "danger"))
        self.verdict = VerdictCard(shell)
        for part in (self.progress, self.verdict, self.about):
            self.body.addWidget(part)
        self.body.addStretch(1)
        self.about.run.clicked.connect(self._run)
        self.verdict.again.connect(self._again)
        self.verdict.report_wanted.connect(self.report_wanted)

    def show_info(self, info: DrillInfo) -> None:
        """Be about this drill; its file is being read."""
        self.info, self.spec = info, None
        self.about.show_info(info)
        self.show_snapshot(self.shell.bridge.snapshot)

    def show_spec(self, spec: DrillSpec) -> None:
        """Its file was read."""
        self.spec = spec
        self.about.show_spec(spec)
        self.show_snapshot(self.shell.bridge.snapshot)

    def show_problem(self, text: str) -> None:
        """Its file cannot be read."""
        self.spec = None
        self.about.show_problem(text)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show how far it is."""
        drill = snapshot.drill
        if drill is not None:
            self._last[drill.spec.name] = drill
        if self.info is None:
            return
        runs = drilling(snapshot)
        mine = self._last.get(self.info.name)
        self.progress.setVisible(runs)
        if runs and drill is not None:
            self.progress.show_drill(drill, snapshot.faults, other=drill.spec.name != self.info.name)
        done = mine is not None and bool(mine.verdicts or (mine.stage is Stage.OVER and mine.problem))
        self.verdict.setVisible(done)
        if mine is not None and done:
            self.verdict.show_drill(mine, now=snapshot.t)
        self.about.allow(self._why_not(snapshot, runs))

    def _why_not(self, snapshot: StackSnapshot, runs: bool) -> str:
        if runs:
            return "A drill runs already."
        if snapshot.recorded is not None:
            return RECORDED.partition(":")[0] + ". Close it first."
        if snapshot.attached:
            return FOREIGN
        if self.info is not None and self.info.problem:
            return "Mend its file first."
        return "" if self.spec is not None else "Reading its file…"

    def tick(self) -> None:
        """One of ten turns a second."""
        if self.progress.isVisible():
            self.progress.tick(self.shell.bridge.snapshot.t)

    def _run(self) -> None:
        if self.spec is not None:
            repeat = self.about.repeat.value
            self.shell.lab_commands.start(self.spec, self.about.seed.value(), repeat)

    def _again(self, seed: int) -> None:
        if self.spec is not None:
            self.shell.lab_commands.start(self.spec, seed, 1)


class AboutCard(Card):
    """Title, what it teaches, what it does and expects, and how to run it."""

    def __init__(self) -> None:
        super().__init__(padding=16)
        self.title = label("", "section", wrap=True)
        self.known = StatePill("Known verdict")
        self.teaches = label("", wrap=True)
        self.change_head = label("What to change", "label", "muted")
        self.change = label("", wrap=True)
        self.plan_head = label("What it does", "label", "muted")
        self.plan = Lines("What it does")
        self.problem = label("", tone="bad", wrap=True)
        self.seed = OptionalNumber("Seed", "that of the file")
        self.repeat = Stepper("How often", 1, _MOST_REPEATS)
        self.draw = QPushButton("Draw one")
        self.draw.setAccessibleName("Draw a seed")
        self.run = QPushButton(" Run the drill")
        self.run.setAccessibleName("Run the drill")
        self.run.setProperty("kind", "primary")
        self.run.setMinimumHeight(36)
        self.run.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        icons.set_icon(self.run, "play", "on_accent")
        self.why = label("", "small", "muted", wrap=True)
        head = row(spacing=12)
        head.addWidget(self.title, 1)
        head.addWidget(self.known)
        self.body.addLayout(head)
        self.body.setSpacing(8)
        self.add(self.problem)
        self.add(self.teaches)
        for head_of, part in ((self.change_head, self.change), (self.plan_head, self.plan)):
            self.add(head_of)
            self.add(part)
        self.body.addSpacing(4)
        self.body.addLayout(self._foot())
        self.draw.clicked.connect(lambda: self.seed.set_value(1 + secrets.randbelow(_SEEDS)))

    def _foot(self) -> QVBoxLayout:
        column = QVBoxLayout()
        seed = QWidget()
        seed.setLayout(row(self.seed, self.draw))
        self.seed.setFixedWidth(120)
        seed.setAccessibleName("Seed")
        column.setSpacing(12)
        column.addLayout(row(Field("Seed", seed), Field("How often", self.repeat), 1, spacing=20))
        below = row(self.run, spacing=12)
        below.addWidget(self.why, 1)
        below.addStretch(0)
        column.addLayout(below)
        return column

    def show_info(self, info: DrillInfo) -> None:
        """What the list knows of it."""
        self.title.setText(sentence(info.title or info.name))
        self.known.setVisible(info.gives is not None)
        if info.gives is not None:
            self.known.set_tone(tone_of(info.gives), f"known to give {info.gives}")
        self.teaches.setText(info.teaches)
        self.teaches.setVisible(bool(info.teaches))
        self.change.setText(info.change)
        for part in (self.change_head, self.change):
            part.setVisible(bool(info.change))
        self.plan.say(())
        self.plan_head.hide()
        self.show_problem(info.problem)
        self.seed.set_value(None)
        self.repeat.set_value(1)

    def show_problem(self, text: str) -> None:
        """Why its file cannot be read; empty: it can."""
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def show_spec(self, spec: DrillSpec) -> None:
        """What its file says."""
        self.show_problem("")
        self.repeat.set_value(spec.repeat)
        self.seed.setPlaceholderText(f"{spec.seed}, of the file")
        self.plan.say(plan_of(spec))
        self.plan_head.show()

    def allow(self, why: str) -> None:
        """Whether it can be run now."""
        self.run.setEnabled(not why)
        icons.set_icon(self.run, "play", "disabled" if why else "on_accent")
        self.why.setText(why)
        self.why.setVisible(bool(why))


def plan_of(spec: DrillSpec) -> tuple[str, ...]:
    """What a drill does and expects, in sentences."""
    said = []
    stack = f"On the stack {spec.stack.name}" if spec.stack is not None else "On the stack that lives"
    names = [one.name or one.mix[0].task for one in spec.workloads]
    said.append(f"{stack}, with {', '.join(names)}." if names else f"{stack}.")
    said += [f"{moment_of(fault)}: {deed(fault.spec)}{_how_long(fault)}." for fault in spec.faults]
    wanted = expectations(spec)
    if wanted:
        said.append(f"Expects {', '.join(wanted)}.")
    return tuple(said)


def moment_of(fault: PlannedFault) -> str:
    """When a fault of a drill comes: "After 8.0 s", "When 2 active on w1"."""
    if fault.when is not None:
        return f"When {fault.when}"
    if fault.every is not None:
        return sentence(f"about every {duration(fault.every)}, {count(fault.times, 'time')}")
    return f"After {duration(fault.at or 0.0)}"


def _how_long(fault: PlannedFault) -> str:
    return f" for {duration(fault.spec.seconds)}" if fault.spec.seconds else ""


def expectations(spec: DrillSpec) -> list[str]:
    """What must hold at its end."""
    expect = spec.expect
    said = []
    for number, word in (
        (expect.lost, "lost"),
        (expect.duplicates, "ended twice"),
        (expect.failed, "failed"),
        (expect.still, "left over"),
    ):
        if number is not None:
            said.append(f"{'none' if number == 0 else f'at most {number:,}'} {word}")
    if expect.recovered_within is not None:
        said.append(f"recovered within {duration(expect.recovered_within)}")
    if expect.noticed_within is not None:
        said.append(f"noticed within {duration(expect.noticed_within)}")
    return said
