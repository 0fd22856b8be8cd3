"""The rules of a broker that breaks, or is cut off: what becomes of what workers run and hold.

Each cell was measured as the truth table of `rules` was: two slots, the fault after 2 s, a new worker
at last; Celery 5.7.0, kombu 5.7.0, Valkey 9.1.2; broker killed and started again 3 s later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from desktop.engine.forecast.rules import GREENLETS, TABLE, Fate, Law, new_rule
from desktop.engine.forecast.situation import Settings
from desktop.engine.stack.model import Pool

WAITING_GONE: Law = (
    Fate.GONE,
    new_rule(
        "broker/forgets/waiting",
        "A broker without persistence forgets every message with its process.",
        f"{TABLE}: all that waited lost, on every pool",
    ),
)
KEEPS = new_rule(
    "broker/keeps",
    "With an append-only file that is written through at each message nothing that was confirmed is lost; "
    "with snapshots nothing is lost by an orderly stop, which saves first.",
    f"{TABLE}: 0 lost with RDB (SIGTERM) and AOF (SIGKILL)",
)
SNAPSHOT_KILLED = new_rule(
    "broker/snapshot/killed",
    "With snapshots a killed broker comes back as it was at the last save.",
    "save points of the server, 60 s with 1,000 changes, 300 s with 10 and 900 s with 1",
)
_RUNS_ON: Law = (
    Fate.FINISHES,
    new_rule(
        "disconnected/running",
        "What runs goes on while the broker cannot be reached, and is acknowledged afterwards.",
        "measured: 2 of 2 ended once on prefork and threads, acks early, no result backend",
    ),
)
_RESULT_FAILS: Law = (
    Fate.MAYBE_FAILS,
    new_rule(
        "disconnected/results",
        "A task of prefork that ends while its result cannot be stored ends as a failure.",
        "measured: 2 of 2 with results in the broker that was down, early and late; 0 of 2 on threads",
    ),
)
_CANCELLED_LOST: Law = (
    Fate.LOST,
    new_rule(
        "disconnected/cancelled/lost",
        "worker_cancel_long_running_tasks_on_connection_loss cuts off what acknowledges late; where the "
        "result or the message is gone with the broker, so is the task.",
        f"{TABLE}: 2 of 2 REVOKED, twice; measured: 2 of 2 (celery#7185)",
    ),
)
_CANCELLED: Law = (
    Fate.LATER,
    new_rule(
        "disconnected/cancelled",
        "worker_cancel_long_running_tasks_on_connection_loss cuts off what acknowledges late; it runs again.",
        "measured: 2 of 2 on prefork, after the visibility timeout (broker away) or at once (clients cut)",
    ),
)
_CANCELLED_GREEN: Law = (
    Fate.MAYBE_LOST,
    new_rule(
        "disconnected/cancelled/greenlets",
        "Of greenlets it cuts off those that have not ended when one of them notices the loss.",
        "measured, gevent, broker without persistence: 1 of 3 REVOKED and lost; with append-only 0 of 3",
    ),
)
_CUT_LATE: Law = (
    Fate.MAYBE_AGAIN,
    new_rule(
        "network/cut/prefork/late",
        "Where kombu breaks while it closes the lost connection the worker ends with code 1, and what it ran "
        "is not acknowledged.",
        "measured through the relay: 6 of 27 runs; in the others 2 of 2 ended once",
    ),
)
_FORGOTTEN: Law = (
    Fate.GONE,
    new_rule(
        "broker/forgets/held",
        "At a lost connection prefork forgets what it had reserved; the broker has forgotten it too.",
        f"{TABLE}: 8 of 8 (early), 6 of 6 (late); measured: the same",
    ),
)
_IN_PROCESS: Law = (
    Fate.FINISHES,
    new_rule(
        "disconnected/in-process/held",
        "Threads and greenlets run what they had reserved all the same: it lies in their own memory.",
        f"{TABLE}; measured: 8 of 8 (threads), 1 of 1 (gevent, eventlet) ran",
    ),
)
_STRANDED: Law = (
    Fate.BACK_LATER,
    new_rule(
        "broker/keeps/held",
        "At a lost connection prefork forgets what it had reserved; the broker keeps it in `unacked`.",
        f"{TABLE}: 8 of 8 (early), 6 of 6 (late) stuck; measured: back after the timeout, 8 of 8 and 6 of 6",
    ),
)
_UNACKNOWLEDGED: Law = (
    Fate.MAYBE_AGAIN,
    new_rule(
        "broker/keeps/unacknowledged",
        "What ends while the broker is away may not get acknowledged, and then runs once more.",
        f"{TABLE}: threads 4, gevent and eventlet 3, solo 1; measured: gevent and eventlet 1 of 1 (early), "
        "3 of 3 (late), solo 1 of 1, threads 4 of 8 with results and 0 of 8 without; on prefork "
        "and threads together 1 in 1 of 2 runs of the audit",
    ),
)
_GIVEN_BACK: Law = (
    Fate.BACK,
    new_rule(
        "broker/lives/held",
        "At a lost connection the channel gives back what prefork had reserved, while the broker lives.",
        "measured, CLIENT KILL: 8 of 8 (early), 6 of 6 (late); kombu Channel.close",
    ),
)
_HELD_TWICE: Law = (
    Fate.TWICE,
    new_rule(
        "broker/lives/in-process/held",
        "Threads run what was given back all the same: it lies in their own memory too.",
        "measured, CLIENT KILL: 8 of 8 (early), 6 of 6 (late) ran twice",
    ),
)
_RUN_TWICE: Law = (
    Fate.TWICE,
    new_rule(
        "broker/lives/late/running",
        "What runs and is not acknowledged is given back too, and goes on: it runs twice.",
        "measured, CLIENT KILL: 2 of 2 on prefork and on threads",
    ),
)
_GREEN: Law = (
    Fate.MAYBE_AGAIN,
    new_rule(
        "broker/lives/greenlets",
        "Greenlets notice a lost connection only when one of them is free: what they have may run twice.",
        "measured, CLIENT KILL: 1 of 3 (late) and 0 of 3 (early) ran twice, on gevent and on eventlet",
    ),
)
FLUSHED = new_rule(
    "flush",
    "FLUSHDB deletes what waits; what workers hold in memory runs all the same.",
    "measured: on every pool, acks early and late, all that waited lost and nothing else",
)
FILL_TAKEN: Law = (
    Fate.LOST,
    new_rule(
        "fill/taken",
        "A worker that takes a message from a full broker cannot write it to `unacked`: the message is lost, "
        "the worker ends with code 1, and cannot start before there is room.",
        "measured: 1 lost on every pool, early and late, also with 2 to 4 restarts; kombu QoS.append",
    ),
)
FILL_HELD = new_rule(
    "fill/held",
    "What that worker had comes back, some of it after it had run; results that find no room fail.",
    "measured: prefork 7 of 8 back, threads 6 of 8; 0 to 2 ran twice; with results 1 or 2 failed",
)
FILL_IDLE: Law = (
    Fate.FINISHES,
    new_rule(
        "fill/idle",
        "While no message waits a full broker does nothing to workers: acknowledgements only delete.",
        "ZREM and HDEL are allowed beyond maxmemory",
    ),
)
FROZEN = new_rule(
    "broker/frozen",
    "A broker that stands still for a while loses nothing; everybody waits for it.",
    f"{TABLE}, SIGSTOP 10 s: 0 lost, 0 twice on every pool; measured with 3 s",
)


class Broker(Enum):
    """The broker behind a connection that was lost."""

    LIVES = auto()  # it answers again at once
    KEEPS = auto()  # it is away, and has everything when it is back
    FORGETS = auto()  # it is away, and has nothing when it is back


Laws = tuple[Law, Law]  # of what runs, and of what is held

_EARLY: Mapping[Broker, Mapping[Pool, Laws]] = {
    Broker.LIVES: {
        Pool.PREFORK: (_RUNS_ON, _GIVEN_BACK),
        Pool.THREADS: (_RUNS_ON, _HELD_TWICE),
        Pool.SOLO: (_RUNS_ON, _GIVEN_BACK),
        **dict.fromkeys(GREENLETS, (_RUNS_ON, _GREEN)),
    },
    Broker.KEEPS: {
        Pool.PREFORK: (_RUNS_ON, _STRANDED),
        Pool.THREADS: (_RUNS_ON, _IN_PROCESS),
        Pool.SOLO: (_UNACKNOWLEDGED, _STRANDED),
        **dict.fromkeys(GREENLETS, (_RUNS_ON, _UNACKNOWLEDGED)),
    },
    Broker.FORGETS: {
        Pool.PREFORK: (_RUNS_ON, _FORGOTTEN),
        Pool.SOLO: (_RUNS_ON, _FORGOTTEN),
        **dict.fromkeys((Pool.THREADS, *GREENLETS), (_RUNS_ON, _IN_PROCESS)),
    },
}
_LATE: Mapping[Broker, Mapping[Pool, Laws]] = {
    Broker.LIVES: {
        Pool.PREFORK: (_RUN_TWICE, _GIVEN_BACK),
        Pool.THREADS: (_RUN_TWICE, _HELD_TWICE),
        Pool.SOLO: (_RUNS_ON, _GIVEN_BACK),
        **dict.fromkeys(GREENLETS, (_GREEN, _GREEN)),
    },
    Broker.KEEPS: {
        Pool.PREFORK: (_UNACKNOWLEDGED, _STRANDED),
        Pool.THREADS: (_UNACKNOWLEDGED, _UNACKNOWLEDGED),
        Pool.SOLO: (_UNACKNOWLEDGED, _STRANDED),
        **dict.fromkeys(GREENLETS, (_UNACKNOWLEDGED, _UNACKNOWLEDGED)),
    },
    Broker.FORGETS: _EARLY[Broker.FORGETS],
}


@dataclass(frozen=True, slots=True)
class Loss:
    """How a connection to the broker was lost."""

    broker: Broker
    results: bool  # task results are in that broker
    network: bool = False  # the way to it is cut


def laws_of(pool: Pool, settings: Settings, loss: Loss) -> Laws:
    """What becomes of what a worker of that pool runs and holds when it loses its connection so."""
    runs, held = (_LATE if settings.late else _EARLY)[loss.broker][pool]
    away = loss.broker is not Broker.LIVES
    cancels = settings.late and settings.cancel_on_loss
    if cancels and pool in GREENLETS and loss.broker is Broker.FORGETS:
        return _CANCELLED_GREEN, _CANCELLED_GREEN
    if cancels and pool is Pool.PREFORK:
        gone = loss.broker is Broker.FORGETS or (away and loss.results)
        again = _CANCELLED if away else (Fate.AGAIN, _CANCELLED[1])
        return (_CANCELLED_LOST if gone else again), held
    if away and loss.results and pool is Pool.PREFORK:
        return _RESULT_FAILS, held
    if pool is Pool.PREFORK and settings.late and loss.network:
        return _CUT_LATE, held
    return runs, held
