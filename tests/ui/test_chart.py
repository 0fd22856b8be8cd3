"""Charts: scales, gaps, the shared cross-hair, read-outs, bounds, marks."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop.engine.api import Mark, MarkKind, Series
from desktop.ui.theme import Scheme, Theme
from desktop.ui.widgets.chart import MARGINS, Chart, TimeAxis
from desktop.ui.widgets.chart_labels import spread
from desktop.ui.widgets.chart_line import Line, pool_lines, queue_lines, worker_lines
from desktop.ui.widgets.chart_scale import Unit, YScale, ago_text, nice_step, time_ticks
from desktop.ui.widgets.timeline import Timeline
from tests.ui.conftest import let_go

NOW = 1_000_000.0
NAN = math.nan


def series(values: list[float], step: float = 1.0) -> Series:
    """A series whose last value is of this moment."""
    times = [NOW - step * (len(values) - 1 - i) for i in range(len(values))]
    return Series(array("d", times), array("d", values))


def reader(**known: Series) -> Callable[[str], Series]:
    """`Desk.series` for these; names with `_` for `:`."""
    table = {name.replace("_", ":", 1): data for name, data in known.items()}
    return lambda name: table.get(name, Series(array("d"), array("d")))


@pytest.fixture
def axis(theme: Theme) -> TimeAxis:
    theme.remember_workers(["w1", "w2"])
    made = TimeAxis(60.0)
    made.advance(NOW, ())
    return made


@pytest.fixture
def show(qtbot: QtBot, axis: TimeAxis) -> Iterator[Callable[..., None]]:
    """Puts widgets of one page into a window of their own and waits until their plots are there."""
    windows: list[QWidget] = []

    def shown(*widgets: QWidget) -> None:
        window = QWidget()
        windows.append(window)
        column = QVBoxLayout(window)
        for widget in widgets:
            column.addWidget(widget)
        window.resize(900, 240 * len(widgets))
        window.show()
        qtbot.waitUntil(lambda: not any(w.loading for w in widgets if isinstance(w, Chart)), timeout=20_000)

    yield shown
    for window in windows:
        window.close()
        window.deleteLater()
    let_go()


def cpu_chart(axis: TimeAxis, title: str = "CPU") -> Chart:
    chart = Chart(axis, title, Unit.PERCENT, empty="Start the stack.")
    chart.set_lines(worker_lines("cpu", ["w1", "w2"]))
    return chart


# -- numbers


def test_the_axis_grows_at_once_and_shrinks_only_after_its_patience() -> None:
    scale = YScale(Unit.TASKS, lines=4)
    scale.follow(900, 0.0)
    high = scale.top
    assert high >= 900
    assert not scale.follow(10, 1.0), "one low moment moves nothing"
    assert not scale.follow(10, 8.9)
    assert scale.follow(10, 9.1)
    assert 10 <= scale.top < high
    scale.follow(5000, 9.2)
    assert scale.top >= 5000


def test_a_high_value_in_between_starts_the_patience_anew() -> None:
    scale = YScale(Unit.TASKS, lines=4)
    scale.follow(900, 0.0)
    scale.follow(10, 1.0)
    scale.follow(890, 7.0)
    assert not scale.follow(10, 8.0)
    assert not scale.follow(10, 15.9)
    assert scale.follow(10, 16.1)


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("highest", [0.3, 1, 3.7, 42, 999, 1e5, 3.3e9, NAN])
def test_ticks_start_at_zero_cover_the_data_and_are_no_more_than_fit(unit: Unit, highest: float) -> None:
    scale = YScale(unit, lines=4)
    scale.follow(highest, 0.0)
    values = [value for value, _ in scale.ticks()]
    assert values[0] == 0
    assert len(values) <= 6
    assert math.isnan(highest) or values[-1] >= highest
    words = [text for _, text in scale.ticks()]
    assert len(set(words)) == len(words), "two grid lines never have the same words"


def test_counts_get_whole_steps() -> None:
    assert nice_step(3, 8, Unit.TASKS) == 1
    assert nice_step(3, 8, Unit.PERCENT) < 1


def test_values_for_people() -> None:
    assert Unit.PERCENT.format(41.4) == "41 %"
    assert Unit.BYTES.format(212 * 1024**2) == "212 MiB"
    assert Unit.BYTES.format(3.5 * 1024**3) == "3.50 GiB"
    assert Unit.TASKS.format(1204) == "1,204"
    assert Unit.RATE.format(3.14159) == "3.1/s"
    assert Unit.TASKS.format(NAN) == "–"


def test_the_time_axis_has_round_words() -> None:
    assert [text for _, text in time_ticks(300, 5)] == [
        "now",
        "−1 min",
        "−2 min",
        "−3 min",
        "−4 min",
        "−5 min",
    ]
    assert ago_text(84) == "−1:24"
    assert ago_text(30) == "−30 s"


@pytest.mark.parametrize(
    "wanted", [[50.0, 51.0, 52.0], [0.0, 0.0, 0.0], [95.0, 96.0, 97.0], [10.0, 90.0, 12.0]]
)
def test_labels_never_overlap_nor_leave_their_room(wanted: list[float]) -> None:
    places = [y for y in spread(wanted, 17, 0, 100) if y is not None]
    assert len(places) == len(wanted)
    ordered = sorted(places)
    assert all(b - a >= 17 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert ordered[0] >= 17 / 2 - 1e-9
    assert ordered[-1] <= 100 - 17 / 2 + 1e-9


def test_labels_without_room_are_left_out() -> None:
    assert spread([10.0] * 9, 17, 0, 100).count(None) == 4


# -- drawing


def test_a_gap_is_a_gap(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([10, 20, NAN, NAN, 30, 40]), cpu_w2=series([5, 5, 5, 5, 5, 5])))
    first, second = chart._plot.curves
    assert [len(polygon) for polygon in first.polygons] == [2, 2]
    assert [len(polygon) for polygon in second.polygons] == [6]


def test_a_plot_is_made_only_after_the_first_paint(axis: TimeAxis, qtbot: QtBot) -> None:
    chart = cpu_chart(axis)
    qtbot.addWidget(chart)
    assert chart.loading
    chart.feed(reader())
    assert chart.loading, "feeding does not wait for it either"


def test_before_there_is_data_it_says_what_to_do(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader())
    assert chart.accessibleName() == "CPU: Start the stack."
    assert not chart._plot.isVisible()
    chart.feed(reader(cpu_w1=series([1, 2, 3])))
    assert chart._plot.isVisible()


def test_the_accessible_name_tells_the_latest_values(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([10, 41.2]), cpu_w2=series([7, 12])))
    assert chart.accessibleName() == "CPU, 2 series: w1 41 %, w2 12 %"


def test_the_cross_hair_reads_every_chart_at_one_moment(
    axis: TimeAxis, show: Callable[..., None], qtbot: QtBot
) -> None:
    cpu, depth = cpu_chart(axis), Chart(axis, "Waiting", Unit.TASKS, empty="")
    depth.set_lines(queue_lines(["celery"]))
    show(cpu, depth)
    read = reader(
        cpu_w1=series([10, 20, 30, 40]),
        cpu_w2=series([1, 2, 3, 4]),
        depth_celery=series([100, 200, 300, 400]),
    )
    for chart in (cpu, depth):
        chart.feed(read)
    plot = cpu._plot
    at = QPoint(round(plot.x_pixel(-2.0)), round(plot.area().center().y()))
    qtbot.mouseMove(plot.viewport(), at)
    qtbot.waitUntil(lambda: axis.cross is not None)
    assert axis.cross == pytest.approx(-2.0, abs=0.06)
    assert cpu.values() == {"w1": "20 %", "w2": "2 %"}
    assert depth.values()["celery"] == "200"
    qtbot.mouseMove(plot.viewport(), QPoint(2, 2))
    qtbot.waitUntil(lambda: axis.cross is None)
    assert cpu.values()["w1"] == "40 %"


def test_the_read_out_is_empty_in_a_gap(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([10] * 5 + [NAN] * 20 + [30] * 5), cpu_w2=series([1] * 30)))
    axis.move_cross(-15.0)
    assert chart.values() == {"w1": "–", "w2": "1 %"}
    assert len(chart._plot.dots()) == 1


def test_pool_size_stands_against_its_bounds(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = Chart(axis, "Pool size", Unit.SLOTS, empty="")
    chart.set_lines(pool_lines("w1"))
    show(chart)
    chart.feed(reader(size_w1=series([1, 2, 2, 3]), min_w1=series([1, 1, 1, 1]), max_w1=series([2, 2, 4, 4])))
    assert chart.values() == {"w1": "3 of 1–4"}
    axis.move_cross(-2.5)
    assert chart.values() == {"w1": "1 of 1–2"}, "a step holds until the next one"
    assert len(chart._plot.bands) == 1


def test_bounds_end_where_the_autoscaler_ends(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = Chart(axis, "Pool size", Unit.SLOTS, empty="")
    chart.set_lines(pool_lines("w1"))
    show(chart)
    missing = series([NAN, NAN])
    chart.feed(reader(size_w1=series([8, 8]), min_w1=missing, max_w1=missing))
    assert chart.values() == {"w1": "8"}


def test_a_worker_keeps_its_colour_and_its_data_when_another_comes(
    axis: TimeAxis, show: Callable[..., None], theme: Theme
) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([10, 20]), cpu_w2=series([1, 2])))
    colour = chart._plot.curves[1].pen.color()
    theme.remember_workers(["w2", "w3"])
    chart.set_lines(worker_lines("cpu", ["w2", "w3"]))
    curve = chart._plot.curves[0]
    assert curve.line.label == "w2"
    assert curve.pen.color() == colour
    assert len(curve.polygons) == 1


def test_lines_follow_the_theme(
    axis: TimeAxis, show: Callable[..., None], theme: Theme, qapp: object
) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([10, 20])))
    light = chart._plot.curves[0].pen.color()
    theme.apply(qapp, Scheme.DARK)
    assert chart._plot.curves[0].pen.color() == theme.worker_color(0) != light


def test_deaths_and_recoveries_run_through_the_charts(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    marks = [
        Mark(NOW - 30, MarkKind.KILLED, "w1", "w1 was killed"),
        Mark(NOW - 20, MarkKind.SETTINGS, "w1", "bounds"),
        Mark(NOW - 10, MarkKind.RECOVERED, "w1", "w1 answers again"),
        Mark(NOW - 500, MarkKind.KILLED, "w1", "long ago"),
    ]
    axis.advance(NOW, marks)
    chart.feed(reader(cpu_w1=series([10, 20])))
    assert [kind for _, kind in chart._plot.marks] == [MarkKind.KILLED, MarkKind.RECOVERED]


def test_the_words_of_the_scale_are_never_those_of_before(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([10.0] * 100)))
    small = chart.grab().toImage()
    axis.set_span(300.0)
    chart.feed(reader(cpu_w1=series([900.0] * 100)))
    large = chart.grab().toImage()
    words = [(x, y) for x in range(4, 60) for y in range(34, small.height() - 30)]
    assert sum(small.pixelColor(x, y) != large.pixelColor(x, y) for x, y in words) > 20
    chart._plot.resetCachedContent()
    again = chart.grab().toImage()
    assert all(again.pixelColor(x, y) == large.pixelColor(x, y) for x, y in words)


def test_what_is_older_than_the_span_is_not_drawn(axis: TimeAxis, show: Callable[..., None]) -> None:
    chart = cpu_chart(axis)
    show(chart)
    chart.feed(reader(cpu_w1=series([900.0] * 100 + [10.0] * 70)))
    assert chart._plot.scale_y.top < 900
    axis.set_span(300.0)
    chart.feed(reader(cpu_w1=series([900.0] * 100 + [10.0] * 70)))
    assert chart._plot.scale_y.top >= 900


# -- the time line


def timeline(axis: TimeAxis, marks: list[Mark]) -> Timeline:
    strip = Timeline(axis)
    strip.resize(MARGINS[0] + MARGINS[1] + 600, 40)
    axis.advance(NOW, marks)
    strip.refresh()
    return strip


def test_marks_that_lie_together_become_one_with_the_gravest_shape(axis: TimeAxis, qtbot: QtBot) -> None:
    strip = timeline(
        axis,
        [
            Mark(NOW - 30.0, MarkKind.STARTED, "w1", "w1 started"),
            Mark(NOW - 29.5, MarkKind.KILLED, "w1", "w1 was killed by SIGKILL"),
            Mark(NOW - 5, MarkKind.RECOVERED, "w1", "w1 answers again"),
        ],
    )
    qtbot.addWidget(strip)
    assert [(len(c.marks), c.kind) for c in strip.clusters] == [(2, MarkKind.KILLED), (1, MarkKind.RECOVERED)]
    assert "w1 was killed by SIGKILL" in strip.describe(strip.clusters[0])
    assert "3 marks" in strip.accessibleName()


def test_a_click_on_a_mark_takes_the_cross_hair_there(axis: TimeAxis, qtbot: QtBot) -> None:
    strip = timeline(axis, [Mark(NOW - 30, MarkKind.KILLED, "w1", "w1 was killed")])
    qtbot.addWidget(strip)
    strip.show()
    with qtbot.waitSignal(strip.chosen):
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(round(strip.clusters[0].x), 20))
    assert axis.cross == pytest.approx(-30)


def test_arrow_keys_go_from_mark_to_mark(axis: TimeAxis, qtbot: QtBot) -> None:
    strip = timeline(axis, [Mark(NOW - ago, MarkKind.SIGNAL, "w1", f"{ago}") for ago in (50, 30, 10)])
    qtbot.addWidget(strip)
    strip.show()
    qtbot.keyClick(strip, Qt.Key.Key_Left)
    assert axis.cross == pytest.approx(-10), "the first key takes the newest"
    qtbot.keyClick(strip, Qt.Key.Key_Left)
    assert axis.cross == pytest.approx(-30)
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert axis.cross == pytest.approx(-10)


def test_every_kind_of_mark_has_a_shape(axis: TimeAxis, qtbot: QtBot) -> None:
    """Drawn in one colour, no two kinds look the same."""
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QColor, QImage, QPainter

    from desktop.ui.widgets.timeline_marks import TONES, paint_mark

    assert set(TONES) == set(MarkKind)
    drawn = set()
    for kind in MarkKind:
        image = QImage(24, 24, QImage.Format.Format_ARGB32)
        image.fill(0)
        painter = QPainter(image)
        paint_mark(painter, kind, QPointF(12, 12), 14, QColor("black"))
        painter.end()
        drawn.add(bytes(image.constBits()))
    assert len(drawn) == len(MarkKind)


def test_a_line_names_its_series() -> None:
    assert [line.key for line in pool_lines("w1")] == ["min:w1", "max:w1", "size:w1"]
    assert Line("cpu:w1", "w1", "slot:3").colour == Theme.current.worker_color(3)
