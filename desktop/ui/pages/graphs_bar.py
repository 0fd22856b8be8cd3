"""What stands above the graphs: the stretch in words, the verbs, and which panels are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from desktop.ui import icons
from desktop.ui.actions import Actions
from desktop.ui.pages.graphs_panels import PANELS
from desktop.ui.pages.workers_detail import VerbButton
from desktop.ui.widgets.chart_span import RunAxis
from desktop.ui.widgets.containers import Pair, row
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import label
from desktop.ui.words import duration

VERBS = ("graphs.back", "graphs.out", "graphs.in")


class GraphsBar(QWidget):
    """The title with the stretch that is shown; at the right what changes it."""

    def __init__(self, commands: Actions, axis: RunAxis) -> None:
        super().__init__()
        self._axis = axis
        self.stretch = label("", tone="muted")
        who, verbs = QWidget(), QWidget()
        title = row(label("Graphs", "title"), spacing=12)
        title.addWidget(self.stretch, 1)
        who.setLayout(title)
        self.live = commands.button("graphs.live")
        tasks = VerbButton(commands, "graphs.tasks", "Tasks here")
        line = row(*(commands.tool(key) for key in VERBS), spacing=2)
        for part in (commands.button("graphs.whole"), self.live, tasks):
            line.addSpacing(6)
            line.addWidget(part)
        line.addStretch(1)
        verbs.setLayout(line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(Pair(who, verbs, (1, 0), 8))
        axis.changed.connect(self._say)
        self._say()

    def _say(self) -> None:
        axis = self._axis
        words = f"{axis.clock(axis.since)} – {axis.clock(axis.until)}, {stretch_text(axis.span)}"
        if axis.entire:
            words += ", the whole run"
        if words != self.stretch.text():
            self.stretch.setText(words)


def stretch_text(seconds: float) -> str:
    """How long a stretch is: "1.0 s", "12 s", "4 min 12 s"."""
    return duration(round(seconds, 1) if seconds < 10 else round(seconds))


class PanelChips(QWidget):
    """A button for each panel that can be shown; at least one is always on."""

    changed = Signal()

    def __init__(self, chosen: Iterable[str]) -> None:
        super().__init__()
        self.chips: dict[str, QPushButton] = {}
        self.setAccessibleName("Panels")
        flow = FlowLayout(self, gap=6)
        shown = set(chosen)
        for panel in PANELS:
            chip = QPushButton(panel.word)
            chip.setCheckable(True)
            chip.setChecked(panel.key in shown)
            chip.setAccessibleName(f"Show {panel.title}")
            chip.setToolTip(f"Show or hide {panel.title}")
            chip.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            chip.clicked.connect(lambda _checked=False, key=panel.key: self._clicked(key))
            chip.toggled.connect(lambda on, chip=chip: _sign(chip, on))
            _sign(chip, chip.isChecked())
            self.chips[panel.key] = chip
            flow.addWidget(chip)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The panels that are shown, in their order."""
        return tuple(key for key, chip in self.chips.items() if chip.isChecked())

    def choose(self, keys: Sequence[str]) -> None:
        """Show these, without telling anybody."""
        for key, chip in self.chips.items():
            chip.setChecked(key in keys)

    def _clicked(self, key: str) -> None:
        if not self.chosen:
            self.chips[key].setChecked(True)
        self.changed.emit()


def _sign(chip: QPushButton, on: bool) -> None:
    icons.set_icon(chip, "check" if on else "plus", "text" if on else "muted")
