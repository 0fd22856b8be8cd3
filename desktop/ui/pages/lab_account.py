"""The account of a run: what became of every task that was submitted, with the ids that matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QMenu, QSizePolicy, QWidget

from desktop.engine.api import Account
from desktop.ui import fonts
from desktop.ui.fault_words import balance_parts, short_id
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import label
from desktop.ui.words import count, short

_TALL, _PAD, _CHIP = 44, 6, 24
_IDS = 3  # that stand in a line; the others in a menu
_MENU = 50  # ids of a menu
_TONES = {"lost": "bad", "failed": "bad", "ended_more": "warn", "unknown": "warn"}
_STATES = {
    "submitted": "",
    "ended_once": "state:SUCCESS",
    "ended_more": "twice",
    "failed": "state:FAILURE",
    "lost": "state:LOST",
    "otherwise": "state:REVOKED state:REJECTED state:IGNORED state:PURGED",
    "still": "state:waiting state:scheduled state:reserved state:active state:stranded",
    "unknown": "state:UNKNOWN",
}


class Part(QAbstractButton):
    """One number of the sum over its word; a click leads to its tasks."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key, self._word, self.number = key, "", 0
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_number(self, number: int, word: str, hint: str) -> None:
        """Show a number; `hint` says more of it."""
        if (number, word, hint) != (self.number, self._word, self.toolTip()):
            self.number, self._word = number, word
            self.setAccessibleName(f"{number:,} {word}")
            self.setToolTip(hint)
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        large = QFontMetricsF(fonts.font("section")).horizontalAdvance(short(self.number))
        below = QFontMetricsF(fonts.font("small")).horizontalAdvance(self._word)
        return QSize(round(max(large, below)) + 2 * _PAD, _TALL)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, box = QPainter(self), Theme.current, QRectF(self.rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(theme.color("focus"), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(fonts.font("section"))
        painter.setPen(theme.color(_TONES.get(self.key, "text") if self.number else "muted"))
        painter.drawText(box.adjusted(_PAD, 2, 0, -20), int(left), short(self.number))
        painter.setFont(fonts.font("small"))
        painter.setPen(theme.color("muted"))
        painter.drawText(box.adjusted(_PAD, 22, 0, -2), int(left), self._word)


class IdChip(QAbstractButton):
    """A small link: the beginning and the end of a task's id."""

    def __init__(self, text: str, name: str, parent: QWidget, role: str = "mono") -> None:
        super().__init__(parent)
        self.setText(text)
        self.setFont(fonts.font(role))
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 2 * _PAD, _CHIP)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, box = QPainter(self), Theme.current, QRectF(self.rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(theme.color("focus"), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 5, 5)
        painter.setPen(theme.color("accent"))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), self.text())


class IdLine(QWidget):
    """Ids that can be clicked: the first few, and a menu with more."""

    opened = Signal(str)

    def __init__(self, word: str, tone: str) -> None:
        super().__init__()
        self._word = word
        self._ids: tuple[str, ...] = ()
        self.chips: list[IdChip] = []
        self._flow = FlowLayout(self, gap=4)
        self.head = label("", "small", tone)
        self.head.setFixedHeight(_CHIP)
        self.more = IdChip("", f"More ids: {word}", self, "small")
        self.more.clicked.connect(self.open_menu)
        self._flow.addWidget(self.head)
        self._flow.addWidget(self.more)

    def show_ids(self, ids: Sequence[str]) -> None:
        """Show these."""
        ids = tuple(ids)
        self.setVisible(bool(ids))
        if ids == self._ids:
            return
        self._ids = ids
        self.head.setText(f"{len(ids):,} {self._word}:")
        for button in self.chips:
            self._flow.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._flow.removeWidget(self.more)
        self.chips = [self._chip(one) for one in ids[:_IDS]]
        for button in self.chips:
            self._flow.addWidget(button)
        self._flow.addWidget(self.more)
        self.more.setText(f"{len(ids) - _IDS:,} more…")
        self.more.setVisible(len(ids) > _IDS)
        self.updateGeometry()

    def _chip(self, task_id: str) -> IdChip:
        made = IdChip(short_id(task_id), f"Open the task {task_id}, {self._word}", self)
        made.clicked.connect(partial(self.opened.emit, task_id))
        made.show()
        return made

    def open_menu(self) -> QMenu:
        """Open the menu with the others; it deletes itself when it closes."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setAccessibleName(self.more.accessibleName())
        for one in self._ids[_IDS : _IDS + _MENU]:
            menu.addAction(one, partial(self.opened.emit, one))
        rest = len(self._ids) - _IDS - _MENU
        if rest > 0:
            menu.addAction(f"and {count(rest, 'more task')}").setEnabled(False)
        menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))
        return menu


class AccountCard(Card):
    """submitted = ended once + more than once + failed + lost + otherwise + still; below it the ids."""

    def __init__(
        self, title: str, show_tasks: Callable[[str], None], open_task: Callable[[str], None]
    ) -> None:
        super().__init__(title, padding=12)
        self._show_tasks = show_tasks
        self.body.setSpacing(6)
        self.parts: dict[str, Part] = {}
        self._sum = QWidget()
        self._flow = FlowLayout(self._sum, gap=0)
        self.note = label("", "small", "muted", wrap=True)
        self.lost, self.twice = IdLine("lost", "bad"), IdLine("ran twice", "warn")
        self.failed = IdLine("failed", "bad")
        self.add(self._sum)
        for line in (self.lost, self.twice, self.failed):
            line.opened.connect(open_task)
            line.hide()
            self.add(line)
        self.add(self.note)
        self.show_problem("No task was submitted yet.")

    def show_account(self, account: Account) -> None:
        """Show it."""
        shown = balance_parts(account)
        if [key for key, _, _ in shown] != list(self.parts):
            self._rebuild([key for key, _, _ in shown])
        for key, word, number in shown:
            self.parts[key].show_number(number, word, _hint(key, account))
        self._sum.setVisible(True)
        self.lost.show_ids(account.lost)
        self.twice.show_ids(account.ran_twice)
        self.failed.show_ids([task_id for task_id, _ in account.failed])
        self.note.setText(" ".join(account.gaps))
        self.note.setVisible(bool(account.gaps))

    def show_problem(self, sentence: str) -> None:
        """There is none, because."""
        for part in (self._sum, self.lost, self.twice, self.failed):
            part.setVisible(False)
        self.note.setText(sentence)
        self.note.setVisible(bool(sentence))

    def _rebuild(self, keys: Sequence[str]) -> None:
        while (item := self._flow.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.parts = {}
        for at, key in enumerate(keys):
            if at:
                sign = label("=" if at == 1 else "+", "text", "muted", parent=self._sum)
                sign.setFixedSize(14, _TALL - 20)
                sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
                self._flow.addWidget(sign)
            part = Part(key)
            part.setParent(self._sum)
            part.clicked.connect(lambda _on=False, key=key: self._show_tasks(_STATES[key]))
            self.parts[key] = part
            self._flow.addWidget(part)
        for at in range(self._flow.count()):
            item = self._flow.itemAt(at)
            if item is not None and (widget := item.widget()) is not None:
                widget.show()


def _hint(key: str, account: Account) -> str:
    """What a number is made of."""
    if key == "still":
        return ", ".join(f"{number:,} {place}" for place, number in account.still.items() if number)
    if key == "otherwise":
        return ", ".join(
            f"{number:,} {state.lower()}" for state, number in account.otherwise.items() if number
        )
    if key == "submitted":
        return f"{count(account.attempts, 'attempt')}, {count(account.retried, 'task')} retried"
    return "Show these tasks"
