"""The command palette: every verb that can be run now, found by typing a few letters of it."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
)
from PySide6.QtGui import QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from desktop.ui import fonts, icons
from desktop.ui.actions import Action, Actions
from desktop.ui.fuzzy import score
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.labels import hairline, label
from desktop.ui.widgets.overlay import Overlay

_ROW, _ROWS = 36, 9
_ACTION = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


class _Model(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.actions: list[Action] = []

    def replace_all(self, actions: list[Action]) -> None:
        self.beginResetModel()
        self.actions = actions
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.actions)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        action = self.actions[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{action.group}: {action.text}"
        return action if role == _ACTION else None


class _Row(QStyledItemDelegate):
    """Icon, text, the group in muted words, the keys at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        action: Action = index.data(_ACTION)
        theme = Theme.current
        box: QRect = option.rect.adjusted(2, 1, -2, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("selected"))
            painter.drawRoundedRect(box, 6, 6)
        ratio = painter.device().devicePixelRatio()
        token = "bad" if action.danger else "muted"
        picture = icons.pixmap(action.icon or "chevron-right", theme.color(token), 16, ratio)
        painter.drawPixmap(box.left() + 10, box.center().y() - 7, picture)
        self._texts(painter, box.adjusted(38, 0, -12, 0), action)
        painter.restore()

    def _texts(self, painter: QPainter, box: QRect, action: Action) -> None:
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        painter.setFont(fonts.font("text"))
        painter.setPen(Theme.current.color("text"))
        painter.drawText(box, middle, action.text)
        start = painter.fontMetrics().horizontalAdvance(action.text) + 10
        painter.setFont(fonts.font("small"))
        painter.setPen(Theme.current.color("muted"))
        keys = QKeySequence(action.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
        room = box.width() - start - painter.fontMetrics().horizontalAdvance(keys) - 12
        about = action.tooltip if action.tooltip and action.tooltip != action.text else action.group
        about = painter.fontMetrics().elidedText(about, Qt.TextElideMode.ElideRight, max(room, 0))
        painter.drawText(box.adjusted(start, 0, 0, 0), middle, about)
        painter.drawText(box, middle | int(Qt.AlignmentFlag.AlignRight), keys)


def _fit(typed: str, action: Action) -> float | None:
    """A hit in the verb's own words is worth more than one in what explains it."""
    own = score(typed, action.text)
    anywhere = score(typed, f"{action.text} {action.group} {action.tooltip}")
    return own + 100 if own is not None else anywhere


class Palette(Overlay):
    """Ctrl+K. Enter runs the chosen verb, the arrows choose."""

    def __init__(self, host: QWidget, commands: Actions) -> None:
        super().__init__(host, "Command palette", 600)
        self._commands = commands
        self.line = QLineEdit()
        self.line.setProperty("kind", "bare")
        self.line.setFont(fonts.font("section"))
        self.line.setPlaceholderText("Type a command: start, kill w2, dark…")
        self.line.setAccessibleName("Command")
        self._model = _Model(self)
        self.list = QListView()
        self.list.setModel(self._model)
        self.list.setItemDelegate(_Row(self.list))
        self.list.setAccessibleName("Commands that fit")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setMouseTracking(True)
        self.list.setProperty("kind", "bare")
        self.none = label("Nothing fits. Try fewer letters.", tone="muted")
        self.none.setContentsMargins(12, 10, 12, 12)
        self._sign = QLabel()
        top = row(self._sign, self.line, spacing=12)
        top.setContentsMargins(12, 6, 12, 6)
        self.column.addLayout(top)
        for widget in (hairline(), self.list, self.none):
            self.column.addWidget(widget)
        self.line.textChanged.connect(self._filter)
        self.line.returnPressed.connect(self.run_chosen)
        self.line.installEventFilter(self)
        self.list.clicked.connect(self._clicked)

    def open_palette(self) -> None:
        """Open it, with nothing typed."""
        ratio = self.devicePixelRatio()
        self._sign.setPixmap(icons.pixmap("search", Theme.current.color("muted"), 18, ratio))
        self.line.clear()
        self._filter("")
        self.open_over(self.line)

    @property
    def offered(self) -> list[Action]:
        """What is listed now, best first."""
        return self._model.actions

    def _filter(self, typed: str) -> None:
        able = [a for a in self._commands.all() if a.listed and self._commands[a.key].isEnabled()]
        rated = [(_fit(typed, action), action) for action in able]
        kept = [(points, action) for points, action in rated if points is not None]
        if typed.strip():
            kept.sort(key=lambda pair: -pair[0])
        made = [action for offer in self._commands.offers if (action := offer(typed)) is not None]
        offered = [*made, *(action for _points, action in kept)]
        self._model.replace_all(offered)
        self.list.setVisible(bool(offered))
        self.none.setVisible(not offered)
        self.list.setFixedHeight(min(len(offered), _ROWS) * _ROW + 2)
        self.list.setCurrentIndex(self._model.index(0))
        self._fit()

    def run_chosen(self) -> None:
        """Close it and run the chosen verb."""
        chosen = self.list.currentIndex().row()
        if 0 <= chosen < len(self.offered):
            action = self.offered[chosen]
            self.dismiss()
            if action.key in self._commands:
                self._commands[action.key].trigger()
            else:
                action.run()  # made for what was typed

    def _clicked(self, index: QModelIndex) -> None:
        self.list.setCurrentIndex(index)
        self.run_chosen()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.line and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            if step and self.offered:
                chosen = (self.list.currentIndex().row() + step) % len(self.offered)
                self.list.setCurrentIndex(self._model.index(chosen))
                return True
        return super().eventFilter(watched, event)
