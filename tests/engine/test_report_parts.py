"""The parts of a report: log lines out of large files, axes, curves, lanes; and the process that makes it."""

from __future__ import annotations

import math
import os
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from desktop.engine.api import DeskError, FaultRecord, Finding, TaskState
from desktop.engine.desk import LocalDesk
from desktop.engine.ledger.records import Task
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.writing.store import Store
from desktop.engine.report.lanes import BrokenAxis, lanes_of
from desktop.engine.report.logs import LINES, around_faults
from desktop.engine.report.model import Curve, Graph
from desktop.engine.report.plot import Axis, plot_of
from desktop.engine.report.story import story_of
from desktop.engine.stack.model import StackSpec
from tests.support.fake_faults import made_faults
from tests.support.made_report import BEGAN, made_report
from tests.support.waiting import eventually, runs

# -- log lines


def fault_at(t: float, ended: float | None = None, number: int = 1) -> FaultRecord:
    return replace(made_faults(t)[0], id=number, landed_at=t, ended_at=ended if ended is not None else t)


def write_log(path: Path, lines: list[tuple[float, str, str]], zone: float = 0.0) -> None:
    """A worker's log, written when its last line was."""
    path.parent.mkdir(exist_ok=True)
    told = []
    for t, level, text in lines:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(t - zone))
        told.append(f"[{stamp},{int(t % 1 * 1000):03d}: {level}/MainProcess] {text}\n")
    path.write_text("".join(told), encoding="utf-8")
    os.utime(path, (lines[-1][0], lines[-1][0]))


@pytest.mark.parametrize("zone", [0.0, 5.5 * 3600])
def test_lines_round_a_fault_are_found_anywhere_in_a_long_file(tmp_path: Path, zone: float) -> None:
    lines = [(BEGAN + n / 50, "INFO", f"line {n} {'x' * (n % 90)}") for n in range(60_000)]  # 20 minutes
    lines[30_300] = (BEGAN + 606, "ERROR", "the one that matters")
    write_log(tmp_path / "logs" / "w1.001.log", lines, zone)
    for at in (3.0, 600.0, 1195.0):
        (one,) = around_faults(tmp_path / "logs", [fault_at(BEGAN + at)], ())
        shown = one.services["w1"]
        assert len(shown) == LINES
        assert all(abs(line.t - BEGAN - at) <= 10 for line in shown)
        assert [line.t for line in shown] == sorted(line.t for line in shown)
        expected = sum(abs(t - BEGAN - at) <= 10.0005 for t, _, _ in lines)
        assert abs(one.left_out["w1"] + LINES - expected) <= 1
        if at == 600.0:
            assert "the one that matters" in [line.text for line in shown], "warnings and errors go first"


def test_more_than_is_read_of_a_flood_is_said_to_be_more(tmp_path: Path) -> None:
    lines = [(BEGAN + n / 4000, "INFO", "x" * 60) for n in range(100_000)]  # 25 s, 10 MB
    write_log(tmp_path / "logs" / "w1.001.log", lines)
    (one,) = around_faults(tmp_path / "logs", [fault_at(BEGAN + 12)], ())
    assert one.more
    assert all(abs(line.t - BEGAN - 12) < 1 for line in one.services["w1"]), "the nearest"


def test_a_fault_that_lasts_is_told_of_at_both_ends(tmp_path: Path) -> None:
    lines = [(BEGAN + n, "INFO", f"second {n}") for n in range(200)]
    write_log(tmp_path / "logs" / "w1.001.log", lines)
    write_log(tmp_path / "logs" / "w2.001.log", lines[:5])
    (one,) = around_faults(tmp_path / "logs", [fault_at(BEGAN + 50, BEGAN + 120)], ())
    assert set(one.services) == {"w1"}
    said = [line.text for line in one.services["w1"]]
    assert said[0] == "second 40"
    assert said[-1] == "second 130"
    assert "second 90" not in said


def test_files_without_times_and_folders_without_files_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "w1.001.log").write_text("Segmentation fault\n" * 3)
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "none"):
        (one,) = around_faults(folder, [fault_at(BEGAN)], ())
        assert one.services == {}


# -- graphs


def curve(values: list[float], worker: int | None = None) -> Curve:
    low = array("d", (value / 2 for value in values))
    return Curve("w1", worker, low, array("d", values), array("d", values))


def test_a_hole_in_the_samples_is_a_hole_in_the_curve_and_a_late_sample_is_none() -> None:
    t = array("d", (BEGAN + n for n in range(10)))
    nan = math.nan
    graph = Graph("CPU", "%", t, (curve([1, 2, nan, 3, nan, nan, nan, nan, 4, 5], worker=3),))
    (shape,) = plot_of(graph, Axis(BEGAN, BEGAN + 9, BEGAN)).shapes
    assert shape.line.count("M") == 2
    assert shape.line.startswith("M0.0 83.33 111.1 66.67")
    assert shape.color == "c3"


def test_the_axis_has_round_numbers_and_its_top_is_one() -> None:
    axis = Axis(BEGAN - 4, BEGAN + 116, BEGAN)
    assert [tick.text for tick in axis.ticks()] == [f"{n} s" for n in range(0, 120, 15)]
    assert [tick.text for tick in Axis(BEGAN, BEGAN + 7000, BEGAN).ticks()][:3] == ["0 s", "15 min", "30 min"]
    graph = Graph("CPU", "%", array("d", [BEGAN]), (curve([170.0]),))
    assert [tick.text for tick in plot_of(graph, axis).ticks] == ["0", "100", "200"]


def test_faults_that_are_near_to_each_other_share_a_number() -> None:
    faults = [fault_at(BEGAN + at, number=number) for number, at in enumerate((10, 10.5, 11, 60), 1)]
    numbers = Axis(BEGAN, BEGAN + 100, BEGAN).numbers(faults)
    assert [tick.text for tick in numbers] == ["1–3", "4"]


def test_time_is_drawn_shorter_where_nothing_ran_for_most_of_it() -> None:
    moments = [0.0, 0.01, 5.0, 3600.0, 3605.0]
    axis = BrokenAxis(moments, [(0.01, 5.0), (3600.0, 3605.0)])
    assert axis.gap == (5.0, 3600.0)
    places = [axis.share(moment) for moment in moments]
    assert places == sorted(places)
    assert places[4] - places[3] > 30, "the second run can be seen"
    assert BrokenAxis([0.0, 1.0, 100.0], [(1.0, 100.0)]).gap is None, "a run that lasts is no gap"


# -- its process


@pytest.fixture
def desk() -> Iterator[LocalDesk]:
    desk = LocalDesk(StackSpec("empty"))
    yield desk
    desk.close()


def children() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children()
        if "desktop.engine.report.process" in " ".join(one.cmdline())
    ]


def test_the_desk_has_it_made_by_a_process_that_ends_with_it(desk: LocalDesk, tmp_path: Path) -> None:
    folder = made_report(tmp_path / "20260921-151320-shop", finding=Finding.PASS)
    written = desk.report_run(folder, tmp_path / "out", ("html", "junit")).result(60)
    assert [path.name for path in written] == ["20260921-151320-shop.html", "20260921-151320-shop.junit.xml"]
    assert all(path.stat().st_size > 1000 for path in written)
    assert not children()


def test_what_goes_wrong_there_is_told_here(desk: LocalDesk, tmp_path: Path) -> None:
    with pytest.raises(DeskError, match="There is no"):
        desk.report_run(tmp_path / "none", tmp_path, ("html",)).result(60)


def test_cancelled_it_writes_nothing_and_its_process_is_gone(desk: LocalDesk, tmp_path: Path) -> None:
    folder = made_report(tmp_path / "20260921-151320-shop")
    future = desk.report_run(folder, tmp_path / "out", ("html",))
    process = eventually(children, "the report's process")[0]
    assert future.cancel()
    eventually(lambda: not runs(process.pid), "it is gone")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CancelledError):
        future.result(0)


# -- what became of a task


def test_a_task_that_no_worker_received_is_said_to_be_one(tmp_path: Path) -> None:
    fault = fault_at(BEGAN + 3, BEGAN + 50)
    folder = tmp_path / "run"
    folder.mkdir()
    task = Task("0-0", "shop.charge", "celery")
    task.sent, task.over, task.place, task.ended = BEGAN + 10, True, TaskState.LOST, BEGAN + 40
    store = Store.create(folder, {"stack": "shop", "began": BEGAN})
    store.write([task])
    store.commit({})
    store.close(clean=True)
    reader = RunReader.open(folder)
    try:
        story = story_of(reader, "lost", "0-0", [fault])
        assert story is not None
        assert story_of(reader, "lost", "0-1", [fault]) is None
    finally:
        reader.close()
    assert story.zero == BEGAN + 10
    assert [t - BEGAN for t, _ in story.steps] == [3, 10, 40, 50]
    assert story.steps[2][1].endswith("No worker ever wrote that it received it.")
    line = lanes_of(story)
    assert [lane.label for lane in line.lanes] == ["broker"]
    assert [(fall.number, fall.left) for fall in line.falls] == [(1, 2.0)], "it began before, and goes on"
