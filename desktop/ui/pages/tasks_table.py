"""The table of tasks: keys, pointer, columns that a person arranged, and when the list must hold still."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QItemSelectionModel, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QKeySequence, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHeaderView, QTableView

from desktop.engine.api import TaskColumn, TaskRow
from desktop.ui.models.task_columns import COLUMNS
from desktop.ui.models.tasks import TaskModel
from desktop.ui.pages.tasks_cells import TaskCell

ROW = 30
_PATIENCE = 30  # ms that scrolling may go on before rows are read
_RESTLESS = 1.5  # seconds after a move of the pointer in which rows stay under it
_KEYS_OPEN = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class TaskTable(QTableView):
    """Rows of a `TaskModel`. Sorting goes round: natural order, the other way, newest first again."""

    opened = Signal(int)  # a row
    menu_wanted = Signal(QPoint)
    copy_wanted = Signal()
    top_wanted = Signal()
    sort_wanted = Signal(object, bool)  # TaskColumn, descending
    columns_changed = Signal()  # by hand
    current_moved = Signal()
    resized = Signal()

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.tasks = model
        self.setModel(model)
        self.cells = TaskCell(self, model)
        self.setItemDelegate(self.cells)
        self.menu_open = False
        self._moved_at = float("-inf")
        self._look = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._look.timeout.connect(self.look)
        self._dress()
        self.verticalScrollBar().valueChanged.connect(self._look_soon)
        self.selectionModel().selectionChanged.connect(self._selection_changed)
        self.selectionModel().currentChanged.connect(self._selection_changed)
        model.modelReset.connect(self._look_soon)

    def _dress(self) -> None:
        self.setAccessibleName("Tasks")
        self.setProperty("ring", True)
        self.setShowGrid(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setMouseTracking(True)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(ROW)
        side = self.verticalHeader()
        side.hide()
        side.setMinimumSectionSize(ROW)
        side.setDefaultSectionSize(ROW)
        side.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setSectionsMovable(True)
        head.setSectionsClickable(True)
        head.setStretchLastSection(True)
        head.setMinimumSectionSize(48)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        head.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        head.sectionClicked.connect(self._sort_by)
        self.doubleClicked.connect(lambda index: self.opened.emit(index.row()))

    # -- what is in sight

    def sight(self) -> tuple[int, int]:
        """The first and the last row that are seen."""
        top = self.verticalScrollBar().value() // ROW
        return top, top + self.viewport().height() // ROW + 1

    def look(self) -> None:
        """Read what is in sight."""
        self.tasks.look_at(*self.sight())

    def _look_soon(self) -> None:
        if not self._look.isActive():
            self._look.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()
        self._look_soon()

    @property
    def at_top(self) -> bool:
        """Whether the first row is in sight."""
        return self.verticalScrollBar().value() == 0

    @property
    def must_hold(self) -> bool:
        """Whether rows that move would move under somebody's hand or eye."""
        restless = time.monotonic() - self._moved_at < _RESTLESS
        return not self.at_top or self.selectionModel().hasSelection() or self.menu_open or restless

    # -- which rows

    @property
    def current(self) -> TaskRow | None:
        """The task of the one row that is selected; None: none or several."""
        chosen = self.selectionModel().selection()
        if chosen.count() != 1 or chosen.first().height() != 1:
            return None
        return self.tasks.row(chosen.first().top())

    def stretches(self) -> list[tuple[int, int]]:
        """First and last row of each stretch that is selected, from top to bottom."""
        chosen = self.selectionModel().selection()
        parts = (chosen.at(k) for k in range(chosen.count()))
        return sorted((part.top(), part.bottom()) for part in parts)

    def choose(self, at: int, quietly: bool = False) -> None:
        """Select one row and bring it to the eye."""
        index = self.tasks.index(at, 0)
        flags = QItemSelectionModel.SelectionFlag
        how = flags.ClearAndSelect | flags.Rows
        self.selectionModel().setCurrentIndex(index, how)
        if not quietly:
            self.scrollTo(index, QTableView.ScrollHint.EnsureVisible)

    def go_to_top(self) -> None:
        """The first row, nothing selected."""
        self.clearSelection()
        self._moved_at = float("-inf")
        self.verticalScrollBar().setValue(0)

    def _selection_changed(self) -> None:
        self.current_moved.emit()

    # -- sorting

    def _sort_by(self, section: int) -> None:
        column, query = COLUMNS[section], self.tasks.question
        if column.order is None:
            return
        if column.order is not query.order:
            self.sort_wanted.emit(column.order, column.falls)
        elif query.descending == column.falls and column.order is not TaskColumn.NUMBER:
            self.sort_wanted.emit(column.order, not column.falls)
        elif column.order is TaskColumn.NUMBER:
            self.sort_wanted.emit(column.order, not query.descending)
        else:
            self.sort_wanted.emit(TaskColumn.NUMBER, True)

    # -- keys and pointer

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit()
        elif key in _KEYS_OPEN and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().row())
        elif key == Qt.Key.Key_Home:
            self.top_wanted.emit()
        elif key == Qt.Key.Key_End and self.tasks.matching:
            self.choose(self.tasks.matching - 1)
        elif key == Qt.Key.Key_Escape and self.selectionModel().hasSelection():
            self.clearSelection()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._push_sideways(1 if key == Qt.Key.Key_Right else -1)
        else:
            super().keyPressEvent(event)

    def _push_sideways(self, way: int) -> None:
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() + way * 40)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._moved_at = time.monotonic()
        self._hover(self.rowAt(int(event.position().y())))
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._moved_at = float("-inf")
        self._hover(-1)
        super().leaveEvent(event)

    def _hover(self, row: int) -> None:
        if row != self.cells.hovered:
            self.cells.hovered = row
            self.viewport().update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            place = self.visualRect(self.currentIndex()).bottomLeft() + QPoint(24, 0)
        else:
            place = event.pos()
        if self.indexAt(place).isValid() or self.currentIndex().isValid():
            self.menu_wanted.emit(self.viewport().mapToGlobal(place))
