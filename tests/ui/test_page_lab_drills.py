"""The failure lab's drills: chosen, run, followed, halted, judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from desktop.engine.api import Finding, Stage, Underway
from desktop.ui import lab_commands
from desktop.ui.fault_words import repeats_words
from desktop.ui.page import PAGES
from desktop.ui.pages.lab import LabPage
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.support.fake_drill_verbs import drill_of
from tests.support.fake_faults import DRILLS, made_faults, made_verdict

Open = Callable[[FakeDesk], LabPage]


@pytest.fixture
def open_page(make_window: Callable[..., Window], qtbot: QtBot) -> Open:
    """Opens the drills on a fake."""

    def opened(desk: FakeDesk) -> LabPage:
        page = make_window(desk, pages=PAGES, page="lab").page
        QTest.mouseClick(page.views._buttons["drills"], Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: bool(page.drills.list.rows))
        qtbot.waitUntil(lambda: page.drills.detail.spec is not None)
        return page

    return opened


def begin(page: LabPage, desk: FakeDesk, qtbot: QtBot) -> None:
    """Press the button that runs the chosen drill."""
    QTest.mouseClick(page.drills.detail.about.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(page.drills.detail.progress.isVisible)


def end(page: LabPage, desk: FakeDesk, *verdicts: Any, **more: Any) -> None:
    """The drill comes to its end."""
    desk.drill_goes_on(Stage.OVER, share=1.0, verdicts=verdicts, of=max(1, len(verdicts)), **more)
    page.shell.bridge.pull()


def test_the_list_says_what_each_is_known_to_give(open_page: Open) -> None:
    page = open_page(FakeDesk())
    names = [row.accessibleName() for row in page.drills.list.rows.values()]
    assert names[0] == "kill -9 with early acks, known to give FAIL"
    assert names[3] == "Checkout under fire, your own, no verdict is known"
    about = page.drills.detail.about
    assert about.teaches.text() == DRILLS[0].teaches
    assert about.change.text() == DRILLS[0].change
    said = [line.text() for line in about.plan.labels]
    assert "When 2 active on w1: kill the busiest worker." in said
    assert "Expects none lost, none ended twice, none left over, recovered within 10 s." in said


def test_a_file_that_cannot_be_read_says_where(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.drills.choose("half")
    about = page.drills.detail.about
    assert about.problem.text().startswith("Line 7, fault.what:")
    assert not about.run.isEnabled()
    assert about.why.text() == "Mend its file first."


def test_seed_and_repeats_reach_the_engine(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    about = page.drills.detail.about
    QTest.keyClicks(about.seed, "31")
    QTest.mouseClick(about.repeat.more, Qt.MouseButton.LeftButton)
    begin(page, desk, qtbot)
    assert desk.called("start_drill") == [(drill_of(DRILLS[0]), 31, 2)]
    assert not about.run.isEnabled()
    assert page.drills.detail.progress.number.text() == "repeat 1 of 2, seed 31"


def test_without_a_seed_it_is_that_of_the_file(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    assert desk.called("start_drill")[0][1] is None
    about = page.drills.detail.about
    QTest.mouseClick(about.draw, Qt.MouseButton.LeftButton)
    assert about.seed.value() > 0


def test_a_drill_is_followed(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    progress = page.drills.detail.progress
    faults = made_faults(desk.clock())[3:]
    desk.drill_goes_on(Stage.RUNNING, "Waiting until 2 tasks are active on w1", share=0.4, faults=faults)
    qtbot.waitUntil(lambda: progress.doing.text() == "Waiting until 2 tasks are active on w1")
    assert progress.stages.accessibleName() == "Stage: running"
    assert progress.bar.accessibleName().endswith("40%")
    assert progress.faults.accessibleName().startswith("Faults so far: Freeze w2")
    assert page.drills.list.rows["kill-early"].accessibleName().endswith("running…")


@pytest.mark.parametrize("way", ["button", "escape", "verb"])
def test_a_drill_is_halted(open_page: Open, qtbot: QtBot, way: str) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    if way == "button":
        QTest.mouseClick(page.drills.detail.progress.halt, Qt.MouseButton.LeftButton)
    elif way == "escape":
        QTest.keyClick(page.drills.detail.about.seed, Qt.Key.Key_Escape)
    else:
        page.shell.commands["lab.halt"].trigger()
    assert desk.called("halt_drill") == [()]
    qtbot.waitUntil(lambda: page.drills.detail.progress.stages.accessibleName() == "Stage: halting")


def test_escape_without_a_drill_halts_nothing(open_page: Open) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    QTest.keyClick(page.drills.detail.about.seed, Qt.Key.Key_Escape)
    assert desk.called("halt_drill") == []
    assert not page.shell.commands["lab.halt"].isEnabled()


def test_while_a_drill_runs_nothing_else_is_broken(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    page.show_view("faults")
    assert not page.faults.form.inject.isEnabled()
    assert "Halt it first" in page.faults.form.problem.text()
    assert not any(preset.isEnabled() for preset in page.faults.presets)
    qtbot.waitUntil(page.halt.isVisible)  # it can be halted from there too


def test_the_verdict_stands_first_with_its_evidence(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    end(page, desk, made_verdict(desk.clock(), Finding.FAIL, 17))
    card = page.drills.detail.verdict
    qtbot.waitUntil(card.isVisible)
    assert card.banner.accessibleName() == "Verdict: FAIL"
    assert card.reason.text() == "2 of 200 tasks were lost."
    assert "as it is known to give" in card.beside.text()
    assert "✗  lost, at most 0, 2" in card.checks.accessibleName()
    assert "noticed" not in card.recovery.accessibleName()
    assert "1  Kill w1, 12 ms, 520 ms, 2.4 s, 3.1 s, 3.2 s" in card.recovery.accessibleName()
    assert card.account.parts["lost"].number == 2
    assert not card.repeats.isVisible()
    assert not page.drills.detail.progress.isVisible()


def test_repeats_are_summed_up_and_each_can_be_seen(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    now = desk.clock()
    verdicts = [made_verdict(now, Finding.PASS, seed, seed - 16) for seed in range(17, 66)]
    verdicts.insert(1, made_verdict(now, Finding.FAIL, 31, 2))
    end(page, desk, *verdicts)
    card = page.drills.detail.verdict
    assert card.repeats.text() == "49 PASS, 1 FAIL: seed 31"
    assert card.banner.accessibleName() == "Verdict: PASS", "the last one"
    card.which.setCurrentIndex(1)
    card.which.activated.emit(1)
    assert card.banner.accessibleName() == "Verdict: FAIL"
    QTest.mouseClick(card.rerun, Qt.MouseButton.LeftButton)
    assert desk.called("start_drill")[-1] == (drill_of(DRILLS[0]), 31, 1)


def test_many_seeds_are_cut_short() -> None:
    verdicts = (
        *(made_verdict(0.0, Finding.PASS, seed) for seed in range(30)),
        *(made_verdict(0.0, Finding.FAIL, seed) for seed in range(30, 40)),
        made_verdict(0.0, Finding.UNKNOWN, 41),
    )
    assert repeats_words(verdicts) == (
        "30 PASS, 10 FAIL: seeds 30, 31, 32, 33, 34, 35, 36, 37, …, 1 UNKNOWN: seed 41"
    )


def test_a_drill_that_broke_off_says_why(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    end(page, desk, problem="The stack did not start: port 6379 is taken.")
    card = page.drills.detail.verdict
    assert card.banner.accessibleName() == "Verdict: UNKNOWN"
    assert card.reason.text() == "The stack did not start: port 6379 is taken."
    assert not card.report.isVisible()


def test_a_report_that_takes_long_says_how_far_it_is(
    open_page: Open, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    desk.hold = True
    reports: list[Underway[tuple[Path, ...]]] = []
    report_run = desk.report_run

    def held(*asked: Any) -> Underway[tuple[Path, ...]]:
        reports.append(report_run(*asked))
        return reports[-1]

    monkeypatch.setattr(desk, "report_run", held)
    page.shell.lab_commands.report_to(Path("runs/run-1"), tmp_path, ("html",))
    toasts = page.shell.toasts
    qtbot.waitUntil(lambda: len(toasts.shown) == 1)
    toast = toasts.shown[0]
    assert toast.text == "Writing the report of run-1"
    reports[0].share, reports[0].doing = 0.4, "Reading tasks"
    qtbot.waitUntil(lambda: toast.doing.text() == "Reading tasks  40%")
    assert toast.bar.accessibleName() == "Writing the report of run-1: 40%"
    QTest.mouseClick(toast.cancel, Qt.MouseButton.LeftButton)
    assert reports[0].cancelled()
    assert toasts.shown == []


def test_a_report_is_written_and_its_page_opened(
    open_page: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    end(page, desk, made_verdict(desk.clock(), Finding.PASS, 17))
    opened: list[Path] = []
    monkeypatch.setattr(lab_commands, "_open", opened.append)
    wanted: list[tuple[Path, tuple[str, ...]]] = []
    page.drills.report_wanted.disconnect()
    page.drills.report_wanted.connect(lambda folder, formats: wanted.append((folder, formats)))
    menu: QMenu = page.drills.detail.verdict.report.open_menu()
    words = [action.text() for action in menu.actions() if action.text()]
    assert words == ["HTML and open it…", "Markdown…", "JSON…", "JUnit…", "All four…"]
    menu.actions()[0].trigger()
    menu.close()
    assert wanted == [(Path("runs/run-1"), ("html",))]
    page.shell.lab_commands.report_to(Path("runs/run-1"), tmp_path, ("html", "json"))
    qtbot.waitUntil(lambda: opened == [tmp_path / "report.html"])
    assert desk.called("report_run") == [(Path("runs/run-1"), tmp_path, ("html", "json"))]


def test_a_lost_task_of_a_verdict_opens_the_run_it_was_lost_in(open_page: Open, qtbot: QtBot) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    begin(page, desk, qtbot)
    end(page, desk, made_verdict(desk.clock(), Finding.FAIL, 17))
    chip = page.drills.detail.verdict.account.lost.chips[0]
    QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert desk.called("open_run") == [(Path("runs/run-1"),)]
    qtbot.waitUntil(lambda: page.shell.page.objectName() == "tasks")


def test_no_drill_says_what_to_do(make_window: Callable[..., Window], qtbot: QtBot) -> None:
    desk = FakeDesk()
    desk.the_drills = ()
    page = make_window(desk, pages=PAGES, page="lab").page
    page.show_about("drills")
    qtbot.waitUntil(lambda: "drills folder" in page.drills.none.sentence.text())
    qtbot.waitUntil(page.drills.none.isVisible)
