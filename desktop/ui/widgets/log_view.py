"""A fast list of log lines: paints only what is seen, follows the end, keeps its place otherwise."""

from __future__ import annotations

import time
from bisect import bisect_right
from itertools import accumulate

from PySide6.QtCore import QPoint, QRect, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFontMetricsF,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QMenu, QWidget

from desktop.engine.api import LogLine
from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.log_view_model import LogModel, Row

_ROW, _PAD = 20, 12
_LEVELS = {
    "DEBUG": ("debug", "muted"),
    "INFO": ("info", "muted"),
    "WARNING": ("warn", "warn"),
    "ERROR": ("error", "bad"),
    "CRITICAL": ("fatal", "bad"),
}
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class LogView(QAbstractScrollArea):
    """Shows a `LogModel`. Rows are of one font and height; a wrapped row takes several heights."""

    following_changed = Signal(bool)
    current_changed = Signal(int)  # row of the current search hit, -1: none

    def __init__(self, model: LogModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.following = True
        self.wrapping = False
        self.current = -1  # row of the current search hit
        self._anchor, self._last = -1, -1  # selected rows, in the order in which they were chosen
        self._ends: list[int] = []  # with wrapping: heights up to and including each row
        self._service_width = 60.0
        self._font = fonts.font("mono")
        self._char = QFontMetricsF(self._font).horizontalAdvance("0")
        self._own_move = False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Log lines")
        self.setProperty("ring", True)
        self.verticalScrollBar().setSingleStep(3)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor)
        Theme.current.changed.connect(self.viewport().update)

    # what it is told

    def show_added(self, gone: int) -> None:
        """The model took new lines; `gone` rows fell off its top."""
        self._anchor, self._last = self._anchor - gone, self._last - gone
        self.current = max(-1, self.current - gone) if self.current >= 0 else -1
        place = self.verticalScrollBar().value() - self._height_of_first(gone)
        self._measure()
        if not self.following:
            self._move_to(max(0, place))
        self._tell()

    def show_all(self) -> None:
        """The model was filtered anew: lay out again, and stay near the same line."""
        self._lay_out_again()

    def _lay_out_again(self, wrapping: bool | None = None) -> None:
        seq = self._top_seq()
        if wrapping is None:
            self._anchor = self._last = self.current = -1  # rows have other numbers now
        else:
            self.wrapping = wrapping
        self._measure()
        if not self.following:
            self._move_to(self._height_of_first(self._row_of_seq(seq)))
        self._tell()

    def follow(self, on: bool) -> None:
        """Stay at the end as lines come, or stay where it is."""
        if on:
            self._move_to(self.verticalScrollBar().maximum())
        if on != self.following:
            self.following = on
            self.following_changed.emit(on)

    def wrap(self, on: bool) -> None:
        """Break long lines, or let them be reached by scrolling sideways."""
        self._lay_out_again(on)

    def go_to_hit(self, forward: bool = True) -> None:
        """Bring the next (or previous) search hit into view."""
        start = self.current
        if start < 0:
            start = self._first_row() - 1 if forward else self._row_at(self.viewport().height()) + 1
        self.current = self.model.next_hit(start, forward)
        if self.current >= 0:
            self.follow(False)
            self._move_to(self._height_of_first(self.current) - self._page() // 2)
        self.current_changed.emit(self.current)
        self.viewport().update()

    def copy(self) -> str:
        """Put the selected lines, or all that are shown, on the clipboard."""
        rows = self.model.rows
        if self._last >= 0:
            low, high = sorted((max(0, self._anchor), self._last))
            rows = rows[low : high + 1]
        text = "\n".join(_plain(row.line) for row in rows)
        QGuiApplication.clipboard().setText(text)
        return text

    @property
    def selected(self) -> int:
        """How many lines are selected."""
        return 0 if self._last < 0 else abs(self._last - max(0, self._anchor)) + 1

    # geometry, in heights of one row

    def _columns(self) -> int:
        return max(20, int((self.viewport().width() - self._text_left() - _PAD) / self._char))

    def _text_left(self) -> float:
        return _PAD + 13 * self._char + self._service_width + 7 * self._char

    def _page(self) -> int:
        return max(1, self.viewport().height() // _ROW)

    def _measure(self) -> None:
        """Lay all rows out and set the scroll bars."""
        rows = self.model.rows
        names = {row.line.service for row in rows[-500:]} | {"broker"}
        self._service_width = (max(len(name) for name in names) + 4) * self._char
        if self.wrapping:
            columns = self._columns()
            self._ends = list(accumulate(max(1, -(-len(row.line.text) // columns)) for row in rows))
            total = self._ends[-1] if self._ends else 0
        else:
            self._ends, total = [], len(rows)
        self._own_move = True
        bar = self.verticalScrollBar()
        bar.setPageStep(self._page())
        bar.setRange(0, max(0, total - self._page()))
        if self.following:
            bar.setValue(bar.maximum())
        self._own_move = False
        widest = max((len(row.line.text) for row in rows[-2000:]), default=0)
        side = self.horizontalScrollBar()
        side.setRange(0, 0 if self.wrapping else max(0, widest - self._columns() + 2))
        side.setPageStep(self._columns())
        self.viewport().update()

    def _height_of_first(self, rows: int) -> int:
        """Heights of the first so many rows."""
        if not self.wrapping or rows <= 0 or not self._ends:
            return max(0, rows)
        return self._ends[min(rows, len(self._ends)) - 1]

    def _first_row(self) -> int:
        at = self.verticalScrollBar().value()
        return bisect_right(self._ends, at) if self.wrapping else at

    def _top_seq(self) -> int:
        first = self._first_row()
        return self.model.rows[first].line.seq if first < len(self.model.rows) else self.model.last_seq

    def _row_of_seq(self, seq: int) -> int:
        return next((i for i, row in enumerate(self.model.rows) if row.line.seq >= seq), 0)

    def _row_at(self, y: int) -> int:
        at = self.verticalScrollBar().value() + y // _ROW
        row = bisect_right(self._ends, at) if self.wrapping else at
        return min(row, len(self.model.rows) - 1)

    def _move_to(self, value: int) -> None:
        self._own_move = True
        self.verticalScrollBar().setValue(value)
        self._own_move = False
        self.viewport().update()

    def _scrolled(self, value: int) -> None:
        self.viewport().update()
        if not self._own_move:
            self.follow(value >= self.verticalScrollBar().maximum())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()

    # the pointer and the keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(int(event.position().y()))
        if event.button() is Qt.MouseButton.LeftButton and row >= 0:
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier) and self._last >= 0
            self._anchor = self._anchor if extend else row
            self._last = row
            self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self.model.rows:
            self._last = max(0, self._row_at(int(event.position().y())))
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        word = f"Copy {self.selected:,} lines" if self.selected > 1 else "Copy line"
        menu.addAction(word if self.selected else "Copy all that is shown", self.copy)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self._anchor, self._last = 0, len(self.model.rows) - 1
            self.viewport().update()
        elif event.key() == Qt.Key.Key_Escape and self.selected:
            self._anchor = self._last = -1
            self.viewport().update()
        elif event.key() == Qt.Key.Key_End:
            self.follow(True)
        elif event.key() == Qt.Key.Key_Home:
            self.follow(False)
            self._move_to(0)
        else:
            super().keyPressEvent(event)

    def _tell(self) -> None:
        rows = self.model.rows
        last = f"; the latest: {rows[-1].line.service} {rows[-1].line.text[:120]}" if rows else ""
        self.setAccessibleName(f"Log, {len(rows):,} lines{last}")

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setFont(self._font)
        painter.fillRect(self.viewport().rect(), Theme.current.color("surface"))
        rows = self.model.rows
        at = self._first_row()
        y = (self._height_of_first(at) - self.verticalScrollBar().value()) * _ROW
        columns = self._columns() if self.wrapping else 0
        while at < len(rows) and y < self.viewport().height():
            lines = max(1, -(-len(rows[at].line.text) // columns)) if columns else 1
            self._paint_row(painter, at, rows[at], y, lines, columns)
            y += lines * _ROW
            at += 1

    def _paint_row(self, painter: QPainter, at: int, row: Row, y: int, lines: int, columns: int) -> None:
        theme, line, width = Theme.current, row.line, self.viewport().width()
        low, high = sorted((self._anchor, self._last))
        if self._last >= 0 and low <= at <= high:
            painter.fillRect(0, y, width, lines * _ROW, theme.color("selected"))
        elif row.level in ("ERROR", "CRITICAL"):
            painter.fillRect(0, y, width, lines * _ROW, theme.color("bad_tint"))
        painter.fillRect(0, y + 2, 3, lines * _ROW - 4, theme.color_of(line.service))
        left = self._text_left()
        if line.level:  # continuations stand below the text of their line
            self._paint_head(painter, row, y)
        word, token = _LEVELS.get(row.level, _LEVELS["INFO"])
        ink = theme.color(token if token in ("warn", "bad") else "muted" if word == "debug" else "text")
        painter.save()
        painter.setClipRect(QRect(int(left), y, width - int(left), lines * _ROW))
        for n in range(lines):
            begin = n * columns if columns else self.horizontalScrollBar().value()
            text = line.text[begin : begin + columns] if columns else line.text[begin:]
            self._paint_hits(painter, at, begin, len(text), left, y + n * _ROW)
            painter.setPen(ink)
            box = QRect(int(left), y + n * _ROW, width, _ROW)
            painter.drawText(box, _LEFT, text)
        painter.restore()

    def _paint_head(self, painter: QPainter, row: Row, y: int) -> None:
        theme, line = Theme.current, row.line
        x = _PAD
        painter.setPen(theme.color("muted"))
        clock = time.strftime("%H:%M:%S", time.localtime(line.t)) + f".{int(line.t % 1 * 1000):03d}"
        painter.drawText(QRect(x, y, int(13 * self._char), _ROW), _LEFT, clock)
        x += int(13 * self._char)
        painter.fillRect(x, y + _ROW // 2 - 4, 8, 8, theme.color_of(line.service))
        painter.drawText(QRect(x + 14, y, int(self._service_width), _ROW), _LEFT, line.service)
        word, token = _LEVELS.get(row.level, _LEVELS["INFO"])
        painter.setPen(theme.color(token))
        x += int(self._service_width)
        painter.drawText(QRect(x, y, int(7 * self._char), _ROW), _LEFT, word)

    def _paint_hits(self, painter: QPainter, at: int, begin: int, count: int, left: float, y: int) -> None:
        for start, end in self.model.spans(at):
            start, end = max(start, begin) - begin, min(end, begin + count) - begin
            if end > start:
                colour = QColor(Theme.current.color("warn" if at == self.current else "warn_tint"))
                if at == self.current:
                    colour.setAlpha(110)
                place = QPoint(int(left + start * self._char), y + 1)
                painter.fillRect(place.x(), place.y(), int((end - start) * self._char) + 1, _ROW - 2, colour)


def _plain(line: LogLine) -> str:
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.t))
    return f"{clock} {line.service} {line.level:<8}{line.text}"
