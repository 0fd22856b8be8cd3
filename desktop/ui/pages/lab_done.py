"""What was done to the run that is shown: its account, and its faults, the newest first."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import Account, DeskError, FaultRecord, FaultState, StackSnapshot
from desktop.ui.fault_words import tasks_of
from desktop.ui.page import Shell
from desktop.ui.pages.lab_account import AccountCard
from desktop.ui.pages.lab_fault_card import FaultCard
from desktop.ui.present import Present
from desktop.ui.shown_faults import ShownFaults
from desktop.ui.widgets.containers import Column
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import label
from desktop.ui.words import count

_EVERY, _JUDGE = 10, 20  # turns between two accounts, and between two judgements
_CARDS = 50  # faults of which there are cards; older ones are on the time line and in the report


class DonePanel(QWidget):
    """Asks for the account once a second while it is seen, and for outcomes while some are missing."""

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self.shell = shell
        self._present, self._shown = Present(shell.bridge), ShownFaults()
        self._faults: tuple[FaultRecord, ...] = ()
        self._turns = 0
        self._asking = self._judging = False
        self._of: object = None
        self.cards: dict[int, FaultCard] = {}
        self.account = AccountCard("Account of this run", self._lead, self._lead)
        self.count = label("", "small", "muted")
        self.older = label("", "small", "muted", wrap=True)
        self._list = Column(0, 8)
        self._list.setAccessibleName("Faults of this run")
        self._list.body.setContentsMargins(0, 0, 6, 12)
        self._list.body.addWidget(self.older)
        self._list.body.addStretch()
        self._stage = QStackedWidget()
        self._stage.addWidget(
            EmptyState(
                "lab", "Nothing was broken yet", "Choose a fault, read its forecast, press the button."
            )
        )
        self._stage.addWidget(self._list)
        head = QHBoxLayout()
        head.addWidget(label("What was done", "section"), 1)
        head.addWidget(self.count)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.account)
        column.addLayout(head)
        column.addWidget(self._stage, 1)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show the faults of the run that is shown."""
        run = snapshot.recorded or snapshot.run_folder
        if run != self._of:
            self._of = run
            self._turns = 0
            self.account.show_problem("Start the stack and submit a workload." if run is None else "…")
        self._faults = self._shown.of(self.shell.desk, snapshot)
        final = snapshot.recorded is not None
        self._stage.setCurrentIndex(1 if self._faults else 0)
        self.count.setText(count(len(self._faults), "fault") if self._faults else "")
        newest = self._faults[-_CARDS:]
        for gone in set(self.cards) - {one.id for one in newest}:
            card = self.cards.pop(gone)
            card.hide()
            card.deleteLater()
        now = self._present.now()
        for one in newest:
            if one.id not in self.cards:
                self.cards[one.id] = FaultCard(self.shell.lab_commands.undo, self._tasks_of, self._lead)
                self._list.body.insertWidget(0, self.cards[one.id])
            self.cards[one.id].show_record(one, now, final)
        older = len(self._faults) - len(newest)
        self.older.setText(f"{count(older, 'older fault')} on the time line of the page Graphs.")
        self.older.setVisible(older > 0)

    def tick(self) -> None:
        """One of ten turns a second."""
        snapshot = self.shell.bridge.snapshot
        if self._turns % _EVERY == 0:
            self._ask()
        if self._turns % _JUDGE == 0 and self._unjudged():
            self._judge()
        if self._turns % _EVERY == 0:
            now, final = self._present.now(), snapshot.recorded is not None
            for card in self.cards.values():
                if card.record is not None:
                    card.show_record(card.record, now, final)
        self._turns += 1

    def refresh(self) -> None:
        """Ask for everything anew."""
        self._ask()
        if self._faults:
            self._judge()

    # the account

    def _ask(self) -> None:
        if self._of is None or self._asking:
            return
        self._asking = True
        self.shell.bridge.run(self.shell.desk.account(), partial(self._came, self._of), self._failed, self)

    def _came(self, run: object, account: Account) -> None:
        self._asking = False
        if run == self._of:
            self.account.show_account(account)

    def _failed(self, error: DeskError) -> None:
        self._asking = False
        self.account.show_problem(str(error))

    # outcomes

    def _unjudged(self) -> bool:
        snapshot = self.shell.bridge.snapshot
        if snapshot.recorded is not None:
            return False
        return any(
            one.state is FaultState.OVER and (one.outcome is None or not one.outcome.settled)
            for one in self._faults
        )

    def _judge(self) -> None:
        if self._judging:
            return
        self._judging = True
        self.shell.bridge.run(self.shell.desk.judge_faults(), self._judged, self._not_judged, self)

    def _judged(self, _said: str) -> None:
        self._judging = False

    def _not_judged(self, _error: DeskError) -> None:
        self._judging = False  # the account says what is wrong with the record

    # leading on

    def _tasks_of(self, record: FaultRecord) -> None:
        self._lead(tasks_of(record))

    def _lead(self, about: str) -> None:
        """To tasks, or to one of them by its id."""
        if "page.tasks" in self.shell.commands:
            self.shell.go("tasks", about)
