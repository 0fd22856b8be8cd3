"""A dialog with a longer text to read and to copy."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from desktop.ui import fonts, icons
from desktop.ui.widgets.dialog import Dialog
from desktop.ui.widgets.labels import label


class Details(Dialog):
    """`title` in words, `text` as it came."""

    def __init__(self, parent: QWidget, title: str, text: str) -> None:
        super().__init__(parent, "Details")
        self.resize_within(760, 440)
        view = QPlainTextEdit(text)
        view.setReadOnly(True)
        view.setFont(fonts.font("mono"))
        view.setAccessibleName("Details")
        copy, close = QPushButton("Copy"), QPushButton("Close")
        icons.set_icon(copy, "copy")
        copy.setAccessibleName("Copy the details")
        close.setAccessibleName("Close")
        close.setDefault(True)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
        close.clicked.connect(self.close)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(copy)
        row.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, 16)
        column.setSpacing(12)
        column.addWidget(label(title, "section", wrap=True))
        column.addWidget(view, 1)
        column.addLayout(row)


def show_details(parent: QWidget, title: str, text: str) -> Details:
    """Open the dialog over the window of `parent`; it deletes itself when closed."""
    dialog = Details(parent.window(), title, text)
    dialog.open()
    return dialog
