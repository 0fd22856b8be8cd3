"""The bars of the log page: which lines, what is searched, how it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLineEdit, QPushButton, QToolButton, QWidget

from desktop.ui import fonts, icons
from desktop.ui.theme import Theme
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import label, set_property, set_tone
from desktop.ui.widgets.segmented import Segmented

_LEVELS = (("DEBUG", "All"), ("INFO", "Info"), ("WARNING", "Warnings"), ("ERROR", "Errors"))
_PATIENCE = 120  # ms after the last key before it searches


class ServiceChip(QAbstractButton):
    """A service with its colour; on while its lines are shown."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.setText(service)
        self.setCheckable(True)
        self.setChecked(True)
        self.setFont(fonts.font("label"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAccessibleName(f"Lines of {service}")
        self.setToolTip(f"Show or hide {service}; double-click shows only {service}")

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 38, 34)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = self.isChecked()
        edge = theme.color("focus" if self.hasFocus() else "line_strong" if on else "line")
        painter.setPen(QPen(edge, 2 if self.hasFocus() else 1))
        painter.setBrush(theme.color("surface" if on else "hover" if self.underMouse() else "window"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 3, -1, -3), 13, 13)
        colour = theme.color_of(self.text())
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(colour if on else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QRectF(12, self.height() / 2 - 4, 8, 8))
        painter.setPen(theme.color("text" if on else "muted"))
        box = self.rect().adjusted(27, 0, 0, 0)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), self.text())


class FilterBar(QWidget):
    """Which services, and which levels."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.chips: dict[str, ServiceChip] = {}
        self._wanted = ""  # a service to show alone as soon as it is known
        self.levels = Segmented("Level", _LEVELS)
        self.levels.chosen.connect(lambda _key: self.changed.emit())
        self._flow = FlowLayout(self, gap=6)
        self._flow.addWidget(self.levels)

    @property
    def services(self) -> frozenset[str] | None:
        """The services whose lines are shown; None: all."""
        shown = frozenset(name for name, chip in self.chips.items() if chip.isChecked())
        return None if len(shown) == len(self.chips) else shown

    @property
    def level(self) -> str:
        """The lowest level that is shown."""
        return self.levels.current

    def show_services(self, names: Sequence[str]) -> None:
        """A chip for each service."""
        if list(names) == list(self.chips):
            return
        for name in set(self.chips) - set(names):
            chip = self.chips.pop(name)
            self._flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        for name in names:
            if name not in self.chips:
                self.chips[name] = self._chip(name)
        self.chips = {name: self.chips[name] for name in names}
        for chip in self.chips.values():
            self._flow.removeWidget(chip)
            self._flow.addWidget(chip)
        # Widgets that are shown already do not tell a layout that it has something to do.
        self._flow.invalidate()
        self._flow.activate()
        if self._wanted in self.chips:
            self.only(self._wanted)

    def only(self, service: str) -> None:
        """Show one service alone; one that is not known yet, when it comes."""
        self._wanted = "" if service in self.chips else service
        if service in self.chips:
            for name, chip in self.chips.items():
                chip.setChecked(name == service)
            self.changed.emit()

    def _chip(self, name: str) -> ServiceChip:
        chip = _OnlyChip(name, self)
        chip.clicked.connect(self._clicked)
        chip.show()
        return chip

    def _clicked(self) -> None:
        if not any(chip.isChecked() for chip in self.chips.values()):
            # Nothing chosen would be an empty page: it means all.
            for chip in self.chips.values():
                chip.setChecked(True)
        self.changed.emit()


class _OnlyChip(ServiceChip):
    """A chip whose double click shows its service alone."""

    def __init__(self, service: str, bar: FilterBar) -> None:
        super().__init__(service)
        self._bar = bar
        self.setParent(bar)

    def mouseDoubleClickEvent(self, event: object) -> None:
        self._bar.only(self.text())


class SearchBar(QWidget):
    """Text to find, whether it is a regular expression, and the way from hit to hit."""

    changed = Signal()
    step = Signal(bool)  # True: forward

    def __init__(self) -> None:
        super().__init__()
        self.field = _SearchField()
        self.field.setPlaceholderText("Find")
        self.field.setAccessibleName("Find in the log")
        self.field.setFixedWidth(240)
        self.regex_button = _toggle("Regular expression", "", ".*")
        self.count = label("", "small", "muted")
        self.count.setFixedWidth(84)
        self.count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.back = _tool("Previous hit", "chevron-up", "Shift+Enter")
        self.forward = _tool("Next hit", "chevron-down", "Enter")
        self._wait = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._wait.timeout.connect(self.changed)
        self.field.textChanged.connect(lambda _text: self._wait.start())
        self.field.step.connect(self.step)
        self.regex_button.toggled.connect(lambda _on: self.changed.emit())
        self.back.clicked.connect(lambda: self.step.emit(False))
        self.forward.clicked.connect(lambda: self.step.emit(True))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        for widget in (self.count, self.field, self.regex_button, self.back, self.forward):
            line.addWidget(widget)

    @property
    def text(self) -> str:
        """What is searched."""
        return self.field.text()

    @property
    def regex(self) -> bool:
        """Whether it is a regular expression."""
        return self.regex_button.isChecked()

    def start(self) -> None:
        """Take the focus, with all text selected."""
        self.field.setFocus()
        self.field.selectAll()

    def show_count(self, at: int, count: int) -> None:
        """Say which hit of how many."""
        if self.field.property("invalid"):
            return
        text = (
            "" if not self.text else f"{at:,} of {count:,}" if at else f"{count:,} found" if count else "none"
        )
        self.count.setText(text)
        set_tone(self.count, "muted")

    def show_error(self, error: str) -> None:
        """Say that this is no regular expression; empty: it is one."""
        set_property(self.field, "invalid", bool(error))
        self.field.setToolTip(error)
        self.field.setAccessibleDescription(error)
        if error:
            self.count.setText("not a regex")
            set_tone(self.count, "bad")


class _SearchField(QLineEdit):
    """Enter goes on, Shift+Enter goes back, Esc clears."""

    step = Signal(bool)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.step.emit(not event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        elif event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)


class ViewBar(QWidget):
    """Follow the end, wrap long lines, copy."""

    follow_wanted = Signal(bool)
    wrap_wanted = Signal(bool)
    copy_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.follow = _toggle("Follow the end", "follow", "Follow")
        self.follow.setChecked(True)
        self.wrap = _toggle("Wrap long lines", "", "Wrap")
        self.copy = QPushButton("Copy")
        self.copy.setAccessibleName("Copy the selected lines, or all that are shown")
        self.copy.setToolTip(self.copy.accessibleName())
        icons.set_icon(self.copy, "copy")
        self.follow.clicked.connect(self.follow_wanted)
        self.wrap.clicked.connect(self.wrap_wanted)
        self.copy.clicked.connect(self.copy_wanted)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        for widget in (self.follow, self.wrap, self.copy):
            line.addWidget(widget)

    def show_following(self, on: bool) -> None:
        """Show whether the list follows."""
        self.follow.setChecked(on)


def _toggle(name: str, icon: str, word: str) -> QPushButton:
    button = QPushButton(word)
    button.setCheckable(True)
    button.setAccessibleName(name)
    button.setToolTip(name)
    if icon:
        icons.set_icon(button, icon)
    return button


def _tool(name: str, icon: str, keys: str) -> QToolButton:
    button = QToolButton()
    button.setProperty("kind", "quiet")
    button.setAccessibleName(name)
    button.setToolTip(f"{name} ({keys})")
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    icons.set_icon(button, icon)
    return button
