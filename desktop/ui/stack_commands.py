"""The verbs of the whole stack: start and stop it, open and save its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog

from desktop.engine.api import DeskError, StackSnapshot, StackState, StopHow
from desktop.ui.actions import Action
from desktop.ui.losses import losses_of_stop
from desktop.ui.page import Shell
from desktop.ui.widgets.confirm import Confirm, confirm

_FILES = "Stack files (*.toml)"
_RECORDED = "A recorded run is shown. Close it first."
_CHANGED = "The stack can be changed only while it is stopped."


class StackCommands(QObject):
    """Registers the verbs, allows what the present state allows, and asks before something is lost."""

    start_failed = Signal(object)  # DeskError
    open_failed = Signal(object, object)  # DeskError, and the function that tries again
    opened = Signal()

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._closing = False
        self.shipped: list[str] = []
        for action in self._verbs():
            shell.commands.add(action)
            shell.commands.enable(action.key, shell.bridge.taken)
        if shell.bridge.taken:
            self.offer_shipped()

    def offer_shipped(self) -> None:
        """Register a verb for each stack that ships, now that there is an engine to ask."""
        shell = self._shell
        for action in self._verbs():
            shell.commands.enable(action.key, True)
        stacks = shell.desk.shipped_stacks()
        self.shipped = [name for name, _about in stacks]
        for name, about in stacks:
            open_it = partial(self.open_stack, name)
            text = f"Open stack “{name}”"
            shell.commands.add(
                Action(f"stack.open:{name}", text, open_it, "stack", tooltip=about, group="Stack")
            )

    def _verbs(self) -> list[Action]:
        def verb(key: str, text: str, run: Callable[[], None], icon: str, keys: str, tip: str) -> Action:
            return Action(f"stack.{key}", text, run, icon, keys, tip, "Stack", danger=key == "kill")

        return [
            verb("start", "Start", self.start, "play", "Ctrl+Return", "Start the broker and every worker"),
            verb("stop", "Stop", self.stop, "stop", "Ctrl+.", "Warm stop: running tasks finish first"),
            verb("cold", "Cold stop", self.cold, "cold", "", "Stop now: running tasks are cut off"),
            verb("kill", "Kill", self.kill, "kill", "", "SIGKILL to every process of the stack"),
            verb("open", "Open stack file…", self.choose_file, "folder", "Ctrl+O", "Take another stack"),
            verb("save", "Save stack", self.save, "save", "Ctrl+S", "Write the live stack to its file"),
            verb(
                "save_as", "Save stack as…", self.save_as, "save-as", "Ctrl+Shift+S", "Write it to a new file"
            ),
        ]

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Allow what the stack's state allows."""
        stopped = snapshot.state is StackState.STOPPED
        stopping = snapshot.state is StackState.STOPPING
        commands = self._shell.commands
        recorded = snapshot.recorded is not None
        commands.enable(
            "stack.start", stopped and not recorded, _RECORDED if recorded else "It runs already."
        )
        for key in ("stack.save", "stack.save_as"):
            commands.enable(key, not recorded, _RECORDED)
        commands.enable("stack.stop", not stopped and not stopping, "There is nothing to stop.")
        for key in ("stack.cold", "stack.kill"):
            commands.enable(key, not stopped, "There is nothing to stop.")
        for key in ("stack.open", *(f"stack.open:{name}" for name in self.shipped)):
            commands.enable(key, stopped, _CHANGED)

    # -- start and stop

    def start(self, port: int | None = None) -> None:
        """Start everything; a failure is told by `start_failed`."""
        self._shell.bridge.run(self._shell.desk.start(port), self._say, self.start_failed.emit, self)

    def _say(self, sentence: str) -> None:
        self._shell.toasts.say(sentence)

    def stop(self) -> None:
        """Warm; asks first where the broker would forget what waits in it."""
        self._ask(StopHow.WARM, "Stop the stack?", "Stop")

    def cold(self) -> None:
        """Running tasks are cut off."""
        self._ask(StopHow.COLD, "Stop the stack cold?", "Cold stop")

    def kill(self) -> None:
        """SIGKILL to everything."""
        self._ask(StopHow.KILL, "Kill the stack?", "Kill")

    def _ask(self, how: StopHow, title: str, word: str) -> None:
        stop = partial(self._stop, how)
        losses = losses_of_stop(self._shell.bridge.snapshot, how)
        if losses:
            confirm(self._shell.window_widget(), title, losses, word, stop)
        else:
            stop()

    def _stop(self, how: StopHow) -> None:
        self._shell.do(self._shell.desk.stop(how))

    # -- before the window closes

    def ask_to_close(self, close: Callable[[], None]) -> bool:
        """True when nothing would be lost. Else asks, and calls `close` if that is the answer."""
        losses = losses_of_stop(self._shell.bridge.snapshot, StopHow.KILL)
        if not losses:
            return True
        choices: Sequence[tuple[str, str, Callable[[], None]]] = (
            ("Warm stop, then close", "", partial(self._stop_then, close)),
            ("Close now", "danger", close),
        )
        Confirm(self._shell.window_widget(), "Close Celery Desk?", losses, choices).open()
        return False

    def _stop_then(self, close: Callable[[], None]) -> None:
        self._shell.toasts.say("Closing when the running tasks are done.", "info")
        self._shell.bridge.run(self._shell.desk.stop(StopHow.WARM), lambda _said: close(), None, self)

    # -- files

    def open_stack(self, path_or_name: str | Path) -> None:
        """Take another stack; a failure is told by `open_failed`."""
        again = partial(self.open_stack, path_or_name)
        future = self._shell.desk.open_stack(path_or_name)
        self._shell.bridge.run(future, self._took, lambda error: self.open_failed.emit(error, again), self)

    def _took(self, sentence: str) -> None:
        self.opened.emit()
        self._say(sentence)

    def choose_file(self) -> None:
        """Ask for a stack file and open it."""
        dialog = self._file_dialog("Open a stack file", QFileDialog.AcceptMode.AcceptOpen)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.open_stack)
        dialog.open()

    def save(self) -> None:
        """Save to its own file; a stack without one asks where."""
        future = self._shell.desk.save_stack(None)
        self._shell.bridge.run(future, self._say, self._save_failed, self)

    def _save_failed(self, error: DeskError) -> None:
        self._shell.toasts.error(error).offer("Save as…", self.save_as)

    def save_as(self) -> None:
        """Ask for a place and save there."""
        dialog = self._file_dialog("Save the stack as", QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("toml")
        dialog.selectFile(f"{self._shell.bridge.snapshot.spec.name}.toml")
        dialog.fileSelected.connect(self._save_to)
        dialog.open()

    def _save_to(self, path: str) -> None:
        self._shell.do(self._shell.desk.save_stack(Path(path)))

    def _file_dialog(self, title: str, mode: QFileDialog.AcceptMode) -> QFileDialog:
        dialog = QFileDialog(self._shell.window_widget(), title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(mode)
        dialog.setNameFilter(_FILES)
        return dialog
