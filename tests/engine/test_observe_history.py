"""The ring behind every graph."""

from __future__ import annotations

import math
import threading

import pytest

from desktop.engine.observe.history import History


def test_what_was_added_is_read_back_in_order() -> None:
    history = History(capacity=100)
    for n in range(10):
        history.add("cpu:w1", 1000 + n / 2, n)
    series = history.read("cpu:w1")
    assert list(series.t) == [1000 + n / 2 for n in range(10)]
    assert list(series.v) == list(range(10))


@pytest.mark.parametrize("count", [1, 6, 7, 8, 13, 14, 15, 50])
def test_the_last_points_are_kept_over_every_turn_of_the_ring(count: int) -> None:
    history = History(capacity=7)
    for n in range(count):
        history.add("s", 1.0 + n, n)
    series = history.read("s")
    assert list(series.v) == list(range(max(0, count - 7), count))
    assert list(series.t) == [1.0 + n for n in range(max(0, count - 7), count)]


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 1), (0.4, 1), (0.5, 2), (2.0, 5), (1e9, 7)])
def test_a_read_is_cut_by_seconds(seconds: float, count: int) -> None:
    history = History(capacity=7)
    for n in range(40):
        history.add("s", 1000 + n / 2, n)
    assert list(history.read("s", seconds).v) == list(range(40 - count, 40))


def test_a_read_is_a_copy() -> None:
    history = History()
    history.add("s", 1.0, 1.0)
    history.read("s").v[0] = 99.0
    assert list(history.read("s").v) == [1.0]


def test_nothing_of_that_name_is_an_empty_series() -> None:
    series = History().read("cpu:nobody")
    assert (len(series.t), len(series.v)) == (0, 0)


def test_a_pause_breaks_the_line() -> None:
    history = History(gap=2.0)
    for t in (10.0, 11.0, 13.0, 60.0):
        history.add("s", t, 1.0)
    series = history.read("s")
    assert len(series.t) == 5
    assert math.isnan(series.v[3])
    assert 13.0 < series.t[3] < 60.0


def test_times_always_grow() -> None:
    history = History(gap=2.0)
    history.add("s", 100.0, 1.0)
    history.add("s", 100.0, 2.0)
    history.add("s", 99.0, 3.0)
    history.add("s", 100.5, 4.0)
    assert list(history.read("s").v) == [1.0, 4.0], "a small step back is waited out"
    history.add("s", 50.0, 5.0)
    history.add("s", 50.5, 6.0)
    assert list(history.read("s").t) == [50.0, 50.5], "after a large one the series begins anew"


def test_drop_and_forget() -> None:
    history = History()
    for name in ("cpu:w1", "memory:w1", "cpu:w10", "unacked:"):
        history.add(name, 1.0, 1.0)
    history.forget("w1")
    assert set(history.names()) == {"cpu:w10", "unacked:"}
    history.drop("unacked:")
    history.drop("unacked:")
    assert history.names() == ("cpu:w10",)


def test_the_number_of_series_is_bounded_and_the_stalest_goes() -> None:
    history = History(max_series=3)
    for t, name in enumerate("abcab", start=1):
        history.add(name, float(t), 0.0)
    history.add("d", 9.0, 0.0)
    assert set(history.names()) == {"a", "b", "d"}


def test_readers_never_see_a_torn_series() -> None:
    history = History(capacity=50, gap=1e9)
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            history.add("s", float(n), float(n))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2000):
            series = history.read("s", 20.0)
            assert series.t == series.v
            assert all(b - a == 1.0 for a, b in zip(series.t, series.t[1:], strict=False))
    finally:
        stop.set()
        writer.join()
