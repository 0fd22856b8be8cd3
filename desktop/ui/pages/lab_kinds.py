"""Everything that can be broken, by group."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QWidget

from desktop.engine.api import FaultInfo, FaultKind
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Column
from desktop.ui.widgets.flow_nodes import write
from desktop.ui.widgets.labels import label

_TALL, _MORE = 30, 48  # px: height of a row, room from which on a signal is named


class KindRow(QAbstractButton):
    """One kind of fault."""

    def __init__(self, info: FaultInfo) -> None:
        super().__init__()
        self.info = info
        self.setText(info.title)
        self.setAccessibleName(info.title)
        self.setToolTip(f"{info.title}\n{info.what}")
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(_TALL)

    def sizeHint(self) -> QSize:
        return QSize(180, _TALL)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(theme.color("focus") if self.hasFocus() else Qt.PenStyle.NoPen)
        ground = "selected" if self.isChecked() else "hover" if self.underMouse() else ""
        painter.setBrush(theme.color(ground) if ground else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 6, 6)
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
