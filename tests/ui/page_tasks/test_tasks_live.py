"""Tasks while the run goes on: what flows in, what holds still; the graph, and the same by name."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from pytestqt.qtbot import QtBot

from desktop.engine.api import TaskFilter, TaskState
from desktop.ui import fonts
from desktop.ui.models.windows import WINDOW
from desktop.ui.pages.tasks import TasksPage
from tests.support.fake_record import FakeRecord
from tests.ui.tasks_page import NOON, Clock, move_on, settled

LEFT = Qt.MouseButton.LeftButton


# -- the graph


def drag(page: TasksPage, qtbot: QtBot, begin: float, end: float) -> None:
    """From one part of the graph to another (0 to 1)."""
    area = page.list.graph._area()
    points = [area.center().toPoint() for _ in range(2)]
    for point, part in zip(points, (begin, end), strict=True):
        point.setX(round(area.left() + part * area.width()))
    qtbot.mousePress(page.list.graph, LEFT, pos=points[0])
    qtbot.mouseMove(page.list.graph, points[1])
    qtbot.mouseRelease(page.list.graph, LEFT, pos=points[1])


def test_dragging_on_the_graph_chooses_a_span(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page.list.graph.span[0] == record.span()[0])
    since, until = page.list.graph.span
    drag(page, qtbot, 0.25, 0.5)
    settled(page, qtbot)
    chosen = page.list.model.query.filter
    assert chosen.since == pytest.approx(since + (until - since) * 0.25, abs=1.0)
    assert chosen.until == pytest.approx(since + (until - since) * 0.5, abs=1.0)
    assert 0 < page.list.model.matching < 1_500
    assert page.list.filters.span.isVisible()
    qtbot.keyClick(page.list.graph, Qt.Key.Key_Escape)
    settled(page, qtbot)
    assert page.list.model.query.filter.empty
    assert not page.list.filters.span.isVisible()


def test_the_graph_keeps_the_extremes_and_tells_them(page: TasksPage, qtbot: QtBot) -> None:
    graph = page.list.graph
    qtbot.waitUntil(lambda: "at most" in graph.accessibleName() and len(graph._ended) > 20)
    assert any(high > low for _t, low, high in graph._ended)
    qtbot.keyClick(graph, Qt.Key.Key_Left)
    assert "chosen:" in graph.accessibleName()
    first = graph.selected
    qtbot.keyClick(graph, Qt.Key.Key_Right)
    assert graph.selected[0] > first[0]


# -- live


def test_new_rows_flow_in_at_the_top(page: TasksPage, clock: Clock, qtbot: QtBot) -> None:
    first = page.list.model.row(0).number
    move_on(page, clock, 2.0, qtbot)
    assert page.list.model.row(0).number > first
    assert page.list.model.matching > 3_000
    assert not page.list.newer.isVisible()


def test_nothing_is_read_while_nothing_was_written(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    settled(page, qtbot)
    before = len(record.asked)
    for _ in range(12):
        page.tick()
    assert len(record.asked) == before


@pytest.mark.parametrize("why", ["scrolled", "chosen", "menu"])
def test_it_holds_still_under_a_hand(
    page: TasksPage, record: FakeRecord, clock: Clock, qtbot: QtBot, why: str
) -> None:
    table, model = page.list.table, page.list.model
    if why == "scrolled":
        table.verticalScrollBar().setValue(300)
    elif why == "chosen":
        table.choose(3)
    else:
        table.menu_open = True
    page.list.tick(NOON)
    before = [model.row(at).number for at in range(40)]
    count = model.matching
    move_on(page, clock, 4.0, qtbot)
    page.list.tick(NOON)
    assert [model.row(at).number for at in range(40)] == before
    assert model.matching == count
    assert model.newer == record.moment().count - 3_000 > 100
    assert page.list.newer.text() == f"{model.newer:,} new tasks"
    table.menu_open = False
    qtbot.mouseClick(page.list.newer, LEFT)
    settled(page, qtbot)
    assert model.row(0).number == record.moment().count
    assert table.at_top
    assert not page.list.newer.isVisible()


def test_cells_of_a_held_list_still_change(page: TasksPage, clock: Clock, qtbot: QtBot) -> None:
    model = page.list.model
    page.list.table.choose(3)
    assert model.row(0).state is TaskState.WAITING
    number = model.row(0).number
    changed: list[int] = []
    model.dataChanged.connect(lambda first, _last: changed.append(first.row()))
    move_on(page, clock, 6.0, qtbot)
    assert model.row(0).number == number
    assert model.row(0).state is not TaskState.WAITING
    assert 0 in changed


def test_a_held_list_of_states_keeps_who_left_it(
    page: TasksPage, record: FakeRecord, clock: Clock, qtbot: QtBot
) -> None:
    page.list.filters.choose(TaskFilter(states=frozenset({TaskState.WAITING, TaskState.RESERVED})))
    settled(page, qtbot)
    page.list.table.choose(0)
    rows = page.list.model.matching
    move_on(page, clock, 6.0, qtbot)
    assert page.list.model.matching == rows
    assert page.list.model.row(0).state not in (TaskState.WAITING, TaskState.RESERVED)
    assert page.list.model.newer > 0


def test_home_goes_where_tasks_come_in(page: TasksPage, clock: Clock, qtbot: QtBot) -> None:
    table = page.list.table
    qtbot.keyClick(table, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: table.currentIndex().row() == page.list.model.matching - 1)
    move_on(page, clock, 2.0, qtbot)
    qtbot.keyClick(table, Qt.Key.Key_Home)
    settled(page, qtbot)
    assert table.at_top
    assert not page.list.model.held


def test_another_record_begins_anew(page: TasksPage, qtbot: QtBot) -> None:
    desk = page.shell.desk
    desk.shown = FakeRecord(800, clock=lambda: NOON)  # type: ignore[attr-defined]
    page.show_snapshot(page.shell.bridge.snapshot)
    qtbot.waitUntil(lambda: page.list.model.total == 800)
    assert page.list.model.rowCount() == 800


# -- by name


def test_groups_are_sorted_and_lead_to_their_tasks(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    page.list.mode._buttons["groups"].click()
    groups = page.list.groups
    qtbot.waitUntil(lambda: groups.groups.rowCount() > 0)
    assert page.list.stage.currentWidget() is groups
    counts = [groups.groups.group(at).count for at in range(groups.groups.rowCount())]
    assert counts == sorted(counts, reverse=True)
    groups.horizontalHeader().sectionClicked.emit(3)
    worst = groups.groups.group(0)
    assert worst.name.endswith("recompute_the_totals_of_all_open_orders")
    assert "%" in str(groups.groups.index(0, 3).data())
    groups.clicked.emit(groups.groups.index(0, 0))
    settled(page, qtbot)
    assert page.list.stage.currentWidget() is page.list.table
    assert page.list.model.query.filter.names == {worst.name}
    assert page.list.model.matching == worst.count


@pytest.mark.parametrize("width", [1024, 1280, 1920])
def test_no_figure_by_name_is_ever_cut(page: TasksPage, record: FakeRecord, qtbot: QtBot, width: int) -> None:
    page.window().resize(width, 800)
    page.list.mode._buttons["groups"].click()
    table = page.list.groups
    qtbot.waitUntil(lambda: table.groups.rowCount() > 0 and table.isVisible())
    metrics = QFontMetrics(fonts.font("text"))
    shown = [at for at in range(1, table.groups.columnCount()) if not table.isColumnHidden(at)]
    for at in shown:
        for row in range(table.groups.rowCount()):
            figure = str(table.groups.index(row, at).data())
            assert metrics.horizontalAdvance(figure) + 2 * 8 <= table.columnWidth(at), figure
    if width >= 1280:
        assert table.horizontalHeader().length() <= table.viewport().width(), "all of it is in sight"


def test_groups_follow_the_filter(page: TasksPage, record: FakeRecord, qtbot: QtBot) -> None:
    page.list.mode._buttons["groups"].click()
    page.list.filters.choose(TaskFilter(queues=frozenset({"mail"})))
    settled(page, qtbot)
    names = {"tasks.trouble.flaky", "shop.mail.send_the_order_confirmation"}
    qtbot.waitUntil(lambda: page.list.groups.groups.rowCount() == 2)
    assert {page.list.groups.groups.group(at).name for at in range(2)} == names
    assert record.called("groups")[-1] == (TaskFilter(queues=frozenset({"mail"})),)


def test_rows_that_did_not_change_are_not_drawn_again(
    page: TasksPage, record: FakeRecord, qtbot: QtBot
) -> None:
    changed: list[int] = []
    page.list.model.dataChanged.connect(lambda first, _last: changed.append(first.row()))
    record.version_ahead += 1  # something else was written
    page.list.model.refresh()
    settled(page, qtbot)
    assert changed == []
    assert record.called("tasks")[-1][1:] == (0, WINDOW), "it did look"


def test_all_of_the_filter_row_is_equally_tall(page: TasksPage) -> None:
    bar = page.list.filters
    row = (bar.text, bar.text_in, bar.names, bar.queues, bar.workers, bar.twice, bar.retried)
    assert {(widget.y(), widget.height()) for widget in row} == {(bar.text.y(), bar.names.height())}
