"""What the probe shows of a result: within its cap, whatever it is, and never by a costly `__repr__`."""

from __future__ import annotations

import sys
from collections import Counter, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support_apps.workers import PROBE


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as a worker loads it: by its own name, from its own folder."""
    monkeypatch.syspath_prepend(str(PROBE))
    import celery_desk_values  # type: ignore[import-not-found]

    yield celery_desk_values
    del sys.modules["celery_desk_values"]


@dataclass
class _Order:
    number: int
    lines: list[Any]


class _Query:
    """Has items of its own; to show it would ask a database."""

    def __len__(self) -> int:
        raise AssertionError("its items were counted")

    def __repr__(self) -> str:
        raise AssertionError("it was shown")


class _Broken:
    def __repr__(self) -> str:
        raise ValueError("no")


_Point = namedtuple("_Point", "x y")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (True, "True"),
        (2.5, "2.5"),
        ("it's", '"it\'s"'),
        (b"\xff", "b'\\xff'"),
        ([], "[]"),
        ((1,), "(1,)"),
        (set(), "set()"),
        ({"a": 1, "b": [None, (2, "x")]}, "{'a': 1, 'b': [None, (2, 'x')]}"),
        (Counter("a"), "{'a': 1}"),
        (deque([1, 2]), "[1, 2]"),
        (_Point(1, 2), "(1, 2)"),
        (_Order(3, ["x"]), "_Order(number=3, lines=['x'])"),
        (Path("/tmp"), repr(Path("/tmp"))),
        (range(3), "range(0, 3)"),
        ([[[[[1]]]]], "[[[[[...]]]]]"),
        pytest.param(1 << 16609, "<an integer of 16610 bits>", id="a long integer"),
        (_Query(), f"<{__name__}._Query>"),
        ([_Query()], f"[<{__name__}._Query>]"),
    ],
)
def test_shown(values: ModuleType, value: Any, text: str) -> None:
    assert values.shown(value) == text


def test_what_cannot_be_shown_is_left_out(values: ModuleType) -> None:
    assert values.shown(_Broken()) is None
    assert values.shown({"a": [_Broken()]}) is None


def test_a_container_in_itself(values: ModuleType) -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert values.shown(endless) == "[1, [1, [1, [1, [...]]]]]"


def test_large_values_are_cut_at_the_cap(values: ModuleType) -> None:
    many = dict.fromkeys(range(1000), "x" * 5000)
    for value in ("x" * 100_000, b"x" * 100_000, many, _Order(1, [list(range(10_000))] * 1000)):
        text = values.shown(value)
        assert len(text) == values.RESULT_CAP
        assert text.endswith("...")


def test_only_the_items_that_are_shown_are_asked(values: ModuleType) -> None:
    asked: list[int] = []

    class Item:
        def __repr__(self) -> str:
            asked.append(1)
            return "12345678"

    text = values.shown([Item()] * 100_000)
    assert text.startswith("[12345678, 12345678, ")
    assert len(asked) <= values.RESULT_CAP // len("12345678, ") + 1
