"""A button with a menu of which several can be chosen; the menu stays open meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QFontMetrics, QIcon, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from desktop.ui import icons

_WIDEST = 220  # px of the words on the button


class StayMenu(QMenu):
    """Checking an entry does not close it."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not self._check():
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if event.key() not in keys or not self._check():
            super().keyPressEvent(event)

    def _check(self) -> bool:
        action = self.activeAction()
        if action is None or not action.isCheckable() or not action.isEnabled():
            return False
        action.trigger()
        return True


class ChoiceButton(QToolButton):
    """`word` ("Name") and what is chosen of it. `icon_of` draws a small picture for an entry."""

    changed = Signal()

    def __init__(self, word: str, icon_of: Callable[[str], QIcon] | None = None) -> None:
        super().__init__()
        self._word, self._icon_of = word, icon_of
        self._choices: tuple[tuple[str, int], ...] = ()
        self.chosen: frozenset[str] = frozenset()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the arrow stands behind the word
        icons.set_icon(self, "chevron-down", "muted")
        self.clicked.connect(self.open_menu)
        self._say()

    def offer(self, choices: Sequence[tuple[str, int]]) -> None:
        """What can be chosen, each with its count."""
        self._choices = tuple(choices)

    def choose(self, chosen: Iterable[str]) -> None:
        """Choose without telling anybody."""
        self.chosen = frozenset(chosen)
        self._say()

    def open_menu(self) -> QMenu:
        """Open the menu below the button; it deletes itself when it closes."""
        menu = StayMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        menu.setAccessibleName(self._word)
        self.fill(menu)
        menu.popup(self.mapToGlobal(QPoint(0, self.height() + 4)))
        return menu

    def fill(self, menu: QMenu) -> None:
        """Put an entry for each choice into a menu, the most frequent first."""
        known = dict(self._choices)
        gone = [(name, 0) for name in sorted(self.chosen) if name not in known]
        for name, count in [*sorted(self._choices, key=lambda c: (-c[1], c[0])), *gone]:
            action = menu.addAction(f"{name or '(none)'}\t{count:,}")
            action.setCheckable(True)
            action.setChecked(name in self.chosen)
            if self._icon_of is not None:
                action.setIcon(self._icon_of(name))
            action.toggled.connect(partial(self._toggle, name))
        if menu.isEmpty():
            menu.addAction("Nothing to choose yet").setEnabled(False)
        else:
            menu.addSeparator()
            menu.addAction("All", self._clear).setEnabled(bool(self.chosen))

    def _toggle(self, name: str, on: bool) -> None:
        self.chosen = self.chosen | {name} if on else self.chosen - {name}
        self._say()
        self.changed.emit()

    def _clear(self) -> None:
        self.chosen = frozenset()
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        names = sorted(self.chosen)
        words = self._word if not names else f"{self._word}: {names[0] if len(names) == 1 else len(names)}"
        elided = QFontMetrics(self.font()).elidedText(words, Qt.TextElideMode.ElideMiddle, _WIDEST)
        self.setText(elided)
        self.setAccessibleName(f"{self._word}: {', '.join(names) or 'all'}")
        self.setToolTip(f"{self._word}: {', '.join(names)}" if names else f"Choose by {self._word.lower()}")
        holder = self.parentWidget()
        layout = holder.layout() if isinstance(holder, QWidget) else None
        if layout is not None:
            layout.invalidate()
