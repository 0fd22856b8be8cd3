"""The table of runs: choose, open with Enter or a double click, sort by any head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from desktop.engine.api import RunInfo
from desktop.ui import fonts
from desktop.ui.pages.runs_model import (
    FAILED,
    LASTED,
    LOST,
    NOTE,
    SIZE,
    STACK,
    STATE,
    TASKS,
    TWICE,
    WHEN,
    RunModel,
)
from desktop.ui.states import paint_shape
from desktop.ui.theme import Theme

_Index = QModelIndex | QPersistentModelIndex
_ROW = 34
_WIDTHS = {
    WHEN: 116,
    STACK: 132,
    STATE: 118,
    LASTED: 96,
    TASKS: 92,
    FAILED: 76,
    LOST: 64,
    TWICE: 92,
    SIZE: 88,
}
_NARROW = 1000  # px of the table below which the least telling columns give room to the note
_SPARE = (LASTED, TWICE)


class RunTable(QTableView):
    """The runs. `chosen` is told at each change of the choice, also when the run itself has changed."""

    chosen = Signal(object)  # RunInfo, or None
    opened = Signal()  # a person wants to open the chosen one
    menu_wanted = Signal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self.runs = RunModel()
        self.setModel(self.runs)
        self.setAccessibleName("Runs")
        self.setProperty("ring", True)
        self.setShowGrid(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab goes on; the arrows go from row to row
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setItemDelegateForColumn(STATE, _StateCell(self))
        self._heads()
        self.doubleClicked.connect(lambda _index: self.opened.emit())
        self.customContextMenuRequested.connect(self._menu)
        self.selectionModel().currentRowChanged.connect(self._tell)

    def _heads(self) -> None:
        rows = self.verticalHeader()
        rows.hide()
        rows.setDefaultSectionSize(_ROW)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head.setSectionResizeMode(NOTE, QHeaderView.ResizeMode.Stretch)
        head.setSortIndicator(WHEN, Qt.SortOrder.DescendingOrder)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)
        head.setSectionsClickable(True)
        head.setSortIndicatorShown(False)  # the model says it, right behind the word
        head.sortIndicatorChanged.connect(self._sort)

    @property
    def current(self) -> RunInfo | None:
        """The run that is chosen."""
        return self.runs.run_at(self.currentIndex().row())

    def show_runs(self, runs: Sequence[RunInfo], shown: Path | None) -> None:
        """Show these; the choice stays with its run."""
        before = self.current
        self.runs.show_runs(runs, shown)
        self._choose_again(before)

    def choose(self, folder: Path) -> None:
        """Choose a run by its folder."""
        row = self.runs.row_of(folder)
        if row >= 0:
            self.selectRow(row)

    def _sort(self, column: int, order: Qt.SortOrder) -> None:
        before = self.current
        self.runs.sort(column, order)
        self._choose_again(before)

    def _choose_again(self, before: RunInfo | None) -> None:
        row = self.runs.row_of(before.folder) if before is not None else -1
        if row < 0 and self.runs.rowCount():
            row = 0
        if row >= 0 and row != self.currentIndex().row():
            self.selectRow(row)
        self._tell()

    def _tell(self, *_rows: QModelIndex) -> None:
        self.chosen.emit(self.current)

    def _menu(self, place: QPoint) -> None:
        if self.indexAt(place).isValid():
            self.menu_wanted.emit(self.viewport().mapToGlobal(place))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for column in _SPARE:
            self.setColumnHidden(column, self.width() < _NARROW)


class _StateCell(QStyledItemDelegate):
    """A state as shape and word."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model = index.model()
        assert isinstance(model, RunModel)
        tone, word = model.state(index.row())
        theme, box = Theme.current, QRectF(option.rect)
        style = option.widget.style() if option.widget is not None else None
        if style is not None:
            style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        painter.save()
        shape = QRectF(box.left() + 8, box.center().y() - 4, 8, 8)
        paint_shape(painter, tone, shape, theme.color(tone))
        painter.setFont(fonts.font("text"))
        painter.setPen(theme.color("text"))
        painter.drawText(box.adjusted(23, 0, -4, 0), int(Qt.AlignmentFlag.AlignVCenter), word)
        painter.restore()
