"""Faults in graphs: which bands they make, and that they are seen without their colour."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from desktop.engine.api import FaultRecord, MarkKind
from desktop.ui import fonts
from desktop.ui.shown_faults import ShownFaults
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart import TimeAxis
from desktop.ui.widgets.chart_bands import BandChart
from desktop.ui.widgets.chart_faults import FaultBand, bands_of, paint_bands, paint_names
from desktop.ui.widgets.chart_scale import Unit
from desktop.ui.widgets.chart_span import RunAxis
from desktop.ui.widgets.timeline_marks import TONES, cluster
from tests.support.fake_desk import FakeDesk
from tests.support.fake_faults import made_faults
from tests.support.fake_record import FakeRecord

NOW = 1_000_000.0
AREA = QRectF(20, 20, 300, 80)


@pytest.fixture
def faults() -> tuple[FaultRecord, ...]:
    return made_faults(NOW)


def painted(*bands: FaultBand, names: bool = False, title_end: float = 0.0) -> QImage:
    """The last 300 s, one pixel a second."""
    made = QImage(340, 120, QImage.Format.Format_RGB32)
    made.fill(Qt.GlobalColor.white)
    painter = QPainter(made)

    def x_of(t: float) -> float:
        return AREA.right() + (t - NOW)

    paint_bands(painter, AREA, bands, x_of, NOW)
    if names:
        paint_names(painter, AREA, bands, x_of, NOW, fonts.font("small"), title_end)
    painter.end()
    return made


def inked(image: QImage, left: int, top: int, right: int, bottom: int) -> float:
    """Which part of a rectangle is not white."""
    white = image.pixel(0, 0)
    marks = [image.pixel(x, y) != white for x in range(left, right) for y in range(top, bottom)]
    return sum(marks) / len(marks)


def test_what_missed_is_no_band_and_what_lasts_has_no_end(faults: tuple[FaultRecord, ...]) -> None:
    bands = bands_of(faults)
    assert [(band.text, band.lasts) for band in bands] == [
        ("Kill w1", False),
        ("Kill w1", False),
        ("Freeze w2", True),
    ]
    assert bands[-1].until is None
    over = bands_of([replace(faults[3], state=faults[0].state, ended_at=NOW - 3)])
    assert (over[0].until, over[0].lasts) == (NOW - 3, True)


def test_a_band_is_hatched_and_a_moment_is_a_line(theme: Theme) -> None:
    lasting = painted(FaultBand(NOW - 200, NOW - 100, "Freeze w2"))
    assert 0.05 < inked(lasting, 130, 30, 210, 90) < 0.6, "slanted lines, not a ground"
    assert inked(lasting, 230, 30, 310, 90) == 0
    moment = painted(FaultBand(NOW - 100, NOW - 100, "Kill w1"))
    assert inked(moment, 215, 30, 226, 90) > 0
    assert inked(moment, 230, 30, 310, 90) == 0


def test_what_lasts_still_goes_on_to_the_present(theme: Theme) -> None:
    assert inked(painted(FaultBand(NOW - 50, None, "Freeze w2")), 280, 30, 318, 90) > 0.05


def test_what_is_out_of_sight_is_not_drawn(theme: Theme) -> None:
    image = painted(FaultBand(NOW - 900, NOW - 800, "Freeze w2"), names=True)
    assert inked(image, 0, 0, 340, 120) == 0


def test_names_stand_above_and_give_way_to_each_other_and_to_the_title(theme: Theme) -> None:
    first, second = FaultBand(NOW - 200, NOW - 200, "Kill w1"), FaultBand(NOW - 190, NOW - 190, "Kill w2")
    above, inside = (122, 6, 160, 19), (132, 21, 170, 34)
    assert inked(painted(first, names=True), *above) > 0.05
    assert inked(painted(first, names=True, title_end=200), *above) == 0, "the title stands there"
    alone = inked(painted(first, names=True), *inside)
    assert inked(painted(first, second, names=True), *inside) > alone + 0.05, "the second goes below"


def test_charts_and_time_lines_have_the_faults_of_the_living_run(
    faults: tuple[FaultRecord, ...], theme: Theme
) -> None:
    desk = FakeDesk(clock=lambda: NOW)
    desk.faults = faults
    shown = ShownFaults().of(desk, desk.snapshot())
    axis = TimeAxis()
    axis.show_faults(shown)
    assert axis.faults == bands_of(faults)


def test_a_recorded_run_shows_the_faults_of_its_record(faults: tuple[FaultRecord, ...]) -> None:
    from pathlib import Path

    desk = FakeDesk(clock=lambda: NOW)
    desk.recorded, record = Path("runs/run-1"), FakeRecord(100, clock=lambda: NOW)
    record.done_to_it = faults
    desk.shown = record
    shown = ShownFaults()
    assert shown.of(desk, desk.snapshot()) == faults
    record.done_to_it = ()
    assert shown.of(desk, desk.snapshot()) == faults, "a record that is over is read once"


def test_a_run_is_drawn_anew_when_a_fault_lands(
    faults: tuple[FaultRecord, ...], theme: Theme, qtbot: QtBot
) -> None:
    axis = RunAxis()
    axis.begin(NOW - 300, NOW, live=True)
    chart = BandChart(axis, "CPU", Unit.PERCENT)
    qtbot.addWidget(chart)
    chart.resize(640, 140)
    before = chart.grab().toImage()
    with qtbot.waitSignal(axis.changed):
        axis.show_faults(faults)
    assert chart.grab().toImage() != before
    with qtbot.assertNotEmitted(axis.changed):
        axis.show_faults(faults)


def test_a_fault_has_its_mark() -> None:
    from desktop.engine.api import Mark

    marks = [
        Mark(NOW, MarkKind.FAULT, "w1", "SIGKILL to w1"),
        Mark(NOW, MarkKind.STARTED, "w1", "w1 started"),
    ]
    assert cluster(marks, lambda t: 0.0, 18.0)[0].kind is MarkKind.FAULT
    assert TONES[MarkKind.FAULT] == "warn"
