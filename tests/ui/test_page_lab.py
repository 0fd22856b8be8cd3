"""The failure lab: faults by hand, their forecast before, what was done after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import (
    Count,
    DeskError,
    FaultKind,
    FaultSpec,
    FaultState,
    Forecast,
    Outcome,
    Pick,
    StackState,
    Target,
)
from desktop.ui.page import PAGES
from desktop.ui.pages.lab import LabPage
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.support.fake_faults import ACCOUNT, RULES, made_faults

Open = Callable[..., LabPage]
CERTAIN = Forecast(
    t=0.0,
    targets=("w1",),
    sentences=("2 running tasks will be lost (acks early).", "6 reserved come back after 58 min."),
    running=2,
    held=6,
    lost=Count(2, 2),
    back=Count(6, 6),
    back_after=3492.0,
    hurts=True,
    rules=RULES,
)


@pytest.fixture
def open_page(make_window: Callable[..., Window]) -> Open:
    """Opens the page on a fake."""

    def opened(desk: FakeDesk, page: str = "lab") -> LabPage:
        return make_window(desk, pages=PAGES, page=page).page

    return opened


def certain() -> FakeDesk:
    """A running stack whose worst fault is known exactly."""
    desk = FakeDesk()
    desk.foreseen = {FaultKind.KILL_WORKER: CERTAIN}
    return desk


def turn(part: Any, times: int) -> None:
    """Let the window's clock turn."""
    for _ in range(times):
        part.tick()


# -- before the click


def test_the_button_says_what_it_does_and_what_that_costs(open_page: Open, qtbot: QtBot) -> None:
    desk = certain()
    page = open_page(desk)
    form = page.faults.form
    qtbot.waitUntil(form.inject.isEnabled)
    assert form.inject.accessibleName() == "Kill w1: 2 lost, 6 come back"
    assert form.forecast.pill.word == "Hurts"
    assert form.forecast.figures["lost"].accessibleName() == "2 lost"
    assert form.forecast.figures["back"].accessibleName() == "6 come back after 58 min 12 s"
    assert [line.text() for line in form.forecast.sentences.labels] == list(CERTAIN.sentences)
    assert desk.called("inject") == []
    QTest.mouseClick(form.inject, Qt.MouseButton.LeftButton)
    assert desk.called("inject") == [(FaultSpec(FaultKind.KILL_WORKER, Target(Pick.BUSIEST)),)]


def test_the_forecast_follows_the_stack(open_page: Open, qtbot: QtBot) -> None:
    desk = certain()
    form = open_page(desk).faults.form
    qtbot.waitUntil(form.inject.isEnabled)
    desk.foreseen[FaultKind.KILL_WORKER] = replace(CERTAIN, lost=Count(0, 3), back=Count(), sure=False)
    qtbot.waitUntil(lambda: form.inject.accessibleName() == "Kill w1: 0–3 lost")
    assert form.forecast.pill.word == "Not sure"


def test_rules_are_folded_and_name_their_source(open_page: Open, qtbot: QtBot) -> None:
    rules = open_page(certain()).faults.form.forecast.rules
    qtbot.waitUntil(lambda: rules.fold.text() == "Relies on 2 rules")
    assert not rules._inner.isVisible()
    QTest.mouseClick(rules.fold, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(rules._inner.isVisible)
    said = [label.text() for label in rules._inner.children() if hasattr(label, "text")]
    assert RULES[1].source in said


def test_what_is_impossible_says_the_next_step(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.faults.kinds.choose(FaultKind.CUT)
    form = page.faults.form
    qtbot.waitUntil(lambda: form.forecast.pill.word == "Not possible now")
    assert "relay = true" in form.forecast.sentences.labels[0].text()
    assert not form.inject.isEnabled()


def test_without_the_relay_its_button_leads_on(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk(hold=True)
    page = open_page(desk)
    form, cut = page.faults.form, page.faults.presets[-1]
    assert not form.put_relay.isVisible()
    page.faults.kinds.choose(FaultKind.CUT)
    qtbot.waitUntil(form.put_relay.isVisible)
    assert not form.inject.isVisible()
    assert form.put_relay.accessibleName() == "Put the relay between (workers restart warm)"
    QTest.mouseClick(form.put_relay, Qt.MouseButton.LeftButton)
    assert desk.called("use_relay") == [(True,)]
    assert not form.put_relay.isEnabled(), "once is enough"
    assert not cut.isEnabled()
    assert form.put_relay.accessibleName() == "The workers restart warm…"
    desk.settle("use_relay", "The relay is between.")
    qtbot.waitUntil(form.inject.isVisible)
    assert not form.put_relay.isVisible()
    assert page.shell.toasts.shown[-1].text == "The relay is between."
    qtbot.waitUntil(cut.isEnabled)
    QTest.mouseClick(cut, Qt.MouseButton.LeftButton)
    assert desk.called("inject") == [(FaultSpec(FaultKind.CUT, Target(Pick.ALL)),)]
    assert page.shell.commands["lab.relay_off"].isEnabled()
    assert not page.shell.commands["lab.relay_on"].isEnabled()


def test_a_preset_without_its_relay_puts_it_between(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    QTest.mouseClick(page.faults.presets[-1], Qt.MouseButton.LeftButton)
    assert (desk.called("use_relay"), desk.called("inject")) == ([(True,)], [])
    qtbot.waitUntil(page.shell.commands["lab.relay_off"].isEnabled)
    page.shell.commands["lab.relay_off"].trigger()
    qtbot.waitUntil(page.shell.commands["lab.relay_on"].isEnabled)
    page.shell.commands["lab.network"].trigger()  # by its shortcut, from wherever one is
    toast = page.shell.toasts.shown[-1]
    assert toast.text == "The workers reach the broker directly: there is no network to break."
    offer = next(b for b in toast.findChildren(QPushButton) if b.text() == "Put the relay between")
    QTest.mouseClick(offer, Qt.MouseButton.LeftButton)
    assert desk.called("use_relay") == [(True,), (False,), (True,)]
    assert desk.called("inject") == []


def test_the_relay_can_be_put_between_unless_that_would_end_a_fault(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    desk.faults = made_faults(desk.clock())
    page = open_page(desk)
    relay = page.shell.commands["lab.relay_on"]
    qtbot.waitUntil(lambda: "Undo it first" in relay.toolTip())
    assert not relay.isEnabled()
    page.faults.kinds.choose(FaultKind.CUT)
    assert page.faults.form.problem.text().endswith("Undo it first.")
    desk.state = StackState.STOPPED
    page.shell.bridge.pull()
    qtbot.waitUntil(relay.isEnabled)
    assert relay.text() == "Put the relay between at the next start"


def test_a_long_forecast_of_a_preset_stands_whole_in_its_tool_tip(open_page: Open, qtbot: QtBot) -> None:
    kill = open_page(certain()).faults.presets[0]
    qtbot.waitUntil(lambda: "w1: 2 lost, 6 come back.\n" in kill.toolTip())
    assert kill.toolTip().endswith("\n".join(CERTAIN.sentences))


def test_a_worker_by_name_and_one_of_its_processes(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    page.faults.kinds.choose(FaultKind.KILL_PROCESS)
    form = page.faults.form
    assert not form.process.isVisible(), "whose process it is comes first"
    form.target.setCurrentText("w1")
    qtbot.waitUntil(form.process.isVisible)
    form.process.setCurrentIndex(1)
    spec = form.spec()
    assert spec is not None
    assert spec.target == Target(Pick.NAME, "w1", desk.snapshot().workers[0].processes[0].pid)
    assert form.inject.accessibleName().startswith(f"Kill process {spec.target.pid} of w1")


def test_who_runs_a_task_needs_to_be_told_which(open_page: Open, qtbot: QtBot) -> None:
    form = open_page(FakeDesk()).faults.form
    form.target.setCurrentIndex(form.target.findText("Who runs a task…"))
    qtbot.waitUntil(form.runs.isVisible)
    assert not form.inject.isEnabled()
    assert form.problem.text() == "Say which task: its id, or its name."
    QTest.keyClicks(form.runs, "tasks.io.fetch")
    spec = form.spec()
    assert spec is not None
    assert spec.target == Target(Pick.RUNS, "tasks.io.fetch")


def test_a_random_target_is_drawn_anew_each_time(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    form = open_page(desk).faults.form
    form.target.setCurrentText("Random worker")
    qtbot.waitUntil(form.inject.isEnabled)
    for _ in range(3):
        foretold = form.spec()
        QTest.mouseClick(form.inject, Qt.MouseButton.LeftButton)
        assert desk.called("inject")[-1] == (foretold,), "what was foretold is what is done"
    assert len({spec.seed for (spec,) in desk.called("inject")}) > 1


def test_a_stack_whose_only_worker_starts_again_can_still_be_broken(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    desk.state = StackState.STARTING
    page.shell.bridge.pull()
    assert page.faults.form.isVisible(), "the form does not flicker while its victim comes back"
    desk.state = StackState.STOPPING
    page.shell.bridge.pull()
    qtbot.waitUntil(page.faults.empty.isVisible)
    assert page.faults.empty.sentence.text() == "The stack is stopping."
    assert not page.faults._empty_button.isVisible()


def test_options_have_their_limits(open_page: Open) -> None:
    page = open_page(FakeDesk())
    page.faults.kinds.choose(FaultKind.LATENCY)
    form = page.faults.form
    delay = form.editors["delay"].widget
    delay.clear()
    QTest.keyClicks(delay, "90")
    assert form.spec() is None
    assert form.fields["delay"].error == "From 0 to 60 s."
    assert not form.inject.isEnabled()
    delay.clear()
    QTest.keyClicks(delay, "0.4")
    spec = form.spec()
    assert spec is not None
    assert spec.options == {"delay": 0.4}
    assert spec.seconds == 30.0, "the default of its kind stands in the field"


def test_a_choice_and_a_number_reach_the_engine(open_page: Open) -> None:
    page = open_page(FakeDesk())
    page.faults.kinds.choose(FaultKind.POISON)
    editors = page.faults.form.editors
    editors["how"].widget.setCurrentText("segv")
    spec = page.faults.form.spec()
    assert spec is not None
    assert spec.options == {"count": 3, "how": "segv"}
    assert spec.seconds is None, "it is done in a moment"


def test_presets_are_one_click_and_say_what_it_costs(open_page: Open, qtbot: QtBot) -> None:
    desk = certain()
    page = open_page(desk)
    kill, cut = page.faults.presets[0], page.faults.presets[-1]
    qtbot.waitUntil(lambda: kill.accessibleName() == "Kill a worker: w1: 2 lost, 6 come back")
    assert cut.accessibleName() == "Cut the network: needs the relay"
    QTest.mouseClick(kill, Qt.MouseButton.LeftButton)
    assert desk.called("inject") == [(FaultSpec(FaultKind.KILL_WORKER, Target()),)]


def test_from_another_page_a_toast_tells_and_undoes(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk, "overview")
    page.shell.commands["lab.freeze"].trigger()
    qtbot.waitUntil(lambda: bool(page.shell.toasts.shown))
    toast = page.shell.toasts.shown[-1]
    assert toast.text.startswith("Freeze a worker")
    undo = next(b for b in toast.findChildren(QPushButton) if b.text() == "Undo")
    QTest.mouseClick(undo, Qt.MouseButton.LeftButton)
    assert desk.called("undo_fault") == [(1,)]
    qtbot.waitUntil(lambda: not page.shell.commands["lab.undo"].isEnabled())
    page.shell.lab_commands.undo(1)
    assert desk.called("undo_fault") == [(1,)], "what is over is not undone again"


def test_kinds_are_chosen_by_keys(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.shell.activateWindow()
    row = page.faults.kinds.rows[FaultKind.KILL_WORKER]
    row.setFocus()
    QTest.keyClick(row, Qt.Key.Key_Down)
    assert page.faults.form.title.text() == "Warm shutdown (SIGTERM)"
    assert QApplication.focusWidget() is page.faults.kinds.rows[FaultKind.WARM]


def test_a_menu_of_a_worker_leads_here_with_it_chosen(open_page: Open) -> None:
    page = open_page(FakeDesk(), "workers")
    page.shell.commands["worker.faults:w2"].trigger()
    lab = page.shell.page
    assert isinstance(lab, LabPage)
    spec = lab.faults.form.spec()
    assert spec is not None
    assert spec.target == Target(Pick.NAME, "w2")


# -- after it


def test_a_fault_that_lasts_is_undone_from_its_card(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    page.faults.kinds.choose(FaultKind.FREEZE_WORKER)
    qtbot.waitUntil(page.faults.form.inject.isEnabled)
    QTest.mouseClick(page.faults.form.inject, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: 1 in page.faults.done.cards)
    card = page.faults.done.cards[1]
    assert card.pill.word == "Under way"
    qtbot.waitUntil(card.undo.isVisible)
    assert "left" in card.undo.accessibleName()
    QTest.mouseClick(card.undo, Qt.MouseButton.LeftButton)
    assert desk.called("undo_fault") == [(1,)]
    qtbot.waitUntil(lambda: card.pill.word == "Over")
    assert not card.undo.isVisible()


def test_what_was_done_is_told_where_it_stands_below(open_page: Open, qtbot: QtBot) -> None:
    desk = certain()
    page = open_page(desk)
    window, view = page.window(), page.faults
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: view.done_in_sight)
    qtbot.waitUntil(view.form.inject.isEnabled)
    QTest.mouseClick(view.form.inject, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: 1 in view.done.cards)
    assert page.shell.toasts.shown == []
    window.resize(1024, 680)
    qtbot.waitUntil(lambda: not view.done_in_sight and view._both.verticalScrollBar().maximum() > 100)
    assert view.done.cards[1].visibleRegion().isEmpty()
    QTest.mouseClick(view.form.inject, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(page.shell.toasts.shown) == 1)
    show = page.shell.toasts.shown[0].findChildren(QPushButton)[0]
    assert show.text() == "Show"
    QTest.mouseClick(show, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: 2 in view.done.cards and not view.done.cards[2].visibleRegion().isEmpty())


def test_undo_of_the_last_fault_is_a_verb(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    desk.faults = made_faults(desk.clock())
    page = open_page(desk)
    qtbot.waitUntil(page.undo.isVisible)
    page.shell.commands["lab.undo"].trigger()
    assert desk.called("undo_fault") == [(4,)]
    qtbot.waitUntil(lambda: not page.shell.commands["lab.undo"].isEnabled())
    assert not page.undo.isVisible()


def test_forecast_and_outcome_stand_side_by_side(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    desk.faults = made_faults(desk.clock())
    card = open_page(desk).faults.done.cards[2]
    word, said, came = (cell.text() for cell in card.comparison.cells["lost"])
    assert (word, said, came) == ("lost", "2", "≠ 3")
    assert card.differs.text().startswith("Not as forecast: 3 tasks were lost; 2 were foretold.")
    qtbot.waitUntil(card.differs.isVisible)


@pytest.mark.parametrize(
    ("outcome", "sure", "words"),
    [
        (Outcome(settled=True), True, "Nothing was lost, as forecast."),
        (Outcome(settled=True), False, "Nothing was lost."),
        (Outcome(settled=False, still=3), True, "Nothing was lost so far."),
        (None, True, "Forecast: nothing is lost."),
    ],
)
def test_two_rows_of_zeros_are_told_in_words(
    open_page: Open, outcome: Outcome | None, sure: bool, words: str
) -> None:
    desk = FakeDesk()
    calm = Forecast(t=0.0, targets=("w1",), sentences=(), sure=sure)
    desk.faults = (replace(made_faults(desk.clock())[0], forecast=calm, outcome=outcome),)
    comparison = open_page(desk).faults.done.cards[1].comparison
    assert comparison.nothing.text() == words
    assert [cell.isHidden() for cells in comparison.cells.values() for cell in cells] == [True] * (
        3 * len(comparison.cells)
    )


def test_what_missed_says_why(open_page: Open) -> None:
    desk = FakeDesk()
    desk.faults = made_faults(desk.clock())
    card = open_page(desk).faults.done.cards[3]
    assert card.pill.word == "Missed"
    assert card.text.text() == "No worker goes through the relay."
    assert not card.comparison.isVisible()
    assert not card.undo.isVisible()


def test_outcomes_are_asked_for_until_they_are_settled(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    killed = made_faults(desk.clock())[0]
    desk.faults = (replace(killed, outcome=None),)
    done = open_page(desk).faults.done
    card = done.cards[1]
    assert card.still.text() == "Not judged yet."
    desk.outcomes[1] = Outcome(settled=False, still=4)
    turn(done, 20)
    qtbot.waitUntil(lambda: card.still.text() == "4 of its tasks are not over yet.")
    desk.outcomes[1] = Outcome(True, ("a", "b"), back=tuple("cdefgh"), first_back=3490.0)
    turn(done, 20)
    qtbot.waitUntil(lambda: card.comparison.cells["lost"][2].text() == "2")
    asked = len(desk.called("judge_faults"))
    turn(done, 60)
    assert len(desk.called("judge_faults")) == asked, "nothing is asked once all is settled"


def test_the_account_is_a_sum_with_ids_that_lead_on(
    open_page: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FakeDesk()
    desk.the_account = ACCOUNT
    page = open_page(desk)
    account = page.faults.done.account
    qtbot.waitUntil(lambda: account.parts["lost"].number == 5 if "lost" in account.parts else False)
    numbers = [part.number for part in account.parts.values()]
    assert numbers[0] == sum(numbers[1:]) == 2000
    went: list[tuple[str, str]] = []
    monkeypatch.setattr(page.shell, "go", lambda key, about="": went.append((key, about)))
    QTest.mouseClick(account.lost.chips[0], Qt.MouseButton.LeftButton)
    QTest.mouseClick(account.parts["still"], Qt.MouseButton.LeftButton)
    assert went[0] == ("tasks", ACCOUNT.lost[0])
    assert went[1][1].split()[0] == "state:waiting"
    menu = account.lost.open_menu()
    assert [action.text() for action in menu.actions()] == list(ACCOUNT.lost[3:])
    menu.close()


def test_a_fault_leads_to_its_tasks(open_page: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    from desktop.ui.models.task_words import filter_of

    desk = FakeDesk()
    desk.faults = made_faults(desk.clock())
    page = open_page(desk)
    went: list[str] = []
    monkeypatch.setattr(page.shell, "go", lambda _key, about="": went.append(about))
    QTest.mouseClick(page.faults.done.cards[4].tasks, Qt.MouseButton.LeftButton)
    chosen = filter_of(went[0])
    assert chosen is not None
    assert chosen.workers == {"w2"}
    assert chosen.since == pytest.approx(desk.faults[3].landed_at, abs=0.01)


def test_what_went_wrong_is_told(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    qtbot.waitUntil(page.faults.form.inject.isEnabled)
    desk.fail_next = DeskError("w1 was gone before the signal reached it.", "Choose another worker.")
    QTest.mouseClick(page.faults.form.inject, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(page.shell.toasts.shown))
    assert page.shell.toasts.shown[-1].text.startswith("w1 was gone")


# -- when nothing can be broken


def test_a_stopped_stack_is_started_from_here(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    page = open_page(desk)
    qtbot.waitUntil(page.faults.empty.isVisible)
    assert not any(preset.isEnabled() for preset in page.faults.presets)
    QTest.mouseClick(page.faults._empty_button, Qt.MouseButton.LeftButton)
    assert desk.called("start") == [(None,)]
    qtbot.waitUntil(page.faults.form.isVisible)


def test_a_recorded_run_shows_its_faults_and_takes_none(open_page: Open, qtbot: QtBot) -> None:
    from tests.support.fake_record import FakeRecord

    desk = FakeDesk(state=StackState.STOPPED)
    record = FakeRecord(200)
    record.done_to_it = made_faults(desk.clock())
    desk.recorded, desk.shown = Path("runs/run-1"), record
    page = open_page(desk)
    assert list(page.faults.done.cards) == [1, 2, 3, 4]
    assert not page.faults.done.cards[4].undo.isVisible(), "the past is not undone"
    assert page.faults.done.cards[4].pill.word == "Until the end"
    assert "recorded run" in page.faults.empty.sentence.text()
    assert not page.faults._empty_button.isVisible()
    assert not page.shell.commands["lab.undo"].isEnabled()
    assert record.done_to_it[3].state is FaultState.UNDER_WAY
