"""What can be done with recorded runs: open one and close it, pack, keep, note and delete, and the cap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QDropEvent
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop.engine.api import PrunePlan, RunInfo, StackSnapshot, StackState, Underway
from desktop.ui.actions import Action
from desktop.ui.page import Shell
from desktop.ui.words import count, memory

LOOK_MS = 100  # between two looks at how far it is
PATIENCE_MS = 400  # until what was opened from elsewhere takes one to the page that shows how far it is
SETTLED_MS = 4000  # after the start; by then the first page is there
_RUNNING = "Stop the stack first: one thing is shown at a time."
_SHOWN = "It is open already."
_NONE = "Choose a run on the page Runs first."


@dataclass(frozen=True)
class Busy:
    """What is under way, and can be cancelled."""

    title: str
    future: Underway[str]


class RunCommands(QObject):
    """Registers the verbs. They are about the run that is `chosen` on the page Runs."""

    changed = Signal()  # a run came, went or was noted: read the list again
    moved = Signal()  # what is under way went on, began or ended: look at `busy`
    over_cap = Signal(object)  # PrunePlan with what is over the cap; an empty one: nothing is

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self.chosen: RunInfo | None = None
        self.busy: Busy | None = None
        self._state, self._taken = StackState.STOPPED, False
        self._recorded: Path | None = None
        _Drops(shell.window_widget(), self.open_run)
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._look)
        for action in self._verbs():
            shell.commands.add(action)
        self._allow()

    def _verbs(self) -> list[Action]:
        def verb(
            key: str,
            text: str,
            run: Callable[[], None],
            icon: str,
            tip: str,
            keys: str = "",
            danger: bool = False,
        ) -> Action:
            return Action(f"run.{key}", text, run, icon, keys, tip, "Runs", danger=danger)

        return [
            verb(
                "open", "Open run", self.open_chosen, "eye", "Show the chosen run in this window, read only"
            ),
            verb("open_file", "Open a run from a file…", self.choose_file, "folder", "A zip", "Ctrl+Shift+O"),
            verb("close", "Close run", self.close_run, "close", "Show the stack again"),
            verb(
                "pack",
                "Pack run…",
                self.pack,
                "package",
                "Write the chosen run into one zip, without passwords",
            ),
            verb("keep", "Keep run", self.keep, "pin", "The cap never deletes a run that is kept"),
            verb("note", "Note…", self.note, "note", "A few words about the chosen run"),
            verb("folder", "Open folder", self.open_folder, "external", "Show the run's files"),
            verb("delete", "Delete run…", self.delete, "trash", "Delete the chosen run", danger=True),
            verb("cap", "Cap on old runs…", self.open_cap, "sliders", "How much of old runs is kept"),
        ]

    # -- what is allowed

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Allow what the state of the stack allows."""
        now = (snapshot.state, snapshot.recorded, self._shell.bridge.taken)
        if now != (self._state, self._recorded, self._taken):
            self._state, self._recorded, self._taken = now
            self._allow()

    def choose(self, run: RunInfo | None) -> None:
        """The verbs are about this run from now on."""
        self.chosen = run
        self._shell.commands.show("run.keep", "Keep no longer" if run and run.kept else "Keep run")
        self._allow()

    def _allow(self) -> None:
        enable, run = self._shell.commands.enable, self.chosen
        taken, off = self._taken, self._state is StackState.STOPPED
        shown = run is not None and run.folder == self._recorded
        why = _NONE if run is None else _SHOWN if shown else _why_not_open(run, off)
        enable("run.open", run is not None and not why, why)
        enable("run.open_file", taken and off, _RUNNING)
        enable("run.close", self._recorded is not None, "The stack is shown already.")
        enable("run.pack", run is not None and self.busy is None, _NONE if run is None else "One at a time.")
        for key in ("run.keep", "run.note", "run.folder"):
            enable(key, run is not None, _NONE)
        why = _NONE if run is None else "Close it first." if shown else "It is being recorded."
        enable("run.delete", run is not None and not run.live and not shown, why)
        enable("run.cap", taken)

    # -- open and close

    def open_chosen(self) -> None:
        """The chosen one."""
        if self.chosen is not None and self._shell.commands["run.open"].isEnabled():
            self.open_run(self.chosen.folder)

    def open_run(self, path: str | Path, about: str = "") -> None:
        """Open a run folder or a zip of one; then show its tasks, or what `about` says of them."""
        path = Path(path)
        if self.busy is not None:
            self._shell.toasts.say(f"{self.busy.title} is not done yet.", "info")
            return
        self._begin(f"Opening {path.name}", self._shell.desk.open_run(path), partial(self._opened, about))
        QTimer.singleShot(PATIENCE_MS, self, self._show_how_far)

    def _show_how_far(self) -> None:
        if self.busy is not None and "page.runs" in self._shell.commands:
            self._shell.go("runs")

    def _opened(self, about: str, _sentence: str) -> None:
        if "page.tasks" in self._shell.commands:
            self._shell.go("tasks", about)
        else:
            self._shell.go("overview")

    def close_run(self) -> None:
        """Show the stack again."""
        self._shell.do(self._shell.desk.close_run(), self._changed)

    def choose_file(self) -> None:
        """Ask for a zip, and open it."""
        dialog = self._file_dialog("Open a recorded run", QFileDialog.AcceptMode.AcceptOpen)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.open_run)
        dialog.open()

    # -- pack

    def pack(self) -> None:
        """Ask for a place, and pack the chosen run there."""
        run = self.chosen
        if run is None:
            return
        dialog = self._file_dialog("Pack the run into", QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("zip")
        dialog.selectFile(f"{run.folder.name}.zip")
        dialog.fileSelected.connect(partial(self.pack_to, run))
        dialog.open()

    def pack_to(self, run: RunInfo, path: str) -> None:
        """Pack a run there; how far it is shows on the page."""
        to = Path(path)
        self._begin(
            f"Packing {run.folder.name}", self._shell.desk.pack_run(run.folder, to), partial(self._packed, to)
        )

    def _packed(self, to: Path, sentence: str) -> None:
        show = partial(_show_folder, to.parent)
        self._shell.toasts.say(sentence).offer("Open folder", show)

    def _file_dialog(self, title: str, mode: QFileDialog.AcceptMode) -> QFileDialog:
        dialog = QFileDialog(self._shell.window_widget(), title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(mode)
        dialog.setNameFilter("Packed runs (*.zip)")
        return dialog

    # -- what is under way

    def _begin(self, title: str, future: Underway[str], done: Callable[[str], None]) -> None:
        self.busy = Busy(title, future)
        self._shell.bridge.run(future, partial(self._finished, done), None, self)
        self._timer.start()
        self._allow()
        self.moved.emit()

    def _finished(self, done: Callable[[str], None], sentence: str) -> None:
        self._end()
        done(sentence)

    def cancel(self) -> None:
        """End what is under way; nothing of it stays."""
        if self.busy is not None:
            self.busy.future.cancel()
            self._look()

    def _look(self) -> None:
        if self.busy is not None and self.busy.future.done():
            self._end()
        self.moved.emit()

    def _end(self) -> None:
        self.busy = None
        self._timer.stop()
        self._allow()
        self.moved.emit()
        self.changed.emit()

    # -- keep, note, delete

    def keep(self) -> None:
        """Whether it stays, whatever the cap says."""
        run = self.chosen
        if run is not None:
            self.write_note(run, run.note, not run.kept)

    def note(self) -> None:
        """Ask for a few words."""
        if self.chosen is not None:
            from desktop.ui.pages.runs_dialogs import NoteDialog

            NoteDialog(self._shell, self.chosen, self.write_note).open()

    def write_note(self, run: RunInfo, note: str, kept: bool) -> None:
        """Remember a note, and whether the run is kept."""
        self._shell.do(self._shell.desk.note_run(run.folder, note, kept), self._changed)

    def open_folder(self) -> None:
        """In the system's file manager."""
        if self.chosen is not None:
            _show_folder(self.chosen.folder)

    def delete(self) -> None:
        """Ask, then delete the chosen run."""
        run = self.chosen
        if run is None:
            return
        from desktop.ui.widgets.confirm import confirm

        what = f"Its {count(run.tasks, 'task')}, graphs and logs ({memory(run.size)}) are deleted for good."
        losses = [what, *(["It is marked to be kept."] if run.kept else [])]
        losses += [f"Its note: “{run.note}”"] if run.note else []
        confirm(
            self._shell.window_widget(),
            f"Delete {run.folder.name}?",
            losses,
            "Delete",
            partial(self._delete, run),
        )

    def _delete(self, run: RunInfo) -> None:
        self._shell.do(self._shell.desk.delete_run(run.folder), self._changed)

    def _changed(self, _sentence: str) -> None:
        self.changed.emit()
        self.look_at_cap()

    # -- the cap

    def open_cap(self) -> None:
        """The cap, and what it would delete now."""
        from desktop.ui.pages.runs_dialogs import CapDialog

        CapDialog(self._shell, self._changed).open()

    def look_at_cap_soon(self) -> None:
        """Once the window has settled: nobody waits for it."""
        QTimer.singleShot(SETTLED_MS, self, self.look_at_cap)

    def look_at_cap(self) -> None:
        """Ask what is over the cap, and tell it."""
        self._shell.bridge.run(self._shell.desk.prune_plan(), self._over, self._quiet, self)

    def _over(self, plan: PrunePlan) -> None:
        self.over_cap.emit(plan)

    def _quiet(self, _error: object) -> None:
        """Nobody asked: the page Runs says what is wrong there."""


def _why_not_open(run: RunInfo, off: bool) -> str:
    if run.problem:
        return run.problem
    if run.live:
        return "It is being recorded. Open it when it has ended, or pack it now."
    return "" if off else _RUNNING


def _show_folder(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


class _Drops(QObject):
    """Opens what is dropped on the window: a zip of a run, or its folder."""

    def __init__(self, window: QWidget, open_run: Callable[[Path], None]) -> None:
        super().__init__(window)
        self._open_run = open_run
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QDropEvent):
            return False
        path = _run_of(event.mimeData().urls())
        if path is None:
            return False
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self._open_run(path)
        return True


def _run_of(urls: Sequence[QUrl]) -> Path | None:
    paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
    if len(paths) != 1:
        return None
    return paths[0] if paths[0].suffix.lower() == ".zip" or paths[0].is_dir() else None
