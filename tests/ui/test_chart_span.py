"""The stretch of a run that is shown: zooming, moving, following, going back; round moments of the day."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from desktop.engine.api import Mark, MarkKind
from desktop.ui.widgets.chart_scale import Unit, clock_ticks, past_ticks
from desktop.ui.widgets.chart_span import LEAST, RunAxis

BEGAN, NOW = 1_790_000_000.0, 1_790_007_200.0


@pytest.fixture
def axis(qapp: object) -> RunAxis:
    """Two hours that are over."""
    made = RunAxis()
    made.begin(BEGAN, NOW, live=False)
    return made


@pytest.fixture
def live(qapp: object) -> RunAxis:
    """Two hours that go on."""
    made = RunAxis()
    made.begin(BEGAN, NOW, live=True)
    return made


def near(value: float) -> object:
    """That value, to a hundredth: what `pytest.approx` allows of a time is half an hour."""
    return pytest.approx(value, rel=0, abs=0.01)


def shown(axis: RunAxis) -> tuple[float, float]:
    return near(axis.since), near(axis.until)  # type: ignore[return-value]


def test_it_begins_with_the_whole_run(axis: RunAxis) -> None:
    assert shown(axis) == (BEGAN, NOW)
    assert axis.entire
    assert not axis.following
    assert not axis.can_go_back


def test_zooming_keeps_the_moment_under_the_pointer(axis: RunAxis) -> None:
    at = BEGAN + 1800
    axis.zoom(0.5, at)
    assert axis.span == near(3600)
    assert (at - axis.since) / axis.span == near(0.25)
    axis.zoom(0.1, at)
    assert (at - axis.since) / axis.span == near(0.25)


def test_from_hours_to_one_second_and_no_further(axis: RunAxis) -> None:
    for _ in range(60):
        axis.zoom(0.8, BEGAN + 100)
    assert axis.span == LEAST
    assert axis.since <= BEGAN + 100 <= axis.until
    for _ in range(60):
        axis.zoom(1.25, BEGAN + 100)
    assert shown(axis) == (BEGAN, NOW)
    assert axis.entire


def test_it_never_leaves_the_run(axis: RunAxis) -> None:
    axis.show(BEGAN + 100, BEGAN + 200)
    axis.pan(-1000)
    assert shown(axis) == (BEGAN, BEGAN + 100)
    axis.pan(100_000)
    assert shown(axis) == (NOW - 100, NOW)


def test_a_run_of_a_moment_is_shown_as_ten_seconds(qapp: object) -> None:
    axis = RunAxis()
    axis.begin(NOW - 0.5, NOW, live=True)
    assert axis.span == 10
    assert axis.until == NOW


def test_a_live_run_is_followed_until_a_person_looks_at_the_past(live: RunAxis) -> None:
    live.grow(NOW + 5, True, ())
    assert shown(live) == (BEGAN, NOW + 5), "the whole run, however it grows"
    live.zoom(0.5)
    assert shown(live) == (NOW + 5 - live.span, NOW + 5), "a key that zooms keeps the present"
    assert live.following
    live.grow(NOW + 10, True, ())
    assert live.until == NOW + 10
    live.pan(-60)
    assert not live.following
    since = live.since
    live.grow(NOW + 20, True, ())
    assert live.since == since
    live.pan(100_000)
    assert live.following, "who moves to the end follows it again"
    live.pan(-60)
    live.follow()
    assert live.until == NOW + 20


def test_a_run_that_ends_is_followed_no_more_but_stays_as_it_is(live: RunAxis) -> None:
    live.show(NOW - 60, NOW)
    assert live.following
    live.grow(NOW + 3, False, ())
    assert live.until == NOW + 3
    assert not live.live
    live.follow()
    assert not live.following


def test_back_leads_through_the_jumps_but_not_through_every_wheel_notch(axis: RunAxis) -> None:
    axis.show(BEGAN + 100, BEGAN + 400)
    axis.zoom(0.5)
    axis.zoom(0.5)
    axis.show(BEGAN + 200, BEGAN + 210)
    axis.back()
    assert axis.span == near(75)
    axis.back()
    assert axis.entire
    assert not axis.can_go_back


def test_changes_are_told_with_the_stretch(axis: RunAxis, qtbot: QtBot) -> None:
    with qtbot.waitSignals([axis.changed, axis.span_changed]):
        axis.show(BEGAN, BEGAN + 10)
    with qtbot.waitSignal(axis.selection_changed):
        axis.select((BEGAN, BEGAN + 1))


def test_marks_are_those_of_the_whole_run(live: RunAxis) -> None:
    marks = (Mark(BEGAN + 1, MarkKind.STARTED, "w1", "w1 started"),)
    live.grow(NOW + 1, True, marks)
    live.show(NOW - 10, NOW)
    assert live.marks == marks


@pytest.fixture(params=["UTC", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A time zone for the reader."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("length", "last"),
    [(1.0, ".0"), (12.0, ""), (300.0, ""), (7_200.0, ""), (86_400.0 * 3, "")],
)
def test_round_moments_of_the_readers_day(zone: str, length: float, last: str) -> None:
    since = 1_790_000_123.37
    ticks = clock_ticks(since, since + length, 8)
    assert 2 <= len(ticks) <= 10
    assert all(since <= t <= since + length for t, _ in ticks)
    words = [word for _, word in ticks]
    assert length > 86_400 or len(set(words)) == len(words)
    if length == 7_200:
        assert all(word.endswith((":00", ":15", ":30", ":45")) for word in words)
        assert all(word == time.strftime("%H:%M", time.localtime(t)) for t, word in ticks)
    if length == 1:
        assert any(word.endswith(last) for word in words)


def test_a_day_begins_with_its_date(zone: str) -> None:
    words = [word for _, word in clock_ticks(1_790_000_000.0, 1_790_000_000.0 + 2 * 86_400, 8)]
    assert any(word[0].isdigit() and " " in word for word in words)


def test_seconds_for_people() -> None:
    assert [Unit.SECONDS.format(v) for v in (0.0042, 0.042, 0.42, 4.2, 42.0)] == [
        "4.2 ms",
        "42 ms",
        "420 ms",
        "4.20 s",
        "42 s",
    ]


@pytest.mark.parametrize("span", [60.0, 300.0, 900.0])
def test_a_run_that_is_over_ends_at_its_clock(span: float) -> None:
    ticks = past_ticks(BEGAN + 17, span, 6)
    assert ticks[-1] == (0.0, time.strftime("%H:%M:%S", time.localtime(BEGAN + 17)))
    assert all(-span <= ago <= -span / 6 for ago, _ in ticks[:-1]), "no word runs into the last"
    assert not {"now"} & {word for _, word in ticks}
