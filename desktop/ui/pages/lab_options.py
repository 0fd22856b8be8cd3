"""Editors for the options of a fault, with their limits."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from desktop.engine.api import FaultOption

_NUMBERS = {"int": "A whole number", "float": "A number"}


class Editor(QObject):
    """A widget and how its value is read."""

    edited = Signal()

    def __init__(self, option: FaultOption, widget: QWidget) -> None:
        super().__init__(widget)
        self.option, self.widget = option, widget

    def value(self) -> Any:
        """The value; ValueError with a sentence for people where it is none."""
        raise NotImplementedError


class _Choice(Editor):
    def __init__(self, option: FaultOption, default: Any) -> None:
        self._combo = QComboBox()
        super().__init__(option, self._combo)
        self._combo.addItems(list(option.choices))
        self._combo.setCurrentText(str(default))
        self._combo.currentTextChanged.connect(self.edited)

    def value(self) -> str:
        return self._combo.currentText()


class _Line(Editor):
    """A text, or a number within its limits; empty stands for the default."""

    def __init__(self, option: FaultOption, default: Any) -> None:
        self._line, self._default = QLineEdit(), default
        super().__init__(option, self._line)
        self._line.setText("" if default is None else _shown(default))
        self._line.setPlaceholderText("default" if default is None else _shown(default))
        self._line.textEdited.connect(self.edited)

    def value(self) -> Any:
        text, option = self._line.text().strip(), self.option
        if not text:
            return self._default
        if option.kind == "str":
            return text
        try:
            number = int(text.replace(",", "")) if option.kind == "int" else float(text)
        except ValueError:
            raise ValueError(f"{_NUMBERS[option.kind]}. {limits(option)}".strip()) from None
        low, high = option.low, option.high
        if (low is not None and number < low) or (high is not None and number > high):
            raise ValueError(f"{range_words(option)}.")
        return number


def editor_of(option: FaultOption, default: Any) -> Editor:
    """The editor of an option."""
    return _Choice(option, default) if option.kind == "choice" else _Line(option, default)


def range_words(option: FaultOption) -> str:
    """From where to where: "From 0 to 60 s"."""
    unit = f" {option.unit}" if option.unit else ""
    if option.low is not None and option.high is not None:
        return f"From {_shown(option.low)} to {_shown(option.high)}{unit}"
    if option.low is not None:
        return f"At least {_shown(option.low)}{unit}"
    return f"At most {_shown(option.high)}{unit}" if option.high is not None else ""


def limits(option: FaultOption) -> str:
    """What stands below the field: what it means, and its limits where there are two."""
    told = range_words(option) if option.low is not None and option.high is not None else ""
    doc = f"{option.doc[:1].upper()}{option.doc[1:].rstrip('.')}." if option.doc else ""
    return " ".join(part for part in (doc, f"{told}." if told else "") if part)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
