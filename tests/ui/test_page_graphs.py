"""Graphs: which panels, zooming by key, what is asked of the record and when, the live tail, empty places."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, Mark, MarkKind, Series, StackState
from desktop.ui.models.task_words import filter_of
from desktop.ui.page import PAGES
from desktop.ui.pages.graphs import GraphsPage
from desktop.ui.pages.graphs_panels import FIRST, PANELS, names_of
from desktop.ui.pages.graphs_reader import Wish
from desktop.ui.widgets.timeline_run import RunTimeline
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.support.fake_record import FakeRecord
from tests.support.fake_series import SERIES

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key
NOW = 1_790_000_000.0
Open = Callable[..., GraphsPage]


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records() -> Iterator[list[FakeRecord]]:
    made: list[FakeRecord] = []
    yield made
    for record in made:
        record.close()


@pytest.fixture
def open_page(
    make_window: Callable[..., Window], qtbot: QtBot, clock: Clock, records: list[FakeRecord]
) -> Open:
    """Opens the page on a desk with a record; both stand still unless the clock is turned."""

    def opened(live: bool = True, desk: FakeDesk | None = None, **options: object) -> GraphsPage:
        desk = desk or FakeDesk(clock=clock)
        record = FakeRecord(40_000, live=live, clock=clock, **options)  # type: ignore[arg-type]
        records.append(record)
        desk.shown = record
        window = make_window(desk, pages=PAGES, page="graphs")
        page = window.page
        assert isinstance(page, GraphsPage)
        page.shell.bridge.pause()  # turns of the clock are the test's
        return page

    return opened


def near(value: float, off: float = 0.1) -> object:
    """That value, to a tenth: what `pytest.approx` allows of a time is half an hour."""
    return pytest.approx(value, rel=0, abs=off)


def present(value: float) -> object:
    """That moment, or one shortly after it: a living run goes on while a test looks at it."""
    return near(value, 20.0)


def asked(record: FakeRecord) -> list[tuple[tuple[str, ...], float, float, int]]:
    return record.called("series")  # type: ignore[return-value]


def drawn(page: GraphsPage, key: str = "ended") -> bool:
    return page.charts[key].has_data


def turn(page: GraphsPage, clock: Clock, seconds: float = 0.5) -> None:
    """Let half a second pass."""
    clock.now += seconds
    page.shell.bridge.pull()
    for _ in range(5):
        page.tick()


# -- what is there


def test_all_panels_share_the_whole_run(open_page: Open, qtbot: QtBot, records: list[FakeRecord]) -> None:
    page = open_page()
    qtbot.waitUntil(lambda: drawn(page))
    began, now = records[0].span()
    assert (page.axis.since, page.axis.until) == (near(began), present(now))
    assert page.axis.entire
    assert len(asked(records[0])) == 1, "one question for all panels"
    names, since, until, buckets = asked(records[0])[0]
    assert {"ended:", "failed:", "wait50:", "run99:", "cpu:w1", "memory:w1", "depth:celery"} <= set(names)
    assert since < began
    assert until > now
    assert buckets > 300
    assert page.charts["cpu"].accessibleName().startswith("CPU, 4 series: ")
    assert "the whole run" in page.bar.stretch.text()


def test_panels_are_picked_and_remembered(open_page: Open, qtbot: QtBot, records: list[FakeRecord]) -> None:
    page = open_page()
    qtbot.waitUntil(lambda: drawn(page))
    assert page.chips.chosen == FIRST
    assert page.charts["stranded"].isHidden()
    qtbot.mouseClick(page.chips.chips["stranded"], LEFT)
    assert page.charts["stranded"].isVisibleTo(page)
    qtbot.waitUntil(lambda: "stranded:celery" in asked(records[0])[-1][0])
    for key in page.chips.chosen[1:]:
        qtbot.mouseClick(page.chips.chips[key], LEFT)
    assert page.chips.chosen == ("ended",)
    qtbot.mouseClick(page.chips.chips["ended"], LEFT)
    assert page.chips.chosen == ("ended",), "one always stays"
    assert page.shell.memory.get("graphs.panels") == "ended"
    again = GraphsPage(page.shell)
    assert again.chips.chosen == ("ended",)
    again.deleteLater()


def test_lines_are_those_that_were_recorded_in_the_order_of_the_stack() -> None:
    names = names_of([*SERIES, "size:old", "cpu:old", "depth:gone"], ["w2", "w1"], ["mail"])
    assert names.workers[:2] == ("w2", "w1")
    assert names.workers[-1] == "old"
    assert names.queues[0] == "mail"
    assert "gone" in names.queues
    panels = {panel.key: panel.lines(names) for panel in PANELS}
    tones = {line.label: line.tone for line in panels["cpu"]}
    assert tones["w1"] == "worker:w1"
    assert tones["old"].startswith("slot:"), "a worker that is no more has a colour too"
    assert "size:old" in {line.key for line in panels["size"]}
    assert all(panel.lines(names_of([], [], [])) == () for panel in PANELS)


# -- moving


def test_keys_zoom_and_move(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(live=False)
    axis, canvas = page.axis, page.canvas
    whole = axis.span
    canvas.setFocus()
    qtbot.keyClick(canvas, Key.Key_Plus)
    assert axis.span == near(whole / 2)
    middle = (axis.since + axis.until) / 2
    assert middle == near((axis.first + axis.last) / 2)
    since = axis.since
    qtbot.keyClick(canvas, Key.Key_Left)
    assert axis.since == near(since - axis.span / 10)
    qtbot.keyClick(canvas, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert axis.since == near(since + axis.span * 0.4)
    qtbot.keyClick(canvas, Key.Key_Home)
    assert axis.since == near(axis.first)
    qtbot.keyClick(canvas, Key.Key_End)
    assert axis.until == near(axis.last)
    qtbot.keyClick(canvas, Key.Key_Minus)
    assert axis.entire
    axis.show(axis.first, axis.first + 5)
    qtbot.keyClick(canvas, Key.Key_0)
    assert axis.entire
    qtbot.keyClick(canvas, Key.Key_Backspace)
    assert axis.span == near(5)


def test_verbs_are_allowed_where_they_lead_somewhere(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(live=False)
    commands = page.shell.commands
    assert not commands["graphs.out"].isEnabled()
    assert not commands["graphs.back"].isEnabled()
    assert not commands["graphs.live"].isEnabled(), "this run is over"
    button = next(b for b in page.findChildren(QToolButton) if b.accessibleName() == "Zoom in")
    qtbot.mouseClick(button, LEFT)
    assert commands["graphs.out"].isEnabled()
    assert commands["graphs.whole"].isEnabled()
    page.axis.show(page.axis.first, page.axis.first + 1)
    assert not commands["graphs.in"].isEnabled()
    commands["graphs.back"].trigger()
    assert page.axis.span > 1


def test_a_verb_from_the_palette_shows_the_page(open_page: Open) -> None:
    page = open_page()
    page.shell.go("overview")
    page.shell.commands["graphs.in"].trigger()
    assert page.isVisible()


def test_live_follows_the_present_and_can_be_left(open_page: Open, qtbot: QtBot, clock: Clock) -> None:
    page = open_page()
    assert page.bar.live.isChecked()
    page.axis.zoom(0.1)
    turn(page, clock, 60.0)
    assert page.axis.until == present(clock.now)
    qtbot.mouseClick(page.bar.live, LEFT)
    assert not page.axis.following
    until = page.axis.until
    turn(page, clock, 60.0)
    assert page.axis.until == until
    assert not page.bar.live.isChecked()
    qtbot.mouseClick(page.bar.live, LEFT)
    assert page.axis.until == present(clock.now)


def test_tasks_of_the_stretch(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page(live=False)
    went: list[tuple[str, str]] = []
    monkeypatch.setattr(page.shell, "go", lambda key, about="": went.append((key, about)))
    page.axis.show(page.axis.last - 60, page.axis.last - 30)
    page.shell.commands["graphs.tasks"].trigger()
    ((where, about),) = went
    assert where == "tasks"
    chosen = filter_of(about)
    assert chosen is not None
    assert (chosen.since, chosen.until) == (near(page.axis.since), near(page.axis.until))
    assert filter_of("span:now:then") is None


# -- what is asked


def test_a_small_move_asks_for_nothing(open_page: Open, qtbot: QtBot, records: list[FakeRecord]) -> None:
    page = open_page(live=False)
    page.axis.show(page.axis.first + 100, page.axis.first + 900)
    qtbot.waitUntil(lambda: drawn(page) and not page.reader.reading)
    before = len(asked(records[0]))
    page.axis.pan(10)
    page.axis.zoom(0.9)
    assert not page.reader.reading
    assert len(asked(records[0])) == before
    page.axis.zoom(0.2)
    qtbot.waitUntil(lambda: len(asked(records[0])) == before + 1)


def test_the_keyboard_s_focus_is_a_ring_over_the_charts(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(live=False)
    ring = page.canvas.ring
    assert ring is not None
    page.canvas.setFocus(Qt.FocusReason.MouseFocusReason)
    assert not ring.isVisible()
    page.canvas.clearFocus()
    page.canvas.setFocus(Qt.FocusReason.TabFocusReason)
    assert ring.isVisible()
    assert ring.geometry() == page.area.viewport().rect()
    page.resize(page.width() - 60, page.height() - 60)
    qtbot.waitUntil(lambda: ring.geometry() == page.area.viewport().rect())
    assert page.area.viewport().children()[-1] is ring, "nothing lies over it"
    page.canvas.clearFocus()
    assert not ring.isVisible()


def test_one_question_at_a_time_and_the_newest_next(
    open_page: Open, qtbot: QtBot, records: list[FakeRecord]
) -> None:
    page = open_page(live=False, hold=True)
    record = records[0]
    qtbot.waitUntil(lambda: len(asked(record)) == 1)
    assert not drawn(page)
    for part in (100, 50, 20):
        page.axis.show(page.axis.first, page.axis.first + part)
    qtbot.wait(60)
    assert len(asked(record)) == 1, "the first is still under way"
    record.settle("series")
    qtbot.waitUntil(lambda: drawn(page))
    qtbot.waitUntil(lambda: len(asked(record)) == 2)
    assert asked(record)[1][2] - asked(record)[1][1] < 60, "and only the last wish was asked"


def test_an_old_question_is_given_up_for_a_new_one(
    open_page: Open, qtbot: QtBot, records: list[FakeRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(live=False, hold=True)
    record = records[0]
    qtbot.waitUntil(lambda: len(asked(record)) == 1)
    first = record.pending[0][1]
    monkeypatch.setattr("desktop.ui.pages.graphs_reader._PATIENCE", 0.0)
    page.axis.show(page.axis.first + 300, page.axis.first + 310)
    qtbot.waitUntil(lambda: len(asked(record)) == 2)
    assert first.cancelled()
    record.settle("series")
    qtbot.waitUntil(lambda: drawn(page))


def test_a_record_that_cannot_be_read_is_said_in_the_panels(
    open_page: Open, qtbot: QtBot, records: list[FakeRecord]
) -> None:
    page = open_page(live=False, hold=True)
    qtbot.waitUntil(lambda: len(asked(records[0])) == 1)
    records[0].fail_next = DeskError("The record is broken.", "Open another run.")
    records[0].settle("series")
    qtbot.waitUntil(lambda: "The record is broken. Open another run." in page.charts["cpu"].accessibleName())


def test_another_record_begins_afresh(open_page: Open, qtbot: QtBot, clock: Clock) -> None:
    page = open_page()
    page.axis.zoom(0.01)
    desk = page.shell.desk
    assert isinstance(desk, FakeDesk)
    other = FakeRecord(500, live=False, clock=clock)
    desk.shown = other
    page.show_snapshot(page.shell.bridge.snapshot)
    assert page.axis.entire
    assert not page.axis.live
    assert page.axis.last == other.span()[1]
    assert page.axis.marks == other.marks()
    qtbot.waitUntil(lambda: drawn(page))
    desk.shown = None
    page.show_snapshot(page.shell.bridge.snapshot)
    assert page.empty.isVisibleTo(page)


# -- the live tail


def test_the_tail_is_drawn_without_a_question(
    open_page: Open, qtbot: QtBot, clock: Clock, records: list[FakeRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    page.axis.zoom(60 / page.axis.span)
    qtbot.waitUntil(lambda: drawn(page) and not page.reader.reading)
    before = len(asked(records[0]))
    chart = page.charts["ended"]

    def series(name: str, seconds: float = 300.0) -> Series:
        times = [clock.now - 0.5 * k for k in range(5, -1, -1)]
        return Series(array("d", times), array("d", [777.0 if name == "ended:" else 1.0] * 6))

    monkeypatch.setattr(page.shell.desk, "series", series)
    for _ in range(4):
        turn(page, clock)
    assert chart.values()["ended"] == "777/s"
    assert chart.scale_y.top >= 777
    assert len(asked(records[0])) == before


def test_a_long_tail_is_read_anew(
    open_page: Open, qtbot: QtBot, clock: Clock, records: list[FakeRecord]
) -> None:
    page = open_page()
    qtbot.waitUntil(lambda: drawn(page) and not page.reader.reading)
    before = len(asked(records[0]))
    turn(page, clock, 2_000.0)
    qtbot.waitUntil(lambda: len(asked(records[0])) > before)


def test_who_looks_at_the_past_is_left_alone(
    open_page: Open, qtbot: QtBot, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    page.axis.show(page.axis.first, page.axis.first + 20)
    qtbot.waitUntil(lambda: drawn(page) and not page.reader.reading)
    read: list[str] = []
    monkeypatch.setattr(page.shell.desk, "series", lambda name, seconds=300.0: read.append(name))
    turn(page, clock)
    assert read == []


def test_a_live_runs_marks_are_the_snapshots(open_page: Open, clock: Clock) -> None:
    page = open_page()
    mark = Mark(clock.now - 5, MarkKind.KILLED, "w1", "w1 was killed")
    snapshot = page.shell.bridge.snapshot
    page.shell.bridge.snapshot = replace(snapshot, marks=(*snapshot.marks, mark))
    for _ in range(5):
        page.tick()
    assert page.axis.marks[-1] == mark


# -- wishes


def test_what_serves_a_wish() -> None:
    got = Wish(("a", "b"), 0.0, 1000.0, 500)  # 2 s each
    assert Wish(("a",), 100.0, 900.0, 400).served_by(got)
    assert not Wish(("a", "c"), 100.0, 900.0, 400).served_by(got), "a series that was not read"
    assert not Wish(("a",), -1.0, 900.0, 400).served_by(got), "it begins before"
    assert not Wish(("a",), 100.0, 300.0, 400).served_by(got), "too coarse"
    raw = Wish(("a",), 0.0, 100.0, 200)  # the samples themselves
    assert Wish(("a",), 10.0, 11.0, 800).served_by(raw), "finer than the samples tells nothing more"
    padded = Wish(("a",), 0.0, 1.0, 100).padded()
    assert (padded.since, padded.until) == (-5.0, 6.0)
    assert padded.width == near(0.01, 1e-9)


# -- nothing there


def test_without_a_run_it_says_what_to_do(make_window: Callable[..., Window], qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    page = make_window(desk, pages=PAGES, page="graphs").page
    assert isinstance(page, GraphsPage)
    assert page.empty.isVisibleTo(page)
    for verb in ("in", "out", "whole", "live", "back", "tasks"):
        assert not page.shell.commands[f"graphs.{verb}"].isEnabled()
    page.tick()
    page.refresh()


def test_marks_of_a_run_that_is_over_stay_under_their_moments(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(live=False)
    qtbot.waitUntil(lambda: drawn(page))
    strip = page.findChild(RunTimeline)
    assert strip is not None
    for width in (1280, 1920, 1024):
        page.window().resize(width, 800)
        qtbot.waitUntil(lambda width=width: page.width() > width - 240)  # type: ignore[misc]
        assert strip.clusters
        assert [place.x for place in strip.clusters] == [strip._x(p.marks[0].t) for p in strip.clusters]
