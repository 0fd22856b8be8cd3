"""One registry of all verbs: buttons, menus, shortcuts, the palette and the shortcut sheet come from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QPushButton, QToolButton, QWidget

from desktop.ui import icons


@dataclass(frozen=True)
class Action:
    """A verb: what it is called, how it is reached, what it does.

    `key` is `group.verb`, with `:target` where it is about one thing ("worker.kill:w1").
    `listed=False` keeps it out of the palette: it only makes sense where it stands.
    """

    key: str
    text: str
    run: Callable[[], None]
    icon: str = ""
    shortcut: str = ""
    tooltip: str = ""
    group: str = "General"
    checkable: bool = False
    listed: bool = True
    danger: bool = False


class Actions(QObject):
    """The registry. One QAction a key; its owner is the window, so shortcuts work everywhere in it."""

    changed = Signal()  # an action came or went

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._actions: dict[str, Action] = {}
        self._made: dict[str, QAction] = {}
        # Asked by the palette for a verb about what was typed, such as a task's id.
        self.offers: list[Callable[[str], Action | None]] = []

    def add(self, action: Action) -> QAction:
        """Register a verb, or replace the one of the same key (its buttons go with it)."""
        if action.key in self._made:
            self.remove(action.key)
        made = QAction(action.text, self._window)
        made.setObjectName(action.key)
        made.setCheckable(action.checkable)
        made.setIconVisibleInMenu(True)
        if action.icon:
            icons.set_icon(made, action.icon, "bad" if action.danger else "text")
        if action.shortcut:
            made.setShortcut(QKeySequence(action.shortcut))
            made.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        made.setToolTip(_hint(action))
        # A click says whether it is checked; our verbs take no argument.
        made.triggered.connect(_without_argument(action.run))
        self._actions[action.key] = action
        self._made[action.key] = made
        self._window.addAction(made)
        self.changed.emit()
        return made

    def remove(self, key: str) -> None:
        """Forget a verb; unknown keys are no error."""
        if key in self._made:
            self._window.removeAction(self._made[key])
            self._made.pop(key).deleteLater()
            del self._actions[key]
            self.changed.emit()

    def __getitem__(self, key: str) -> QAction:
        return self._made[key]

    def __contains__(self, key: str) -> bool:
        return key in self._made

    def all(self) -> list[Action]:
        """Every verb, in the order in which they came."""
        return list(self._actions.values())

    def action(self, key: str) -> Action:
        """The verb of a key."""
        return self._actions[key]

    def enable(self, key: str, enabled: bool, why: str = "") -> None:
        """Allow a verb or not; `why` not is its tool tip then."""
        self._made[key].setEnabled(enabled)
        hint = _hint(self._actions[key])
        self._made[key].setToolTip(hint if enabled or not why else f"{hint}\n{why}")

    def show(self, key: str, text: str) -> None:
        """Change a verb's word for the moment."""
        self._made[key].setText(text)

    # -- what is made from it

    def button(self, key: str, kind: str = "", text: bool = True) -> QPushButton:
        """A push button of a verb (`kind`: "", "primary", "danger", "quiet")."""
        return ActionButton(self._made[key], self._actions[key].icon, kind, text)

    def tool(self, key: str, kind: str = "quiet") -> QToolButton:
        """A button with only the icon; the word is its accessible name and tool tip."""
        made = QToolButton()
        made.setProperty("kind", kind)
        made.setDefaultAction(self._made[key])
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        made.setAccessibleName(self._made[key].text())
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return made

    def menu(self, keys: Sequence[str | None], parent: QWidget) -> QMenu:
        """A menu of verbs; None is a line between two groups."""
        made = QMenu(parent)
        for key in keys:
            if key is None:
                made.addSeparator()
            else:
                made.addAction(self._made[key])
        return made


class ActionButton(QPushButton):
    """A push button that always looks as its action does."""

    def __init__(self, action: QAction, icon: str, kind: str = "", text: bool = True) -> None:
        super().__init__()
        self._action = action
        self._worded = text
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click needs no ring
        self.setProperty("kind", kind)
        self.setCheckable(action.isCheckable())
        if icon:
            icons.set_icon(self, icon, {"primary": "on_accent", "danger": "on_danger"}.get(kind, "text"))
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        # Qt leaves only 4 px between the icon and the word.
        self.setText(f" {self._action.text()}" if self._worded else "")
        self.setEnabled(self._action.isEnabled())
        self.setChecked(self._action.isChecked())
        self.setToolTip(self._action.toolTip())
        self.setAccessibleName(self._action.text())


def _hint(action: Action) -> str:
    words = action.tooltip or action.text
    keys = QKeySequence(action.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
    return f"{words} ({keys})" if keys else words


def _without_argument(run: Callable[[], None]) -> Callable[[bool], None]:
    def triggered(_checked: bool = False) -> None:
        run()

    return triggered
