"""What can be done to a task: registered verbs about the one task that is shown or chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from desktop.engine.api import StackSnapshot, StackState, TaskRow, TaskState
from desktop.engine.stack.model import Pool
from desktop.ui.actions import Action
from desktop.ui.page import Shell
from desktop.ui.widgets.confirm import Confirm

VERBS = ("open", "retry", "revoke", "terminate", "copy", "logs")
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NONE = "Choose a task first."
_NO_TERMINATE = (Pool.THREADS, Pool.SOLO)


class TaskCommands(QObject):
    """Keeps the task verbs in step with the task in front of a person and with the stack."""

    opened = Signal(str)  # the id of the task to show
    reset_wanted = Signal()  # the filter

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._task: TaskRow | None = None
        self._told: object = None
        self._register()
        shell.commands.offers.append(self._offer)
        self._allow()

    def _register(self) -> None:
        def verb(
            key: str, text: str, run: Callable[[], None], icon: str, tip: str = "", danger: bool = False
        ) -> None:
            action = Action(f"task.{key}", text, run, icon, "", tip, "Tasks", danger=danger)
            self._shell.commands.add(action)

        verb("find", "Find a task…", self._find, "search", "By its id, arguments, result or error")
        verb("reset", "Clear filter", self.reset_wanted.emit, "close", "Show all tasks again")
        verb("open", "Open task", self._open, "task", "Show its attempts, arguments and result")
        verb("retry", "Retry…", self._ask_retry, "restart", "Send it again, as a new task")
        verb("revoke", "Revoke…", self._ask_revoke, "minus", "Tell every worker not to run it")
        verb("terminate", "Terminate…", self._ask_terminate, "kill", "End the process that runs it", True)
        verb("copy", "Copy id", self._copy, "copy", "Put its id on the clipboard")
        verb("logs", "Show in logs", self._show_in_logs, "logs", "Log lines that name it")

    # -- about which task

    @property
    def task(self) -> TaskRow | None:
        """The task that the verbs are about."""
        return self._task

    def show_task(self, task: TaskRow | None) -> None:
        """The verbs are about this task from now on; None: about none."""
        if task != self._task:
            self._task = task
            self._allow()

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Allow what this moment allows."""
        told = snapshot.state, snapshot.recorded, bool(snapshot.attached)
        if told != self._told:
            self._told = told
            self._allow()

    def _allow(self) -> None:
        enable, task = self._shell.commands.enable, self._task
        for verb in ("open", "copy", "logs"):
            enable(f"task.{verb}", task is not None, _NONE)
        stack = self._why_not_now()
        for verb, why in (("retry", ""), ("revoke", _over(task)), ("terminate", self._why_not_terminate())):
            reason = _NONE if task is None else stack or why
            enable(f"task.{verb}", not reason, reason)

    def _why_not_now(self) -> str:
        snapshot = self._shell.bridge.snapshot
        if snapshot.recorded is not None:
            return "This run is over. Close it to work with the living stack."
        if snapshot.state in (StackState.STOPPED, StackState.STARTING):
            return "The stack does not run."
        return ""

    def _why_not_terminate(self) -> str:
        task = self._task
        if task is None or task.state is not TaskState.ACTIVE:
            return "It does not run now."
        worker = self._shell.bridge.snapshot.worker(task.worker)
        if worker is not None and worker.spec.pool in _NO_TERMINATE:
            return (
                f"{task.worker} runs tasks in its own process ({worker.spec.pool}): none can be ended alone."
            )
        return ""

    # -- verbs

    def _find(self) -> None:
        self._shell.go("tasks")
        page = getattr(self._shell, "page", None)
        if page is not None:
            page.start_search()

    def _open(self) -> None:
        if self._task is not None:
            self.opened.emit(self._task.id)

    def _copy(self) -> None:
        if self._task is not None:
            QGuiApplication.clipboard().setText(self._task.id)
            self._shell.toasts.say("The task's id is on the clipboard.", "info")

    def _show_in_logs(self) -> None:
        if self._task is not None:
            self._shell.go("logs", f"text:{self._task.id}")

    def _ask_retry(self) -> None:
        said = (
            "It is sent as a new task with a new id, with the same name, arguments and queue. "
            "The old one stays in the record as it is."
        )
        self._ask("Send {} again?", [said], "Send again", "primary", self._retry)

    def _ask_revoke(self) -> None:
        said = ["Every worker forgets it: it will not run, unless it is sent again."]
        if self._task is not None and self._task.state is TaskState.ACTIVE:
            said = ["It runs already and goes on. Only attempts after this one are given up."]
        self._ask("Revoke {}?", said, "Revoke", "danger", partial(self._revoke, False))

    def _ask_terminate(self) -> None:
        where = self._task.worker if self._task is not None else ""
        said = [
            f"The process of {where} that runs it gets SIGTERM: the task ends in the middle and is REVOKED.",
            "What it has done so far stays done; nothing of it runs again.",
        ]
        self._ask("Terminate {}?", said, "Terminate", "danger", partial(self._revoke, True))

    def _ask(self, title: str, said: list[str], word: str, kind: str, run: Callable[[str], None]) -> None:
        task = self._task
        if task is None:
            return
        words = [*said, f"Task {task.id}"]
        choice = (word, kind, partial(run, task.id))
        Confirm(self._shell.window_widget(), title.format(task.name), words, [choice]).open()

    def _retry(self, task_id: str) -> None:
        self._shell.do(self._shell.desk.retry_task(task_id))

    def _revoke(self, terminate: bool, task_id: str) -> None:
        self._shell.do(self._shell.desk.revoke_task(task_id, terminate))

    def _offer(self, typed: str) -> Action | None:
        """The palette's offer for what looks like a task's id."""
        found = _ID.search(typed)
        if found is None or self._shell.desk.record() is None:
            return None
        task_id = found.group().lower()
        go = partial(self._shell.go, "tasks", task_id)
        return Action("task.go", f"Show task {task_id}", go, "task", group="Tasks")


def _over(task: TaskRow | None) -> str:
    return "It is over." if task is not None and task.state.over else ""
