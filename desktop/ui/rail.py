"""The rail at the left: where one is, and where one can go."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from desktop.ui import icons
from desktop.ui.actions import Actions
from desktop.ui.page import PageInfo
from desktop.ui.theme import Scheme
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.segmented import Segmented

WIDTH = 188


class Rail(QFrame):
    """Buttons of the actions `page.<key>`; at the bottom the scheme and the shortcut sheet."""

    def __init__(self, commands: Actions, pages: Sequence[PageInfo]) -> None:
        super().__init__()
        self.setProperty("kind", "rail")
        self.setFixedWidth(WIDTH)
        self.setAccessibleName("Pages")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 0, 12, 12)
        column.setSpacing(2)
        column.addLayout(self._brand())
        column.addSpacing(8)
        self._buttons: dict[str, QPushButton] = {}
        for info in pages:
            self._buttons[info.key] = self._nav(commands, info)
            column.addWidget(self._buttons[info.key])
        column.addStretch()
        self.schemes = Segmented(
            "Colours",
            (
                (Scheme.SYSTEM, "As the system", "monitor"),
                (Scheme.LIGHT, "Light", "sun"),
                (Scheme.DARK, "Dark", "moon"),
            ),
        )
        bottom = QHBoxLayout()
        bottom.addWidget(self.schemes)
        bottom.addStretch()
        bottom.addWidget(commands.tool("help.shortcuts"))
        column.addLayout(bottom)

    def _brand(self) -> QHBoxLayout:
        picture = QLabel()
        picture.setPixmap(icons.app_icon().pixmap(24, 24))
        row = QHBoxLayout()
        row.setContentsMargins(6, 16, 0, 16)
        row.setSpacing(10)
        row.addWidget(picture)
        row.addWidget(label("Celery Desk", "section"))
        row.addStretch()
        return row

    def _nav(self, commands: Actions, info: PageInfo) -> QPushButton:
        action = commands[f"page.{info.key}"]
        button = QPushButton(f"  {info.word}")
        button.setProperty("kind", "nav")
        button.setCheckable(True)
        button.setAccessibleName(info.word)
        button.setToolTip(action.toolTip())
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click needs no ring
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        icons.set_icon(button, info.icon, "muted")
        button.clicked.connect(action.trigger)
        return button

    def show_page(self, key: str) -> None:
        """Mark the page that is shown."""
        for name, button in self._buttons.items():
            here = name == key
            button.setChecked(here)
            icons.set_icon(button, str(button.property("iconName")), "accent" if here else "muted")
