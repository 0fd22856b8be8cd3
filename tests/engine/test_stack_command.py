"""Command lines of workers, proved on real ones, and what of a worker can be changed while it runs."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desktop.engine.api import DeskError
from desktop.engine.stack.command import (
    PROBE_MODULE,
    Step,
    clean_env,
    live_change,
    live_steps,
    shown_command,
    worker_command,
    worker_env,
)
from desktop.engine.stack.model import AppSpec, Autoscale, Pool, Restart, StackSpec, WorkerSpec
from desktop.engine.stack.parse import parse_stack, read_stack
from tests.support.valkey import ValkeyServer

# An app that sets everything otherwise than the stack does, and tells what its worker runs with.
APP = """
import json, os
from celery import Celery, signals

app = Celery("shop")
app.conf.update(
    task_acks_late=False, worker_prefetch_multiplier=7, broker_transport_options={"visibility_timeout": 77},
    task_default_queue="mine", task_routes={"a": {"queue": "x"}}, accept_content=["yaml"], result_expires=5,
    worker_log_format="%(message)s", enable_utc=True, task_default_rate_limit="1/h",
)


@app.task(name="shop.order")
def order():
    pass


@signals.worker_ready.connect
def tell(sender=None, **kwargs):
    worker = sender.controller
    task = app.tasks["shop.order"]
    told = {
        "conf": {name: app.conf[name] for name in json.loads(os.environ["TELL"])},
        "task": {"acks_late": task.acks_late, "rate_limit": task.rate_limit},
        "queues": sorted(app.amqp.queues.consume_from),
        "pool": type(worker.pool).__module__,
        "size": worker.pool.num_processes,
        "multiplier": worker.prefetch_multiplier,
        "bounds": list(worker.autoscale or ()),
        "keepalive": worker.autoscaler.keepalive if worker.autoscaler else None,
        "limits": [worker.soft_time_limit, worker.time_limit],
        "per_child": [worker.max_tasks_per_child, worker.max_memory_per_child],
        "start_method": worker.pool_start_method,
        "node": worker.hostname,
        "include": list(app.conf.include),
        "shop": os.environ.get("SHOP"),
    }
    with open(os.environ["OUT"] + ".part", "w") as out:
        json.dump(told, out)
    os.rename(os.environ["OUT"] + ".part", os.environ["OUT"])
"""


def run(stack: StackSpec, worker: WorkerSpec, folder: Path, valkey: ValkeyServer) -> dict[str, Any]:
    """Start a worker by its command, wait until it is ready, end it; what it told."""
    (folder / "shop.py").write_text(APP)
    out = folder / "told.json"
    out.unlink(missing_ok=True)
    # As on a machine where another project's variables are set.
    hostile = {
        "BROKER_URL": "redis://127.0.0.1:1/9",
        "CELERY_BROKER": "x://",
        "CELERY_WORKER_AUTOSCALE": "9,9",
    }
    env = clean_env({**os.environ, **hostile}) | worker_env(stack, worker)
    env |= {"CELERY_BROKER_URL": valkey.url, "OUT": str(out), "TELL": json.dumps(list(stack.celery))}
    argv = worker_command(stack, worker, Path(sys.executable), probe=False)
    assert valkey.password not in " ".join(argv)
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 40
        while not out.exists():
            assert process.poll() is None, (folder / "worker.log").read_text()
            assert time.monotonic() < until, (folder / "worker.log").read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    told: dict[str, Any] = json.loads(out.read_text())
    return told


SETTINGS = """
name = "shop"
[app]
target = "shop"
env = { SHOP = "1", BROKER = "x" }
[celery]
task_acks_late = true
worker_prefetch_multiplier = 3
broker_transport_options = { visibility_timeout = 10, "a b" = "c=d" }
task_default_queue = "my queue"
task_routes = { "b.*" = { queue = "y" } }
accept_content = ["json"]
result_expires = 60
worker_log_format = "(%(levelname)s) %(message)s"
enable_utc = false
task_default_rate_limit = "10/m"
task_default_priority = 5
redis_socket_timeout = 1.5
result_compression = "gzip"
beat_cron_starting_deadline = 4
worker_disable_prefetch = true
event_queue_ttl = 3
control_queue_expires = 20
task_annotations = { "*" = { ignore_result = true } }
result_extended = true
worker_lost_wait = 2.5
include = ["wave"]
"""


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_every_kind_of_setting_arrives_in_a_worker_and_wins(
    tmp_path: Path, valkey: ValkeyServer, pool: str
) -> None:
    stack = parse_stack(f'{SETTINGS}[[worker]]\nname = "w1"\npool = "{pool}"\n')
    told = run(stack, stack.workers[0], tmp_path, valkey)
    assert {**told["conf"], "include": None} == {**stack.celery, "include": None}
    assert "wave" in told["include"]
    # Not only in the configuration: where the worker takes them from.
    assert told["task"] == {"acks_late": True, "rate_limit": "10/m"}
    assert told["multiplier"] == 3
    assert told["queues"] == ["my queue"]
    assert told["pool"] == f"celery.concurrency.{pool}"
    assert told["node"] == "w1@shop"
    assert told["bounds"] == []
    assert told["shop"] == "1"


def test_every_key_of_a_worker_arrives(tmp_path: Path, valkey: ValkeyServer) -> None:
    worker = WorkerSpec(
        "w1",
        autoscale=Autoscale(0, 3),
        autoscale_keepalive=2.5,
        queues=("a b", "é"),
        prefetch_multiplier=9,
        soft_time_limit=5.0,
        time_limit=7.5,
        max_tasks_per_child=11,
        max_memory_per_child=300_000,
        pool_start_method="spawn",
        extra_args=("-O", "fair", "--without-mingle"),
    )
    stack = StackSpec("shop", AppSpec("shop"), workers=(worker,))
    told = run(stack, worker, tmp_path, valkey)
    assert told["bounds"] == [3, 0]
    assert told["keepalive"] == 2.5
    assert told["queues"] == ["a b", "é"]
    assert told["multiplier"] == 9
    assert told["limits"] == [5.0, 7.5]
    assert told["per_child"] == [11, 300_000]
    assert told["start_method"] == "spawn"


@pytest.mark.parametrize(
    ("pool", "module"), [("gevent", "gevent"), ("eventlet", "eventlet"), ("threads", "thread")]
)
def test_each_pool_starts_with_its_size(tmp_path: Path, valkey: ValkeyServer, pool: str, module: str) -> None:
    worker = WorkerSpec("w1", Pool(pool), concurrency=5)
    told = run(StackSpec("shop", AppSpec("shop"), workers=(worker,)), worker, tmp_path, valkey)
    assert told["pool"] == f"celery.concurrency.{module}"
    assert told["size"] == 5


def test_the_shown_command_is_for_a_shell_elsewhere() -> None:
    laptop = read_stack("laptop")
    w1, w2 = laptop.workers
    shown = shown_command(laptop, w1)
    assert shown == (
        "AUTOSCALE_KEEPALIVE=5 celery -A tasks.app worker -n w1@laptop -P prefork --autoscale=4,1 "
        "-Q celery -l INFO --prefetch-multiplier=4 -- task_acks_late=false worker_prefetch_multiplier=4 "
        """'broker_transport_options=(dict){"visibility_timeout": 3600}'"""
    )
    assert shown_command(laptop, w2).startswith("celery -A tasks.app worker -n w2@laptop -P threads -c 8 ")
    started = worker_command(laptop, w2, Path("/venv/bin/python"), probe=False)
    assert started == ["/venv/bin/python", "-m", *shlex.split(shown_command(laptop, w2))]


def test_the_probe_and_the_modules_of_the_stack_share_one_option() -> None:
    """Celery keeps only the last of several."""
    stack = parse_stack(
        'name = "t"\n[celery]\nimports = ["a.b"]\ninclude = ["c", "a.b"]\n[[worker]]\nname = "w1"'
    )
    argv = worker_command(stack, stack.workers[0], Path("python"), probe=True)
    assert argv[argv.index("--include") + 1] == f"{PROBE_MODULE},a.b,c"
    assert argv.count("--include") == 1
    assert PROBE_MODULE not in shown_command(stack, stack.workers[0])
    assert "--include a.b,c" in shown_command(stack, stack.workers[0])


def test_a_worker_s_variables_hold_no_broker(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "A=file\nB=file\nBROKER_URL=redis://prod\nCELERY_RESULT_BACKEND=redis://prod\n"
    )
    (tmp_path / "t.toml").write_text(
        '[app]\nenv_file = ".env"\nenv = { B = "stack" }\n[[worker]]\nname = "w1"\n'
    )
    stack = read_stack(tmp_path / "t.toml")
    assert worker_env(stack, stack.workers[0]) == {"A": "file", "B": "stack"}
    scaled = replace(stack.workers[0], autoscale=Autoscale(1, 2), autoscale_keepalive=5.0)
    assert worker_env(stack, scaled)["AUTOSCALE_KEEPALIVE"] == "5"
    (tmp_path / ".env").unlink()
    with pytest.raises(DeskError, match="is no file"):
        worker_env(stack, scaled)


PREFORK = WorkerSpec("w1", autoscale=Autoscale(1, 4))


def sized(pool: Pool, size: int | None) -> WorkerSpec:
    return WorkerSpec("w1", pool, concurrency=size)


def test_bounds_and_queues_change_live() -> None:
    new = replace(PREFORK, autoscale=Autoscale(2, 8), queues=("a", "b"))
    live, told = live_change(PREFORK, new)
    assert live
    assert "2 to 8" in told
    assert "consumes a, b too and consumes celery no longer" in told
    assert live_steps(PREFORK, new) == (
        Step("autoscale", {"max": 8, "min": 2}),
        Step("add_consumer", {"queue": "a"}),
        Step("add_consumer", {"queue": "b"}),
        Step("cancel_consumer", {"queue": "celery"}),
    )


@pytest.mark.parametrize("pool", [Pool.PREFORK, Pool.GEVENT, Pool.EVENTLET])
def test_a_pool_that_can_grow_does_so_live(pool: Pool) -> None:
    assert live_change(sized(pool, 2), sized(pool, 5))[0]
    assert live_steps(sized(pool, 2), sized(pool, 5)) == (Step("pool_grow", {"n": 3}),)
    assert live_steps(sized(pool, 5), sized(pool, 2)) == (Step("pool_shrink", {"n": 3}),)


def test_the_restart_policy_is_ours_and_needs_no_command() -> None:
    new = replace(PREFORK, restart=Restart.NEVER)
    assert live_change(PREFORK, new)[0]
    assert live_steps(PREFORK, new) == ()


def test_nothing_is_nothing() -> None:
    assert live_change(PREFORK, PREFORK) == (True, "Nothing changes.")
    assert live_steps(PREFORK, PREFORK) == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (sized(Pool.THREADS, 2), sized(Pool.THREADS, 3), "threads pool cannot grow"),
        (sized(Pool.SOLO, None), sized(Pool.SOLO, 1), "solo pool cannot grow"),
        (sized(Pool.PREFORK, None), sized(Pool.PREFORK, 3), "Celery's default"),
        (PREFORK, sized(Pool.PREFORK, 3), "Celery starts the autoscaler with the worker"),
        (sized(Pool.PREFORK, 3), PREFORK, "one that runs has none"),
        (PREFORK, replace(PREFORK, autoscale_keepalive=5.0), "read when the worker starts"),
        (PREFORK, replace(PREFORK, pool=Pool.GEVENT), "pool is an option"),
        (PREFORK, replace(PREFORK, time_limit=5.0), "time_limit is an option"),
        (PREFORK, replace(PREFORK, name="w2"), "has its name from its start"),
        (PREFORK, replace(PREFORK, log_level="DEBUG", queues=("x",)), "log_level is an option"),
    ],
)
def test_what_needs_a_restart_says_why(old: WorkerSpec, new: WorkerSpec, reason: str) -> None:
    live, told = live_change(old, new)
    assert not live
    assert reason in told
    assert told.endswith(f"A restart of {old.name} does it.")
