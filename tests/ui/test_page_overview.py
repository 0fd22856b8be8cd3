"""Overview: the picture, the figures, the graphs, the events, and Start before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from desktop.engine.api import LoadState, MarkKind, StackState, State
from desktop.engine.stack.model import Autoscale, Persistence, Pool, WorkerSpec
from desktop.ui.page import PAGES
from desktop.ui.pages.overview import OverviewPage
from desktop.ui.pages.overview_start import broker_sentence, worker_sentence
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def open_page(make_window: Callable[..., Window], qtbot: QtBot) -> Callable[[FakeDesk], OverviewPage]:
    """Opens the overview of a desk and waits for its charts."""

    def opened(desk: FakeDesk) -> OverviewPage:
        window = make_window(desk, pages=PAGES, page="overview")
        page = window.page
        assert isinstance(page, OverviewPage)
        if desk.state is not StackState.STOPPED:
            qtbot.waitUntil(lambda: "series: w1" in page.pool_size.accessibleName(), timeout=20_000)
        return page

    return opened


def test_before_start_it_says_what_will_be_started_and_starts_it(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    page = open_page(desk)
    assert page.start.isVisible()
    assert not page.flow.isVisible()
    assert page.start.name.text() == "Start laptop"
    button = next(b for b in page.start.findChildren(QPushButton) if b.accessibleName() == "Start")
    qtbot.mouseClick(button, LEFT)
    assert desk.called("start") == [(None,)]
    qtbot.waitUntil(page.flow.isVisible)
    assert not page.start.isVisible()


def test_another_stack_can_be_taken_before_start(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    page = open_page(desk)
    button = next(b for b in page.start.findChildren(QPushButton) if b.text() == "gevent")
    qtbot.mouseClick(button, LEFT)
    assert desk.called("open_stack") == [("gevent",)]


def test_what_will_be_started_in_words() -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    broker = desk.spec.broker
    assert broker_sentence(broker) == "on a free port, keeps nothing over a restart"
    kept = replace(broker, port=6400, persistence=Persistence.APPEND_ONLY)
    assert broker_sentence(kept) == "on port 6400, keeps every message over a restart"
    scales = WorkerSpec("a", autoscale=Autoscale(1, 4), queues=("celery", "mail"))
    assert (
        worker_sentence(scales) == "prefork, 1 to 4 processes, as the load asks, takes from celery and mail"
    )
    assert (
        worker_sentence(WorkerSpec("b", Pool.THREADS, concurrency=1))
        == "threads, 1 thread, takes from celery"
    )
    assert worker_sentence(WorkerSpec("c", Pool.SOLO)) == "solo, 1 task at a time, takes from celery"
    assert (
        worker_sentence(WorkerSpec("d", Pool.GEVENT))
        == "gevent, one greenlet per CPU core, takes from celery"
    )


def test_nodes_of_the_picture_go_to_their_pages(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(FakeDesk())
    went: list[tuple[str, str]] = []
    monkeypatch.setattr(page.shell, "go", lambda key, about="": went.append((key, about)))
    qtbot.mouseClick(page.flow.workers["w2"], LEFT)
    qtbot.mouseClick(page.flow.load, LEFT)
    qtbot.mouseClick(page.flow.broker, LEFT)
    page.flow.workers["w1"].setFocus()
    qtbot.keyClick(page.flow.workers["w1"], Qt.Key.Key_Space)
    assert went == [("workers", "w2"), ("workloads", ""), ("logs", "broker"), ("workers", "w1")]


def test_a_dead_worker_is_told_by_word_and_its_line_stands_still(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    desk.push("w2", State.EXITED, "w2 was killed by SIGKILL after 12 s, while it ran 2 tasks")
    node = page.flow.workers["w2"]
    qtbot.waitUntil(lambda: "exited" in node.accessibleName())
    assert not node.working
    assert node.toolTip() == "w2 was killed by SIGKILL after 12 s, while it ran 2 tasks"


def test_a_queue_that_nobody_consumes_is_said_loudly(
    open_page: Callable[[FakeDesk], OverviewPage],
) -> None:
    page = open_page(FakeDesk())
    snapshot = page.shell.bridge.snapshot
    page.flow.show_snapshot(replace(snapshot, queues=(replace(snapshot.queues[0], consumers=()),)))
    assert "no worker takes from it" in page.flow.broker.accessibleName()


def test_the_load_node_says_how_far_it_is(open_page: Callable[[FakeDesk], OverviewPage]) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    assert page.flow.load.sending
    assert "1,104 of 2,000 sent" in page.flow.load.accessibleName()
    done = tuple(replace(load, state=LoadState.DONE) for load in desk.loads)
    page.flow.load.show_loads(done)
    assert not page.flow.load.sending
    assert "no workload" in page.flow.load.accessibleName()


def test_figures_of_the_account(open_page: Callable[[FakeDesk], OverviewPage]) -> None:
    page = open_page(FakeDesk())
    page.stats.show_snapshot(page.shell.bridge.snapshot)
    totals = page.shell.bridge.snapshot.totals
    assert page.stats.done.number.text() == f"{totals.succeeded:,}"
    assert page.stats.twice.number.text() == "2"
    assert page.stats.twice.hint.text() == "2 cut off"
    waiting = sum(q.waiting for q in page.shell.bridge.snapshot.queues)
    assert page.stats.waiting.number.text() == f"{waiting:,}"


def test_the_graphs_show_every_worker_and_queue(open_page: Callable[[FakeDesk], OverviewPage]) -> None:
    page = open_page(FakeDesk())
    assert set(page.cpu.values()) == {"w1", "w2", "reports"}
    assert set(page.queue_depth.values()) == {"celery", "mail", "reports", "unacked"}
    assert page.pool_size.values()["w1"].endswith("of 1–4")


def test_events_are_sentences_the_newest_first_and_put_the_cross_hair_there(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    model = page.events.model()
    texts = [model.index(row, 0).data() for row in range(model.rowCount())]
    assert texts == [mark.text for mark in reversed(desk.snapshot().marks)]
    killed = next(
        row for row in range(model.rowCount()) if page.events.events.mark(row).kind is MarkKind.KILLED
    )
    place = page.events.visualRect(model.index(killed, 0)).center()
    qtbot.mouseClick(page.events.viewport(), LEFT, pos=place)
    axis = page.graphs.axis
    assert axis.cross == pytest.approx(page.events.events.mark(killed).t - axis.now, abs=1.0)


def test_new_events_come_in_at_the_top_without_a_reset(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    page = open_page(FakeDesk())
    marks = page.shell.bridge.snapshot.marks
    events = page.events.events
    with qtbot.waitSignal(events.rowsInserted):
        events.show_marks((*marks, replace(marks[-1], text="one more")))
    assert events.mark(0).text == "one more"


def test_the_time_shown_can_be_chosen(open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot) -> None:
    page = open_page(FakeDesk())
    button = next(b for b in page.graphs.spans.children() if getattr(b, "text", lambda: "")() == "1m")
    qtbot.mouseClick(button, LEFT)
    assert page.graphs.axis.span == 60.0


def test_dots_move_only_while_tasks_flow(open_page: Callable[[FakeDesk], OverviewPage]) -> None:
    desk = FakeDesk()
    page = open_page(desk)
    assert page.flow.flowing >= 1
    stopped = FakeDesk(state=StackState.STOPPED).snapshot()
    page.flow.show_snapshot(stopped)
    assert page.flow.flowing == 0


def test_a_stack_that_was_stopped_keeps_its_graphs(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    page = open_page(FakeDesk())
    ended = replace(page.shell.bridge.snapshot, state=StackState.STOPPED)
    page.show_snapshot(ended)
    assert page.flow.isVisible()
    assert page.graphs.isVisible()


def test_a_young_stack_is_shown_closer_until_a_person_chooses(
    open_page: Callable[[FakeDesk], OverviewPage], qtbot: QtBot
) -> None:
    page = open_page(FakeDesk())
    snapshot = page.shell.bridge.snapshot
    page.shell.bridge.pause()
    young = replace(snapshot, started_at=snapshot.t - 20)
    page.graphs.feed(page.shell.desk, young)
    assert page.graphs.axis.span == 60.0
    page.graphs.feed(page.shell.desk, replace(snapshot, started_at=snapshot.t - 90))
    assert page.graphs.axis.span == 300.0
    button = next(b for b in page.graphs.spans.findChildren(QToolButton) if b.text() == "15m")
    qtbot.mouseClick(button, LEFT)
    page.graphs.feed(page.shell.desk, young)
    assert page.graphs.axis.span == 900.0


def test_a_long_sentence_is_told_whole(open_page: Callable[[FakeDesk], OverviewPage]) -> None:
    page = open_page(FakeDesk())
    page.shell.bridge.pause()
    mark = page.shell.bridge.snapshot.marks[-1]
    page.events.events.show_marks([mark, replace(mark, text="w2 was killed by SIGKILL " * 4)])
    short, long = (page.events.sizeHintForRow(row) for row in (1, 0))
    assert long > short
