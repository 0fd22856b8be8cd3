"""A stack file with every key, and a shorthand for what is wrong with one."""

from __future__ import annotations

import pytest

from desktop.engine.stack.parse import parse_stack
from desktop.engine.stack.problems import Problem, StackFileError

EVERY_KEY = """\
# Everything at once: for the tests.
#
# Not for people.
name = "every"

[app]
target = "shop.celery:app"
env = { SHOP = "1", "EMPTY" = "" }

[broker]
kind = "redis"
port = 7001
persistence = "append-only"
results = true
relay = true
restart = "always"

[celery]
task_acks_late = true # late
worker_prefetch_multiplier = 2
result_expires = 60.5
task_default_queue = "base"
accept_content = ["json"]
task_routes = { "shop.*" = { queue = "fast" } }
broker_transport_options = { visibility_timeout = 10 }

[[worker]]
name = "w1"
count = 2
pool = "prefork"
autoscale = { min = 0, max = 4 }
autoscale_keepalive = 2.5
queues = ["fast", "base"]
restart = "never"
prefetch_multiplier = 8
disable_prefetch = true
max_tasks_per_child = 100
max_memory_per_child = 200_000
soft_time_limit = 5
time_limit = 7.5
pool_start_method = "spawn"
task_events = true
log_level = "debug"
extra_args = ["-O", "fair", "--without-gossip"]

# The second one.
[[worker]]
name = "w2"
pool = "threads"
concurrency = 8

[web]
kind = "slow-http"
port = 0
restart = "on-failure"
"""


def problems_of(text: str) -> tuple[Problem, ...]:
    """Everything that is wrong with a text."""
    with pytest.raises(StackFileError) as caught:
        parse_stack(text)
    return caught.value.problems


def the_problem(text: str) -> Problem:
    """The one thing that is wrong with a text."""
    (problem,) = problems_of(text)
    return problem


def worker(*lines: str) -> str:
    """A stack with one worker of these lines; the first of them is line 4."""
    return 'name = "t"\n[[worker]]\nname = "w1"\n' + "\n".join(lines) + "\n"
