"""Broken stack files by the thousand: a right stack comes of each, or problems that a person can mend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from desktop.engine.stack.compose import compose_stack
from desktop.engine.stack.model import StackSpec
from desktop.engine.stack.parse import parse_stack, read_stack
from desktop.engine.stack.problems import StackFileError
from desktop.engine.stack.rules import READERS, worker_faults
from desktop.engine.stack.settings import celery_settings
from desktop.engine.stack.shipped import shipped_folder
from tests.engine.stack_samples import EVERY_KEY

_VALID = [EVERY_KEY, *(path.read_text("utf-8") for path in sorted(shipped_folder().glob("*.toml")))]

_VALUES = st.sampled_from(
    [
        *(
            "0",
            "1",
            "-1",
            "4",
            "1.5",
            "99999999999999999999",
            "inf",
            "nan",
            "true",
            "false",
            '""',
            '"x"',
            '"a,b"',
        ),
        *("[]", "{}", '["x"]', "[1]", "[[]]", "{ min = 1, max = 4 }", "{ max = 0 }", "{ min = 9, max = 1 }"),
        *("1979-05-27", "07:32:00", '"\\u0000"', '"\\n"', '"threads"', '"solo"', '"gevent"', '["-c", "4"]'),
        *("prefork", "", "= 1", '"unfinished', "'''long\nlong'''", '"é ☃ \U0001f600"', '"(list)[]"', "0x_"),
    ]
)
_KEYS = st.sampled_from(
    [
        *READERS,
        *(
            "count",
            "kind",
            "port",
            "persistence",
            "server",
            "results",
            "target",
            "directory",
            "python",
            "env",
        ),
        *("env_file", "bogus", '"a b"', "a.b", '"\\u0007"', "broker.port", "worker", "celery.task_acks_late"),
        *sorted(celery_settings()),
    ]
)
_HEADERS = st.sampled_from(
    [
        "[app]",
        "[broker]",
        "[celery]",
        "[[worker]]",
        "[worker]",
        "[web]",
        "[worker.autoscale]",
        "[x",
        "[[web]]",
        "[a.b]",
    ]
)
_LINES = st.one_of(
    st.builds("{} = {}".format, _KEYS, _VALUES), _HEADERS, st.just("# comment"), st.text(max_size=20)
)


@st.composite
def _mutated(draw: Callable[..., str]) -> str:
    """A right file with some of its characters or lines dropped, doubled, garbled or given other values."""
    text = draw(st.sampled_from(_VALID))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([1, 1, 2, 5, 30]))
        lines = text.split("\n")
        number = draw(st.integers(0, len(lines) - 1))
        match draw(
            st.sampled_from(["drop", "double", "garble", "line out", "line twice", "other value", "new line"])
        ):
            case "drop":
                text = text[:at] + text[at + length :]
            case "double":
                text = text[: at + length] + text[at:]
            case "garble":
                text = text[:at] + draw(st.text(max_size=3)) + text[at + length :]
            case "line out":
                text = "\n".join(lines[:number] + lines[number + 1 :])
            case "line twice":
                text = "\n".join(lines[: number + 1] + lines[number:])
            case "other value":
                lines[number] = f"{lines[number].partition('=')[0]}= {draw(_VALUES)}"
                text = "\n".join(lines)
            case "new line":
                text = "\n".join([*lines[:number], draw(_LINES), *lines[number:]])
    return text


_BROKEN = st.one_of(_mutated(), st.lists(_LINES, max_size=12).map("\n".join), st.text(max_size=60))


@given(_BROKEN)
@example("worker = [1]")
@example("[[worker]]\n[worker.name]\nx = 1")
@example('"" = 1')
@example('# two  spaces\nname = "t"')
@example("[celery]\ntask_routes = { x = 1979-05-27 }")
@settings(max_examples=2000, deadline=None, database=None, print_blob=True)
def test_a_broken_file_is_told_or_taken(text: str) -> None:
    path = Path("broken.toml")
    result = _result(lambda: parse_stack(text, path))
    if isinstance(result, StackSpec):
        assert not [fault for worker in result.workers for fault in worker_faults(worker)]
        assert parse_stack(compose_stack(result), path) == result
        return
    assert result.problems
    for problem in result.problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.what.strip()
        assert problem.next_step.strip()
        assert problem.sentence("broken.toml").isprintable()
        assert problem.sentence("broken.toml") in str(result)


def _result(read: Callable[[], StackSpec]) -> StackSpec | StackFileError:
    try:
        return read()
    except StackFileError as error:
        return error


def test_any_bytes_are_told_or_taken(tmp_path: Path) -> None:
    path = tmp_path / "any.toml"

    @given(st.binary(max_size=60))
    @settings(max_examples=200, deadline=None, database=None)
    def told_or_taken(content: bytes) -> None:
        path.write_bytes(content)
        result = _result(lambda: read_stack(path))
        assert isinstance(result, StackSpec) or str(result).startswith("any.toml")

    told_or_taken()
