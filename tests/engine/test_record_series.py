"""The series of a run: every sample is kept, and no extreme is lost at any zoom."""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from desktop.engine.api import Band
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.writing.samples import Samples
from desktop.engine.record.writing.store import Store
from tests.support.waiting import eventually

BEGAN = 1_790_000_000.0
BEATS = 14_000  # nearly two hours


Points = Mapping[str, list[tuple[float, float]]]


def value_at(name: str, beat: int, dice: random.Random) -> float | None:
    """A series that was always there, one that comes and goes, one with a single spike."""
    if name == "cpu:w1":
        return dice.uniform(0.0, 400.0)
    if name == "busy:w2":
        return float(beat % 7) if 3_000 < beat < 9_000 and beat % 1_000 < 700 else None
    return 1e9 if beat == 7_777 else 5.0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Points]]:
    """With a writer that ended uncleanly half-way, and one that was resumed after a clean end."""
    folder = tmp_path_factory.mktemp("series")
    points: dict[str, list[tuple[float, float]]] = {"cpu:w1": [], "busy:w2": [], "memory:w1": []}
    dice = random.Random(3)
    store = Store.create(folder, {})
    t = BEGAN
    for beat in range(BEATS):
        if beat == 5_000:  # as after a kill: nothing is folded that was not full
            store.commit({})
            eventually(lambda store=store: store.settled, "committed")
            store._sink.close()
            store._reader.close()
            store = Store.resume(folder)
        if beat == 9_500:
            store.close(clean=True)
            store = Store.resume(folder)
            t += 300.0
        t += dice.uniform(0.45, 0.55)
        values = {name: value for name in points if (value := value_at(name, beat, dice)) is not None}
        for name, value in values.items():
            points[name].append((t, value))
        store.sample(t, values)
        if beat % 500 == 0:
            store.commit({})
    store.commit({})
    eventually(lambda: store.settled, "committed")
    yield folder, points
    store.close(clean=True)


@pytest.fixture
def reader(written: tuple[Path, Points]) -> Iterator[RunReader]:
    """Live: the last minute is not folded."""
    reading = RunReader.open(written[0], live=True)
    yield reading
    reading.close()


@pytest.fixture
def points(written: tuple[Path, Points]) -> Points:
    return written[1]


def filled(band: Band) -> list[tuple[float, float, float, float]]:
    rows = zip(band.t, band.low, band.high, band.last, strict=True)
    return [row for row in rows if not math.isnan(row[3])]


def test_every_sample_is_there_when_zoomed_in(reader: RunReader, points: Points) -> None:
    dice = random.Random(5)
    for _ in range(25):
        since = BEGAN + dice.uniform(-10.0, 7_300.0)
        until = since + dice.choice((1.0, 20.0, 200.0))
        bands = reader.series(list(points), since, until, 20_000).result(10)
        for name, samples in points.items():
            truth = [(t, v) for t, v in samples if since <= t <= until]
            found = filled(bands[name])
            assert [last for *_, last in found] == [v for _, v in truth], (name, since, until)
            width = (until - since) / 20_000
            assert all(abs(one[0] - t) <= width for one, (t, _) in zip(found, truth, strict=True))


def test_no_extreme_is_lost_at_any_zoom(reader: RunReader, points: Points) -> None:
    """Over the span the extremes are exact; each sample is within the band of its bucket or the next one."""
    dice = random.Random(7)
    spans = [(BEGAN - 100.0, BEGAN + 8_000.0)]
    spans += [
        (since, since + dice.uniform(100.0, 7_000.0))
        for since in (BEGAN + dice.uniform(0, 5e3) for _ in "12345678")
    ]
    for since, until in spans:
        for buckets in (1, 10, 100, 700):
            bands = reader.series(list(points), since, until, buckets).result(10)
            for name, samples in points.items():
                _check(
                    bands[name], [(t, v) for t, v in samples if since <= t <= until], since, until, buckets
                )


def _check(band: Band, truth: list[tuple[float, float]], since: float, until: float, buckets: int) -> None:
    assert len(band.t) <= buckets
    found = filled(band)
    assert bool(found) == bool(truth)
    if not truth:
        return
    assert min(low for _, low, _, _ in found) == min(v for _, v in truth)
    assert max(high for _, _, high, _ in found) == max(v for _, v in truth)
    assert found[-1][3] == truth[-1][1]
    width = (until - since) / len(band.t)
    # A sample is in its own bucket, or in the next one over, of those that have any.
    places = {round((t - since) / width - 0.5): (low, high) for t, low, high, _ in found}
    for t, v in truth:
        own = int((t - since) / width)
        near = [places[place] for place in range(own - 1, own + 2) if place in places]
        assert any(low <= v <= high for low, high in near), (t, v)


def test_a_day_of_forty_series_is_few_rows(tmp_path: Path) -> None:
    """A whole day at the width of a screen is read from the coarsest level, up to its last minute."""
    store = Store.create(tmp_path, {})
    names = [f"cpu:w{n}" for n in range(40)]
    for beat in range(0, 24 * 7_200, 128):
        # A beat of each minute, folded as if it were the whole of it.
        store.sample(BEGAN + beat / 2, dict.fromkeys(names, float(beat)))
        store._samples.fold()
        if beat % 12_800 == 0:
            store.commit({})
    store.close(clean=True)
    reader = RunReader.open(tmp_path)
    try:
        bands = reader.series(names, BEGAN, BEGAN + 86_400.0, 1_000).result(20)
        assert all(len(filled(band)) > 900 for band in bands.values())
        assert max(bands["cpu:w39"].high[-3:]) == float(24 * 7_200 - 128)
    finally:
        reader.close()


def test_names_and_spans(reader: RunReader, points: Points) -> None:
    assert reader.series_names() == ("cpu:w1", "memory:w1", "busy:w2")
    first, last = reader.span()
    assert first == points["cpu:w1"][0][0]
    assert last == points["cpu:w1"][-1][0]
    empty = reader.series(["nobody:has", "cpu:w1"], 5.0, 10.0, 10).result(10)
    assert (len(empty["nobody:has"].t), filled(empty["cpu:w1"])) == (0, [])
    assert reader.series(["cpu:w1"], 10.0, 10.0, 10).result(10)["cpu:w1"].t.tolist() == []


def test_a_clock_that_was_set_back_a_little_leaves_out_beats() -> None:
    samples = Samples()
    for t in (10.0, 10.5, 9.0, 10.5, 11.0):
        samples.add(t, {"cpu:w1": t})
    assert [t for _, t, _ in samples.drain().beats] == [10.0, 10.5, 11.0]


def test_the_unfolded_minute_is_small_and_goes_when_it_is_folded(tmp_path: Path) -> None:
    store = Store.create(tmp_path, {})
    try:
        for beat in range(300):
            store.sample(BEGAN + beat / 2, {"cpu:w1": 1.0})
            store.commit({})
        eventually(lambda: store.settled, "committed")
        connection = sqlite3.connect(tmp_path / "run.db")
        beats, pieces = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("beat", "piece")
        )
        connection.close()
        assert (beats, pieces) == (300 - 256, 2 * (2 + 1 + 1))
    finally:
        store.close(clean=True)
