"""Faults of the network between a worker and the broker, done by the relay of a stack that has one.

What they do to tasks. Measured on Celery 5.7.0, kombu 5.7, redis-py 8.1 and Valkey 9.1 on Linux, a real stack
behind the relay, -c 2, multiplier 4, results off, 2 running and 6 to 8 reserved on the target (gevent and
eventlet 2 and 1, solo 1 and 0), fast sweep (unacked_restore_interval and _throttle 1), n runs. `vt` is the
visibility timeout; "twice" is two starts of one task. No task was lost in any run.

CUT, 0.5 to 12 s
  prefork  Running tasks end well and once (n 11, early and late): their acks wait for the network. What is
           reserved is forgotten by the worker and comes back `vt` after its delivery (n 13 of 13).
           In 6 of 27 runs kombu breaks while it closes the connection (`'NoneType' object has no attribute
           'hostname'`, `Channel.close` → `restore_unacked`): the worker lets running tasks end, exits with
           code 1 and is started again. With late acks these are not acked, and so run again after `vt` (not
           followed so far).
           With results in the same broker, 12 s: both that ran ended as FAILURE, acked (n 1).
           worker_cancel_long_running_tasks_on_connection_loss, late: both cancelled, again after `vt` (n 1).
  threads  Nothing: what is reserved runs on while the network is cut, each acked once it is back (n 8).
  gevent,  What ends during the cut cannot be acked. Late: those that ran are started again after `vt` (n 4 of
  eventlet 4 runs), and mostly the reserved one too. Early: only the one that was reserved (n 3 of 3). What
           ends after the network is back is acked (n 1). No such worker exited (0 of 8).
  solo     What runs is started again, early and late, after `vt` at the latest (n 4 of 4): its ack comes
           only once it is over.
  all      Reconnects after 2, 6, 12 … s (2, 4, 6 s apart), then 1 s of mingle: a cut of 3 s is one of 7 s to
           tasks, one of 0.5 s one of 3.2 s. Calls under way are tried again by redis-py for about 4.5 s.

HALF_OPEN
  shorter  than `vt`, 4 s of 10: nothing runs twice (prefork and threads early and late, gevent late: n 5).
           prefork, gevent and solo stand still in a command until it is over; threads run on what is
           reserved.
  longer   All that was not acked is started by another worker after `vt`, and once more by the target when
           the network is back: late 8 of 8 (prefork n 7, threads n 2), early the 8 reserved (prefork n 1,
           threads n 1), gevent late 3, solo late 1. It takes another consumer that sweeps.
  noticed  Never, in 45 s: not with socket_timeout = 5, health_check_interval = 5, both, socket_keepalive or
           none (n 1 each, 25 to 45 s). Keepalive cannot notice this one: the relay's kernel answers it.

LATENCY    Tasks a second of one worker, whatever its pool's size, no-op tasks, each way late by 0.005 s: 22
           (prefork) and 33 (threads); 0.02 s: 9 and 10; 0.2 s: 0.6 and 0.5. A task costs its worker 3 to 5
           round trips one after the other. Pings are answered. Nothing is lost, nothing runs twice.
SLOW       20,000 bytes/s: 8 tasks a second, prefork as threads; a task is some 2,400 bytes each way.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from functools import partial

from desktop.engine.api import DeskError, FaultKind, FaultSpec
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import Doer, Ended, Ground, Landed
from desktop.engine.faults.targets import Aim
from desktop.engine.relay.conditions import Conditions, Counters, Way
from desktop.engine.relay.service import Counted, RelayService
from desktop.engine.supervise.outcome import plural

PATIENCE = 3.0  # seconds; the relay answers within milliseconds
STANDS_STILL = 0.05  # seconds for which nothing may have passed where nothing should

_keys = itertools.count(1)

Proof = Callable[[Counters, Counters], str]
"""What was done to one worker, by its counters before and after; "" where it did not land."""


def latency(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """Everything that passes arrives late, in its order; in force for the connections that there are."""
    conditions = Conditions(
        delay=float(option(spec, "delay")),
        jitter=float(option(spec, "jitter")),
        way=Way(option(spec, "way")),
    )
    return _impose(ground, aims, conditions, _has_connections)


def slow(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """All connections of a worker share a slow line, one for each way."""
    conditions = Conditions(rate=float(option(spec, "rate")), way=Way(option(spec, "way")))
    return _impose(ground, aims, conditions, _has_connections)


def cut(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """Connections are reset and new ones refused; proved by the count of those that were reset."""
    return _impose(ground, aims, Conditions(cut=True), _were_reset)


def half_open(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """Nothing passes over connections that stay; proved by counters that stand still."""
    landed = _impose(ground, aims, Conditions(half_open=True), _has_connections)
    before = _counted(ground, lambda relay: relay.count())
    time.sleep(STANDS_STILL)
    after = _counted(ground, lambda relay: relay.count())
    for name in landed.targets:
        if _bytes(before[name]) != _bytes(after[name]) or not after[name].connections:
            assert landed.undo is not None
            landed.undo(False)
            raise DeskError(f"It did not land: bytes of {name} passed.", "Look at the log of the relay.")
    return landed


def _impose(ground: Ground, aims: tuple[Aim, ...], conditions: Conditions, proof: Proof) -> Landed:
    names = tuple(aim.worker for aim in aims)
    key = next(_keys)
    before = _counted(ground, lambda relay: relay.count())
    at = time.time()
    after = _counted(ground, lambda relay: relay.impose(key, dict.fromkeys(names, conditions)))
    parts = [proof(before[name], after[name]) for name in names]
    missed = [name for name, part in zip(names, parts, strict=True) if not part]
    if missed:
        _counted(ground, lambda relay: relay.lift(key))
        raise DeskError(
            f"{' and '.join(missed)} had no connection to the broker that could be broken.",
            "Wait until it answers.",
        )
    whom = ", ".join(f"{name} ({part})" for name, part in zip(names, parts, strict=True))
    text = f"the network between the broker and {whom} {conditions.text}"
    return Landed(at, names, text, undo=partial(_lift, ground, key, names, after))


def _lift(ground: Ground, key: int, names: tuple[str, ...], landed: Counted, _stopping: bool) -> Ended:
    passed = _passed_since(ground, names, landed)
    at = time.time()
    _counted(ground, lambda relay: relay.lift(key))
    meanwhile = f"; {plural(passed, 'byte')} passed meanwhile" if passed is not None else ""
    return Ended(at, f"the network of {' and '.join(names)} is as before{meanwhile}")


def _passed_since(ground: Ground, names: tuple[str, ...], landed: Counted) -> int | None:
    """Bytes; None where the relay cannot tell: it does not run, or was started again and counts anew."""
    try:
        now = _counted(ground, lambda relay: relay.count())
    except DeskError:
        return None
    passed = sum(_bytes(now[name]) - _bytes(landed[name]) for name in names if name in now)
    return passed if passed >= 0 else None


def _were_reset(before: Counters, after: Counters) -> str:
    count = after.reset - before.reset
    return f"{plural(count, 'connection')} reset" if count else ""


def _has_connections(_before: Counters, after: Counters) -> str:
    return plural(after.connections, "connection") if after.connections else ""


def _bytes(counters: Counters) -> int:
    return counters.to_broker + counters.to_worker


def _counted(ground: Ground, ask: Callable[[RelayService], Future[Counted]]) -> Counted:
    """What the relay answers. Raises DeskError where there is none, or it does not."""
    relay = relay_of(ground)
    try:
        return ground.in_loop(lambda: ask(relay)).result(PATIENCE)
    except TooLate:
        raise DeskError("The relay does not answer.", "Restart it, then try again.") from None


def relay_of(ground: Ground) -> RelayService:
    """The relay of the stack. Raises DeskError where it has none."""
    relay = ground.live.relay
    if relay is None:
        raise DeskError(
            "Breaking the network needs the relay, and workers of this stack reach the broker directly.",
            "Put the relay between them, or set `relay = true` under [broker].",
        )
    return relay


DOERS: Mapping[FaultKind, Doer] = {
    FaultKind.LATENCY: latency,
    FaultKind.SLOW: slow,
    FaultKind.CUT: cut,
    FaultKind.HALF_OPEN: half_open,
}
