"""Editors for a task's arguments, made from the catalog: typed, documented, with their defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QWidget

from desktop.engine.api import Param
from desktop.ui.widgets.form import Form


class BadValue(ValueError):
    """What a person typed is not what the argument takes; the text says what it takes."""


def parse(param: Param, text: str) -> Any:
    """The value that a text stands for."""
    text = text.strip() if param.kind != "str" else text
    try:
        if param.kind == "int":
            return int(text.replace(",", "").replace("_", ""))
        if param.kind == "float":
            return float(text)
        if param.kind == "json":
            return json.loads(text)
    except ValueError:
        what = {"int": "A whole number", "float": "A number", "json": "JSON"}[param.kind]
        raise BadValue(f"{what}, such as {shown(param, param.default) or 1}.") from None
    return text


def shown(param: Param, value: Any) -> str:
    """How a value stands in its editor."""
    if value is None:
        return ""
    if param.kind == "json":
        return json.dumps(value, ensure_ascii=False)
    return str(value)


class ArgumentForm(Form):
    """One row an argument. `values` are those that differ from the task's defaults."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._params: tuple[Param, ...] = ()
        self.editors: dict[str, QWidget] = {}

    def show_params(self, params: tuple[Param, ...], values: Mapping[str, Any]) -> None:
        """Make the rows anew."""
        self.clear()
        self._params, self.editors = params, {}
        for param in params:
            value = values.get(param.name, param.default)
            editor = self._editor(param, value)
            self.editors[param.name] = editor
            word = f"{param.name} (needed)" if param.required else param.name
            self.add(param.name, word, editor, param.doc[:1].upper() + param.doc[1:])
            editor.setAccessibleName(f"Argument {param.name}")

    def _editor(self, param: Param, value: Any) -> QWidget:
        if param.kind == "bool":
            box = QCheckBox("yes")
            box.setChecked(bool(value))
            box.toggled.connect(self._changed)
            return box
        if param.kind == "choice":
            combo = QComboBox()
            combo.addItems(list(param.choices))
            combo.setCurrentText(str(value) if value is not None else param.choices[0])
            combo.currentTextChanged.connect(self._changed)
            return combo
        line = QLineEdit(shown(param, value))
        line.setPlaceholderText("empty: the task's own default" if not param.required else "needed")
        line.textEdited.connect(self._changed)
        return line

    def _changed(self, _value: object = None) -> None:
        self.read()
        self.edited.emit()

    def read(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The values that differ from the defaults, and what is wrong by argument; errors are shown."""
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for param in self._params:
            try:
                value, given = self._value(param)
            except BadValue as error:
                errors[param.name] = str(error)
                continue
            if given and (param.required or value != param.default):
                values[param.name] = value
            elif not given and param.required:
                errors[param.name] = "The task needs it."
        for name, field in self.fields.items():
            if field.error != errors.get(name, ""):
                field.set_error(errors.get(name, ""))
        return values, errors

    def _value(self, param: Param) -> tuple[Any, bool]:
        editor = self.editors[param.name]
        if isinstance(editor, QCheckBox):
            return editor.isChecked(), True
        if isinstance(editor, QComboBox):
            return editor.currentText(), True
        assert isinstance(editor, QLineEdit)
        text = editor.text()
        if not text.strip():
            return None, False
        return parse(param, text), True
