"""One attachment, from its beginning to its end: what is watched, what loads it, what is recorded of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from desktop.engine.api import Leftover, Mark, MarkKind, Record, StackSnapshot, StopHow
from desktop.engine.attach.live import AttachedLive
from desktop.engine.attach.picture import of_attached
from desktop.engine.loads import Loads
from desktop.engine.observe import proc
from desktop.engine.observe.queues import QueueReader
from desktop.engine.observe.sampler import PoolFigures
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.schema import NAME
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.outcome import duration
from desktop.engine.watch import WatchBase


class AttachedWatch(WatchBase):
    """What is observed of it: its broker, and those of its workers that run on this machine."""

    def __init__(self, live: AttachedLive, loads: Loads) -> None:
        self._attached = live
        self._reader: QueueReader | None = None
        self._read_with: Mapping[str, object] = {}
        self._processes: dict[tuple[str, int], tuple[int, float]] = {}
        super().__init__(live, loads)

    def _roots(self) -> Mapping[str, tuple[int, float]]:
        found = {}
        for one in self._attached.states.seen.values():
            if not one.local or one.pid is None or not one.state.alive:
                continue
            key = one.name, one.start
            if key not in self._processes and (start := proc.start_time(one.pid)) is not None:
                self._processes[key] = one.pid, start
            if key in self._processes:
                found[one.name] = self._processes[key]
        return found

    def _queue_reader(self) -> QueueReader:
        live = self._attached
        options = live.spec().celery["broker_transport_options"]
        if self._reader is None or options != self._read_with:
            self._reader, self._read_with = QueueReader(live.endpoint.url, options), options
        live.problem = self._reader.problem
        return self._reader

    def _pools(self) -> Mapping[str, PoolFigures]:
        live = self._attached
        found = {}
        for name, member in live.members().items():
            one = live.states.seen.get(name)
            if one is None or not one.state.alive:
                continue
            pool = live.feed.pool(name, one.start)
            low, high = member.bounds or (None, None)
            found[name] = PoolFigures(member.size, one.busy, pool.reserved if pool else 0, low, high)
        return found

    def _read_logs(self) -> None:
        """Its logs are not ours to read; those of our workloads are."""
        self.logs.poll()


class AttachedRun:
    """As `Run` for a stack of ours, where it can be: nothing here ever starts, ends or signals a process."""

    def __init__(self, live: AttachedLive, guard: Guard) -> None:
        self.live = live
        self.loads = Loads(live, guard)
        self.watch = AttachedWatch(live, self.loads)
        self._record: RunReader | None = None
        (live.run_folder / "stack.toml").write_text(live.stack_text(), encoding="utf-8")

    @property
    def over(self) -> bool:
        """We have let go of it."""
        return self.live.ended

    def start(self) -> None:
        """Begin."""
        self.mark(MarkKind.STARTED, "broker", f"attached to {self.live.endpoint.address}")
        self.live.start()
        self.watch.start()

    def snapshot(self, leftovers: tuple[Leftover, ...]) -> StackSnapshot:
        """The moment; from any thread."""
        return of_attached(self.live, self.watch.sampler, self.loads.snapshots(), leftovers)

    def record(self) -> Record | None:
        """What is recorded of it; None before anything is."""
        if self._record is None and (self.live.run_folder / NAME).exists():
            self._record = RunReader.open(self.live.run_folder, live=True)
        return self._record

    def stop(self, _how: StopHow, done: Future[str], then: Callable[[], None]) -> None:
        """Let go of it; `then` runs in the loop. However it is asked for, nothing of the stack is stopped."""
        live = self.live

        def told() -> None:
            then()
            lasted = duration(time.time() - live.started_at)
            address = live.endpoint.address
            done.set_result(f"Detached from {address}, after {lasted}; nothing of it was stopped.")

        def end() -> None:
            self.close()
            live.loop.call(told)

        threading.Thread(target=end, name="detach", daemon=True).start()

    def mark(self, kind: MarkKind, service: str, text: str) -> None:
        """A mark of this moment."""
        self.live.mark(Mark(time.time(), kind, service, text))

    def let_go(self) -> None:
        """End it in the background: something else follows."""
        threading.Thread(target=self.close, name="attached-end", daemon=True).start()

    def close(self) -> None:
        """End its threads and generators, and wait for them. Not from the loop's thread."""
        self.loads.close()
        self.watch.stop()
        self.live.close()
        record, self._record = self._record, None
        if record is not None:
            record.close()
