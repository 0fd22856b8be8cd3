"""The looks at a stack that lives, twice a second: what answers, what is frozen, how long its logs are."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from desktop.engine.api import State
from desktop.engine.observe.logfiles import prune, rotate
from desktop.engine.supervise.services import PING_EVERY

if TYPE_CHECKING:
    from desktop.engine.supervise.live import LiveStack

TICK = 0.5  # seconds between two looks
LOGS_KEPT = 10  # log files per service: a crash loop must not fill the disk
ROTATE_EVERY = 10  # ticks
LOOK_LIMIT = 10.0  # seconds after which the broker is looked into, though services still start


class Health:
    """Of one living stack; in the loop's thread."""

    def __init__(self, live: LiveStack) -> None:
        self._live = live
        self._ticks = 0
        self._last_ping = 0.0
        self._looked_into = False

    def begin(self) -> None:
        """Look from now on, until the stack has ended."""
        self._live.loop.later(TICK, self._tick)

    def _tick(self) -> None:
        live = self._live
        if live.ended:
            return
        live.loop.later(TICK, self._tick)
        self._ticks += 1
        now = time.monotonic()
        self._look_into_the_broker()
        if now - self._last_ping >= PING_EVERY:
            live.broker.look_at_health()
        live.network.look_at_health()
        for service in live.services():
            service.look_at_freeze()
            service.look_at_stop()
        alive = [worker for worker in live.workers.values() if worker.process is not None]
        for worker in alive:
            worker.look_at_health()
        if now - self._last_ping >= PING_EVERY and alive:
            self._last_ping = now
            self._ping_all([w.node for w in alive if w.state in (State.READY, State.SILENT)])
        if self._ticks % ROTATE_EVERY == 0:
            threading.Thread(target=self._bound_logs, name="log-bounds", daemon=True).start()
        for worker in alive:
            live.watch_pool(worker)

    def _look_into_the_broker(self) -> None:
        """Not while services start: it costs the recorder a third of a second of a core to begin with."""
        live = self._live
        since = live.broker_ready_since()
        if self._looked_into or since is None or live.endpoint is None:
            return
        starting = any(service.state is State.STARTING for service in live.services())
        if not starting or time.monotonic() - since > LOOK_LIMIT:
            self._looked_into = True
            options = live.spec().celery.get("broker_transport_options", {})
            live.feed.broker(live.endpoint.url, options if isinstance(options, Mapping) else {})

    def _ping_all(self, nodes: list[str]) -> None:
        if not nodes:
            return
        live = self._live

        def heard(node: str, _reply: Any) -> None:
            worker = live.workers.get(node.partition("@")[0])
            if worker is not None:
                live.loop.call(worker.pong)

        live.ping(nodes, heard)

    def _bound_logs(self) -> None:
        services = self._live.services()
        for service in services:
            if service.log_file is not None:
                with contextlib.suppress(OSError):
                    rotate(service.log_file)
        with contextlib.suppress(OSError):
            prune(self._live.logs_folder, LOGS_KEPT, [s.log_file for s in services if s.log_file])
