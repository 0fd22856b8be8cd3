"""The reader's threads: work whose future can be cancelled at any time, which stops it where it stands."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from desktop.engine.record import schema
from desktop.engine.record.reading.recall import Recall

T = TypeVar("T")
_STEPS = 20_000  # of SQLite's machine, between two looks at whether anybody still waits: under a millisecond


class Cancelled(Exception):
    """Nobody waits for this work any more."""


class Hand:
    """What a piece of work has in its hand: a thread's own connection, and whether to stop."""

    def __init__(self, path: Path) -> None:
        self.connection = schema.open_to_read(path)
        self.recall = Recall(self.connection)
        self.future: Future[Any] | None = None
        # Long statements ask too. `interrupt` would not do: it is lost just before a statement begins.
        self.connection.set_progress_handler(self._cancelled, _STEPS)

    def _cancelled(self) -> bool:
        return self.future is not None and self.future.cancelled()

    def check(self) -> None:
        """Raises Cancelled when nobody waits any more; long work calls it every few milliseconds."""
        if self._cancelled():
            raise Cancelled


class Jobs:
    """Two threads, so that a page need not wait for a search."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="record")
        self._local = threading.local()
        self._hands: list[Hand] = []
        self._open: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, work: Callable[[Hand], T]) -> Future[T]:
        """Do it in a thread. The future ends with what it returns, or with a DeskError."""
        future: Future[T] = Future()  # it stays "pending" until its end: that can be cancelled
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            self._open.add(future)
            self._pool.submit(self._run, future, work)
        future.add_done_callback(self._over)
        return future

    def close(self) -> None:
        """Cancel what is under way, and let go of the database. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            left = list(self._open)
        for future in left:
            future.cancel()
        self._pool.shutdown(wait=True)
        for hand in self._hands:
            hand.connection.close()

    def _over(self, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)

    def _hand(self) -> Hand:
        hand: Hand | None = getattr(self._local, "hand", None)
        if hand is None:
            hand = self._local.hand = Hand(self._path)
            with self._lock:
                self._hands.append(hand)
        return hand

    def _run(self, future: Future[T], work: Callable[[Hand], T]) -> None:
        if future.cancelled():
            return
        result: T | None = None
        problem: BaseException | None = None
        try:
            result = self._with_hand(future, work)
        except Cancelled:
            return
        except sqlite3.Error as error:
            problem = schema.unreadable(self._path, error)
        except BaseException as error:
            problem = error
        if not future.set_running_or_notify_cancel():
            return
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def _with_hand(self, future: Future[T], work: Callable[[Hand], T]) -> T:
        """Run it on one state of the database, whatever is written meanwhile."""
        hand = self._hand()
        hand.future = future
        try:
            hand.check()
            hand.connection.execute("BEGIN")
            return work(hand)
        finally:
            hand.future = None
            if hand.connection.in_transaction:
                hand.connection.execute("COMMIT")
