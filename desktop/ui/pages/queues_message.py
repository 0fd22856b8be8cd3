"""One waiting message, whole."""

from __future__ import annotations

import time

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout

from desktop.engine.api import Message
from desktop.ui import fonts, icons
from desktop.ui.page import Shell
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.dialog import Dialog
from desktop.ui.widgets.labels import label
from desktop.ui.words import count, duration, memory


def clock(t: float) -> str:
    """A moment of a day: "10:14:02"."""
    return time.strftime("%H:%M:%S", time.localtime(t))


def facts_of(message: Message, queue: str, now: float) -> list[tuple[str, str]]:
    """What is known of a message, but for its arguments: word and value."""
    facts = [
        ("Id", message.id),
        ("Queue", f"{queue}, place {message.position + 1:,} when it was read"),
        ("Priority", f"{message.priority}, 0 is served first" if message.priority else "0, served first"),
    ]
    if message.sent_at is not None:
        facts.append(("Sent", f"{clock(message.sent_at)}, {duration(now - message.sent_at)} ago"))
    if message.eta is not None:
        left = duration(message.eta - now) if message.eta > now else ""
        facts.append(("ETA", f"{clock(message.eta)}, {f'in {left}' if left else 'due'}"))
    if message.expires is not None:
        facts.append(("Expires", clock(message.expires)))
    facts.append(
        ("Retries", count(message.retries, "retry", "retries") if message.retries else "none so far")
    )
    if message.size:
        facts.append(("Size", f"{memory(message.size)} in the broker"))
    if message.origin:
        facts.append(("Sent by", message.origin))
    return facts


class MessageDialog(Dialog):
    """Where it came from, what it carries; its id to copy, its task to open."""

    def __init__(self, shell: Shell, queue: str, message: Message) -> None:
        super().__init__(shell.window_widget(), "Waiting message")
        self._shell, self.message = shell, message
        self.resize_within(640, 520)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(14)
        column.addWidget(label(message.task or "Not a task's message", "section", wrap=True, selectable=True))
        if message.problem:
            column.addWidget(label(message.problem, tone="warn", wrap=True))
        column.addLayout(self._facts(queue))
        column.addWidget(label("Arguments", "label", "muted"))
        self.arguments = QPlainTextEdit(_whole(message))
        self.arguments.setReadOnly(True)
        self.arguments.setFont(fonts.font("mono"))
        self.arguments.setAccessibleName("Arguments")
        self.arguments.setTabChangesFocus(True)
        column.addWidget(self.arguments, 1)
        column.addLayout(self._buttons())
        self.shut.setFocus()

    def _facts(self, queue: str) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for at, (word, value) in enumerate(facts_of(self.message, queue, self._shell.bridge.snapshot.t)):
            role = "mono" if word == "Id" else "text"
            grid.addWidget(label(word, tone="muted"), at, 0)
            grid.addWidget(label(value, role, selectable=True), at, 1)
        return grid

    def _buttons(self) -> QHBoxLayout:
        self.copy, self.task = QPushButton("Copy id"), QPushButton("Open task")
        icons.set_icon(self.copy, "copy")
        icons.set_icon(self.task, "task")
        close = self.shut = QPushButton("Close")
        for button in (self.copy, self.task, close):
            button.setAccessibleName(button.text())
        close.setDefault(True)
        self.copy.clicked.connect(self._copy)
        self.task.clicked.connect(self._open_task)
        if "page.tasks" not in self._shell.commands:
            self.task.hide()
        close.clicked.connect(self.close)
        return row(self.copy, self.task, 1, close)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.message.id)
        self._shell.toasts.say("The id is on the clipboard.", "info")

    def _open_task(self) -> None:
        self.close()
        self._shell.go("tasks", self.message.id)


def _whole(message: Message) -> str:
    parts = [f"args    {message.args or '()'}", f"kwargs  {message.kwargs or '{}'}"]
    return "\n\n".join(parts)
