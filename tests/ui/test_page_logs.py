"""Logs: the capped and filtered model, the painting list, the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import LogLine, StackState
from desktop.ui.page import PAGES
from desktop.ui.pages.logs import LogsPage
from desktop.ui.widgets.log_view import LogView
from desktop.ui.widgets.log_view_model import LogModel
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

LEFT = Qt.MouseButton.LeftButton
Open = Callable[..., LogsPage]


def line(seq: int, text: str = "", service: str = "w1", level: str = "INFO") -> LogLine:
    """A line of a log."""
    return LogLine(seq, service, 1000.0 + seq, level, text or f"line {seq}")


def texts(model: LogModel) -> list[str]:
    """The rows that are shown."""
    return [row.line.text for row in model.rows]


# -- the model


def test_the_cap_drops_the_oldest_in_blocks() -> None:
    model = LogModel(most=5000)
    gone = sum(model.add([line(i) for i in range(k, k + 500)]) for k in range(0, 12_000, 500))
    assert 5000 <= len(model) < 6000
    assert len(model.rows) == len(model)
    assert gone == 12_000 - len(model)
    assert model.rows[-1].line.seq == 11_999
    assert model.last_seq == 11_999


def test_hits_move_with_what_falls_off() -> None:
    model = LogModel(most=1000)
    model.search("needle")
    model.add([line(i, "needle" if i % 100 == 0 else "hay") for i in range(2500)])
    assert all("needle" in model.rows[hit].line.text for hit in model.hits)
    assert len(model.hits) == sum("needle" in text for text in texts(model))


def test_services_and_levels_filter_what_is_there_and_what_comes() -> None:
    model = LogModel()
    model.add([line(0, "a", "w1", "INFO"), line(1, "b", "w2", "ERROR"), line(2, "c", "w1", "WARNING")])
    model.filter({"w1"}, "WARNING")
    assert texts(model) == ["c"]
    model.add([line(3, "d", "w1", "ERROR"), line(4, "e", "w2", "ERROR"), line(5, "f", "w1", "DEBUG")])
    assert texts(model) == ["c", "d"]
    model.filter(None, "DEBUG")
    assert texts(model) == ["a", "b", "c", "d", "e", "f"]


def test_a_traceback_stays_with_its_error() -> None:
    model = LogModel()
    model.add([line(0, "boom", "w1", "ERROR"), line(1, "fine", "w2"), line(2, "  File x", "w1", "")])
    model.filter(None, "ERROR")
    assert texts(model) == ["boom", "  File x"]


def test_search_is_plain_unless_told_otherwise() -> None:
    model = LogModel()
    model.add([line(0, "Task a[1] ok"), line(1, "task b.2 ok"), line(2, "nothing")])
    assert model.search("a[1]") == ""
    assert model.hits == [0]
    model.search("task")
    assert model.hits == [0, 1], "small letters find both"
    model.search("Task")
    assert model.hits == [0], "a capital letter means it"
    assert model.search(r"[ab][.\[]\d", regex=True) == ""
    assert model.hits == [0, 1]
    assert model.spans(0) == [(5, 8)]


def test_a_broken_regular_expression_is_a_sentence() -> None:
    model = LogModel()
    model.add([line(0, "a(b")])
    assert model.search("a(", regex=True).startswith("Not a regular expression: ")
    assert model.hits == []
    assert model.search("a(") == ""
    assert model.hits == [0]


def test_hits_go_round() -> None:
    model = LogModel()
    model.add([line(i, "x" if i in (2, 5) else "-") for i in range(8)])
    model.search("x")
    assert [model.next_hit(at) for at in (-1, 2, 5)] == [2, 5, 2]
    assert [model.next_hit(at, forward=False) for at in (8, 5, 2)] == [5, 2, 5]
    model.search("y")
    assert model.next_hit(0) == -1


# -- the list


@pytest.fixture
def view(theme: object, qtbot: QtBot) -> LogView:
    """A view of 500 lines, 30 rows high."""
    model = LogModel()
    model.add([line(i) for i in range(500)])
    made = LogView(model)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    made.show_all()
    return made


def test_it_follows_the_end_until_one_scrolls_up(view: LogView, qtbot: QtBot) -> None:
    bar = view.verticalScrollBar()
    assert bar.value() == bar.maximum()
    view.show_added(view.model.add([line(i) for i in range(500, 600)]))
    assert bar.value() == bar.maximum()
    with qtbot.waitSignal(view.following_changed):
        bar.setValue(100)
    assert not view.following
    view.show_added(view.model.add([line(i) for i in range(600, 700)]))
    assert bar.value() == 100, "new lines do not move what is being read"
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert view.following
    assert bar.value() == bar.maximum()


def test_what_is_read_stays_in_place_when_old_lines_fall_off(theme: object, qtbot: QtBot) -> None:
    model = LogModel(most=2000)
    view = LogView(model)
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    view.show_added(model.add([line(i) for i in range(2900)]))
    view.verticalScrollBar().setValue(1500)
    top = model.rows[view._first_row()].line.seq
    view.show_added(model.add([line(i) for i in range(2900, 3100)]))
    assert model.rows[0].line.seq > 0
    assert model.rows[view._first_row()].line.seq == top


def test_wrapping_keeps_the_place_and_makes_room(view: LogView) -> None:
    view.model.add([line(500 + i, "word " * 80) for i in range(50)])
    view.show_all()
    view.follow(False)
    view._move_to(510)
    top = view.model.rows[view._first_row()].line.seq
    before = view.verticalScrollBar().maximum()
    view.wrap(True)
    assert view.verticalScrollBar().maximum() > before
    assert view.model.rows[view._first_row()].line.seq == top
    assert view.horizontalScrollBar().maximum() == 0
    view.wrap(False)
    assert view.horizontalScrollBar().maximum() > 0


def test_lines_are_selected_and_copied(view: LogView, qtbot: QtBot) -> None:
    first = view._first_row()
    qtbot.mouseClick(view.viewport(), LEFT, pos=QPoint(300, 10))
    qtbot.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.ShiftModifier, QPoint(300, 50))
    assert view.selected == 3
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    copied = QGuiApplication.clipboard().text().splitlines()
    assert [text.split()[-1] for text in copied] == [str(first), str(first + 1), str(first + 2)]
    qtbot.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert view.selected == 500
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.selected == 0


def test_the_accessible_name_tells_the_latest_line(view: LogView) -> None:
    assert view.accessibleName() == "Log, 500 lines; the latest: w1 line 499"


# -- the page


@pytest.fixture
def open_page(make_window: Callable[..., Window], qtbot: QtBot) -> Open:
    """Opens the logs page of a desk and waits for lines."""

    def opened(desk: FakeDesk) -> LogsPage:
        page = make_window(desk, pages=PAGES, page="logs").page
        assert isinstance(page, LogsPage)
        if desk.state is not StackState.STOPPED:
            qtbot.waitUntil(lambda: len(page.model) > 100)
        return page

    return opened


def test_a_chip_for_each_service_filters(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    assert list(page.filters.chips) == ["broker", "w1", "w2", "reports"]
    qtbot.mouseClick(page.filters.chips["w1"], LEFT)
    assert "w1" not in {row.line.service for row in page.model.rows}
    qtbot.mouseDClick(page.filters.chips["w2"], LEFT)
    assert {row.line.service for row in page.model.rows} == {"w2"}
    qtbot.mouseClick(page.filters.chips["w2"], LEFT)
    assert {row.line.service for row in page.model.rows} == {"broker", "w1", "w2", "reports"}, (
        "none means all"
    )


def test_levels_filter(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    button = next(b for b in page.filters.levels.findChildren(QToolButton) if b.text() == "Errors")
    qtbot.mouseClick(button, LEFT)
    assert {row.level for row in page.model.rows} == {"ERROR"}


def test_search_counts_and_steps_from_hit_to_hit(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    qtbot.keyClicks(page.search.field, "Scaling up")
    qtbot.waitUntil(lambda: " of " in page.search.count.text())
    at, _, count = page.search.count.text().partition(" of ")
    assert int(count) == len(page.model.hits)
    assert "Scaling up" in page.model.rows[page.view.current].line.text
    assert not page.view.following, "a hit is looked at, not run away from"
    qtbot.keyClick(page.search.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert int(page.search.count.text().partition(" of ")[0]) == int(at) - 1
    qtbot.keyClick(page.search.field, Qt.Key.Key_Return)
    assert int(page.search.count.text().partition(" of ")[0]) == int(at)


def test_a_broken_regex_is_told_at_the_field(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    qtbot.mouseClick(page.search.regex_button, LEFT)
    qtbot.keyClicks(page.search.field, "(")
    qtbot.waitUntil(lambda: page.search.count.text() == "not a regex")
    assert page.search.field.toolTip().startswith("Not a regular expression")
    page.search.field.setText("primes|fetch")
    qtbot.waitUntil(lambda: bool(page.model.hits))
    assert page.search.field.toolTip() == ""


def test_follow_and_wrap_are_buttons(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.view.verticalScrollBar().setValue(10)
    assert not page.options.follow.isChecked()
    qtbot.mouseClick(page.options.follow, LEFT)
    assert page.view.following
    qtbot.mouseClick(page.options.wrap, LEFT)
    assert page.view.wrapping


def test_copy_takes_what_is_shown(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.filters.only("w2")
    qtbot.mouseClick(page.options.copy, LEFT)
    copied = QGuiApplication.clipboard().text().splitlines()
    assert len(copied) == len(page.model.rows)
    assert all(" w2 " in text for text in copied)


def test_another_page_can_ask_for_one_service(open_page: Open) -> None:
    page = open_page(FakeDesk())
    page.shell.go("logs", "broker")
    assert {row.line.service for row in page.model.rows} == {"broker"}


def test_ctrl_f_comes_from_any_page(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.shell.go("overview")
    page.shell.commands["logs.find"].trigger()
    assert page.shell.page is page
    assert page.search.field.hasFocus() or page.search.field is page.window().focusWidget()


def test_a_new_run_begins_a_new_list(open_page: Open, qtbot: QtBot) -> None:
    from dataclasses import replace
    from pathlib import Path

    page = open_page(FakeDesk())
    before = page.model.rows[0].line
    snapshot = page.shell.bridge.snapshot
    page.show_snapshot(replace(snapshot, run_folder=Path("runs/another")))
    assert len(page.model) == 0
    page.tick()
    assert page.model.rows[0].line == before, "it is read from its beginning"


def test_before_anything_runs_it_says_what_comes_here(open_page: Open) -> None:
    page = open_page(FakeDesk(state=StackState.STOPPED))
    assert page._empty.isVisible()


def test_a_filter_that_hides_all_says_so(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    page.model.clear()
    page.model.add([line(10_000, "quiet", "w1", "DEBUG")])
    button = next(b for b in page.filters.levels.findChildren(QToolButton) if b.text() == "Errors")
    page.shell.bridge.pause()
    qtbot.mouseClick(button, LEFT)
    assert page._empty.title.text() == "No line passes the filter"
