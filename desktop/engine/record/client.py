"""The panel's side of the recorder: its process, what it is told, what it tells."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, Mark, RunningTask, Totals
from desktop.engine.ledger.records import PoolState
from desktop.engine.messages.stranded import Stranded
from desktop.engine.record.told import Told, Unpacker, WorkerTold, packed

log = logging.getLogger(__name__)

MODULE = "desktop.engine.record.recorder"
ANSWER = 0.1  # seconds for which the supervisor waits; it is answered within a few ms, or goes on without
PATIENCE = 5.0  # seconds for which a verb waits
FINISH = 20.0  # seconds that a recorder may take to write what is left
AGAIN = (
    0.0,
    0.0,
    0.5,
    2.0,
    10.0,
)  # seconds before a recorder that died is followed by the next, and the next …
STEADY = 20.0  # seconds after which it counts as one that lives
UNSURE = 10.0  # seconds of messages that are told again to the next one: the last may have been lost

_END = object()


class Recorder:
    """Keeps a recorder process for one run, and answers for it from its last state.

    Every method may be called from any thread. Those that read the last state cost nothing; `held`,
    `task_of`, `stranded` and `catch_up` ask the process, and give the last state where it does not answer
    in time. A recorder that dies is followed by another one, which goes on where the database is.
    """

    def __init__(
        self,
        begin: Mapping[str, Any],
        *,
        log_file: Path,
        env: Mapping[str, str],
    ) -> None:
        """`begin`: what to record (`recorder`)."""
        self._begin = begin
        self._log_file = log_file
        self._env = env
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._asked: dict[int, Future[Any]] = {}
        self._unsure: deque[tuple[float, Any]] = deque()  # what a dying recorder may not have written
        self._standing: dict[str, Any] = {}  # the last telling of each kind that the next recorder needs
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live, name="recorder", daemon=True)
        self.told = Told()
        self.problem = ""  # a sentence: why the run is not recorded now

    # its life

    def start(self) -> None:
        """Start the process; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """The run has ended: let the recorder write what is left, and wait for it."""
        if not self._closing.is_set():
            self._closing.set()
            with self._lock:
                self._outgoing.put(packed(("finish",)))
        if not self._thread.is_alive():
            return
        self._thread.join(FINISH)
        process = self._process
        if self._thread.is_alive() and process is not None:
            log.error("the recorder did not end in time; its run is completed when it is opened")
            process.kill()
            self._thread.join()

    def wait(self, seconds: float = FINISH) -> None:
        """Wait until it has ended, after the end of its run: then its record is whole."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def _live(self) -> None:
        deaths = 0
        while True:
            began = time.monotonic()
            try:
                self._process = process = self._spawn()
            except OSError as error:
                self.problem = f"The recorder could not be started: {error.strerror or error}."
                log.error("%s", self.problem)
            else:
                self._serve(process)
                if self._closing.is_set():
                    return
                log.error("the recorder ended (%s); another one is started", process.returncode)
            deaths = 1 if time.monotonic() - began > STEADY else deaths + 1
            if self._closing.wait(AGAIN[min(deaths, len(AGAIN)) - 1]):
                return

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = dict(self._env)
        # The module is found beside this one, whatever the folder that the panel was started in.
        root = str(Path(__file__).resolve().parents[3])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as log_file:
            return subprocess.Popen(
                # -P: a celery.py in the folder where the panel was started is not ours to import.
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                env=environment,
                start_new_session=True,
            )

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Talk with one process until it ends."""
        with self._lock:
            again = [packed(("begin", self._begin)), *map(packed, self._standing.values())]
            self._forget_what_is_sure()
            again += [packed(message) for _, message in self._unsure]
            if self._closing.is_set():
                again.append(packed(("finish",)))
            self._outgoing = queue.SimpleQueue()
            for data in again:
                self._outgoing.put(data)
        writer = threading.Thread(target=self._write, args=(process, self._outgoing), daemon=True)
        writer.start()
        self._read(process)
        process.wait()
        self._outgoing.put(_END)
        writer.join()
        with self._lock:
            asked, self._asked = self._asked, {}
        for future in asked.values():
            future.cancel()

    @staticmethod
    def _write(process: subprocess.Popen[bytes], outgoing: queue.SimpleQueue[Any]) -> None:
        stdin = process.stdin
        assert stdin is not None
        try:
            while (data := outgoing.get()) is not _END:
                stdin.write(data)
                stdin.flush()
        except OSError:
            pass  # it has ended
        finally:
            try:
                stdin.close()
            except OSError:
                pass

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        stdout, unpacker = process.stdout, Unpacker()
        assert stdout is not None
        with stdout:
            while data := os.read(stdout.fileno(), 256 * 1024):
                for message in unpacker.feed(data):
                    self._hear(message)

    def _hear(self, message: Any) -> None:
        kind = message[0]
        if kind == "told":
            self.told = message[1]
            self.problem = self.told.problem
        elif kind == "answer":
            with self._lock:
                future = self._asked.pop(message[1], None)
            if future is not None:
                future.set_result(message[2])
        elif kind == "failed":
            self.problem = message[1]
            log.error("%s", self.problem)

    # what it is told

    def tell(self, what: str, *arguments: Any, standing: bool = False, again: bool = True) -> None:
        """Tell it something; the next recorder is told again what this one may have lost."""
        message = ("tell", what, arguments)
        with self._lock:
            if standing:
                self._standing[what] = message
            elif again:
                self._unsure.append((time.monotonic(), message))
                self._forget_what_is_sure()
            self._outgoing.put(packed(message))

    def _forget_what_is_sure(self) -> None:
        while self._unsure and self._unsure[0][0] < time.monotonic() - UNSURE:
            self._unsure.popleft()

    def cut(self, service: str, start: int, gave_back: bool = False) -> None:
        """A worker's main process died; `gave_back`: by itself, so that its messages are in their queues."""
        self.tell("cut", service, start, time.time(), gave_back)

    def sample(self, t: float, values: Mapping[str, float]) -> None:
        """One beat of all series."""
        self.tell("sample", t, dict(values), again=False)

    def mark(self, mark: Mark) -> None:
        """A moment on the time line."""
        self.tell("mark", mark)

    def text(self, text: str) -> None:
        """The stack file as it is from now on."""
        self.tell("text", time.time(), text)

    def put(self, key: str, value: Any) -> None:
        """Something about the run that JSON can hold."""
        self.tell("put", key, value)

    def broker(self, url: str, options: Mapping[str, Any]) -> None:
        """Where to look once a second. The password goes through the pipe and nowhere else."""
        self.tell("broker", url, dict(options), standing=True)

    def queues(self, names: Sequence[str]) -> None:
        """Queues of the stack, to be looked at though nothing came through them yet."""
        self.tell("queues", tuple(names), standing=True)

    # what it is asked

    def ask(self, question: str, *arguments: Any, patience: float = ANSWER) -> Any:
        """The answer. Raises TimeoutError when there is none in time."""
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = future
            self._outgoing.put(packed(("ask", number, question, arguments)))
        try:
            return future.result(patience)
        except (TimeoutError, CancelledError):
            with self._lock:
                self._asked.pop(number, None)
            raise TimeoutError from None

    def held(self, service: str, start: int) -> WorkerTold:
        """What a worker holds, read up to this moment: it is asked when something has just ended."""
        try:
            found: WorkerTold = self.ask("held", service, start)
        except TimeoutError:
            return self._worker(service, start) or WorkerTold(start)
        return found

    def task_of(self, service: str, start: int, pid: int) -> str | None:
        """The name of the task that a pool process runs, or ran when it died."""
        try:
            name: str | None = self.ask("task_of", service, start, pid)
        except TimeoutError:
            return next((task.name for task in self.running(service, start) if task.pid == pid), None)
        return name

    def stranded(self) -> tuple[Stranded, ...]:
        """Every message that was delivered and that no living worker has. Raises DeskError."""
        try:
            found: tuple[Stranded, ...] = self.ask("stranded", patience=PATIENCE)
        except TimeoutError:
            raise DeskError("The recorder does not answer.", "Try again in a moment.") from None
        return found

    def catch_up(self) -> None:
        """Wait until it has read what is written now, at most some seconds."""
        try:
            self.ask("catch_up", patience=PATIENCE)
        except TimeoutError:
            log.warning("the recorder did not catch up in time")

    def flush(self) -> None:
        """Wait until what is written now can be read from the record. Raises DeskError where it cannot."""
        try:
            written = self.ask("flush", patience=PATIENCE)
        except TimeoutError:
            raise DeskError("The recorder does not answer.", "Try again in a moment.") from None
        if not written:
            why = self.problem or "The run's database could not be written in time."
            raise DeskError(why, "Make room on the disk, and try again.")

    # what it told last

    def _worker(self, service: str, start: int) -> WorkerTold | None:
        worker = self.told.workers.get(service)
        return worker if worker is not None and worker.start == start else None

    def pool(self, service: str, start: int) -> PoolState | None:
        """The last figures of a worker's pool; None before the first."""
        worker = self._worker(service, start)
        return worker.pool if worker is not None else None

    def pool_pids(self, service: str, start: int) -> tuple[int, ...]:
        """A prefork worker's pool processes."""
        pool = self.pool(service, start)
        return pool.pids if pool is not None else ()

    def running(self, service: str, start: int) -> tuple[RunningTask, ...]:
        """What a worker runs, longest first."""
        worker = self._worker(service, start)
        return worker.running if worker is not None else ()

    def done(self, service: str) -> int:
        """Attempts of a worker that ended."""
        worker = self.told.workers.get(service)
        return worker.done if worker is not None else 0

    def totals(self) -> Totals:
        """The account so far."""
        return self.told.totals

    def ended(self) -> tuple[int, int]:
        """(attempts that ended, those of them that failed)."""
        totals = self.totals()
        ended = totals.succeeded + totals.failed + totals.retried + totals.revoked
        return ended, totals.failed

    def ended_of_loads(self) -> Mapping[int, int]:
        """How many tasks of each load are over."""
        return self.told.loads
