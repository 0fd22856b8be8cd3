"""Wires what observes to the stack that is observed, for as long as one run lasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from typing import Protocol

from desktop.engine.api import Series
from desktop.engine.loads import Loads
from desktop.engine.observe.history import History
from desktop.engine.observe.logs import LogBook
from desktop.engine.observe.queues import QueueReader
from desktop.engine.observe.sampler import Cadence, PoolFigures, Sampler
from desktop.engine.record.client import Recorder
from desktop.engine.snapshots import queue_names
from desktop.engine.stack.model import StackSpec
from desktop.engine.supervise.live import LiveStack

LOG_POLL = 0.2  # seconds


class Watched(Protocol):
    """What is watched: a stack of ours, or one that we are attached to."""

    @property
    def feed(self) -> Recorder:
        """Its recorder."""

    def spec(self) -> StackSpec:
        """The stack."""


class WatchBase(ABC):
    """History, queue depths and log lines of one living stack. All reads are safe from any thread."""

    def __init__(self, live: Watched, loads: Loads) -> None:
        self._watched = live
        self._loads = loads
        self._named: tuple[str, ...] = ()
        self._beat_at = 0.0
        self.history = History()
        self.logs = LogBook()
        self.sampler = Sampler(
            self.history,
            roots=self._roots,
            queue_reader=self._queue_reader,
            queues=self._queues,
            pools=self._pools,
            ended=live.feed.ended,
            recorded=self._recorded,
            record=live.feed.sample,
        )
        self._log_reader = Cadence("read-logs", LOG_POLL, self._read_logs)

    @staticmethod
    def empty() -> Series:
        """A series without a point."""
        return Series(array("d"), array("d"))

    def start(self) -> None:
        """Begin to observe."""
        self.sampler.start()
        self._log_reader.start()

    def stop(self) -> None:
        """End the threads; what was read stays."""
        self.sampler.stop()
        self._log_reader.stop()
        self._read_logs()
        self.logs.close()

    def forget(self, service: str) -> None:
        """A worker that was removed leaves no series behind."""
        self.sampler.forget(service)

    @abstractmethod
    def _roots(self) -> Mapping[str, tuple[int, float]]:
        """Service → (pid, start) of what runs."""

    @abstractmethod
    def _queue_reader(self) -> QueueReader | None:
        """The reader of its broker; None while there is none to ask."""

    @abstractmethod
    def _pools(self) -> Mapping[str, PoolFigures]:
        """Figures of each worker that runs."""

    @abstractmethod
    def _read_logs(self) -> None:
        """Take the lines that were written."""

    def _queues(self) -> tuple[str, ...]:
        """Of the stack, of its workloads, and those that the recorder came across."""
        live = self._watched
        names = queue_names(live.spec(), self._loads.queues())
        if names != self._named:
            self._named = names
            live.feed.queues(names)
        return tuple(dict.fromkeys([*names, *live.feed.told.queues]))

    def _recorded(self) -> Mapping[str, float]:
        """Series that the recorder knows, as they are now."""
        told = self._watched.feed.told
        values: dict[str, float] = {}
        for name, queue in told.queues.items():
            values[f"in:{name}"] = queue.rate_in
            values[f"out:{name}"] = queue.rate_out
            values[f"stranded:{name}"] = sum(held.stranded for held in queue.held)
        beat = told.beat
        if beat.t > self._beat_at:
            self._beat_at = beat.t
            spreads = ("wait50", "wait95", "run50", "run95", "run99")
            found = {f"{name}:": getattr(beat, name) for name in spreads}
            values.update({name: value for name, value in found.items() if value is not None})
        return values


class Watch(WatchBase):
    """That of a stack that we started."""

    def __init__(self, live: LiveStack, loads: Loads) -> None:
        self._live = live
        self._reader: QueueReader | None = None
        super().__init__(live, loads)

    def _roots(self) -> Mapping[str, tuple[int, float]]:
        roots = {}
        for service in self._live.services():
            process = service.process
            if process is not None and process.start_time is not None:
                roots[service.name] = (process.pid, process.start_time)
        return roots

    def _queue_reader(self) -> QueueReader | None:
        if self._live.endpoint is None or self._live.broker.process is None:
            return None
        if self._reader is None:
            options = self._live.spec().celery.get("broker_transport_options", {})
            self._reader = QueueReader(self._live.endpoint.url, options)
        return self._reader

    def _pools(self) -> Mapping[str, PoolFigures]:
        found = {}
        for name, worker in tuple(self._live.workers.items()):
            pool = self._live.feed.pool(name, worker.starts) if worker.process is not None else None
            if pool is not None:
                low, high = pool.bounds or (None, None)
                found[name] = PoolFigures(pool.size, pool.busy, pool.reserved, low, high)
        return found

    def _read_logs(self) -> None:
        for service in self._live.services():
            if service.log_file is not None:
                self.logs.follow(service.name, service.log_file)
        self.logs.poll()
