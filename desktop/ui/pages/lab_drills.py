"""Drills: the list at the left; at the right the chosen one, how far it is, and its verdict."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import DeskError, DrillInfo, DrillSpec, StackSnapshot
from desktop.ui.fault_words import sentence
from desktop.ui.lab_commands import drilling
from desktop.ui.page import Shell
from desktop.ui.pages.lab_drill import DrillDetail
from desktop.ui.states import paint_shape, tone_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.card_list import CardList, CardRow
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.flow_nodes import write

_WIDE, _NARROW_LIST, _NARROW = 324, 256, 960
_TALL = 58


class DrillRow(CardRow):
    """One drill: its title, and the verdict that it is known to give."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _TALL, 0)
        self._info: DrillInfo | None = None
        self._now = ""

    def show_drill(self, info: DrillInfo, now: str) -> None:
        """Show a drill; `now`: what it does at this moment."""
        if (info, now) == (self._info, self._now):
            return
        self._info, self._now = info, now
        self.setAccessibleName(", ".join(part for part in (info.title, self._below(info)) if part))
        self.setToolTip(info.problem or info.teaches)
        self.update()

    def _below(self, info: DrillInfo) -> str:
        if self._now:
            return self._now
        if info.problem:
            return "cannot be read"
        known = f"known to give {info.gives}" if info.gives else "no verdict is known"
        return known if info.shipped else f"your own, {known}"

    def paintEvent(self, event: QPaintEvent) -> None:
        info, painter, theme = self._info, QPainter(self), Theme.current
        if info is None:
            return
        box = self.paint_card(painter)
        line = QRectF(box.left() + 14, box.top() + 8, box.width() - 24, 20)
        write(painter, line, sentence(info.title or info.name), "strong", "bad" if info.problem else "text")
        below = line.translated(0, 20)
        if info.gives is not None and not info.problem:
            tone = tone_of(info.gives)
            shape = QRectF(below.left(), below.center().y() - 4, 8, 8)
            paint_shape(painter, tone, shape, theme.color(tone))
            below = below.adjusted(14, 0, 0, 0)
        tone_word = "bad" if info.problem else "busy" if self._now else "muted"
        write(painter, below, self._below(info), "small", tone_word)


class DrillsView(QWidget):
    """Reads the drills when it is first seen; a click reads the file of one."""

    report_wanted = Signal(object, object)  # folder of a run, formats

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self.shell = shell
        self._asked = False
        self._infos: dict[str, DrillInfo] = {}
        self._wanted = ""
        self._ran = ""
        self.list: CardList[DrillRow] = CardList("Drills", DrillRow, below=12)
        self.detail = DrillDetail(shell)
        self.none = EmptyState("lab", "No drill yet", "")
        self._stage = QStackedWidget()
        self._stage.addWidget(self.none)
        self._stage.addWidget(self._both())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stage)
        self.list.chosen.connect(self._choose)
        self.detail.report_wanted.connect(self.report_wanted)

    def _both(self) -> QWidget:
        both = QWidget()
        line = QHBoxLayout(both)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(16)
        line.addWidget(self.list)
        line.addWidget(self.detail, 1)
        return both

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show how far a drill is, and whether one can be started."""
        if not self._asked:
            self.refresh()
        drill = snapshot.drill
        runs = drilling(snapshot)
        name = drill.spec.name if drill is not None and runs else ""
        if name and name != self._ran:
            self.choose(name)
        self._ran = name
        for row in self.list.rows.values():
            now = f"{drill.stage}…" if drill is not None and row.name == name else ""
            row.show_drill(self._infos[row.name], now)
        self.detail.show_snapshot(snapshot)

    def tick(self) -> None:
        """One of ten turns a second."""
        self.detail.tick()

    def refresh(self) -> None:
        """Read the list again."""
        self._asked = True
        self.shell.bridge.run(self.shell.desk.drills(), self._came, self._failed, self)

    def _came(self, infos: tuple[DrillInfo, ...]) -> None:
        self._infos = {info.name: info for info in infos}
        if not infos:
            self.none.say("No drill yet", "Put a drill file into your drills folder; see docs/drills.md.")
        self._stage.setCurrentIndex(1 if infos else 0)
        self.list.show_names(list(self._infos))
        if self._wanted:
            self.list.choose(self._wanted)
            self._wanted = ""
        self.show_snapshot(self.shell.bridge.snapshot)

    def _failed(self, error: DeskError) -> None:
        self.none.say(error.what, error.next_step)
        self._stage.setCurrentIndex(0)

    def choose(self, name: str) -> None:
        """Choose a drill, or remember it until the list is there."""
        if name in self.list.rows:
            self.list.choose(name)
        else:
            self._wanted = name

    def _choose(self, name: str) -> None:
        info = self._infos[name]
        self.detail.show_info(info)
        if not info.problem:
            read = self.shell.desk.read_drill(info.path)
            self.shell.bridge.run(read, partial(self._read, name), partial(self._not_read, name), self)

    def _read(self, name: str, spec: DrillSpec) -> None:
        if name == self.list.current:
            self.detail.show_spec(spec)

    def _not_read(self, name: str, error: DeskError) -> None:
        if name == self.list.current:
            self.detail.show_problem(str(error))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.list.setFixedWidth(_NARROW_LIST if self.width() < _NARROW else _WIDE)
