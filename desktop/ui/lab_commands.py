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
from desktop.ui.widgets.progress_toast import show_progress

RECORDED = "A recorded run is shown: what was done to it can be read, and nothing can be done now."
FOREIGN = "Somebody else started this stack: from here it is watched, and never broken."
STOPPED = "Start the stack to break it."
STOPPING = "The stack is stopping."
DRILLING = "A drill runs, and its verdict is about its own faults alone. Halt it first."
_RELAYING = "The workers restart warm, to take their new way to the broker."
_RELAYING_WORD = "The workers restart warm…"
_ON, _OFF = "lab.relay_on", "lab.relay_off"
_ON_WORD, _OFF_WORD = "Put the relay between", "Take the relay away"
_WARM = " (workers restart warm)"
_LASTS = "A fault lasts, and would not outlive that. Undo it first."
_BETWEEN, _DIRECT = "The relay is between already.", "There is no relay between."
_NO_NETWORK = "The workers reach the broker directly: there is no network to break."
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


def why_no_relay(snapshot: StackSnapshot) -> str:
    """Why the way to the broker cannot be changed now; empty when it can, also on a stopped stack."""
    why = why_not(snapshot)
    if why:
        return "" if why == STOPPED else why
    return _LASTS if lasting(snapshot) else ""


def lasting(snapshot: StackSnapshot) -> tuple[int, ...]:
    """Numbers of the faults that last and can be undone, the newest first."""
    return tuple(f.id for f in reversed(snapshot.faults) if f.state is FaultState.UNDER_WAY)


class LabCommands(QObject):
    """Registers the verbs and allows what the present moment allows."""

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._now: tuple[str, bool, bool] | None = None
        self._way: tuple[str, bool, bool] | None = None
        self.relaying = False  # the relay is being put between, or taken away
        for action in self._verbs():
            shell.commands.add(action)
        self._allow(STOPPED, False, False)
        self._allow_relay(STOPPED, False, True)

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
            verb(
                "relay_on",
                _ON_WORD + _WARM,
                partial(self.use_relay, True),
                "network",
                "",
                "Workers reach the broker through the relay, so that their network can be broken",
            ),
            verb(
                "relay_off",
                _OFF_WORD + _WARM,
                partial(self.use_relay, False),
                "network",
                "",
                "Workers reach the broker directly again",
            ),
            verb("drills", "Drills", partial(go, "lab", "drills"), "lab", "", "Drills and their verdicts"),
        ]

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Allow what this moment allows."""
        now = why_not(snapshot), bool(lasting(snapshot)) and snapshot.recorded is None, drilling(snapshot)
        if now != self._now:
            self._now = now
            self._allow(*now)
        relayed, off = snapshot.spec.broker.relay, snapshot.state is StackState.STOPPED
        way = _RELAYING if self.relaying else why_no_relay(snapshot), relayed, off
        if way != self._way:
            self._way = way
            self._allow_relay(*way)

    def _allow(self, why: str, lasts: bool, drill: bool) -> None:
        enable = self._shell.commands.enable
        for one in PRESETS:
            enable(f"lab.{one.key}", not why, why)
        enable("lab.undo", lasts, _NOTHING)
        enable("lab.halt", drill, _NO_DRILL)

    def _allow_relay(self, why: str, relayed: bool, off: bool) -> None:
        commands = self._shell.commands
        for key, word, there in ((_ON, _ON_WORD, relayed), (_OFF, _OFF_WORD, not relayed)):
            commands.enable(key, not why and not there, why or (_BETWEEN if relayed else _DIRECT))
            worded = word + (" at the next start" if off else _WARM)
            commands.show(key, _RELAYING_WORD if self.relaying else worded)

    # -- the way to the broker

    def lacks_relay(self, kind: FaultKind) -> bool:
        """Whether the relay must be between before such a fault can be done, and is not yet."""
        if self._shell.bridge.snapshot.spec.broker.relay and not self.relaying:
            return False
        return any(info.kind is kind and info.needs_relay for info in self._shell.desk.fault_kinds())

    def use_relay(self, on: bool) -> None:
        """Put the relay between workers and broker, or take it away."""
        self.relaying = True
        self.show_snapshot(self._shell.bridge.snapshot)
        self._shell.bridge.run(self._shell.desk.use_relay(on), self._relayed, self._not_relayed, self)

    def _relayed(self, said: str) -> None:
        self._relay_done()
        self._shell.toasts.say(said)

    def _not_relayed(self, error: DeskError) -> None:
        self._relay_done()
        self._shell.toasts.error(error)

    def _relay_done(self) -> None:
        self.relaying = False
        self.show_snapshot(self._shell.bridge.snapshot)

    # -- faults

    def inject(self, spec: FaultSpec) -> None:
        """Do it now; a toast says what was done, and undoes it while it lasts."""
        if self.lacks_relay(spec.kind):
            toast = self._shell.toasts.say(_RELAYING if self.relaying else _NO_NETWORK, "warn")
            if self._shell.commands[_ON].isEnabled():
                toast.offer(_ON_WORD, partial(self.use_relay, True))
            return
        self._shell.do(self._shell.desk.inject(spec), partial(self._landed, spec), quiet=True)

    def _landed(self, spec: FaultSpec, number: int) -> None:
        page = getattr(self._shell, "page", None)
        lab = page if page is not None and page.objectName() == "lab" else None
        if lab is not None and lab.faults.done_in_sight:
            return  # it stands there among what was done
        found = next((f for f in self._shell.bridge.snapshot.faults if f.id == number), None)
        text = (
            f"{sentence(deed(spec))}: done." if found is None else found.text or f"{title_of(found)}: done."
        )
        toast = self._shell.toasts.say(sentence(text), "info")
        if found is not None and found.state is FaultState.UNDER_WAY:
            toast.offer("Undo", partial(self.undo, number))
        if lab is not None:
            toast.offer("Show", lab.faults.show_done)

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
        show_progress(self._shell.toasts, f"Writing the report of {folder.name}", under_way)
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
