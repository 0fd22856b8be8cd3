"""On which line each key stands, in texts that are hard to read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.engine.stack.positions import locate

NASTY = '''\
# a comment with [brackets] and key = "value"
name = "x" # trailing = "no key"
"quoted key" = 1
'literal.key' = 2
dotted . "key".here = 3

text = """
fake = 1
[[worker]] ""\\""" \\""" not the end
"""
literal = \'\'\'
[fake]
it\'s = ''
\'\'\'
list = [ # first
    "a", "]", # second
    ["nested", { inner = "}" }],

    "last",
]
date = 1979-05-27 07:32:00
inline = { a = 1, b.c = { d = "," }, "é" = [1] }

[[worker]]
name = "w1"
[worker.autoscale]
min = 1
  [[worker.sub]]
  one = 1
  [[worker.sub]]
  two = 2
[[worker]]
name = "w2"
autoscale.min = 2
[ web . "a b" ]
"\\u0041" = 1
'''

EXPECTED = {
    ("name",): 2,
    ("quoted key",): 3,
    ("literal.key",): 4,
    ("dotted", "key", "here"): 5,
    ("text",): 7,
    ("literal",): 11,
    ("list",): 15,
    ("list", 0): 16,
    ("list", 1): 16,
    ("list", 2): 17,
    ("list", 2, 1, "inner"): 17,
    ("list", 3): 19,
    ("date",): 21,
    ("inline", "b", "c", "d"): 22,
    ("inline", "é", 0): 22,
    ("worker", 0): 24,
    ("worker", 0, "name"): 25,
    ("worker", 0, "autoscale", "min"): 27,
    ("worker", 0, "sub", 1, "two"): 31,
    ("worker", 1): 32,
    ("worker", 1, "name"): 33,
    ("worker", 1, "autoscale", "min"): 34,
    ("web", "a b", "A"): 36,
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_every_key_is_found_on_its_line(ends: str) -> None:
    text = NASTY.replace("\n", ends)
    tomllib.loads(text)
    found = locate(text)
    assert {path: found.line(path) for path in EXPECTED} == EXPECTED


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    found = locate("a = 1\n\n[broker]\nport = 1\n")
    assert found.line(("broker", "kind")) == 3
    assert found.line(("nothing",)) == 1


def test_headers_are_told_with_their_kind() -> None:
    headers = locate('[a."b.c"]\n[[d]] # x\n').headers
    assert [(h.line, h.keys, h.array) for h in headers] == [(1, ("a", "b.c"), False), (2, ("d",), True)]


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


_KEY = st.sampled_from(["a", "b.c", '"d e"', "'f.g'", 'h."i"', '"\\u0041"'])
_SCALAR = st.sampled_from(
    ["1", "-1.5e3", "true", '"x"', "'y'", '"#]},"', "1979-05-27 07:32:00Z", '"""a\n""\\"""""', "'''\n\\''''"]
)
_VALUE = st.recursive(
    _SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # [\n" + ", # }\n".join(items) + "\n]"),
        st.lists(_SCALAR, max_size=3).map(
            lambda items: "{" + ", ".join(f"k{n} = {item}" for n, item in enumerate(items)) + "}"
        ),
    ),
    max_leaves=6,
)
_LINE = st.one_of(
    st.builds("{} = {} # =".format, _KEY, _VALUE),
    st.builds("[{}]".format, _KEY),
    st.builds(" [[ {} ]] # x".format, _KEY),
    st.sampled_from(["", "# [x]", "\t"]),
)


@given(st.lists(_LINE, max_size=8).map("\n".join))
@settings(max_examples=400, deadline=None, database=None)
def test_the_walk_agrees_with_the_parser(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except ValueError:
        return
    found = locate(text)
    assert set(_paths(data)) - {()} == set(found.lines) - {()}
