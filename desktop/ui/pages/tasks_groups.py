"""Tasks by name: how many, how many failed, and how long they wait and run."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from desktop.engine.api import TaskGroup
from desktop.ui import fonts
from desktop.ui.models.groups import COLUMNS, GroupModel, share
from desktop.ui.models.tasks import ARROWS
from desktop.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
_ROW, _PAD, _BAR = 34, 8, 3
_LEAST = 150  # px of the names, which end with what they do: shortened in the middle
_GOES = ("over", "cpu")  # where figures and names have no room: it differs from the count only while they run
_AIR = 4  # px beside a figure, so that one more digit does not touch its neighbour
_TIMES = ("wait-", "run-")
_USUAL = "999 ms"
_OPENS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class GroupTable(QTableView):
    """A click or Enter on a name asks for its tasks."""

    wanted = Signal(str)  # a task's name

    def __init__(self) -> None:
        super().__init__()
        self.groups = GroupModel(self)
        self.setModel(self.groups)
        self.setItemDelegate(_GroupCell(self, self.groups))
        self.setAccessibleName("Tasks by name")
        self.setProperty("ring", True)
        self.setShowGrid(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setCornerButtonEnabled(False)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setSectionsClickable(True)
        head.sectionClicked.connect(self._sort)
        self._widest = [0] * len(COLUMNS)  # they only grow: columns do not move while figures change
        self.clicked.connect(self._open)

    def show_groups(self, groups: Sequence[TaskGroup]) -> None:
        """Show these."""
        self.groups.show_groups(groups)
        self._fit()

    def _sort(self, section: int) -> None:
        first = COLUMNS[section].key != "name"
        falls = not self.groups.descending if section == self.groups.by else first
        self.groups.order(section, falls)

    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            self.wanted.emit(self.groups.group(index.row()).name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _OPENS and self.currentIndex().isValid():
            self._open(self.currentIndex())
        elif event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End) and self.groups.rowCount():
            self.selectRow(0 if event.key() == Qt.Key.Key_Home else self.groups.rowCount() - 1)
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Each figure has the room that it needs; the names have the rest."""
        wide = [0, *(self._needed(at) for at in range(1, len(COLUMNS)))]
        room, taken = self.viewport().width() - 1, sum(wide)
        for key in _GOES:
            at = next(at for at, column in enumerate(COLUMNS) if column.key == key)
            goes = room - taken < _LEAST
            taken -= wide[at] if goes else 0
            if self.isColumnHidden(at) != goes:
                self.setColumnHidden(at, goes)
        wide[0] = max(_LEAST, room - taken)
        for at, width in enumerate(wide):
            if self.columnWidth(at) != width:
                self.setColumnWidth(at, width)

    def _needed(self, at: int) -> int:
        """Pixels of a column's head, also when it is sorted by, and of its longest figure."""
        column, metrics = COLUMNS[at], QFontMetrics(fonts.font("text"))
        head = QFontMetrics(self.horizontalHeader().font()).horizontalAdvance(column.head + ARROWS[True])
        figures = [column.text(self.groups.group(row)) for row in range(self.groups.rowCount())]
        usual = (_USUAL,) if column.key.startswith(_TIMES) else ()
        longest = max((metrics.horizontalAdvance(text) for text in (*figures, *usual)), default=0)
        self._widest[at] = max(self._widest[at], 2 * _PAD + max(head, longest + _AIR))
        return self._widest[at]


class _GroupCell(QStyledItemDelegate):
    """Failures in their colour, with a bar as long as their share."""

    def __init__(self, view: QTableView, model: GroupModel) -> None:
        super().__init__(view)
        self._model = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme, rect, column = Theme.current, option.rect, COLUMNS[index.column()]
        group = self._model.group(index.row())
        state = QStyle.StateFlag
        if option.state & state.State_Selected:
            painter.fillRect(rect, theme.color("selected"))
        elif option.state & state.State_MouseOver:
            painter.fillRect(rect, theme.color("hover"))
        bad = (column.key == "failures" and group.failures) or (column.key == "twice" and group.ran_twice)
        muted = column.text(group) in ("0", "–")
        painter.setFont(fonts.font("strong" if column.key == "name" else "text"))
        painter.setPen(theme.color("bad" if bad else "muted" if muted else "text"))
        room = rect.adjusted(_PAD, 0, -_PAD, 0)
        side = Qt.AlignmentFlag.AlignLeft if column.key == "name" else Qt.AlignmentFlag.AlignRight
        text = painter.fontMetrics().elidedText(
            column.text(group), Qt.TextElideMode.ElideMiddle, room.width()
        )
        painter.drawText(room, int(side | Qt.AlignmentFlag.AlignVCenter), text)
        if column.key == "failures" and group.failures:
            wide = max(2, round(share(group) * room.width()))
            painter.fillRect(QRect(room.right() - wide, rect.bottom() - 4, wide, _BAR), theme.color("bad"))
