"""The verbs of the failure lab: one-click faults, undo the last one, halt a drill, write a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from desktop.engine.api import (
    DeskError,
    DrillSpec,
    FaultKind,
    FaultSpec,
    FaultState,
    Pick,
    StackSnapshot,
    StackState,
    Stage,
    Target,
)
from desktop.ui.actions import Action
from desktop.ui.fault_words import deed, sentence, title_of
from desktop.ui.page import Shell

RECORDED = "A recorded run is shown: what was done to it can be read, and nothing can be done now."
FOREIGN = "Somebody else started this stack: from here it is watched, and never broken."
STOPPED = "Start the stack to break it."
STOPPING = "The stack is stopping."
DRILLING = "A drill runs, and its verdict is about its own faults alone. Halt it first."
_NOTHING = "No fault lasts."
_NO_DRILL = "No drill runs."


@dataclass(frozen=True, slots=True)
class Preset:
    """A fault of one click, at the target that `pick` finds; the rest is as its kind has it."""

    key: str
    word: str
    icon: str
    kind: FaultKind
    shortcut: str
    pick: Pick = Pick.BUSIEST

    @property
    def spec(self) -> FaultSpec:
        """What is injected."""
        return FaultSpec(self.kind, Target(self.pick))


PRESETS = (
    Preset("kill", "Kill a worker", "kill", FaultKind.KILL_WORKER, "Ctrl+Alt+1"),
    Preset("process", "Kill a process", "process", FaultKind.KILL_PROCESS, "Ctrl+Alt+2"),
    Preset("freeze", "Freeze a worker", "freeze", FaultKind.FREEZE_WORKER, "Ctrl+Alt+3"),
    Preset("broker", "Restart broker", "broker", FaultKind.STOP_BROKER, "Ctrl+Alt+4"),
    Preset("network", "Cut the network", "network", FaultKind.CUT, "Ctrl+Alt+5", Pick.ALL),
)


def why_not(snapshot: StackSnapshot) -> str:
    """Why nothing can be broken now; empty when it can."""
    if snapshot.recorded is not None:
        return RECORDED
    if snapshot.attached:
        return FOREIGN
    if snapshot.state is StackState.STOPPED:
        return STOPPED
    if snapshot.state is StackState.STOPPING:
        return STOPPING
    return DRILLING if drilling(snapshot) else ""


def drilling(snapshot: StackSnapshot) -> bool:
    """Whether a drill runs."""
    return snapshot.drill is not None and snapshot.drill.stage is not Stage.OVER


def lasting(snapshot: StackSnapshot) -> tuple[int, ...]:
    """Numbers of the faults that last and can be undone, the newest first."""
    return tuple(f.id for f in reversed(snapshot.faults) if f.state is FaultState.UNDER_WAY)


class LabCommands(QObject):
    """Registers the verbs and allows what the present moment allows."""

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._now: tuple[str, bool, bool] | None = None
        for action in self._verbs():
            shell.commands.add(action)
        self._allow(STOPPED, False, False)

    def _verbs(self) -> list[Action]:
        presets = [
            Action(
                f"lab.{one.key}",
                one.word,
                partial(self.inject, one.spec),
                one.icon,
                one.shortcut,
                f"{one.word} now, without a question",
                "Failure lab",
                danger=True,
            )
            for one in PRESETS
        ]

        def verb(key: str, text: str, run: object, icon: str, keys: str, tip: str) -> Action:
            return Action(f"lab.{key}", text, run, icon, keys, tip, "Failure lab")  # type: ignore[arg-type]

        go = self._shell.go
        return [
            *presets,
            verb("undo", "Undo the last fault", self.undo_last, "undo", "Ctrl+Alt+Z", "End what lasts, now"),
            verb(
                "halt", "Halt the drill", self.halt, "stop", "Ctrl+Alt+H", "End it and undo all that it did"
            ),
            verb("drills", "Drills", partial(go, "lab", "drills"), "lab", "", "Drills and their verdicts"),
        ]

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Allow what this moment allows."""
        now = why_not(snapshot), bool(lasting(snapshot)) and snapshot.recorded is None, drilling(snapshot)
        if now != self._now:
            self._now = now
            self._allow(*now)

    def _allow(self, why: str, lasts: bool, drill: bool) -> None:
        enable = self._shell.commands.enable
        for one in PRESETS:
            enable(f"lab.{one.key}", not why, why)
        enable("lab.undo", lasts, _NOTHING)
        enable("lab.halt", drill, _NO_DRILL)

    # -- faults

    def inject(self, spec: FaultSpec) -> None:
        """Do it now; a toast says what was done, and undoes it while it lasts."""
        self._shell.do(self._shell.desk.inject(spec), partial(self._landed, spec), quiet=True)

    def _landed(self, spec: FaultSpec, number: int) -> None:
        page = getattr(self._shell, "page", None)
        if page is not None and page.objectName() == "lab":
            return  # it stands there among what was done
        found = next((f for f in self._shell.bridge.snapshot.faults if f.id == number), None)
        text = (
            f"{sentence(deed(spec))}: done." if found is None else found.text or f"{title_of(found)}: done."
        )
        toast = self._shell.toasts.say(sentence(text), "info")
        if found is not None and found.state is FaultState.UNDER_WAY:
            toast.offer("Undo", partial(self.undo, number))

    def undo(self, number: int) -> None:
        """End a fault that lasts."""
        if number not in lasting(self._shell.bridge.snapshot):
            self._shell.toasts.say("It is over already.", "info")
            return
        self._shell.do(self._shell.desk.undo_fault(number))

    def undo_last(self) -> None:
        """End the youngest fault that lasts."""
        last = lasting(self._shell.bridge.snapshot)
        if last:
            self.undo(last[0])

    # -- drills

    def start(self, drill: DrillSpec, seed: int | None, repeat: int | None) -> None:
        """Run a drill."""
        self._shell.do(self._shell.desk.start_drill(drill, seed, repeat), quiet=True)  # its progress is shown

    def halt(self) -> None:
        """End the drill and undo what it did."""
        self._shell.do(self._shell.desk.halt_drill())

    # -- reports

    def report(self, folder: Path, formats: Sequence[str]) -> None:
        """Ask for a folder, and write a report of a run into it."""
        dialog = QFileDialog(self._shell.window_widget(), "Write the report into")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda to: self.report_to(folder, Path(to), formats))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def report_to(self, folder: Path, to: Path, formats: Sequence[str]) -> None:
        """Write it there; the HTML is opened in the browser."""
        under_way = self._shell.desk.report_run(folder, to, formats)
        self._shell.bridge.run(under_way, self._reported, self._not_reported, self)

    def _reported(self, files: tuple[Path, ...]) -> None:
        pages = [file for file in files if file.suffix == ".html"]
        names = ", ".join(file.name for file in files)
        toast = self._shell.toasts.say(f"Written: {names}.")
        if files:
            toast.offer("Open folder", partial(_open, files[0].parent))
        for page in pages:
            _open(page)

    def _not_reported(self, error: DeskError) -> None:
        self._shell.toasts.error(error)


def _open(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
