"""Reading stack files: what a right one gives, and what a person is told about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop.engine.api import DeskError
from desktop.engine.stack.model import (
    AppSpec,
    Autoscale,
    BrokerSpec,
    Persistence,
    Pool,
    Restart,
    StackSpec,
    WebSpec,
    WorkerSpec,
)
from desktop.engine.stack.parse import parse_stack, read_stack
from desktop.engine.stack.problems import StackFileError
from tests.engine.stack_samples import EVERY_KEY, problems_of, the_problem, worker


def test_every_key_is_read() -> None:
    w1 = WorkerSpec(
        name="w1-1",
        autoscale=Autoscale(0, 4),
        autoscale_keepalive=2.5,
        queues=("fast", "base"),
        restart=Restart.NEVER,
        prefetch_multiplier=8,
        disable_prefetch=True,
        max_tasks_per_child=100,
        max_memory_per_child=200_000,
        soft_time_limit=5.0,
        time_limit=7.5,
        pool_start_method="spawn",
        task_events=True,
        log_level="DEBUG",
        extra_args=("-O", "fair", "--without-gossip"),
    )
    stack = parse_stack(EVERY_KEY)
    assert stack == StackSpec(
        name="every",
        app=AppSpec("shop.celery:app", env={"SHOP": "1", "EMPTY": ""}),
        broker=BrokerSpec("redis", 7001, Persistence.APPEND_ONLY, None, True, True, Restart.ALWAYS),
        celery={
            "task_acks_late": True,
            "worker_prefetch_multiplier": 2,
            "result_expires": 60.5,
            "task_default_queue": "base",
            "accept_content": ["json"],
            "task_routes": {"shop.*": {"queue": "fast"}},
            "broker_transport_options": {"visibility_timeout": 10},
        },
        workers=(
            w1,
            stack.workers[1],
            # A worker without queues takes the default one of the stack.
            WorkerSpec("w2", Pool.THREADS, concurrency=8, queues=("base",)),
        ),
        web=WebSpec(),
        about="Everything at once: for the tests.",
    )
    assert [w.name for w in stack.workers] == ["w1-1", "w1-2", "w2"]


def test_a_stack_needs_only_a_name() -> None:
    assert parse_stack('name = "t"') == StackSpec("t")


def test_the_file_name_stands_in_for_a_missing_name(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("[broker]\n")
    assert read_stack(tmp_path / "shop.toml").name == "shop"
    (tmp_path / "My Shop.toml").write_text("[broker]\n")
    with pytest.raises(StackFileError, match="has no name"):
        read_stack(tmp_path / "My Shop.toml")


def test_an_error_names_file_line_worker_and_key(tmp_path: Path) -> None:
    path = tmp_path / "laptop.toml"
    path.write_text(worker('pool = "threads"', "autoscale = { min = 1, max = 4 }"))
    with pytest.raises(DeskError) as caught:
        read_stack(path)
    assert str(caught.value).startswith(
        "laptop.toml, line 5, worker w1, autoscale: does not work on threads: "
    )


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = (
        '[[worker]]\nname = "w1"\npool = "tread"\n[broker]\nport = 80\n'
        "[celery]\ntask_ack_late = true\nbogus = 1\n"
    )
    assert [(p.line, p.where) for p in problems_of(text)] == [
        (1, ""),
        (3, "worker w1, pool"),
        (5, "[broker] port"),
        (7, "[celery] task_ack_late"),
        (8, "[celery] bogus"),
    ]


WRONG: list[tuple[str, int, str, str]] = [
    # text, line, where, a piece of the sentence
    ('name = "T"', 1, "name", "a-z"),
    ('name = "t"\nnmae = "x"', 2, "nmae", "Did you mean `name`?"),
    ('name = "t"\n[beat]', 2, "beat", "This version starts no beat"),
    ('name = "t"\nbroker = 1', 2, "broker", "Write it as a line [broker]."),
    ('name = "t"\n[broker]\nkind = "rabbitmq"', 3, "[broker] kind", "starts Redis or Valkey only"),
    ('name = "t"\n[broker]\nkind = "url"', 3, "[broker] kind", "starts Redis or Valkey only"),
    ('name = "t"\n[broker]\nkind = "valkey"', 3, "[broker] kind", 'Write kind = "redis"'),
    ('name = "t"\n[broker]\nport = 80', 3, "[broker] port", "1024 to 65535"),
    ('name = "t"\n[broker]\nport = true', 3, "[broker] port", "1024 to 65535"),
    ('name = "t"\n[broker]\npersistence = "aof"', 3, "[broker] persistence", '"append-only"'),
    ('name = "t"\n[broker]\nserver = "/no/such/server"', 3, "[broker] server", "is no file"),
    ('name = "t"\n[broker]\nresults = "yes"', 3, "[broker] results", "true or false"),
    ('name = "t"\n[app]\ntarget = "shop celery"', 3, "[app] target", "shop.celery:app"),
    ('name = "t"\n[app]\ndirectory = "/no/such"', 3, "[app] directory", "is no folder"),
    ('name = "t"\n[app]\npython = "/etc/passwd"', 3, "[app] python", "may not be run"),
    ('name = "t"\n[app]\nenv_file = "/no/such"', 3, "[app] env_file", "is no file"),
    ('name = "t"\n[app]\nenv = { A = 1 }', 3, "[app] env.A", "must be text"),
    ('name = "t"\n[app]\nenv = { CELERY_BROKER_URL = "x" }', 3, "[app] env.CELERY_BROKER_URL", "own broker"),
    ('name = "t"\n[app.env]\nBROKER_URL = "x"', 3, "[app] env.BROKER_URL", "own broker"),
    (
        'name = "t"\n[app.env]\nAUTOSCALE_KEEPALIVE = "5"',
        3,
        "[app] env.AUTOSCALE_KEEPALIVE",
        "autoscale_keepalive",
    ),
    ('name = "t"\n[web]\nkind = "slow"', 3, "[web] kind", "Did you mean `slow-http`?"),
    ('name = "t"\n[worker]\nname = "w1"', 2, "worker", "Write each worker as [[worker]]."),
    ('name = "t"\n[[worker]]', 2, "[[worker]] number 1", 'Write name = "w1".'),
    ('name = "t"\n[[worker]]\nname = "broker"', 3, "worker broker, name", "another service"),
    (worker("[[worker]]", 'name = "w1"'), 5, "worker w1, name", "second time"),
    (worker("count = 0"), 4, "worker w1, count", "1 to 50"),
    (worker('pool = "Threads"'), 4, "worker w1, pool", "Did you mean `threads`?"),
    (worker("pool = 4"), 4, "worker w1, pool", '"gevent"'),
    (worker("autoscale = 4"), 4, "worker w1, autoscale", "{ min = 1, max = 4 }"),
    (worker("autoscale = { min = 1 }"), 4, "worker w1, autoscale", "has no `max`"),
    (worker("autoscale = { min = 5, max = 4 }"), 4, "worker w1, autoscale", "min (5) above its max (4)"),
    (worker("autoscale = { min = -1, max = 4 }"), 4, "worker w1, autoscale.min", "0 to 1000"),
    (worker("autoscale = { min = 0, max = 0 }"), 4, "worker w1, autoscale.max", "1 to 1000"),
    (
        worker("[worker.autoscale]", "min = 1", "max = 4", "mx = 1"),
        7,
        "worker w1, autoscale.mx",
        "mean `max`",
    ),
    (
        worker("autoscale = { min = 1, max = 4 }", "concurrency = 2"),
        5,
        "worker w1, concurrency",
        "beside autoscale",
    ),
    (
        worker('pool = "solo"', "autoscale = { min = 1, max = 1 }"),
        5,
        "worker w1, autoscale",
        "ignored on solo",
    ),
    (worker('pool = "solo"', "concurrency = 2"), 5, "worker w1, concurrency", "one task at a time"),
    (worker("concurrency = 0"), 4, "worker w1, concurrency", "1 or more"),
    (worker("concurrency = 2.0"), 4, "worker w1, concurrency", "not 2.0"),
    (worker("concurrency = 100_000"), 4, "worker w1, concurrency", "Allowed on prefork: 1 to 200."),
    (worker("autoscale_keepalive = 5"), 4, "worker w1, autoscale_keepalive", "nothing without autoscale"),
    (worker("time_limit = 0"), 4, "worker w1, time_limit", "more than 0"),
    (worker("time_limit = nan"), 4, "worker w1, time_limit", "more than 0"),
    (
        worker("time_limit = 5", "soft_time_limit = 5"),
        5,
        "worker w1, soft_time_limit",
        "less than time_limit",
    ),
    (worker('pool = "threads"', "time_limit = 5"), 5, "worker w1, time_limit", '"prefork" and "gevent"'),
    (worker('pool = "eventlet"', "time_limit = 5"), 5, "worker w1, time_limit", '"prefork" and "gevent"'),
    (worker('pool = "solo"', "time_limit = 5"), 5, "worker w1, time_limit", '"prefork" and "gevent"'),
    (
        worker('pool = "gevent"', "soft_time_limit = 5"),
        5,
        "worker w1, soft_time_limit",
        'Only pool = "prefork"',
    ),
    (worker('pool = "gevent"', "max_tasks_per_child = 5"), 5, "worker w1, max_tasks_per_child", "prefork"),
    (worker('pool = "threads"', "max_memory_per_child = 5"), 5, "worker w1, max_memory_per_child", "prefork"),
    (worker('pool = "threads"', 'pool_start_method = "fork"'), 5, "worker w1, pool_start_method", "prefork"),
    (worker("prefetch_multiplier = 0"), 4, "worker w1, prefetch_multiplier", "0 for not given"),
    (worker('log_level = "verbose"'), 4, "worker w1, log_level", '"WARNING"'),
    (worker("queues = []"), 4, "worker w1, queues", "at least one"),
    (worker('queues = "a"'), 4, "worker w1, queues", "list of texts"),
    (worker("queues = [", '"a",', '"b,c"]'), 6, "worker w1, queues[2]", "comma"),
    (worker('queues = ["a", "a"]'), 4, "worker w1, queues[2]", "twice"),
    (worker('queues = ["unacked"]'), 4, "worker w1, queues[1]", "Celery itself uses"),
    (worker('queues = ["a\\tb"]'), 4, "worker w1, queues[1]", "control character"),
    (worker("acks_late = true"), 4, "worker w1, acks_late", "`task_acks_late` belongs in [celery]"),
    (worker("processes = 4"), 4, "worker w1, processes", "Write concurrency."),
    (worker("max-tasks-per-child = 4"), 4, "worker w1, max-tasks-per-child", "`max_tasks_per_child`"),
]


@pytest.mark.parametrize(("text", "line", "where", "piece"), WRONG, ids=[w[0][11:60] for w in WRONG])
def test_one_thing_wrong_is_told_on_its_line(text: str, line: int, where: str, piece: str) -> None:
    problem = the_problem(text)
    assert (problem.line, problem.where) == (line, where)
    assert piece in problem.sentence("t.toml")
    assert problem.next_step


def test_a_wrong_pool_hides_what_would_follow_from_it() -> None:
    assert the_problem(worker('pool = "thread"', "time_limit = 5")).where == "worker w1, pool"


SYNTAX = [
    ("name = prefork\n", 1, "Text stands in quotes"),
    ('name = "t"\n[broker\n', 2, ""),
    ('name = "t"\nname = "u"\n', 2, "stands twice"),
    ('name = "t"\n[broker]\n[broker]\n', 3, "stands twice"),
    ('name = "t"\nx = [1,\n', 2, ""),
    ('name = "t"\nx = {a = 1,\nb = 2}', 2, "stands on one line"),
    ('name = "t"\n\njust words\n', 3, "key = value"),
    (f"name = {'9' * 5000}", 1, "valid TOML"),
    ("\0", 1, "valid TOML"),
]


@pytest.mark.parametrize(("text", "line", "piece"), SYNTAX, ids=range(len(SYNTAX)))
def test_a_syntax_error_is_told_with_its_line(text: str, line: int, piece: str) -> None:
    problem = the_problem(text)
    assert problem.line == line
    assert piece in problem.sentence("t.toml")
    assert problem.next_step


def test_deep_nesting_is_refused() -> None:
    assert "deeply" in the_problem(f"x = {'[' * 5000}{']' * 5000}").what


def test_a_byte_order_mark_and_crlf_are_taken() -> None:
    stack = parse_stack("\ufeff" + EVERY_KEY.replace("\n", "\r\n"))
    assert stack == parse_stack(EVERY_KEY)
    assert the_problem('\ufeffname = "t"\r\n\r\n[web]\r\nkind = "x"\r\n').line == 4
