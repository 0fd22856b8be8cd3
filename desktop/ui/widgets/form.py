"""Rows of a form: the word above the field, help below it, and the error in its place."""

from __future__ import annotations

from PySide6.QtWidgets import QAbstractSpinBox, QVBoxLayout, QWidget

from desktop.ui.widgets.labels import label, set_property, set_tone


def pad(box: QAbstractSpinBox) -> None:
    """Room left of the number: Qt gives the style sheet's padding to every field but this one."""
    box.lineEdit().setTextMargins(7, 0, 0, 0)


class Field(QWidget):
    """One row. The error replaces the help, so the form does not jump."""

    def __init__(self, word: str, editor: QWidget, help_text: str = "") -> None:
        super().__init__()
        self.editor = editor
        self._help = help_text
        self.error = ""
        self.word = label(word, "label")
        self.word.setBuddy(editor)
        self.note = label(help_text, "small", "muted", wrap=True)
        if isinstance(editor, QAbstractSpinBox):
            pad(editor)
        if not editor.accessibleName():
            editor.setAccessibleName(word)
        editor.setAccessibleDescription(help_text)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.word, editor, self.note):
            column.addWidget(widget)
        self.note.setVisible(bool(help_text))

    def set_error(self, sentence: str) -> None:
        """Say what is wrong with the value; empty: nothing is."""
        self.error = sentence
        self.note.setText(sentence or self._help)
        self.note.setVisible(bool(sentence or self._help))
        set_tone(self.note, "bad" if sentence else "muted")
        set_property(self.editor, "invalid", bool(sentence))
        self.editor.setAccessibleDescription(sentence or self._help)


class Form(QWidget):
    """Fields below each other; `add` may put several in one line."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Field] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(14)
        self._column.addStretch()  # room to spare goes below the rows

    def add(self, key: str, word: str, editor: QWidget, help_text: str = "") -> Field:
        """A row with a field of its own."""
        field = Field(word, editor, help_text)
        self.fields[key] = field
        self._column.insertWidget(self._column.count() - 1, field)
        return field

    def add_widget(self, widget: QWidget) -> None:
        """Anything between the rows."""
        self._column.insertWidget(self._column.count() - 1, widget)

    def clear(self) -> None:
        """Take all rows away."""
        self.fields.clear()
        while self._column.count() > 1:
            item = self._column.takeAt(0)
            if item is not None and (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()

    def set_errors(self, errors: dict[str, str]) -> bool:
        """Show each error at its field and focus the first; True when there is none."""
        for key, field in self.fields.items():
            field.set_error(errors.get(key, ""))
        wrong = next((f for key, f in self.fields.items() if errors.get(key)), None)
        if wrong:
            wrong.editor.setFocus()
        return wrong is None
