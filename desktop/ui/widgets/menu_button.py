"""A button that opens a menu, made when it is opened so that it tells the present state."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QToolButton

from desktop.ui import icons


class MenuButton(QToolButton):
    """`fill(menu)` is called at each opening. Without a word it shows only its icon."""

    def __init__(
        self,
        name: str,
        fill: Callable[[QMenu], None],
        icon: str = "more",
        word: str = "",
        kind: str = "quiet",
    ) -> None:
        super().__init__()
        self._fill = fill
        self.setProperty("kind", kind)
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setText(word)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        style = Qt.ToolButtonStyle
        self.setToolButtonStyle(style.ToolButtonTextBesideIcon if word else style.ToolButtonIconOnly)
        icons.set_icon(self, icon)
        self.clicked.connect(self.open_menu)

    def open_menu(self) -> QMenu:
        """Open the menu below the button; it deletes itself when it closes."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        menu.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        menu.setAccessibleName(self.accessibleName())
        self._fill(menu)
        menu.popup(self.mapToGlobal(QPoint(0, self.height() + 4)))
        return menu
