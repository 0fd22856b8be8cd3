"""Work that takes long: a thread does it, an `Underway` tells how far it is, and `cancel` ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from desktop.engine.api import Underway

T = TypeVar("T")


class StoppedError(Exception):
    """Nobody wants it any more."""


class Progress:
    """What the work tells, and asks."""

    def __init__(self, future: Underway[T]) -> None:
        self._future = future

    def check(self) -> None:
        """Raises StoppedError when it was cancelled; to be called some times a second."""
        if self._future.cancelled():
            raise StoppedError

    def tell(self, share: float) -> None:
        """How much is done, 0 to 1. Raises StoppedError when it was cancelled."""
        self._future.share = min(max(share, 0.0), 1.0)
        self.check()

    def doing(self, what: str) -> None:
        """Another part of the work begins."""
        self._future.doing, self._future.share = what, 0.0
        self.check()


def begin(work: Callable[[Progress], T], name: str) -> Underway[T]:
    """Do it in a thread of its own. The work takes back what it made when it is stopped."""
    future = Underway[T]()

    def run() -> None:
        try:
            result = work(Progress(future))
        except StoppedError:
            return
        except BaseException as error:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return
        # Pending up to here, so that `cancel` was possible at any moment.
        if future.set_running_or_notify_cancel():
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
