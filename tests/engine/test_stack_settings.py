"""The [celery] table and `extra_args`, held against the Celery that is installed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from desktop.engine.stack import settings as stack_settings
from desktop.engine.stack.envfile import parse_env
from desktop.engine.stack.options import OURS, PASSED, extra_arg_faults
from desktop.engine.stack.problems import WrongError
from desktop.engine.stack.settings import (
    celery_settings,
    included_modules,
    setting_args,
    setting_faults,
)
from tests.engine.stack_samples import the_problem

_SAMPLES: dict[str, list[Any]] = {
    "bool": [True, False],
    "int": [0, -1, 7],
    "float": [0, 1.5, 1e20, float("inf")],
    "list": [["json"], []],
    "tuple": [["a.b"]],
    "dict": [{"a b": {"c": [1, "é=("]}, "x": True}, {}],
    "any": [{"*": {"rate_limit": "1/s"}}, ["x"], "auto", 3, True, 1.5],
}
_TEXTS = ["plain", "", "with space = and é", "(list)[1]", "(%(x)s) [%(y)s]", "true", "7"]


def test_names_and_types_are_those_of_the_installed_celery() -> None:
    from celery.app.defaults import _OPTIONS, SETTING_KEYS

    found = celery_settings()
    assert set(found) == SETTING_KEYS
    for name, setting in found.items():
        kind = _OPTIONS[name].type
        assert setting.kind == (kind if isinstance(kind, str) else kind.__name__)


def test_without_celery_s_source_the_same_is_found_by_import() -> None:
    imported = stack_settings._imported()
    read = celery_settings()
    assert set(imported) == set(read)
    assert {n: (s.kind, s.plain) for n, s in imported.items()} == {
        n: (s.kind, s.plain) for n, s in read.items()
    }


def test_reading_a_stack_does_not_import_celery() -> None:
    """It would cost 85 ms, and two threads that import Celery for the first time at once may fail."""
    code = (
        "import sys; from desktop.engine.stack.parse import read_stack; read_stack('laptop');"
        "sys.exit(sorted({m.split('.')[0] for m in sys.modules} & {'celery', 'kombu', 'tomlkit'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"


def _usable() -> list[tuple[str, Any]]:
    pairs = [
        (name, value)
        for name, setting in celery_settings().items()
        for value in _SAMPLES.get(setting.kind, _TEXTS)
    ]
    return [(name, value) for name, value in pairs if not setting_faults(name, value)]


def test_every_setting_that_is_let_through_arrives_as_it_was_written() -> None:
    """Celery's own parser of what follows `--` reads each back with its type."""
    from celery.loaders.base import BaseLoader

    usable = _usable()
    assert len({name for name, _ in usable}) > 120
    for name, value in usable:
        args = setting_args({name: value})
        if name in ("imports", "include"):
            assert args == []
            assert included_modules({name: value}) == tuple(value)
            continue
        read = BaseLoader(app=None).cmdline_config_parser(args, namespace="worker")
        assert read == {name: value}, args
        assert isinstance(value, list) or type(read[name]) in (type(value), float), args


@pytest.mark.parametrize(
    ("name", "value", "piece"),
    [
        ("task_ack_late", True, "Did you mean `task_acks_late`?"),
        ("CELERY_ACKS_LATE", True, "Write `task_acks_late`."),
        ("CELERYD_PREFETCH_MULTIPLIER", 4, "Write `worker_prefetch_multiplier`."),
        ("Task_Acks_Late", True, "Write `task_acks_late`."),
        ("nothing_like_it_at_all", 1, "is not a setting of Celery"),
        ("task_acks_late", "true", "true or false"),
        ("task_acks_late", 1, "true or false"),
        ("worker_prefetch_multiplier", True, "a whole number"),
        ("worker_prefetch_multiplier", 0, "only the app itself"),
        ("result_expires", "1 day", "a number"),
        ("accept_content", "json", "a list"),
        ("task_publish_retry_policy", 3, "a table"),
        ("task_default_queue", 3, "text in quotes"),
        ("broker_url", "redis://x", "started for it"),
        ("broker_password", "x", "started for it"),
        ("redis_port", 1, "started for it"),
        ("result_backend", "redis://x", "results = true in [broker]"),
        ("database_url", "sqlite://", "results = true in [broker]"),
        ("cache_backend", "memory", "results = true in [broker]"),
        ("redis_password", "x", "env_file in [app]"),
        ("security_key", "x", "env_file in [app]"),
        ("s3_secret_access_key", "x", "env_file in [app]"),
        ("result_backend_transport_options", {"sentinel_kwargs": {"password": "x"}}, "env_file in [app]"),
        ("timezone", "UTC", "in the app itself"),
        ("worker_pool", "solo", "in [[worker]]"),
        ("worker_concurrency", 3, "in [[worker]]"),
        ("worker_state_db", "x", "--statedb"),
        ("worker_enable_remote_control", False, "control ping"),
        ("broker_transport_options", {"visibility_timeout": "10"}, "a number of seconds"),
        ("imports", ["a b"], "name of a module"),
        ("result_expires", float("nan"), "Write a number"),
        ("task_default_queue", "a\0b", "NUL"),
        ("task_default_queue", "x" * 200_000, "longer than a command line"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(name: str, value: object, piece: str) -> None:
    (fault,) = setting_faults(name, value)
    assert piece.lower() in f"{fault.what} {fault.next_step}".lower()
    assert fault.next_step


def test_a_value_inside_a_setting_is_told_by_its_own_line() -> None:
    text = 'name = "t"\n[celery.task_routes]\na = "x"\nb.c = 1979-05-27\n'
    problem = the_problem(text)
    assert (problem.line, problem.where) == (4, "[celery] task_routes.b.c")


def test_plain_forms_are_used_where_celery_reads_them_rightly() -> None:
    celery = {
        "task_acks_late": False,
        "worker_prefetch_multiplier": 4,
        "task_default_queue": "a b",
        "enable_utc": True,
    }
    assert setting_args(celery) == [
        "task_acks_late=false",
        "worker_prefetch_multiplier=4",
        "task_default_queue=a b",
        "enable_utc=(bool)true",
    ]


def test_a_newer_setting_is_cast_so_that_an_older_celery_takes_it() -> None:
    assert stack_settings.setting_arg("task_from_the_future", "x") == "task_from_the_future=(string)x"


def test_every_option_of_celery_worker_is_known_with_its_arity() -> None:
    from celery.bin.celery import celery as top
    from celery.bin.worker import worker

    of_worker = {name: not param.is_flag for param in worker.params for name in param.opts}
    known = {**{name: takes for name, (_, takes) in OURS.items()}, **PASSED}
    assert of_worker == {name: known[name] for name in of_worker}
    of_top = {name: not param.is_flag for param in top.params for name in param.opts}
    # --workdir, --app, … are refused by celery itself behind `worker`; the stack says where they belong.
    assert set(known) - set(of_worker) - set(of_top) == {"--help"}
    assert not set(PASSED) & set(OURS)


@pytest.mark.parametrize(
    ("args", "index", "piece"),
    [
        (["-c", "4"], 0, "`concurrency`"),
        (["-c4"], 0, "`concurrency`"),
        (["-Ec4"], 0, "`task_events`"),
        (["--autoscale=4,1"], 0, "`autoscale`"),
        (["-O", "fair", "-Q", "x"], 2, "`queues`"),
        (["-n", "x"], 0, "`name`"),
        (["-lDEBUG"], 0, "`log_level`"),
        (["-A", "x"], 0, "[app]: target"),
        (["--broker=redis://"], 0, "[broker]"),
        (["-B"], 0, "no beat"),
        (["--detach"], 0, "started and watched"),
        (["--pidfile", "x"], 0, "started and watched"),
        (["-f", "x"], 0, "log"),
        (["-I", "x"], 0, "include = […] in [celery]"),
        (["--", "task_acks_late=true"], 0, "[celery]"),
        (["task_acks_late=true"], 0, "[celery]"),
        (["--without-gosip"], 0, "`--without-gossip`"),
        (["-O"], 0, "needs a value"),
        (["--purge=yes"], 0, "takes none"),
        (["--help"], 0, "print its help"),
    ],
)
def test_options_that_collide_are_refused_with_the_key_to_use(
    args: list[str], index: int, piece: str
) -> None:
    fault = extra_arg_faults(args)[0]
    assert fault.at == (index,)
    assert piece in f"{fault.what} {fault.next_step}"


@pytest.mark.parametrize(
    "args",
    [
        ["-O", "fair", "--without-gossip", "--without-mingle"],
        ["-Ofair", "--statedb=x.db", "-X", "a,b", "--purge"],
        ["--heartbeat-interval", "-1"],
        ["--shop-branch", "north", "--dry"],  # the app's own
    ],
)
def test_options_that_do_not_collide_pass(args: list[str]) -> None:
    assert extra_arg_faults(args) == []


def test_env_files_are_read_as_people_write_them() -> None:
    text = (
        "# comment\r\n\r\nA=1\r\nexport B = two words # why\nC='#not # a comment' # c\n"
        'D="a\\n\\"b\\" \\\\"\nE=\nF="over\nlines"\nA=2\n  G=a#b\nH=é\nI= # nothing\nJ=x=y'
    )
    assert parse_env(text, ".env") == {
        "A": "2",
        "B": "two words",
        "C": "#not # a comment",
        "D": 'a\n"b" \\',
        "E": "",
        "F": "over\nlines",
        "G": "a#b",
        "H": "é",
        "I": "",
        "J": "x=y",
    }


def test_every_bad_line_of_an_env_file_is_told() -> None:
    with pytest.raises(WrongError) as caught:
        parse_env("A=1\nno\n\n2B=x\nC='open\n", ".env")
    assert [fault.what for fault in caught.value.faults] == [
        f"names .env, whose line {line} is not KEY=VALUE." for line in (2, 4, 5)
    ]
