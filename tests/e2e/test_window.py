"""The window as a person uses it: real clicks, a real stack, workers that really die."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.engine.api import TaskShare, WorkerSnapshot, Workload
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from desktop.ui.app import ALREADY_OPEN, NO_DISPLAY
from desktop.ui.pages.kill_menu import KillMenu
from desktop.ui.pages.logs import LogsPage
from desktop.ui.pages.overview import OverviewPage
from desktop.ui.pages.workers import WorkersPage
from desktop.ui.pages.workloads import WorkloadsPage
from desktop.ui.single import hand_over
from desktop.ui.theme import Scheme, Theme
from desktop.ui.widgets.chart import Chart
from desktop.ui.widgets.chart_plot import Plot
from desktop.ui.widgets.confirm import Confirm
from desktop.ui.window import Window
from tests.support.left import of_home
from tests.support.up import ROOT
from tests.support.waiting import eventually, runs

LEFT = Qt.MouseButton.LeftButton
LONG = 60_000  # ms

# Said by the offscreen platform at each dialog and menu; a real one has these.
pytestmark = pytest.mark.qt_log_ignore(
    "This plugin does not support (propagateSizeHints|raise|grabbing the keyboard)", extend=True
)


class Person:
    """Eyes and a hand at one window."""

    def __init__(self, window: Window, qtbot: QtBot) -> None:
        self.window, self.qtbot = window, qtbot

    def wait(self, condition: Callable[[], object], within: int = LONG) -> None:
        """Until it is so on the screen."""
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=within)

    def click(self, button: QWidget) -> None:
        """Only what can be seen and is allowed can be clicked."""
        assert button.isVisible()
        assert button.isEnabled()
        self.qtbot.mouseClick(button, LEFT)

    def button(self, name: str) -> QAbstractButton:
        """The one button of that accessible name, as soon as it can be seen."""

        def seen() -> list[QAbstractButton]:
            buttons = self.window.findChildren(QAbstractButton)
            return [b for b in buttons if b.accessibleName() == name and b.isVisible()]

        self.wait(lambda: len(seen()) == 1)
        return seen()[0]

    def go(self, page: str) -> QWidget:
        """By the rail."""
        self.click(self.button(page))
        shown = self.window.page
        assert shown is not None
        return shown

    def start(self) -> None:
        """Press *Start*, and wait until the header says that it runs."""
        assert self.window.header.pill.word == "Stopped"
        self.click(self.window.header.start)
        self.wait(lambda: self.window.header.pill.word == "Running")

    def confirm(self, word: str) -> str:
        """Answer the question that is open; what it said would be lost."""
        self.wait(lambda: self.window.findChildren(Confirm))
        (dialog,) = self.window.findChildren(Confirm)
        said = dialog.accessibleDescription()
        self.click(next(b for b in dialog.buttons if b.text() == word))
        return said

    def worker(self, name: str) -> WorkerSnapshot:
        """As the window has it now."""
        found = self.window.bridge.snapshot.worker(name)
        assert found is not None
        return found


@pytest.fixture
def person(qapp: QApplication, qtbot: QtBot, nothing_left: None) -> Iterator[Person]:
    """In front of a fresh window with the default stack."""
    Theme.current.apply(qapp, Scheme.LIGHT)
    desk = LocalDesk(read_stack("laptop"))
    window = Window(desk)
    window.show()
    qtbot.waitUntil(lambda: window.page is not None)
    yield Person(window, qtbot)
    window.close_now()
    desk.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def drawn(chart: Chart, key: str) -> list[float]:
    """The values of a line as they stand in the plot; none while there is no such line."""
    curves = [curve for plot in chart.findChildren(Plot) for curve in plot.curves if curve.line.key == key]
    return [y for curve in curves for y in curve.y if not math.isnan(y)]


def moves(values: list[float]) -> bool:
    """More than a flat line."""
    return len(values) > 3 and max(values) > min(values)


def test_a_workload_moves_every_graph_and_the_pool_grows_and_shrinks(person: Person) -> None:
    person.start()
    workloads = person.go("Workloads")
    assert isinstance(workloads, WorkloadsPage)
    person.wait(lambda: workloads.catalog.rows)
    person.click(person.button("Preset: Mixed, 2,000 tasks"))
    assert workloads.form.count.text() == "2000"
    workloads.form.count.clear()
    person.qtbot.keyClicks(workloads.form.count, "240")
    assert workloads.form.submit.text() == "Submit 240"
    person.click(workloads.form.submit)
    person.wait(lambda: [c for c in workloads.loads.cards.values() if "240 of 240 sent" in c.sent.text()])

    overview = person.go("Overview")
    assert isinstance(overview, OverviewPage)
    person.wait(lambda: 4 in drawn(overview.pool_size, "size:w1"))
    assert person.worker("w1").bounds == (1, 4)
    person.wait(lambda: person.window.bridge.snapshot.totals.succeeded == 240)
    person.wait(lambda: drawn(overview.pool_size, "size:w1")[-1] == 1)
    person.wait(lambda: drawn(overview.queue_depth, "depth:celery")[-1] == 0)

    assert [line.key for line in overview.cpu.lines] == ["cpu:w1", "cpu:w2"]
    for chart, key in (
        (overview.cpu, "cpu:w1"),
        (overview.cpu, "cpu:w2"),
        (overview.queue_depth, "depth:celery"),
        (overview.pool_size, "size:w1"),
    ):
        assert moves(drawn(chart, key)), key
    assert set(drawn(overview.pool_size, "size:w2")) == {8}
    assert set(drawn(overview.pool_size, "min:w1")) == {1}
    assert set(drawn(overview.pool_size, "max:w1")) == {4}
    assert overview.pool_size.values()["w1"] == "1 of 1–4"
    totals = person.window.bridge.snapshot.totals
    assert (totals.submitted, totals.succeeded, totals.failed) == (240, 240, 0)
    card = person.go("Workloads")
    assert isinstance(card, WorkloadsPage)
    assert next(iter(card.loads.cards.values())).ended.text() == "240 ended, 0 on their way"

    stack = [w.service.pid for w in person.window.bridge.snapshot.workers]
    person.window.close()
    assert not person.window.isVisible()
    person.window.desk.close()
    assert not [pid for pid in stack if pid is not None and runs(pid)]


def test_what_dies_is_shown_and_comes_back_and_the_stack_stops_warm_then_hard(person: Person) -> None:
    person.start()
    page = person.go("Workers")
    assert isinstance(page, WorkersPage)
    detail, header = page.detail, person.window.header
    person.wait(lambda: detail.pill.word == "Ready")

    killed = person.worker("w1").service.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    person.wait(lambda: " was killed by SIGKILL after" in detail.sentence.text())
    assert detail.pill.word in ("Exited", "Backing off")
    assert header.pill.word == "Troubled"
    assert "w1 was killed by SIGKILL" in header.about.text()
    assert "no answer" in page.list.rows["w1"].accessibleName()
    person.wait(lambda: detail.pill.word == "Ready" and header.pill.word == "Running")
    assert person.worker("w1").service.pid != killed
    assert "1\xa0restart" in detail.facts.text()

    kill_a_pool_process(person, page)
    stop_with_tasks_running(person)
    find_in_the_logs(person)

    overview = person.go("Overview")
    assert isinstance(overview, OverviewPage)
    model = overview.events.events
    told = [model.mark(row).text for row in range(model.rowCount())]
    assert [text for text in told if text.startswith("w1 was killed by SIGKILL")]
    assert [text for text in told if text.startswith("w1 answers again")]
    person.window.close()
    assert not person.window.isVisible()


def kill_a_pool_process(person: Person, page: WorkersPage) -> None:
    """By its kill menu; Celery puts another in its place."""
    rows = page.detail.processes.rows
    person.wait(lambda: rows and rows[0].isVisible() and runs(rows[0].pid))
    pid = rows[0].pid
    person.click(rows[0].kill)
    (menu,) = rows[0].kill.findChildren(KillMenu)
    offered = {button.offer.signal: button for button in menu.buttons}
    assert set(offered) >= {"TERM", "KILL", "STOP"}
    person.click(offered["KILL"])
    if person.window.findChildren(Confirm):
        person.confirm("Send SIGKILL")
    person.wait(lambda: not runs(pid))
    person.wait(lambda: rows[0].isVisible() and rows[0].pid != pid and runs(rows[0].pid))
    assert person.worker("w1").service.restarts == 1


def stop_with_tasks_running(person: Person) -> None:
    """Warm, which waits for them; then no longer."""
    header, desk = person.window.header, person.window.desk
    desk.submit(Workload((TaskShare("tasks.sleep", kwargs={"seconds": 600.0}),), count=2)).result(20)
    person.wait(lambda: person.window.bridge.snapshot.totals.running == 2)
    person.wait(lambda: sum(w.busy for w in person.window.bridge.snapshot.workers) == 2)
    person.click(header.stop)
    if person.window.findChildren(Confirm):
        person.confirm("Stop")
    person.wait(lambda: header.waiting.text() == "Waiting for 2 tasks")
    assert header.pill.word == "Stopping"
    person.click(header.kill)
    assert "2 running tasks will be cut off" in person.confirm("Kill")
    person.wait(lambda: header.pill.word == "Stopped")
    assert header.start.isVisible()


def find_in_the_logs(person: Person) -> None:
    """Lines of every service, found by a word, and of one service alone."""
    logs = person.go("Logs")
    assert isinstance(logs, LogsPage)
    person.wait(lambda: {row.line.service for row in logs.model.rows} >= {"broker", "w1", "w2"})
    person.qtbot.keyClicks(logs.search.field, "ready.")
    person.wait(lambda: len(logs.model.hits) >= 3)  # w1 twice, w2
    assert logs.search.count.text().endswith(f" of {len(logs.model.hits)}")
    assert all("ready." in logs.model.rows[hit].line.text for hit in logs.model.hits)
    person.qtbot.mouseDClick(logs.filters.chips["w2"], LEFT)
    assert {row.line.service for row in logs.model.rows} == {"w2"}


# -- the program itself


def program(*argv: str, **env: str) -> subprocess.Popen[str]:
    """`python main.py`, or another module of ours, offscreen."""
    return subprocess.Popen(
        [sys.executable, *(argv or (str(ROOT / "main.py"),))],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_start_ends_well_and_the_first_goes_on() -> None:
    first = program()
    try:
        eventually(lambda: hand_over(None), "the first window listens")
        second = program()
        out, err = second.communicate(timeout=60)
        assert (second.returncode, out.strip(), err) == (0, ALREADY_OPEN, "")
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)
        out, err = first.communicate(timeout=60)
        # All that the offscreen platform can do about it: it was told to come to the front.
        assert (first.returncode, out, set(err.splitlines())) == (
            0,
            "",
            {"This plugin does not support raise()"},
        )
    finally:
        first.kill()
        first.wait()


def test_without_a_display_it_says_so() -> None:
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py")],
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", NO_DISPLAY)


def test_nothing_outlives_a_window_that_is_killed_under_load(desk_home: Path) -> None:
    panel = program("-m", "tests.support.driven_window")
    try:
        assert panel.stdout is not None
        said: set[str] = set()
        while not said >= {"started", "loaded", "running"}:
            line = panel.stdout.readline()
            assert line, panel.communicate()[1]
            said.add(json.loads(line)["said"])
        eventually(lambda: busy(panel.pid), "a worker computes")
        assert len(of_home(desk_home)) >= 9  # the panel, its guardian, broker, web, two workers, pool, load
    finally:
        panel.kill()
        panel.communicate()
    eventually(lambda: not of_home(desk_home), "nothing of the session runs", within=10)


def busy(panel: int) -> bool:
    """Whether something of its ledger says that tasks end."""
    workers = [p for p in psutil.Process(panel).children(recursive=True) if "worker" in p.cmdline()]
    return sum(p.cpu_times().user for p in workers) > 2
