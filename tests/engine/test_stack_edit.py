"""Changes written into stack files: what was changed is, and nothing else of the file is touched."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.engine.api import DeskError
from desktop.engine.stack import edit
from desktop.engine.stack.edit import edit_stack, write_stack
from desktop.engine.stack.model import Autoscale, BrokerSpec, Pool, Restart, StackSpec, WebSpec, WorkerSpec
from desktop.engine.stack.parse import parse_stack, read_stack, stack_text
from desktop.engine.stack.problems import StackFileError
from tests.engine.stack_samples import EVERY_KEY

LAPTOP = stack_text(read_stack("laptop"))
STACK = parse_stack(LAPTOP)
W1, W2 = STACK.workers


def changed(text: str, change: Callable[[StackSpec], StackSpec]) -> tuple[list[str], list[str]]:
    """Lines that an edit takes out and puts in; the result is what was asked for."""
    old = parse_stack(text)
    new = change(old)
    edited = edit_stack(text, old, new)
    assert parse_stack(edited) == replace(new, about=old.about)
    lines = list(difflib.ndiff(text.splitlines(), edited.splitlines()))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def test_nothing_changed_is_the_same_text() -> None:
    text = LAPTOP.replace("\n", "\r\n")
    assert edit_stack(text, STACK, STACK) is text


def test_keys_of_a_worker_are_changed_where_they_stand_and_new_ones_follow() -> None:
    new = replace(W1, autoscale=Autoscale(2, 8), queues=("a", "b"), time_limit=3.0, restart=Restart.NEVER)
    gone, come = changed(LAPTOP, lambda s: replace(s, workers=(new, W2)))
    assert gone == ["autoscale = { min = 1, max = 4 }"]
    assert come == [
        "autoscale = { min = 2, max = 8 }",
        'queues = ["a", "b"]',
        'restart = "never"',
        "time_limit = 3",
    ]


def test_a_comment_behind_a_changed_value_stays() -> None:
    _, come = changed(EVERY_KEY, lambda s: replace(s, celery={**s.celery, "task_acks_late": False}))
    assert come == ["task_acks_late = false # late"]


def test_autoscale_gives_way_to_concurrency() -> None:
    new = replace(W1, autoscale=None, autoscale_keepalive=None, concurrency=3)
    gone, come = changed(LAPTOP, lambda s: replace(s, workers=(new, W2)))
    assert gone == ["autoscale = { min = 1, max = 4 }", "autoscale_keepalive = 5"]
    assert come == ["concurrency = 3"]


def test_a_removed_worker_takes_the_comment_above_it_along() -> None:
    gone, come = changed(LAPTOP, lambda s: replace(s, workers=(W2,)))
    assert gone[0].startswith("# Processes: for tasks that compute")
    assert [line for line in gone if "Threads" in line] == []
    assert come == []


def test_every_worker_can_go_and_come_back() -> None:
    emptied = edit_stack(LAPTOP, STACK, replace(STACK, workers=()))
    assert "[[worker]]" not in emptied
    _, come = changed(emptied, lambda s: replace(s, workers=(W1,)))
    assert "[[worker]]" in come


def test_a_new_worker_follows_the_others() -> None:
    gone, come = changed(
        LAPTOP, lambda s: replace(s, workers=(W1, W2, WorkerSpec("w3", Pool.GEVENT, concurrency=9)))
    )
    assert gone == []
    assert [line for line in come if line] == [
        "[[worker]]",
        'name = "w3"',
        'pool = "gevent"',
        "concurrency = 9",
    ]


def test_workers_change_places_with_their_comments() -> None:
    edited = edit_stack(LAPTOP, STACK, replace(STACK, workers=(W2, W1)))
    assert (
        edited.index("# Threads in one process")
        < edited.index('"w2"')
        < edited.index("# Processes: for tasks")
    )
    assert parse_stack(edited).workers == (W2, W1)


def test_workers_of_one_table_stay_one_while_they_are_alike() -> None:
    a, b, w2 = parse_stack(EVERY_KEY).workers
    alike = tuple(replace(worker, log_level="ERROR") for worker in (a, b))
    gone, come = changed(EVERY_KEY, lambda s: replace(s, workers=(*alike, w2)))
    assert (gone, come) == (['log_level = "debug"'], ['log_level = "ERROR"'])


def test_workers_of_one_table_part_when_they_differ() -> None:
    a, b, w2 = parse_stack(EVERY_KEY).workers
    edited = edit_stack(
        EVERY_KEY, parse_stack(EVERY_KEY), replace(parse_stack(EVERY_KEY), workers=(a, b, w2))
    )
    assert edited == EVERY_KEY
    _, come = changed(EVERY_KEY, lambda s: replace(s, workers=(a, replace(b, queues=("slow",)), w2)))
    assert {'name = "w1-1"', 'name = "w1-2"', 'queues = ["slow"]'} <= set(come)


def test_fewer_of_one_table_lower_its_count() -> None:
    text = 'name = "t"\n[[worker]]\nname = "w"\ncount = 3\n'
    gone, come = changed(text, lambda s: replace(s, workers=s.workers[:2]))
    assert (gone, come) == (["count = 3"], ["count = 2"])
    _, come = changed(text, lambda s: replace(s, workers=s.workers[1:]))
    assert {'name = "w-2"', 'name = "w-3"'} <= set(come)


def test_broker_celery_web_and_name_are_changed_too() -> None:
    def change(stack: StackSpec) -> StackSpec:
        celery = {
            **stack.celery,
            "broker_transport_options": {"visibility_timeout": 10},
            "task_track_started": True,
        }
        del celery["worker_prefetch_multiplier"]
        return replace(
            stack,
            name="other",
            broker=replace(stack.broker, port=7000, results=True),
            celery=celery,
            web=None,
        )

    gone, come = changed(LAPTOP, change)
    assert [line for line in come if line] == [
        'name = "other"',
        "port = 7000",
        "results = true",
        "broker_transport_options = { visibility_timeout = 10 }",
        "task_track_started = true",
    ]
    assert {'name = "laptop"', "port = 0", "worker_prefetch_multiplier = 4", "[web]"} <= set(gone)


def test_tables_that_were_not_there_are_written() -> None:
    def change(stack: StackSpec) -> StackSpec:
        celery = {"task_acks_late": True}
        return replace(
            stack, celery=celery, broker=BrokerSpec(port=7000), web=WebSpec(port=7001), workers=(W1,)
        )

    gone, come = changed('# mine\nname = "t" # t\n', change)
    assert gone == []
    assert {"[celery]", "[broker]", "[web]", "[[worker]]"} <= set(come)


# Layouts that TOML allows and few people write: workers in a list, tables in two parts, dotted keys, …
UNUSUAL = [
    'worker = [{name = "a"}, {name = "b"}] # c\nname = "x"\nbroker.port = 7000\n'
    "[celery]\ntask_acks_late = true\n",
    '# hi\nname = "x"\n\n[[worker]]\nname = "a"\n[web]\n[worker.autoscale]\nmin = 1\nmax = 2\n'
    '[[worker]]\nname = "b"',
    '[[worker]]\nname = "a"\n[broker]\nport = 7000\n[[worker]]\nname = "b"\n'
    '["celery"]\n[celery.task_routes]\nx = "y"\n',
    '# about\n[[worker]]\n"name" = "a"\nautoscale.min = 1\nautoscale.max = 2 # m\n\n\n'
    '# of b\n[[ worker ]]\nname = "b"\n',
    'broker = { port = 7000 }\n[celery]\ntask_routes.a = """\n# not a comment\n[[worker]]"""\n'
    '[[worker]]\nname="a"\ncount=2',
]


@pytest.mark.parametrize("text", UNUSUAL, ids=range(len(UNUSUAL)))
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_unusual_layouts_take_any_change(text: str, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit, "compose_stack", lambda _: "written = 'anew'")
    text = text.replace("\n", ends)
    old = parse_stack(text, Path("x.toml"))
    first, second = old.workers
    for new in (
        replace(old, workers=(first,)),
        replace(old, workers=(second, first)),
        replace(old, workers=(first, replace(second, autoscale=Autoscale(1, 9)))),
        replace(old, workers=()),
        replace(old, broker=BrokerSpec(port=9000), celery={"task_acks_late": False}),
        replace(old, broker=BrokerSpec(), celery={}, web=WebSpec(port=9001)),
    ):
        edited = edit_stack(text, old, new)
        assert parse_stack(edited, old.path) == new
        assert "\r" not in edited.replace("\r\n", "")
        assert ends == "\n" or edited.count("\r\n") == edited.count("\n")


def test_a_byte_order_mark_stays() -> None:
    text = "\ufeff" + LAPTOP
    edited = edit_stack(text, parse_stack(text), replace(STACK, name="x"))
    assert edited.startswith("\ufeff#")
    assert parse_stack(edited).name == "x"


_WORKERS = st.builds(
    WorkerSpec,
    name=st.sampled_from(["w1", "w2", "w3", "w1-1", "w1-2"]),
    pool=st.just(Pool.PREFORK),
    autoscale=st.sampled_from([None, Autoscale(0, 3), Autoscale(1, 4)]),
    queues=st.sampled_from([("celery",), ("base",), ("é", "b c")]),
    max_tasks_per_child=st.sampled_from([None, 5]),
    time_limit=st.sampled_from([None, 2.5, 9.0]),
    log_level=st.sampled_from(["INFO", "DEBUG"]),
    extra_args=st.sampled_from([(), ("-O", "fair")]),
)


@given(
    st.sampled_from([LAPTOP, EVERY_KEY, *UNUSUAL]), st.lists(_WORKERS, max_size=4, unique_by=lambda w: w.name)
)
@settings(max_examples=150, deadline=None, database=None)
def test_any_workers_can_be_written_into_any_file(text: str, workers: list[WorkerSpec]) -> None:
    old = parse_stack(text, Path("x.toml"))
    kept = tuple(worker for worker in old.workers if worker.name not in {new.name for new in workers})
    new = replace(old, workers=(*kept, *workers))
    assert parse_stack(edit_stack(text, old, new), old.path) == new


def test_a_wrong_stack_is_not_written() -> None:
    with pytest.raises(StackFileError, match="does not work on threads"):
        edit_stack(
            LAPTOP, STACK, replace(STACK, workers=(replace(W2, concurrency=None, autoscale=Autoscale(1, 2)),))
        )


def test_a_file_is_written_whole_with_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "t.toml"
    write_stack(path, LAPTOP)
    assert path.read_text("utf-8") == LAPTOP
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    write_stack(link, EVERY_KEY.replace("\n", "\r\n"))
    assert link.is_symlink()
    assert path.read_bytes() == EVERY_KEY.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["t.toml"]


def test_what_is_no_stack_file_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    write_stack(path, LAPTOP)
    with pytest.raises(StackFileError):
        write_stack(path, LAPTOP + "bogus = 1\n")
    assert path.read_text() == LAPTOP


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.toml"
    write_stack(path, LAPTOP)

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(edit.os, "replace", fail)
    with pytest.raises(DeskError, match="could not be written: No space left on device"):
        write_stack(path, EVERY_KEY)
    assert path.read_text() == LAPTOP
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".toml" and p.is_file()] == []
