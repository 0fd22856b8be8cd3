"""The benchmarks' figures: what is aimed at is measured, judged rightly, and told in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import HERE, names
from tests.benchmarks.aims import AIMS, Aim, at, judged, table

DOCS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def paths() -> list[str]:
    """Of every figure that is aimed at, and of what stands beside it."""
    return [path for aim in AIMS for path in (aim.ours, aim.peer) if path]


@pytest.mark.parametrize("benchmark", sorted({path.partition(".")[0] for path in paths()}))
def test_a_benchmark_measures_what_is_aimed_at(benchmark: str) -> None:
    assert benchmark in names()
    # Keys are put together there (`late_{what}_p99_ms`): every word between must be the program's own.
    programs = "".join(file.read_text("utf-8") for file in HERE.glob("*.py") if file.name != "aims.py")
    words = set(re.findall(r"[a-z0-9]+", programs))
    for path in paths():
        if path.startswith(f"{benchmark}."):
            assert set(re.findall(r"[a-z0-9]+", path)) <= words, path


def test_no_figure_is_aimed_at_twice() -> None:
    assert len({aim.ours for aim in AIMS}) == len({aim.what for aim in AIMS}) == len(AIMS)


def test_figures_are_judged_by_their_aims() -> None:
    results = {
        "window": {"late_load_p99_ms": 16.5, "late_load_floor_p99_ms": 4.0, "panel_cpu_idle_percent": 2.0},
        "load": {"ratio": 2.4},
        "stack": {"error": "exit code 1"},
    }
    found = {figure["what"]: figure for figure in judged(results)}
    assert len(found) == 3, "only what was measured"
    late = found["event loop late at 200 tasks/s, p99, ms"]
    assert (late["ours"], late["met"], late["aim"]) == (16.5, False, "≤ 16")
    assert late["beside"] == "4.0 a bare loop beside it"
    assert found["panel's part of a core, 4 idle workers, %"]["met"]
    submitted = found["tasks submitted a second / apply_async in a loop"]
    assert (submitted["met"], submitted["aim"], submitted["beside"]) == (
        False,
        "≥ 2.5",
        "no peer in this run",
    )


def test_an_aim_is_met_at_its_limit() -> None:
    assert Aim("", "", most=0.0).met(0.0)
    assert not Aim("", "", most=0.0).met(0.01)
    assert Aim("", "", least=0.95).met(0.95)
    assert not Aim("", "", least=0.95).met(0.949)


def test_what_was_not_measured_is_none() -> None:
    assert at({"a": {"b": 3}}, "a.b") == 3
    for path in ("a", "a.c", "a.b.c", "x.y"):
        assert at({"a": {"b": 3}}, path) is None


def test_the_documentation_tells_every_figure_as_the_benchmarks_print_it() -> None:
    told = re.findall(
        r"^\| (.+?) \| ([^|]+) \| ([≤≥] [^|]+) \| [^|]+ \|$", DOCS.read_text("utf-8"), re.MULTILINE
    )
    assert [(what, aim) for what, _, aim in told] == [(aim.what, aim.words) for aim in AIMS]
    assert table([]).splitlines()[0] in DOCS.read_text("utf-8")
