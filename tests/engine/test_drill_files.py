"""Drill files: what a right one gives, and what a person is told about a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from desktop.engine import paths
from desktop.engine.api import DrillSpec, Expect, FaultKind, Finding, Pick, Target
from desktop.engine.drills.library import all_drills, shipped_folder
from desktop.engine.drills.moments import plan
from desktop.engine.drills.parse import parse_drill, read_drill
from desktop.engine.stack.parse import parse_stack
from desktop.engine.stack.problems import StackFileError
from desktop.engine.stack.secrets import without_secrets

WHOLE = """
name = "whole"
title = "Everything"
teaches = "One.\\nTwo."
change = "That."
gives = "FAIL"
seed = 7
repeat = 3
limit = "2 min"

[stack.broker]
persistence = "append-only"
relay = true

[[stack.worker]]
name = "w1"

[[workload]]
task = "tasks.sleep"
kwargs = { seconds = 1.5 }
count = 20
rate = 4
queue = "slow"
countdown = "200 ms"

[[workload]]
mix = [{ task = "tasks.noop", weight = 3 }, { task = "tasks.sleep", args = [1] }]
rate = 10
seconds = "10 s"

[[fault]]
what = "freeze-worker"
target = { runs = "tasks.sleep" }
at = "1 s to 4 s"
for = "1500 ms"

[[fault]]
what = "kill-worker"
target = "random"
every = "10 s"
times = 4

[[fault]]
what = "latency"
target = "w1"
when = "2 active on w1"
delay = "50 ms"
jitter = 0.01

[expect]
lost = 2
duplicates = "allowed"
failed = 0
still = "allowed"
recovered_within = "10 s"
noticed_within = 1
"""

KILL = '[[fault]]\nwhat = "kill-worker"\n'
SMALL = '[[stack.worker]]\nname = "w1"\n[[workload]]\ntask = "tasks.noop"\ncount = 1\n'


def test_every_key_is_read() -> None:
    drill = parse_drill(WHOLE)
    assert (drill.name, drill.title, drill.teaches) == ("whole", "Everything", "One. Two.")
    assert (drill.gives, drill.seed, drill.repeat, drill.limit) == (Finding.FAIL, 7, 3, 120.0)
    assert drill.expect == Expect(2, None, 0, None, 10.0, 1.0)
    first, second = drill.workloads
    assert (first.count, first.rate) == (20, 4.0)
    share = first.mix[0]
    assert (share.task, dict(share.kwargs), share.queue, share.countdown) == (
        "tasks.sleep",
        {"seconds": 1.5},
        "slow",
        0.2,
    )
    assert [(one.task, one.weight, one.args) for one in second.mix] == [
        ("tasks.noop", 3, ()),
        ("tasks.sleep", 1, (1,)),
    ]
    freeze, kill, latency = drill.faults
    assert (freeze.at, freeze.at_latest, freeze.spec.seconds) == (1.0, 4.0, 1.5)
    assert freeze.spec.target == Target(Pick.RUNS, "tasks.sleep")
    assert (kill.every, kill.times, kill.spec.target) == (10.0, 4, Target(Pick.RANDOM))
    assert (latency.when, dict(latency.spec.options)) == ("2 active on w1", {"delay": 0.05, "jitter": 0.01})
    lines = [n for n, line in enumerate(WHOLE.split("\n"), 1) if line == "[[fault]]"]
    assert [fault.line for fault in drill.faults] == lines


def test_the_stack_inside_is_a_stack_file_of_its_own() -> None:
    drill = parse_drill(WHOLE)
    assert drill.stack is not None
    assert drill.stack.name == "whole"
    assert parse_stack(drill.stack_text) == drill.stack


def test_a_stack_may_be_named_beside_the_drill_or_by_a_bare_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n[[worker]]\nname = "w9"\n')
    file = tmp_path / "d.toml"
    for name, workers in (("mine.toml", ["w9"]), ("laptop", ["w1", "w2"])):
        file.write_text(f'stack = "{name}"\n[[workload]]\ntask = "tasks.noop"\ncount = 1\n')
        stack = read_drill(file).stack
        assert stack is not None
        assert [worker.name for worker in stack.workers] == workers


def test_without_a_stack_it_is_that_which_lives() -> None:
    text = f'name = "x"\n[[workload]]\ntask = "t"\ncount = 1\n{KILL}target = "any"\nat = 1'
    assert parse_drill(text).stack is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[[fault]]\nwhat = "kill-wroker"\nat = 1',
            'line 8, [[fault]] number 1, what: cannot be "kill-wroker". Did you mean `kill-worker`?',
        ),
        ('[[fault]]\nwhat = "kill-worker"', "line 7, [[fault]] number 1: has no moment."),
        ("[[fault]]\nat = 1", "does not say what is done"),
        (f'{KILL}at = 1\nwhen = "all sent"', "line 10, [[fault]] number 1, when: stands beside"),
        (f'{KILL}when = "2 actve"', 'names "actve", where no task can be. Did you mean `active`?'),
        (f'{KILL}when = "2 active on w7"', "which is no worker of the stack. The stack has: w1."),
        (f'{KILL}at = 1\ntarget = "w2"', 'is "w2", which is no worker of the stack.'),
        (f'{KILL}at = 1\nfor = "3 s"', "for: cannot be: kill-worker is over in a moment."),
        (
            '[[fault]]\nwhat = "kill-broker"\nat = 1\ntarget = "all"',
            "cannot be chosen: kill-broker hits the broker",
        ),
        (f'{KILL}at = "soon"', 'is no time: "soon". Allowed: a time such as "10 s"'),
        (f'{KILL}at = "4 s to 1 s"', "ends before it begins"),
        (f"{KILL}at = 1\ntimes = 3", "times: belongs to every."),
        (
            '[[fault]]\nwhat = "latency"\nat = 1',
            "needs the relay between workers and broker. Write relay = true",
        ),
        ('[[fault]]\nwhat = "poison"\nat = 1\nhow = "drown"', 'how: cannot be "drown".'),
        ('[[fault]]\nwhat = "poison"\nat = 1\ncout = 3', "cout: is not known here. Did you mean `count`?"),
        ("[[faults]]\n", "Did you mean `fault`?"),
        ("[expect]\nlost = -1", "[expect] lost: cannot be -1. Allowed: a whole number"),
        ('[expect]\nlost = "none"', 'Allowed: a whole number of tasks, at most, or "allowed".'),
        ("[expect]\nlsot = 0", "Did you mean `lost`?"),
        ('[[workload]]\ntask = "a"\nrate = 3', "[[workload]] number 2: would be sent for ever."),
        ("[[workload]]\ncount = 3", "names no task"),
        ('[[workload]]\ntask = "a"\ncount = 3\nkwargs = { at = 1979-05-27 }', "no message can carry it"),
        ('[stack]\npool = "x"', "line 8, [stack] pool: is not known here."),
        ('[[stack.worker]]\nname = "w2"\npool = "preforc"', '[stack] worker w2, pool: cannot be "preforc".'),
    ],
)
def test_a_wrong_file_is_told_by_line_key_and_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(StackFileError) as caught:
        parse_drill(f'name = "x"\n{SMALL}{text}')
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('stack = "lapptop"', "Did you mean `laptop`?"),
        ("stack = 3", "must be the name of a stack or a table"),
        ('limit = "0 s"', "cannot be"),
        ('gives = "MAYBE"', 'Allowed: "PASS", "FAIL", "UNKNOWN".'),
        ("workload = 1", "must be a list of tables"),
        ("", "has no workload."),
        ('worker = "w1"', "Write [[stack.worker]]."),
    ],
)
def test_the_root_is_checked(text: str, told: str) -> None:
    with pytest.raises(StackFileError) as caught:
        parse_drill(f'name = "x"\n{text}')
    assert told in str(caught.value)


def test_a_drill_is_found_by_its_bare_name_in_the_users_folder_and_among_the_shipped() -> None:
    own = paths.drills_folder()
    own.mkdir(parents=True)
    (own / "mine.toml").write_text(SMALL)
    (own / "broken.toml").write_text("[[fault]]")
    assert read_drill("mine").name == "mine"
    assert read_drill("kill-late").gives is Finding.PASS
    with pytest.raises(StackFileError, match="Did you mean `kill-late`"):
        read_drill("kil-late")
    listed = {drill.name: drill for drill in all_drills()}
    assert "has no workload" in listed["broken"].problem
    assert not listed["mine"].shipped
    assert listed["kill-late"].shipped


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_drill_says_what_it_teaches_what_to_change_and_what_it_gives(path: Path) -> None:
    drill = read_drill(path)
    assert drill.gives is not None
    assert drill.teaches.count(".") >= 2
    assert drill.change
    assert drill.stack is not None
    assert drill.stack.name == drill.name == path.stem


def test_at_least_twelve_ship() -> None:
    assert len([drill for drill in all_drills() if drill.shipped]) >= 12


def test_a_drill_in_a_run_folder_has_no_secrets() -> None:
    kept = without_secrets(
        f'name = "x"\n{SMALL}kwargs = {{ api_key = "k1" }}\n[stack.app]\nenv = {{ HUSH = "k2" }}'
    )
    assert "k1" not in kept
    assert "k2" not in kept
    parse_drill(kept)


# moments


def test_the_seed_draws_moments_and_targets_and_nothing_else_does() -> None:
    drill = parse_drill(WHOLE)
    assert plan(drill, 3) == plan(drill, 3)
    assert plan(drill, 3) != plan(drill, 4)
    freeze, *kills, latency = plan(drill, 3)
    assert freeze.at is not None
    assert 1.0 <= freeze.at <= 4.0
    moments = [kill.at or 0.0 for kill in kills]
    assert len(moments) == 4
    assert all(5.0 <= later - first <= 15.0 for first, later in zip([0.0, *moments], moments, strict=False))
    assert len({kill.spec.seed for kill in kills}) == 4
    assert latency.at is None
    assert latency.when is not None


# broken ones by the thousand

_LINES = st.one_of(
    st.builds(
        "{} = {}".format,
        st.sampled_from(
            [
                "what",
                "target",
                "at",
                "when",
                "every",
                "times",
                "for",
                "count",
                "rate",
                "mix",
                "task",
                "stack",
                "limit",
                "lost",
                "gives",
                "seed",
                "delay",
                "how",
                "kwargs",
                "args",
                "workload",
                "fault",
                "expect",
                "x.y",
            ]
        ),
        st.sampled_from(
            [
                "0",
                "-1",
                "1e400",
                "nan",
                "true",
                '""',
                '"x"',
                "[]",
                "{}",
                "[{}]",
                "[[]]",
                '"5 s"',
                '"1 s to 9 s"',
                "1979-05-27",
                '"kill-worker"',
                '"rolling-kills"',
                '"2 active on w1"',
                '"99999999999999 active"',
                "{ runs = 3 }",
                "[1",
                '"\\u0000"',
            ]
        ),
    ),
    st.sampled_from(
        [
            "[expect]",
            "[[fault]]",
            "[[workload]]",
            "[stack]",
            "[[stack.worker]]",
            "[fault]",
            "[stack.celery]",
            "[x",
        ]
    ),
    st.text(max_size=20),
)
_VALID = [WHOLE, *(path.read_text("utf-8") for path in sorted(shipped_folder().glob("*.toml")))]


@st.composite
def _mutated(draw: Callable[..., Any]) -> str:
    lines: list[str] = draw(st.sampled_from(_VALID)).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["out", "new", "twice", "cut"]))
        if change == "out":
            lines[at : at + 1] = [""]
        elif change == "new":
            lines.insert(at, draw(_LINES))
        elif change == "twice":
            lines.insert(at, lines[at])
        else:
            lines[at] = lines[at][: draw(st.integers(0, 20))]
    return "\n".join(lines)


@given(st.one_of(_mutated(), st.lists(_LINES, max_size=10).map("\n".join), st.text(max_size=60)))
@example("[[fault]]\nwhat = []")
@example("[stack]\nworker = 1")
@example("workload = [[]]")
@settings(max_examples=150, deadline=None, database=None, print_blob=True)
def test_a_broken_file_never_gives_anything_but_a_drill_or_a_message(text: str) -> None:
    result = _result(text)
    if isinstance(result, DrillSpec):
        plan(result, 1)
        assert all(isinstance(fault.spec.kind, FaultKind) for fault in result.faults)
        return
    assert result.problems
    for problem in result.problems:
        assert problem.next_step
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.sentence("drill file") in str(result)


def _result(text: str) -> DrillSpec | StackFileError:
    try:
        return parse_drill(text)
    except StackFileError as error:
        return error
