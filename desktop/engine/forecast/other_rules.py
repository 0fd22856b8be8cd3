"""The rules of faults that are tasks, and of pools, logs and the network."""

from __future__ import annotations

from desktop.engine.forecast.rules import new_rule

POISON_PREFORK = new_rule(
    "poison/prefork",
    "A task that ends its process takes one pool process with it, and no other task.",
    "as the SIGKILL of a pool process",
)
POISON_WORKER = new_rule(
    "poison/one-process",
    "On every pool but prefork a task that ends its process ends the worker, as SIGKILL does.",
    "os._exit and SIGSEGV end the process without a word of Celery's",
)
HOG = new_rule(
    "hog",
    "A task that keeps memory takes nothing from others until the machine has none left.",
    "max_memory_per_child is looked at after a task (billiard.pool.Worker)",
)
SHRINK = new_rule(
    "shrink",
    "A pool that shrinks cuts off nothing that runs.",
    "measured, pool_shrink 1 of 2 busy: nothing lost or twice on prefork, gevent and eventlet",
)
SHRINK_TAKEN = new_rule(
    "shrink/prefork/taken",
    "A prefork process that is handed a task while the pool shrinks may be ended with it.",
    "measured under load: 1 task failed in 2 of 4 shrinks (Celery 5.7.0, tests/benchmarks/fault_audit)",
)
NODE_NAME = new_rule(
    "node-name",
    "Two workers under one node name both take tasks; a task is given to one of them only.",
    "BRPOP gives a message once, whoever asks",
)
DISK_FULL = new_rule(
    "disk-full",
    "A log that cannot be written stops no task.",
    "logging.Handler.handleError",
)
HALF_OPEN = new_rule(
    "network/half-open",
    "A connection on which nothing passes is noticed by nobody; shorter than the timeout it does nothing.",
    "measured through the relay: 0 twice in 5 runs of 4 s; unnoticed for 45 s, also with socket_timeout",
)
HALF_OPEN_LONG = new_rule(
    "network/half-open/long",
    "Longer than the visibility timeout another worker is given what is not acknowledged, and it runs twice.",
    "measured through the relay: acks late 8 of 8 (prefork n 7, threads n 2), early 8 of 8 reserved",
)
SLOW = new_rule(
    "network/slow",
    "A slow line only delays; a message that waits in a worker for longer than the timeout runs twice.",
    "measured through the relay: 0.6 tasks a second with 0.2 s each way, nothing lost or twice",
)
