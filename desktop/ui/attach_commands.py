"""The verbs of a stack that somebody else started: attach, detach, ask for its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop.engine.api import StackSnapshot, StackState
from desktop.ui.actions import Action
from desktop.ui.page import Shell

if TYPE_CHECKING:
    from desktop.ui.attach_dialog import AttachDialog

_BUSY = "Stop the stack first: one thing is shown at a time."
_NOT = "No stack of somebody else is watched."


class AttachCommands(QObject):
    """Registers the verbs, and allows what the present state allows."""

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._now: tuple[bool, bool, bool] | None = None
        for action in self._verbs():
            shell.commands.add(action)
        self._allow(free=shell.bridge.taken, attached=False, mute=False)

    def _verbs(self) -> list[Action]:
        def verb(key: str, text: str, run: Callable[[], None], icon: str, tip: str) -> Action:
            return Action(f"attach.{key}", text, run, icon, tooltip=tip, group="Stack")

        return [
            verb("open", "Attach to a broker…", self.ask, "eye", "Watch a stack that runs already"),
            verb("detach", "Detach", self.detach, "close", "Let go of it; nothing of it is stopped"),
            verb(
                "events",
                "Ask workers for their events",
                self.enable_events,
                "pulse",
                "Tell workers to send the events of their tasks (enable_events)",
            ),
        ]

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Allow what the state allows."""
        attached = bool(snapshot.attached)
        free = snapshot.state is StackState.STOPPED and snapshot.recorded is None and self._shell.bridge.taken
        now = free, attached, attached and any(worker.mute for worker in snapshot.workers)
        if now != self._now:
            self._now = now
            self._allow(*now)

    def _allow(self, free: bool, attached: bool, mute: bool) -> None:
        enable = self._shell.commands.enable
        enable("attach.open", free and not attached, _BUSY)
        enable("attach.detach", attached, _NOT)
        enable("attach.events", mute, "Every worker that is heard sends them." if attached else _NOT)

    # -- verbs

    def ask(self) -> None:
        """Ask which broker."""
        self.open_dialog()

    def open_dialog(self) -> AttachDialog:
        """The dialog, open."""
        from desktop.ui.attach_dialog import RECENT, AttachDialog, remembered

        memory = self._shell.memory
        dialog = AttachDialog(self._shell, remembered(memory.get(RECENT)), self._took)
        dialog.open()
        return dialog

    def _took(self, url: str) -> None:
        from desktop.ui.attach_dialog import RECENT, remembered

        memory = self._shell.memory
        memory.put(RECENT, remembered(memory.get(RECENT), url))
        self._shell.go("overview")

    def detach(self) -> None:
        """Let go."""
        self._shell.do(self._shell.desk.stop())

    def enable_events(self) -> None:
        """Ask every worker."""
        self._shell.do(self._shell.desk.enable_events())
