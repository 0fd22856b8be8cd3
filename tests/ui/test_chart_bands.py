"""Charts of a run: extremes that are never lost, gaps, the live tail, the hand, the read-out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop.engine.api import Band, Mark, MarkKind, Series
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_bands import BandChart, span_text
from desktop.ui.widgets.chart_line import Line
from desktop.ui.widgets.chart_scale import Unit
from desktop.ui.widgets.chart_series import Samples
from desktop.ui.widgets.chart_span import RunAxis
from desktop.ui.widgets.timeline_run import Ruler, RunTimeline
from tests.ui.conftest import let_go

BEGAN, NOW = 1_790_000_000.0, 1_790_003_600.0
LEFT = Qt.MouseButton.LeftButton
SHIFT, NONE = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier
CPU = Line("cpu:w1", "w1", "bad")


def band(t: Sequence[float], low: Sequence[float], high: Sequence[float], last: Sequence[float]) -> Band:
    return Band(*(array("d", part) for part in (t, low, high, last)))


def bucketed(values: Callable[[np.ndarray], np.ndarray], buckets: int) -> Samples:
    """An hour of samples, two a second, in so many buckets as a record gives them."""
    t = np.arange(BEGAN, NOW, 0.5)
    wide = (NOW - BEGAN) / buckets
    edges = np.searchsorted(t, BEGAN + wide * np.arange(1, buckets))
    parts = np.split(values(t), edges)
    middles = [BEGAN + (k + 0.5) * wide for k in range(buckets)]
    ends = [[float(f(p)) for p in parts] for f in (np.min, np.max)]
    return Samples.of(band(middles, *ends, [float(p[-1]) for p in parts]))


def calm_with_a_spike(t: np.ndarray) -> np.ndarray:
    """10 all the time, and 300 in one single sample, half an hour in."""
    values = np.full(len(t), 10.0)
    values[len(t) // 2 + 3] = 300.0
    return values


@pytest.fixture
def axis(theme: Theme) -> RunAxis:
    made = RunAxis()
    made.begin(BEGAN, NOW, live=False)
    return made


@pytest.fixture
def show(qtbot: QtBot) -> Iterator[Callable[..., None]]:
    """Puts widgets of one page into a window of their own."""
    windows: list[QWidget] = []

    def shown(*widgets: QWidget) -> None:
        window = QWidget()
        windows.append(window)
        column = QVBoxLayout(window)
        for widget in widgets:
            column.addWidget(widget)
        window.resize(900, 60 + 180 * len(widgets))
        window.show()
        qtbot.waitUntil(lambda: all(w.isVisible() for w in widgets))
        QApplication.processEvents()

    yield shown
    for window in windows:
        window.close()
        window.deleteLater()
    let_go()


@pytest.fixture
def chart(axis: RunAxis, show: Callable[..., None]) -> BandChart:
    """A chart of one line, with an hour of it."""
    made = BandChart(axis, "CPU", Unit.PERCENT)
    made.set_lines([CPU])
    show(made)
    made.show_samples({"cpu:w1": bucketed(calm_with_a_spike, 700)})
    return made


def inked(image: QImage, chart: BandChart, x: int, value: float) -> bool:
    """Whether the line's colour is near a place: redder than any ground, grid or word."""
    y = round(chart.y_pixel(value)) + 3
    for px in range(x - 2, x + 3):
        for py in range(y - 2, y + 3):
            colour = QColor(image.pixel(px, py))
            if colour.red() - colour.green() > 15:
                return True
    return False


# -- extremes


@pytest.mark.parametrize("buckets", [7200, 3600, 700, 350, 90, 12])
def test_a_spike_of_one_sample_reaches_its_height_at_every_zoom(chart: BandChart, buckets: int) -> None:
    data = bucketed(calm_with_a_spike, buckets)
    chart.show_samples({"cpu:w1": data})
    at = int(np.argmax(data.high))
    assert data.high[at] == 300
    x = round(chart.x_pixel(data.t[at] - NOW)) + 3
    image = chart.grab().toImage()
    assert inked(image, chart, x, 296.0), "the tip"
    if buckets < 7200:
        assert inked(image, chart, x, 150.0), "the way up to it"
    assert not inked(image, chart, x - 60 if buckets > 12 else x - 200, 200.0), "nothing beside it"


def test_the_y_axis_holds_the_extremes_of_what_is_shown(chart: BandChart, axis: RunAxis) -> None:
    assert chart.scale_y.top >= 300
    axis.show(BEGAN, BEGAN + 600)
    assert chart.scale_y.top == Unit.PERCENT.floor, "the spike lies elsewhere"
    axis.whole()
    assert chart.scale_y.top >= 300


def test_an_old_picture_is_stretched_until_there_is_another(chart: BandChart, axis: RunAxis) -> None:
    spike = BEGAN + 1801.5
    axis.show(spike - 60, spike + 60)
    x = round(chart.x_pixel(spike - axis.until)) + 3
    assert abs(x - chart.outer_area().center().x()) < 8
    image = chart.grab().toImage()
    assert any(inked(image, chart, px, 290.0) for px in range(x - 20, x + 20, 3))


# -- gaps and lone values


def test_nothing_is_drawn_where_nothing_was_recorded(chart: BandChart) -> None:
    t = [BEGAN + 10.0 * k for k in range(360)]
    values = [math.nan if 120 <= k < 240 else 200.0 for k in range(360)]
    chart.show_samples({"cpu:w1": Samples.of(band(t, values, values, values))})
    image = chart.grab().toImage()
    known, gap = BEGAN + 600, BEGAN + 1800
    assert inked(image, chart, round(chart.x_pixel(known - NOW)) + 3, 200.0)
    assert not inked(image, chart, round(chart.x_pixel(gap - NOW)) + 3, 200.0)
    assert len(Samples.of(band(t, values, values, values)).strokes(BEGAN, step=False)) == 2


def test_samples_that_are_finer_than_the_buckets_are_no_gaps() -> None:
    t = [BEGAN + 0.05 * k for k in range(200)]
    values = [50.0 if k % 10 == 0 else math.nan for k in range(200)]
    data = Samples.of(band(t, values, values, values))
    assert len(data.strokes(BEGAN, step=False)) == 1
    assert data.at(BEGAN + 0.24)[0] == 50


def test_a_value_that_stands_alone_is_a_dot(chart: BandChart) -> None:
    lone = Samples.of(band([BEGAN + 900, BEGAN + 901], [80.0, math.nan], [80.0, math.nan], [80.0, math.nan]))
    assert lone.strokes(BEGAN, step=False)[0].single == (900.0, 80.0)
    chart.show_samples({"cpu:w1": lone})
    x = round(chart.x_pixel(BEGAN + 900 - NOW)) + 3
    assert inked(chart.grab().toImage(), chart, x, 80.0)


def test_the_live_tail_comes_behind_what_was_read() -> None:
    read = Samples.of(band([10.0, 11.0], [1.0, 1.0], [5.0, 5.0], [2.0, 2.0]))
    tail = Series(array("d", [10.5, 11.0, 11.5, 12.0]), array("d", [9.0, 9.0, 3.0, math.nan]))
    grown = read.extended(tail, since=10.0)
    assert grown.t.tolist() == [10.0, 11.0, 11.5]
    assert grown.high.tolist() == [5.0, 5.0, 3.0]
    assert grown.extended(tail, since=10.0) is grown, "nothing new"
    assert Samples().extended(tail, since=11.2).t.tolist() == [11.5]
    assert read.extended(Series(array("d"), array("d")), 0.0) is read


def test_steps_stay_steps() -> None:
    data = Samples.of(band([0.0, 1.0, 2.0], [1.0, 4.0, 4.0], [1.0, 4.0, 4.0], [1.0, 4.0, 4.0]))
    points = data.strokes(0.0, step=True)[0].line
    corners = [(points.at(i).x(), points.at(i).y()) for i in range(points.count())]
    assert dict.fromkeys(corners) == dict.fromkeys([(0.0, 1.0), (1.0, 1.0), (1.0, 4.0), (2.0, 4.0)])


# -- reading


def test_the_read_out_tells_the_range_of_a_bucket(chart: BandChart, axis: RunAxis) -> None:
    assert chart.values() == {"w1": "10 %"}
    axis.move_cross(BEGAN + 1801.5 - NOW)
    assert chart.values() == {"w1": "10–300 %"}
    axis.move_cross(BEGAN + 600 - NOW)
    assert chart.values() == {"w1": "10 %"}
    assert chart.accessibleName() == "CPU, 1 series: w1 10 %"


def test_in_a_gap_nothing_is_read(chart: BandChart, axis: RunAxis) -> None:
    chart.show_samples({"cpu:w1": Samples.of(band([BEGAN, NOW], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]))})
    chart.samples["cpu:w1"].width = 1.0
    axis.move_cross(-1800.0)
    assert chart.values() == {"w1": "–"}


@pytest.mark.parametrize(
    ("unit", "low", "high", "text"),
    [
        (Unit.PERCENT, 2, 388, "2–388 %"),
        (Unit.BYTES, 180 * 2**20, 240 * 2**20, "180–240 MiB"),
        (Unit.BYTES, 180 * 2**20, 2 * 2**30, "180 MiB–2.00 GiB"),
        (Unit.SECONDS, 0.02, 1.5, "20 ms–1.50 s"),
        (Unit.RATE, 0, 42.3, "0–42/s"),
        (Unit.TASKS, 3, 1204, "3–1,204"),
    ],
)
def test_ranges_for_people(unit: Unit, low: float, high: float, text: str) -> None:
    assert span_text(unit, low, high) == text


def test_without_data_it_says_so(axis: RunAxis, show: Callable[..., None]) -> None:
    made = BandChart(axis, "Stranded", Unit.TASKS)
    show(made)
    assert made.accessibleName() == "Stranded: Nothing of this was recorded."
    made.say("The record cannot be read.")
    assert "cannot be read" in made.accessibleName()


# -- the hand


def turn(widget: QWidget, at: QPoint, notches: float, modifiers: Qt.KeyboardModifier = NONE) -> bool:
    """Turn the wheel over a widget; whether it took the event."""
    event = QWheelEvent(
        QPointF(at),
        QPointF(widget.mapToGlobal(at)),
        QPoint(),
        QPoint(0, round(120 * notches)),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    event.setAccepted(False)
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def spot(chart: QWidget, axis: RunAxis, t: float) -> QPoint:
    """Where a moment is on a chart."""
    assert isinstance(chart, BandChart)
    area = chart.outer_area()
    return QPoint(round(area.left() + (t - axis.since) / axis.span * area.width()), chart.height() // 2)


def test_the_wheel_zooms_at_the_pointer_and_the_page_scrolls_beside_it(
    chart: BandChart, axis: RunAxis
) -> None:
    at = spot(chart, axis, BEGAN + 900)
    turn(chart, at, 3)
    assert axis.span == pytest.approx(3600 * 0.8**3)
    assert spot(chart, axis, BEGAN + 900).x() == pytest.approx(at.x(), abs=2)
    span = axis.span
    turn(chart, QPoint(5, 50), 3)
    assert axis.span == span


def test_the_wheel_with_shift_moves(chart: BandChart, axis: RunAxis) -> None:
    axis.show(BEGAN + 1000, BEGAN + 1100)
    turn(chart, spot(chart, axis, BEGAN + 1050), -1, SHIFT)
    assert axis.since == pytest.approx(BEGAN + 1012, abs=1)
    assert axis.span == pytest.approx(100)


def test_a_drag_moves(chart: BandChart, axis: RunAxis, qtbot: QtBot) -> None:
    axis.show(BEGAN + 1000, BEGAN + 1100)
    begin, end = spot(chart, axis, BEGAN + 1080), spot(chart, axis, BEGAN + 1030)
    qtbot.mousePress(chart, LEFT, pos=begin)
    qtbot.mouseMove(chart, end)
    qtbot.mouseRelease(chart, LEFT, pos=end)
    assert axis.since == pytest.approx(BEGAN + 1050, abs=0.5)


@pytest.mark.parametrize(
    ("button", "modifier"), [(LEFT, SHIFT), (Qt.MouseButton.RightButton, NONE)], ids=["shift", "right"]
)
def test_a_drawn_stretch_is_zoomed_to(
    chart: BandChart, axis: RunAxis, qtbot: QtBot, button: Qt.MouseButton, modifier: Qt.KeyboardModifier
) -> None:
    begin, end = spot(chart, axis, BEGAN + 2000), spot(chart, axis, BEGAN + 1000)
    qtbot.mousePress(chart, button, modifier, begin)
    qtbot.mouseMove(chart, end)
    assert axis.selection is not None
    assert axis.selection[0] == pytest.approx(BEGAN + 1000, abs=5)
    qtbot.mouseRelease(chart, button, modifier, end)
    assert axis.selection is None
    assert (axis.since, axis.until) == (
        pytest.approx(BEGAN + 1000, abs=5),
        pytest.approx(BEGAN + 2000, abs=5),
    )
    axis.back()
    assert axis.entire


def test_a_click_with_shift_zooms_nowhere(chart: BandChart, axis: RunAxis, qtbot: QtBot) -> None:
    qtbot.mouseClick(chart, LEFT, SHIFT, spot(chart, axis, BEGAN + 1000))
    assert axis.entire
    assert not axis.can_go_back


def test_one_cross_hair_over_charts_ruler_and_marks(
    chart: BandChart, axis: RunAxis, show: Callable[..., None], qtbot: QtBot
) -> None:
    other, ruler, line = BandChart(axis, "Memory", Unit.BYTES), Ruler(axis), RunTimeline(axis)
    show(other, ruler, line)
    qtbot.mouseMove(chart, spot(chart, axis, BEGAN + 900))
    assert axis.moment == pytest.approx(BEGAN + 900, abs=5)
    area = other.outer_area()
    x = round(area.left() + 900 / 3600 * area.width())
    dark = QColor(other.grab().toImage().pixel(x, 90))
    assert dark.lightness() < Theme.current.color("grid").lightness() - 40
    qtbot.mouseMove(ruler, QPoint(round(ruler.width() * 0.5), 8))
    assert axis.moment is not None
    assert axis.moment > BEGAN + 900


def test_a_drag_on_the_ruler_draws_a_stretch(axis: RunAxis, show: Callable[..., None], qtbot: QtBot) -> None:
    ruler = Ruler(axis)
    show(ruler)
    qtbot.mousePress(ruler, LEFT, pos=QPoint(200, 8))
    qtbot.mouseMove(ruler, QPoint(260, 8))
    qtbot.mouseRelease(ruler, LEFT, pos=QPoint(260, 8))
    assert axis.span < 600


def test_the_strip_has_the_marks_of_the_stretch(axis: RunAxis, show: Callable[..., None]) -> None:
    line = RunTimeline(axis)
    show(line)
    marks = [Mark(BEGAN + 600 * k, MarkKind.KILLED, "w1", f"kill {k}") for k in range(1, 6)]
    axis.grow(NOW, False, marks)
    axis.show(BEGAN + 1000, BEGAN + 2000)
    assert [place.marks[0].text for place in line.clusters] == ["kill 2", "kill 3"]
    assert "2 marks from" in line.accessibleName()
    axis.show(BEGAN + 1300, BEGAN + 1310)
    assert line.clusters == ()
