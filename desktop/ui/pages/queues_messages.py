"""The messages that wait in a queue: read in pages, without disturbing them."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QToolButton

from desktop.engine.api import DeskError, Message, MessagePage
from desktop.ui import fonts, icons
from desktop.ui.page import Shell
from desktop.ui.pages.queues_message import MessageDialog
from desktop.ui.pages.queues_tables import LEFT, RIGHT, ROOT, ROW, Index, plain_table
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone
from desktop.ui.words import duration, memory

PAGE = 100
EVERY = 2.0  # seconds between two readings while somebody looks
_ROWS = 12  # shown before the table scrolls within itself
_EMPTY = ("()", "[]", "{}", "")


def arguments(message: Message) -> str:
    """Arguments for one line; empty where there are none."""
    return "  ".join(part for part in (message.args, message.kwargs) if part not in _EMPTY)


def eta_text(eta: float | None, now: float) -> str:
    """When a task may run at the earliest."""
    if eta is None:
        return "–"
    return f"in {duration(eta - now)}" if eta > now else "due"


class MessageModel(QAbstractTableModel):
    """One page of a queue, the next to be taken first."""

    HEADS = ("#", "Task", "Id", "Arguments", "Priority", "ETA", "Waits", "Size")

    def __init__(self) -> None:
        super().__init__()
        self.messages: tuple[Message, ...] = ()
        self._now = 0.0

    def show_messages(self, messages: tuple[Message, ...], now: float) -> None:
        """Show these; where their number stays, what is selected stays."""
        self._now = now
        if len(messages) == len(self.messages):
            self.messages = messages
            if messages:
                self.dataChanged.emit(self.index(0, 0), self.index(len(messages) - 1, len(self.HEADS) - 1))
            return
        self.beginResetModel()
        self.messages = messages
        self.endResetModel()

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self.messages)

    def columnCount(self, parent: Index = ROOT) -> int:
        return len(self.HEADS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if way == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.HEADS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT if section in (0, 4, 5, 6, 7) else LEFT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        message, column = self.messages[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(message, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (0, 4, 5, 6, 7):
            return RIGHT
        if role == Qt.ItemDataRole.ForegroundRole:
            return Theme.current.color("muted") if column in (0, 2, 7) else None
        if role == Qt.ItemDataRole.FontRole:
            return fonts.font("mono" if column in (2, 3) else "text")
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{message.task}\n{message.id}\nClick to see it whole"
        return None

    def _text(self, message: Message, column: int) -> str:
        waits = duration(self._now - message.sent_at) if message.sent_at is not None else "–"
        return (
            f"{message.position + 1:,}",
            message.task,
            message.id[:8],
            arguments(message) or "–",
            str(message.priority),
            eta_text(message.eta, self._now),
            waits,
            memory(message.size),
        )[column]


# What gives way first where there is little room: column and the width from which it is shown.
_FROM = {7: 820, 4: 720, 2: 600, 0: 540, 5: 470}
_WIDTHS = ((0, 58), (2, 84), (4, 66), (5, 84), (6, 88), (7, 72))


class _Begin(QStyledItemDelegate):
    """Text of which the beginning is worth more than the end."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight


class MessagesCard(Card):
    """The table, a way through its pages, and how fresh it is. Reads while it is seen, and when told to."""

    def __init__(self, shell: Shell) -> None:
        self.fresh = ElidedLabel("", "small", "muted")
        self.again = _tool("Read the messages again", "refresh")
        super().__init__()
        self.setAccessibleName("Waiting messages")
        self.shell = shell
        self.queue, self.first, self.total = "", 0, 0
        self._asked: tuple[str, int] | None = None  # what is being read
        self._read_at = 0.0  # of time.monotonic: when the last reading was begun
        self.model = MessageModel()
        self.view = plain_table(self.model, "Waiting messages")
        self.view.setItemDelegateForColumn(3, _Begin(self.view))
        self.where = label("", "small", "muted")
        self.back = _tool("Messages before these", "chevron-left")
        self.on = _tool("Messages after these", "chevron-right")
        self.empty = label("Nothing waits in it now.", tone="muted")
        self._lay_out()
        self.back.clicked.connect(lambda: self._turn(-PAGE))
        self.on.clicked.connect(lambda: self._turn(PAGE))
        self.again.clicked.connect(self.read)
        self.view.clicked.connect(self._open)
        self.view.installEventFilter(self)

    def _lay_out(self) -> None:
        head = row(label("Waiting messages", "section"))
        head.addSpacing(4)
        head.addWidget(self.fresh, 1)
        for widget in (self.where, self.back, self.on, self.again):
            head.addWidget(widget)
        self.body.addLayout(head)
        columns = self.view.horizontalHeader()
        for column, width in _WIDTHS:
            self.view.setColumnWidth(column, width)
        columns.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self.add(self.empty)
        self.add(self.view)
        self._size()

    # reading

    def begin(self, queue: str) -> None:
        """Show another queue, from its first message on."""
        self.queue, self.first, self.total = queue, 0, 0
        self._asked = None
        self.model.show_messages((), 0.0)
        self.fresh.setText("")
        self._size()
        self.read()

    def tick(self, waiting: int) -> None:
        """One of ten turns a second: reads every few seconds, and soon when the queue filled or ran empty."""
        turned = (waiting > 0) != (self.total > 0)
        due = time.monotonic() - self._read_at
        if self._asked is None and (due >= EVERY or (turned and due >= 0.3)):
            self.read()

    def read(self) -> None:
        """Read this page now."""
        if not self.queue or self._asked == (self.queue, self.first):
            return
        self._asked = self.queue, self.first
        self._read_at = time.monotonic()
        future = self.shell.desk.messages(self.queue, self.first, PAGE)
        self.shell.bridge.run(
            future, partial(self._show, self._asked), partial(self._fail, self._asked), self
        )

    def _show(self, asked: tuple[str, int], page: MessagePage) -> None:
        if asked != self._asked:
            return  # another queue or page was chosen meanwhile
        self._asked = None
        self.total = page.total
        if self.first and not page.messages:
            self.first = max(0, (page.total - 1) // PAGE * PAGE)  # the queue became shorter
            self.read()
            return
        self.model.show_messages(page.messages, self.shell.bridge.snapshot.t)
        self.fresh.setText("read just now, without disturbing them")
        set_tone(self.fresh, "muted")
        self._size()

    def _fail(self, asked: tuple[str, int], error: DeskError) -> None:
        if asked == self._asked:
            self._asked = None
            self.fresh.setText(f"{error.what} {error.next_step}")
            set_tone(self.fresh, "warn")

    def _turn(self, by: int) -> None:
        self.first = max(0, self.first + by)
        self._asked = None
        self.read()

    # showing

    def _size(self) -> None:
        shown = len(self.model.messages)
        self.empty.setVisible(not shown)
        self.view.setVisible(bool(shown))
        self.view.setFixedHeight(min(_ROWS, max(shown, 1)) * ROW + 38)
        last = self.first + shown
        self.where.setText(f"{self.first + 1:,}–{last:,} of {self.total:,}" if shown else "")
        many = self.total > PAGE or self.first > 0
        for button in (self.back, self.on):
            button.setVisible(many)
        self.back.setEnabled(self.first > 0)
        self.on.setEnabled(last < self.total)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - 32
        for column, least in _FROM.items():
            self.view.setColumnHidden(column, room < least)
        self.view.setColumnWidth(1, max(132, min(280, round(room * 0.26))))

    # one of them

    def _open(self, index: QModelIndex) -> None:
        self.open_message(self.model.messages[index.row()])

    def open_message(self, message: Message) -> MessageDialog:
        """Show a message whole."""
        dialog = MessageDialog(self.shell, self.queue, message)
        dialog.open()
        return dialog

    def eventFilter(self, watched: Any, event: Any) -> bool:
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if watched is self.view and isinstance(event, QKeyEvent) and event.type() == QKeyEvent.Type.KeyPress:
            index = self.view.currentIndex()
            if event.key() in keys and index.isValid():
                self._open(index)
                return True
        return super().eventFilter(watched, event)


def _tool(name: str, icon: str) -> QToolButton:
    button = QToolButton()
    button.setProperty("kind", "quiet")
    button.setAccessibleName(name)
    button.setToolTip(name)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    icons.set_icon(button, icon)
    return button
