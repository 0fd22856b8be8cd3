"""What happened last, in sentences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop.engine.api import Mark
from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.timeline_marks import TONES, paint_mark

_MOST = 100
_LINES = 6  # of a sentence, at most
_SIDES = 34 + 74  # px beside the sentence: shape, time of day
_Index = QModelIndex | QPersistentModelIndex


class EventModel(QAbstractListModel):
    """The last marks, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self._marks: tuple[Mark, ...] = ()

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Take all marks so far; those that are new come in at the top."""
        marks = tuple(marks[-_MOST:])
        if marks == self._marks:
            return
        old = self._marks
        fresh = len(marks) - len(old)
        if fresh > 0 and marks[: len(old)] == old:
            self.beginInsertRows(QModelIndex(), 0, fresh - 1)
            self._marks = marks
            self.endInsertRows()
        else:
            self.beginResetModel()
            self._marks = marks
            self.endResetModel()

    def mark(self, row: int) -> Mark:
        """The mark of a row."""
        return self._marks[len(self._marks) - 1 - row]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._marks)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        mark = self.mark(index.row())
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return mark.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{_clock(mark.t)} {mark.text}"
        return None


class _Rows(QStyledItemDelegate):
    """A row: the shape of its kind, the whole sentence, the time of day."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        view = self.parent()
        assert isinstance(view, QListView)
        room = QRect(0, 0, view.viewport().width() - _SIDES, 1000)
        metrics = QFontMetrics(fonts.font("small"))
        tall = metrics.boundingRect(room, int(Qt.TextFlag.TextWordWrap), index.data()).height()
        return QSize(200, min(tall, _LINES * metrics.lineSpacing()) + 18)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model, theme = index.model(), Theme.current
        assert isinstance(model, EventModel)
        mark, box = model.mark(index.row()), QRectF(option.rect)
        state = option.state
        if state & (QStyle.StateFlag.State_MouseOver | QStyle.StateFlag.State_Selected):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(box.adjusted(2, 1, -2, -1), 6, 6)
        paint_mark(painter, mark.kind, box.topLeft() + QPointF(18, 17), 9, theme.color(TONES[mark.kind]))
        painter.setFont(fonts.font("small"))
        painter.setPen(theme.color("muted"))
        top = Qt.AlignmentFlag.AlignTop
        painter.drawText(box.adjusted(34, 9, -12, 0), int(top | Qt.AlignmentFlag.AlignRight), _clock(mark.t))
        painter.setPen(theme.color("text"))
        words = box.adjusted(34, 8, -74, -10)
        painter.drawText(words, int(top | Qt.TextFlag.TextWordWrap), mark.text)


class EventList(QListView):
    """The list; a click on a row puts the cross-hair at its moment."""

    picked = Signal(object)  # Mark

    def __init__(self) -> None:
        super().__init__()
        self.events = EventModel()
        self.setModel(self.events)
        self.setItemDelegate(_Rows(self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Recent events")
        self.setProperty("ring", True)
        self.clicked.connect(self._pick)
        self.activated.connect(self._pick)
        Theme.current.changed.connect(self.viewport().update)

    def _pick(self, index: QModelIndex) -> None:
        self.picked.emit(self.events.mark(index.row()))


def _clock(t: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(t))
