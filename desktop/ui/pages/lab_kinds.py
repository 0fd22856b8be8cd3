"""Everything that can be broken, by group."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from desktop.engine.api import FaultInfo, FaultKind
from desktop.ui.widgets.containers import Column
from desktop.ui.widgets.flow_nodes import write
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.list_row import ListRow

_TALL, _MORE = 30, 48  # px: height of a row, room from which on a signal is named


class KindRow(ListRow):
    """One kind of fault."""

    def __init__(self, info: FaultInfo) -> None:
        super().__init__(_TALL, 180)
        self.info = info
        self.setText(info.title)
        self.setAccessibleName(info.title)
        self.setToolTip(f"{info.title}\n{info.what}")
        self.setAutoExclusive(True)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        box = self.ground(painter)
        line = box.adjusted(10, 0, -6, 0)
        word, _, more = self.info.title.partition(" (")
        wide = write(painter, line, word, "strong" if self.isChecked() else "text") + 6
        if more and line.width() - wide > _MORE:
            write(painter, line.adjusted(wide, 0, 0, 0), more.rstrip(")"), "small", "muted")


class KindList(Column):
    """The kinds; one of them is chosen."""

    chosen = Signal(object)  # FaultKind

    def __init__(self) -> None:
        super().__init__(0, 1)
        self.rows: dict[FaultKind, KindRow] = {}
        self._shown: tuple[FaultInfo, ...] = ()
        self.setAccessibleName("What can be broken")
        self.body.setContentsMargins(8, 8, 4, 8)
        self.body.addStretch()

    def show_kinds(self, infos: Sequence[FaultInfo]) -> bool:
        """Show these; True when there are others than before."""
        if tuple(infos) == self._shown or not infos:
            return False
        self._shown = tuple(infos)
        while self.body.count() > 1:
            item = self.body.takeAt(0)
            if item is not None and (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.rows = {}
        for group in dict.fromkeys(info.group for info in infos):
            head = label(group, "label", "muted")
            head.setContentsMargins(10, 8, 0, 2)
            self._put(head)
            for info in infos:
                if info.group == group:
                    self._put(self._row(info))
        return True

    def choose(self, kind: FaultKind) -> None:
        """Choose a kind and bring it to the eye."""
        if kind in self.rows:
            self.rows[kind].setChecked(True)
            self.ensureWidgetVisible(self.rows[kind])
            self.chosen.emit(kind)

    def _row(self, info: FaultInfo) -> KindRow:
        made = KindRow(info)
        made.toggled.connect(lambda on: self.chosen.emit(info.kind) if on else None)
        self.rows[info.kind] = made
        return made

    def _put(self, widget: QWidget) -> None:
        self.body.insertWidget(self.body.count() - 1, widget)
