"""How the cells of a task list are painted: pill, worker's colour, loud attempts, and rows not there yet."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from desktop.engine.api import TaskRow, TaskState
from desktop.ui import fonts
from desktop.ui.models.task_columns import COLUMNS, so_far
from desktop.ui.models.tasks import TaskModel
from desktop.ui.state_shapes import paint_state
from desktop.ui.states import Tone, paint_shape, tone_of, word_of
from desktop.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
PAD = 8
_SELECTED = QStyle.StateFlag.State_Selected
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_RIGHT = int(Qt.AlignmentFlag.AlignRight | _MIDDLE)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | _MIDDLE)
_MUTED = {"error", "queue", "id", "number", "received", "started", "ended", "sent"}
_ELIDE = {"name": Qt.TextElideMode.ElideMiddle}  # a task's name ends with what it does
_BAD = (TaskState.FAILURE, TaskState.LOST)  # of another end the error was an earlier attempt's
_END = Qt.TextElideMode.ElideRight
_REMEMBERED = 5_000  # texts as they fit
_BARS = (0.62, 0.8, 0.5, 0.7)  # widths of what stands for words that are not there yet


class TaskCell(QStyledItemDelegate):
    """Paints every cell by hand: thirty rows of ten in a few milliseconds."""

    def __init__(self, view: QTableView, model: TaskModel) -> None:
        super().__init__(view)
        self._model = model
        self.hovered = -1  # the row under the pointer
        self._dress()
        Theme.current.changed.connect(self._dress)

    def _dress(self) -> None:
        theme = Theme.current
        self._colors: dict[str, QColor] = {
            name: theme.color(name)
            for name in ("text", "muted", "bad", "bad_tint", "busy", "selected", "hover", "line", *Tone)
        }
        self._tints = {tone: theme.color(f"{tone}_tint") for tone in Tone}
        self._text, self._label, self._mono = fonts.font("text"), fonts.font("label"), fonts.font("mono")
        self._fitted: dict[tuple[str, int, bool], str] = {}
        self._measures = {id(font): QFontMetrics(font) for font in (self._text, self._label, self._mono)}

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rect: QRect = option.rect
        at, column = index.row(), COLUMNS[index.column()]
        if option.state & _SELECTED:
            painter.fillRect(rect, self._colors["selected"])
        elif at == self.hovered:
            painter.fillRect(rect, self._colors["hover"])
        row = self._model.row(at)
        if row is None:
            self._paint_nothing(painter, rect, at + index.column())
        elif column.key == "state":
            self._paint_state(painter, rect, row)
        elif column.key == "worker":
            self._paint_worker(painter, rect, row.worker)
        elif column.key == "attempts" and row.attempts > 1:
            self._paint_attempts(painter, rect, row, column.text(row, 0))
        else:
            self._paint_text(painter, rect, row, index.column())

    def _write(
        self, painter: QPainter, rect: QRect, text: str, font: QFont, right: bool, how: Qt.TextElideMode
    ) -> None:
        """Measuring costs as much as drawing, and a list says the same words again and again."""
        key = text, rect.width(), font is self._text
        shown = self._fitted.get(key)
        if shown is None:
            if len(self._fitted) > _REMEMBERED:
                self._fitted.clear()
            shown = self._measures[id(font)].elidedText(text, how, rect.width())
            self._fitted[key] = shown
        painter.setFont(font)
        painter.drawText(rect, _RIGHT if right else _LEFT, shown)

    def _paint_text(self, painter: QPainter, rect: QRect, row: TaskRow, at: int) -> None:
        column = COLUMNS[at]
        text = column.text(row, self._model.now)
        if not text:
            return
        ink = (
            ("bad" if row.state in _BAD else "muted")
            if column.key == "error"
            else "muted"
            if column.key in _MUTED
            else "text"
        )
        if column.key == "attempts":
            ink = "muted"  # one, as it should be
        if so_far(row, column.key):
            ink = "busy" if column.key == "run" else "muted"
        painter.setPen(self._colors[ink])
        font = self._mono if column.key == "id" else self._text
        mode = _ELIDE.get(column.key, _END)
        self._write(painter, rect.adjusted(PAD, 0, -PAD, 0), text, font, column.right, mode)

    def _paint_state(self, painter: QPainter, rect: QRect, row: TaskRow) -> None:
        tone, word = tone_of(row.state), word_of(row.state)
        colour = self._colors[tone]
        box = QRectF(rect.left() + PAD, rect.center().y() - 3.5, 8, 8)
        paint_state(painter, row.state, box, colour)
        painter.setPen(colour)
        self._write(painter, rect.adjusted(PAD + 14, 0, -4, 0), word, self._label, False, _END)

    def _paint_worker(self, painter: QPainter, rect: QRect, worker: str) -> None:
        if not worker:
            return
        box = QRect(rect.left() + PAD, rect.center().y() - 3, 8, 8)
        painter.fillRect(box, Theme.current.color_of(worker))
        painter.setPen(self._colors["text"])
        self._write(painter, rect.adjusted(PAD + 14, 0, -4, 0), worker, self._text, False, _END)

    def _paint_attempts(self, painter: QPainter, rect: QRect, row: TaskRow, text: str) -> None:
        """A pill; where it ran again without having asked for it, a loud one."""
        tone = Tone.BAD if row.ran_twice else Tone.IDLE
        wide = self._measures[id(self._label)].horizontalAdvance(text) + (30 if row.ran_twice else 16)
        box = QRectF(rect.right() - 4 - wide, rect.center().y() - 10.5, wide, 21)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._tints[tone])
        painter.drawRoundedRect(box, 10.5, 10.5)
        painter.restore()
        if row.ran_twice:
            shape = QRectF(box.left() + 9, box.center().y() - 4, 8, 8)
            paint_shape(painter, tone, shape, self._colors[tone])
        painter.setFont(self._label)
        painter.setPen(self._colors["bad" if row.ran_twice else "text"])
        painter.drawText(box.adjusted(22 if row.ran_twice else 8, 0, 0, 0), _LEFT, text)

    def _paint_nothing(self, painter: QPainter, rect: QRect, salt: int) -> None:
        """A row that is being read."""
        room = rect.adjusted(PAD, 0, -PAD, 0)
        box = QRect(room.left(), rect.center().y() - 3, int(room.width() * _BARS[salt % len(_BARS)]), 7)
        painter.fillRect(box, self._colors["line"])
