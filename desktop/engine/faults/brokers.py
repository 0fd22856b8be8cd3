"""Faults of the broker: down for a while, its clients cut, out of memory, flushed."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psutil

from desktop.engine.api import DeskError, FaultKind, FaultSpec, State, StopHow
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import Doer, Ended, Ground, Landed, main_process, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.messages.keys import Keys
from desktop.engine.supervise.outcome import plural, signal_name

if TYPE_CHECKING:
    from redis import Redis

BROKER = ("broker",)
# Our own connections have a name that begins so: those of the panel, the recorder and the load generators.
OURS = "celery-desk"
_UP_WITHIN = 30.0  # seconds; one with much on its disk loads it first
_SAVED_WITHIN = 30.0  # seconds in which one that ends in order must have saved
_ASK_AGAIN = 0.02  # seconds between two questions to the broker
_UNUSED_KEY = "celery-desk-probe"


def take_down(ground: Ground, spec: FaultSpec, _aims: tuple[Aim, ...]) -> Landed:
    """SIGKILL or SIGTERM, and down until the undo: the supervisor does not start it before."""
    killed = spec.kind is FaultKind.KILL_BROKER
    how, within = (StopHow.KILL, 5.0) if killed else (StopHow.WARM, _SAVED_WITHIN)
    broker, victim = ground.live.broker, main_process(ground, "broker")
    at = time.time()
    # As a person stops it: its restart policy stands back for as long as the fault lasts.
    ground.in_loop(lambda: broker.stop(how))
    prove(lambda: not victim.lives and broker.process is None, "the broker still runs", within)
    gone = time.time()

    def undo(stopping: bool) -> Ended:
        return Ended(time.time(), "it was not started again") if stopping else _start_again(ground)

    kept = ground.live.spec().broker.persistence.value
    sent = signal_name(signal.SIGKILL if killed else signal.SIGTERM)
    text = f"{sent} to the broker (pid {victim.pid}, persistence: {kept}), which stays down"
    return Landed(at, BROKER, text, (victim.pid,), undo, since=gone)


def _start_again(ground: Ground) -> Ended:
    broker = ground.live.broker
    before, at = broker.process, time.time()
    ground.in_loop(broker.start)
    failed = (State.EXITED, State.BACKING_OFF, State.CRASH_LOOP)
    prove(
        lambda: broker.state in (State.READY, State.SILENT, *failed),
        "the broker does not answer",
        _UP_WITHIN,
    )
    if broker.state in failed:
        raise DeskError(f"The broker did not start: {broker.detail}.", f"Its log: {broker.log_file}")
    return Ended(at, "the broker was started" if before is None else "somebody had started the broker")


def cut_clients(ground: Ground, _spec: FaultSpec, _aims: tuple[Aim, ...]) -> Landed:
    """CLIENT KILL to every connection that is not ours; proved by the broker's list of clients."""
    link = ground.link()
    try:
        strangers = link.tell(_strangers)
        if not strangers:
            raise DeskError("No client but the panel is connected.", "Start a worker first.")
        whose = _owners(ground, strangers)
        at = time.time()
        link.tell(lambda client: _kill(client, list(strangers)))
        prove(
            lambda: not set(strangers) & set(link.tell(_strangers)),
            "connections are still open",
            every=_ASK_AGAIN,
        )
    finally:
        link.close()
    of = f", those of {' and '.join(whose)} among them" if whose else ""
    return Landed(at, BROKER, f"CLIENT KILL to {plural(len(strangers), 'connection')}{of}")


def _strangers(client: Redis) -> Mapping[str, str]:
    """Connections that are not ours: id → address."""
    listed: Any = client.client_list()
    return {one["id"]: one["addr"] for one in listed if not one.get("name", "").startswith(OURS)}


def _kill(client: Redis, ids: Sequence[str]) -> Any:
    pipeline = client.pipeline(transaction=False)
    for number in ids:
        pipeline.client_kill_filter(_id=number)
    return pipeline.execute(raise_on_error=False)


def _owners(ground: Ground, strangers: Mapping[str, str]) -> list[str]:
    """Workers whose connections these are, where they are not behind a relay."""
    ports = {int(address.rpartition(":")[2]) for address in strangers.values()}
    return [
        name
        for name, worker in ground.live.workers.items()
        if worker.process is not None and ports & _local_ports(worker.process.pid)
    ]


def _local_ports(pid: int) -> set[int]:
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return set()
    return {connection.laddr.port for connection in connections if connection.laddr}


def fill(ground: Ground, spec: FaultSpec, _aims: tuple[Aim, ...]) -> Landed:
    """`maxmemory` below what is used, and no eviction; proved by a write that is refused."""
    victim = main_process(ground, "broker")
    link = ground.link()
    try:
        used = int(link.tell(lambda client: client.info("memory"))["used_memory"])
        before = link.tell(_limits)
        limit = max(1, int(used * float(option(spec, "share"))))
        at = time.time()
        link.tell(lambda client: _limit(client, limit, "noeviction"))
        prove(lambda: link.tell(_refuses_writes), "the broker still takes writes", every=_ASK_AGAIN)
    finally:
        link.close()

    def undo(_stopping: bool) -> Ended:
        now = time.time()
        if not victim.lives:
            return Ended(now, "the broker has ended meanwhile, and its limit with it")
        link = ground.link()
        try:
            link.tell(lambda client: _limit(client, int(before["maxmemory"]), before["maxmemory-policy"]))
        finally:
            link.close()
        return Ended(now, f"maxmemory {_bytes(int(before['maxmemory']))} as before")

    text = f"maxmemory {_bytes(limit)} with noeviction, while the broker used {_bytes(used)}"
    return Landed(at, BROKER, text, undo=undo)


def _limits(client: Redis) -> Mapping[str, Any]:
    found: Any = client.config_get("maxmemory*")
    return dict(found)


def _limit(client: Redis, limit: int, policy: str) -> Any:
    client.config_set("maxmemory-policy", policy)
    return client.config_set("maxmemory", limit)


def _refuses_writes(client: Redis) -> bool:
    from redis.exceptions import ResponseError

    try:
        # With an empty value it writes nothing, but is refused as every write is (redis: SETRANGE).
        client.setrange(_UNUSED_KEY, 0, "")
    except ResponseError as error:  # redis-py has kinds of its own for OOM, by version
        return "maxmemory" in str(error)
    return False


def _bytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB" if size else "unlimited"


def flush(ground: Ground, _spec: FaultSpec, _aims: tuple[Aim, ...]) -> Landed:
    """FLUSHDB of the queues' database; proved in the same transaction."""
    keys = Keys.of(ground.transport_options)
    waiting = sum(queue.waiting for queue in ground.snapshot.queues)
    link = ground.link()
    at = time.time()
    try:
        held, count, _, left = link.tell(lambda client: _flush(client, keys))
    finally:
        link.close()
    if left:
        raise DeskError(f"FLUSHDB left {plural(left, 'key')}.", "Look at the broker's log.")
    text = f"FLUSHDB: {plural(count, 'key')} deleted, with {plural(waiting, 'waiting message')}"
    return Landed(at, BROKER, f"{text} and {held:,} that workers had not acknowledged")


def _flush(client: Redis, keys: Keys) -> list[int]:
    pipeline = client.pipeline(transaction=True)
    pipeline.hlen(keys.unacked)
    pipeline.dbsize()
    pipeline.flushdb()
    pipeline.dbsize()
    answers: list[int] = pipeline.execute()
    return answers


DOERS: Mapping[FaultKind, Doer] = {
    FaultKind.KILL_BROKER: take_down,
    FaultKind.STOP_BROKER: take_down,
    FaultKind.CUT_CLIENTS: cut_clients,
    FaultKind.FILL_BROKER: fill,
    FaultKind.FLUSH_BROKER: flush,
}
