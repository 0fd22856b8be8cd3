"""What a drill found: the verdict large, its reason, and all the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop.engine.api import Check, DrillSnapshot, FaultRecord, Finding, Recovery, StackState, Verdict
from desktop.ui import fonts, icons
from desktop.ui.fault_words import repeats_words, tasks_of, title_of
from desktop.ui.page import Shell
from desktop.ui.pages.lab_account import AccountCard
from desktop.ui.pages.lab_fault_card import FaultCard
from desktop.ui.states import paint_shape, tone_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card, clear, row
from desktop.ui.widgets.labels import label, set_tone
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.words import duration

_SHAPE = 22
_TABLE = 800  # px: in a wider table one loses the line
_FORMATS = (("html", "HTML"), ("md", "Markdown"), ("json", "JSON"), ("junit", "JUnit"))
_STEPS = (
    ("noticed", "noticed"),
    ("new_process", "new process"),
    ("answers", "answers"),
    ("first_done", "first done"),
    ("backlog", "backlog back"),
)


class Banner(QWidget):
    """The word of the verdict with its shape, as large as one reads it from the last row."""

    def __init__(self) -> None:
        super().__init__()
        self.finding: Finding | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_finding(self, finding: Finding) -> None:
        """Show it."""
        if finding is not self.finding:
            self.finding = finding
            self.setAccessibleName(f"Verdict: {finding}")
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        wide = QFontMetricsF(fonts.font("number")).horizontalAdvance(self.finding or "")
        return QSize(round(wide) + _SHAPE + 48, 52)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.finding is None:
            return
        painter, theme, tone = QPainter(self), Theme.current, tone_of(self.finding)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(f"{tone}_tint"))
        painter.drawRoundedRect(QRectF(self.rect()), 8, 8)
        colour = theme.color(tone)
        paint_shape(painter, tone, QRectF(16, (self.height() - _SHAPE) / 2, _SHAPE, _SHAPE), colour)
        painter.setFont(fonts.font("number"))
        painter.setPen(colour)
        words = QRectF(16 + _SHAPE + 14, 0, self.width(), self.height())
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter), self.finding.value)


class Table(QWidget):
    """A small table of words, made anew only when it is another one."""

    def __init__(self, name: str, heads: Sequence[str], wide: int) -> None:
        """`wide`: the column that takes what room there is."""
        super().__init__()
        self._name, self._heads, self._wide = name, tuple(heads), wide
        self._rows: tuple[tuple[str, ...], ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.setMaximumWidth(_TABLE)

    def show_rows(self, rows: Sequence[tuple[str, ...]], bad: Sequence[bool] = ()) -> None:
        """Show these; those that are `bad` are told apart by their first word already."""
        rows = tuple(rows)
        self.setVisible(bool(rows))
        if rows == self._rows:
            return
        self._rows = rows
        self.setAccessibleName(f"{self._name}: " + "; ".join(", ".join(row) for row in rows))
        clear(self._column)
        self._column.addWidget(label(self._name, "label", "muted"))
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(4)
        for column, head in enumerate(self._heads):
            grid.addWidget(label(head, "small", "muted"), 0, column)
        for at, cells in enumerate(rows, 1):
            tone = "bad" if at <= len(bad) and bad[at - 1] else ""
            for column, cell in enumerate(cells):
                grid.addWidget(label(cell, tone=tone, wrap=column == self._wide), at, column)
        grid.setColumnStretch(self._wide, 1)
        self._column.addWidget(table)


class VerdictCard(Card):
    """The verdicts of a drill; of several repeats one is shown in full."""

    again = Signal(int)  # its seed
    report_wanted = Signal(object, object)  # folder, formats

    def __init__(self, shell: Shell) -> None:
        super().__init__(padding=16)
        self.setAccessibleName("Verdict")
        self.shell = shell
        self.verdict: Verdict | None = None
        self._verdicts: tuple[Verdict, ...] = ()
        self.banner = Banner()
        self.reason, self.beside = label("", "section", wrap=True), label("", "small", "muted", wrap=True)
        self.repeats = label("", "strong", wrap=True)
        self.which = QComboBox()
        self.which.setAccessibleName("Which repeat")
        self.which.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.checks = Table("Expectations", ("", "wanted", "found"), 2)
        self.recovery = Table("Recovery, after each fault", ("", *(word for _, word in _STEPS)), 0)
        self.account = AccountCard("Account", self._lead, self._lead)
        self.faults = QVBoxLayout()
        self.faults.setSpacing(8)
        self._cards: list[FaultCard] = []
        self._lay_out()
        self.which.activated.connect(self._pick)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.reason)
        words.addWidget(self.beside)
        head = row(self.banner, spacing=16)
        head.addLayout(words, 1)
        self.body.addLayout(head)
        many = row(spacing=12)
        many.addWidget(self.repeats, 1)
        many.addWidget(self.which)
        self.body.addLayout(many)
        self.body.addLayout(self._buttons())
        for part in (self.checks, self.recovery, self.account):
            self.add(part)
        self.body.addLayout(self.faults)

    def _buttons(self) -> QVBoxLayout:
        self.report = MenuButton("Report", self._fill_report, "report", " Report", "")
        self.open = QPushButton("Open the run")
        self.rerun = QPushButton("Run again with this seed")
        icons.set_icon(self.open, "eye")
        icons.set_icon(self.rerun, "restart")
        for button in (self.open, self.rerun):
            button.setAccessibleName(button.text())
            button.setText(f" {button.text()}")  # Qt leaves only 4 px between the icon and the word
        self.open.clicked.connect(self._open_run)
        self.rerun.clicked.connect(self._run_again)
        column = QVBoxLayout()
        column.addLayout(row(self.report, self.open, self.rerun, 1))
        return column

    # showing

    def show_drill(self, drill: DrillSnapshot, now: float) -> None:
        """Show what it found so far; the newest verdict, until a person chooses another."""
        if not drill.verdicts:
            self._show_none(drill)
            return
        if drill.verdicts != self._verdicts:
            self._verdicts = drill.verdicts
            self._fill_which(drill)
            self._show(drill.verdicts[-1], now)
        for card in self._cards:
            if card.record is not None:
                card.show_record(card.record, now, final=True)

    def _show_none(self, drill: DrillSnapshot) -> None:
        self.banner.show_finding(Finding.UNKNOWN)
        self.reason.setText(drill.problem)
        self._verdicts, self.verdict = (), None
        for part in (self.checks, self.recovery, self.account, self.which, self.repeats, self.beside):
            part.setVisible(False)
        for button in (self.report, self.open, self.rerun):
            button.setVisible(False)
        self._show_faults(drill.faults, drill.began)

    def _fill_which(self, drill: DrillSnapshot) -> None:
        many = drill.of > 1
        self.repeats.setVisible(many)
        self.which.setVisible(many)
        self.repeats.setText(repeats_words(drill.verdicts))
        self.which.clear()
        for one in drill.verdicts:
            self.which.addItem(f"{one.number}: {one.verdict}, seed {one.seed}")
        self.which.setCurrentIndex(self.which.count() - 1)

    def _pick(self, at: int) -> None:
        self._show(self._verdicts[at], self.shell.bridge.snapshot.t)

    def _show(self, verdict: Verdict, now: float) -> None:
        self.verdict = verdict
        self.banner.show_finding(verdict.verdict)
        self.reason.setText(verdict.reason)
        self.beside.setText("  ·  ".join(_beside(verdict)))
        self.beside.setVisible(True)
        set_tone(self.beside, "warn" if verdict.gives not in (None, verdict.verdict) else "muted")
        checks = [_check(check) for check in verdict.checks]
        self.checks.show_rows(checks, [not check.ok for check in verdict.checks])
        self.recovery.show_rows([_recovery(one, verdict.faults) for one in verdict.recovery])
        self.account.setVisible(True)
        self.account.show_account(verdict.account)
        for button in (self.report, self.open):
            button.setVisible(verdict.run_folder is not None)
        self.rerun.setVisible(True)
        self._show_faults(verdict.faults, now)

    def _show_faults(self, faults: Sequence[FaultRecord], now: float) -> None:
        clear(self.faults)
        self._cards = []
        for record in faults:
            card = FaultCard(self.shell.lab_commands.undo, self._tasks_of, self._lead)
            card.show_record(record, now, final=True)
            self._cards.append(card)
            self.faults.addWidget(card)

    # leading on

    def _fill_report(self, menu: QMenu) -> None:
        folder = self.verdict.run_folder if self.verdict is not None else None
        if folder is None:
            return
        for key, word in _FORMATS:
            more = " and open it…" if key == "html" else "…"
            menu.addAction(f"{word}{more}", partial(self.report_wanted.emit, folder, (key,)))
        menu.addSeparator()
        every = tuple(key for key, _ in _FORMATS)
        menu.addAction("All four…", partial(self.report_wanted.emit, folder, every))

    def _run_again(self) -> None:
        if self.verdict is not None:
            self.again.emit(self.verdict.seed)

    def _open_run(self) -> None:
        if self.verdict is not None and self.verdict.run_folder is not None:
            self.shell.run_commands.open_run(self.verdict.run_folder)

    def _tasks_of(self, record: FaultRecord) -> None:
        self._lead(tasks_of(record))

    def _lead(self, about: str) -> None:
        """To tasks of the drill's run, or one of them; the run is opened where another is shown."""
        snapshot = self.shell.bridge.snapshot
        folder = self.verdict.run_folder if self.verdict is not None else None
        shown = snapshot.recorded or (None if snapshot.state is StackState.STOPPED else snapshot.run_folder)
        if folder is not None and folder != shown:
            self.shell.run_commands.open_run(folder, about)
        elif "page.tasks" in self.shell.commands:
            self.shell.go("tasks", about)


def _beside(verdict: Verdict) -> list[str]:
    """What stands under the reason."""
    said = [f"seed {verdict.seed}"]
    if verdict.halted:
        said.append("halted by a person")
    if verdict.gives is not None:
        same = verdict.gives is verdict.verdict
        said.append("as it is known to give" if same else f"it is known to give {verdict.gives}")
    if verdict.settled_after is not None:
        said.append(f"came to rest {duration(verdict.settled_after)} after the load")
    return said


def _check(check: Check) -> tuple[str, ...]:
    return f"{'✓' if check.ok else '✗'}  {check.name.replace('_', ' ')}", check.wanted, check.found


def _recovery(one: Recovery, faults: Sequence[FaultRecord]) -> tuple[str, ...]:
    record = next((fault for fault in faults if fault.id == one.fault), None)
    name = f"{one.fault}  {title_of(record)}" if record is not None else str(one.fault)
    return name, *(_seconds(getattr(one, key)) for key, _ in _STEPS)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else duration(value)
