"""Twice a second: what every service uses, what every queue holds, what every pool does."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from desktop.engine.observe.history import History
from desktop.engine.observe.processes import TreeSample, TreeSampler
from desktop.engine.observe.queues import Depths, QueueReader

log = logging.getLogger(__name__)

INTERVAL = 0.5  # seconds
# Tasks ended a second are told over this many seconds: over one sample alone the figure flickers.
_RATE_OVER = 2.0


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What a worker's pool does now, from the probe's `pool` lines."""

    size: int
    busy: int
    reserved: int
    min: int | None = None  # the autoscaler's bounds; None without autoscale
    max: int | None = None


class Cadence:
    """Calls a function in a thread of its own, every `interval` seconds, until it is stopped.

    Calls keep to the beat: a late one does not shift the next. Beats that were missed, because a
    call took long or the machine slept, are left out and never made up for. A call that raises is
    logged once, until one works again, and the beat goes on.
    """

    def __init__(self, name: str, interval: float, beat: Callable[[], None]) -> None:
        self._name = name
        self._interval = interval
        self._beat = beat
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    def start(self) -> None:
        """Begin; the first call is made at once."""
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; returns when a call that is under way has returned."""
        thread, self._thread = self._thread, None
        self._stopped.set()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            self._once()
            late = time.monotonic() - due
            due += self._interval * (math.floor(late / self._interval) + 1)
            if self._stopped.wait(due - time.monotonic()):
                return

    def _once(self) -> None:
        try:
            self._beat()
            self._failing = False
        except Exception:
            if not self._failing:
                log.exception("%s failed; it is tried again every %g s", self._name, self._interval)
            self._failing = True


class Sampler:
    """Writes `history` and keeps the latest samples, on two threads of its own.

    One looks at processes and pools, the other at the broker, so that a frozen broker delays
    nothing else. Everything it needs is asked for anew at each beat:

    - `roots`: service → (pid, `proc.start_time`) of each service that runs;
    - `queue_reader`: the reader of the broker; None while there is no broker to ask. It is used
      and closed by the broker's thread only;
    - `queues`: the queues to read;
    - `pools`: worker → figures of each worker that runs;
    - `ended`: how many attempts have ended, and how many of them failed, since the stack started;
    - `recorded`: further series and their values now, from whoever keeps the account of the tasks.

    `record` gets all values of each beat, the broker's being those of its own last beat.

    A service, worker or queue that is left out at a beat keeps its history, with a gap. `forget`
    what was removed.
    """

    def __init__(
        self,
        history: History,
        roots: Callable[[], Mapping[str, tuple[int, float]]],
        queue_reader: Callable[[], QueueReader | None],
        queues: Callable[[], Sequence[str]],
        pools: Callable[[], Mapping[str, PoolFigures]],
        ended: Callable[[], tuple[int, int]],
        recorded: Callable[[], Mapping[str, float]] = dict,
        record: Callable[[float, Mapping[str, float]], None] = lambda t, values: None,
        interval: float = INTERVAL,
    ) -> None:
        self._history = history
        self._roots = roots
        self._queue_reader = queue_reader
        self._queues = queues
        self._pools = pools
        self._ended = ended
        self._recorded = recorded
        self._record = record
        self._of_broker: Mapping[str, float] = {}  # its last beat, until it is recorded
        self._trees_of = TreeSampler()
        self._rates = _Rates()
        self._reader: QueueReader | None = None
        self._beats = (
            Cadence("sample-processes", interval, self._sample_processes),
            Cadence("sample-broker", interval, self._sample_broker),
        )
        # Replaced whole at each beat, so that any thread may read them without a lock.
        self.trees: Mapping[str, TreeSample] = {}
        self.depths: Depths | None = None  # None: no broker, or it does not answer
        self.per_second = 0.0  # tasks ended a second, over the last two

    def start(self) -> None:
        """Begin to sample, at once."""
        for beat in self._beats:
            beat.start()

    def stop(self) -> None:
        """End both threads and close the broker's connection. The history stays.

        May take as long as a broker that is frozen lets its reader wait.
        """
        for beat in self._beats:
            beat.stop()
        self._use_reader(None)

    def forget(self, subject: str) -> None:
        """Drop the history of a service or queue that was removed."""
        self._history.forget(subject)

    def _sample_processes(self) -> None:
        trees = self._trees_of.sample(self._roots())
        t = time.time()
        values: dict[str, float] = {}
        for service, tree in trees.items():
            values[f"cpu:{service}"] = tree.cpu
            values[f"memory:{service}"] = tree.memory
            values[f"threads:{service}"] = tree.threads
        self.trees = trees
        for worker, pool in self._pools().items():
            values.update(_of_pool(worker, pool))
        values["ended:"], values["failed:"] = self._rates.add(t, *self._ended())
        self.per_second = values["ended:"]
        values.update(self._recorded())
        self._add(t, values)
        of_broker, self._of_broker = self._of_broker, {}
        self._record(t, {**values, **of_broker})

    def _add(self, t: float, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._history.add(name, t, value)

    def _sample_broker(self) -> None:
        reader = self._use_reader(self._queue_reader())
        depths = reader.read(self._queues()) if reader is not None else None
        self.depths = depths
        if depths is None:
            return
        values: dict[str, float] = {
            f"depth:{queue}": waiting for queue, (waiting, _by_priority) in depths.queues.items()
        }
        values["unacked:"] = depths.unacked
        self._add(depths.t, values)
        self._of_broker = values

    def _use_reader(self, reader: QueueReader | None) -> QueueReader | None:
        if self._reader is not None and self._reader is not reader:
            self._reader.close()
        self._reader = reader
        return reader


def _of_pool(worker: str, pool: PoolFigures) -> Mapping[str, float]:
    values: dict[str, float] = {
        f"size:{worker}": pool.size,
        f"busy:{worker}": pool.busy,
        f"reserved:{worker}": pool.reserved,
    }
    if pool.min is not None and pool.max is not None:
        values[f"min:{worker}"] = pool.min
        values[f"max:{worker}"] = pool.max
    return values


class _Rates:
    """Two counters that only grow, as figures a second over the last few samples."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int, int]] = deque()

    def add(self, t: float, ended: int, failed: int) -> tuple[float, float]:
        counts = self._counts
        # Another stack, or the clock was set back: what came before says nothing.
        if counts and (ended < counts[-1][1] or failed < counts[-1][2] or t <= counts[-1][0]):
            counts.clear()
        counts.append((t, ended, failed))
        while len(counts) > 2 and counts[1][0] <= t - _RATE_OVER:
            counts.popleft()
        span = t - counts[0][0]
        if span <= 0.0:
            return 0.0, 0.0
        return (ended - counts[0][1]) / span, (failed - counts[0][2]) / span
