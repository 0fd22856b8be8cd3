"""The recorder's thread that looks into the broker, once a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop.engine.api import DeskError
from desktop.engine.ledger.settle import LISTED

if TYPE_CHECKING:
    from desktop.engine.messages.look import View

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Looked:
    """One look, and the ids of all messages of the queues that were asked for."""

    view: View
    listed: Mapping[str, Collection[str]]


class Looker:
    """Looks until it is stopped; a broker that hangs holds up this thread and nothing else.

    `queues` and `wanted` are asked from its thread; `looked` is called there. Purges that a panel did not
    live to finish are finished, with their lines in `ledger`.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        ledger: Path,
        queues: Callable[[], Collection[str]],
        looked: Callable[[Looked], None],
    ) -> None:
        self.url, self.options = url, options
        self.wanted: frozenset[str] = frozenset()  # queues to list in the next look
        self._ledger = ledger
        self._queues = queues
        self._looked = looked
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker-look", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; does not wait for a broker that hangs."""
        self._ending.set()
        self._thread.join(0.2)

    def _run(self) -> None:
        # Only now: this takes a third of a second of a core.
        from desktop.engine.messages.look import BrokerLook
        from desktop.engine.record.listing import Lister

        try:
            look, lister = BrokerLook(self.url, self.options), Lister(self.url, self.options)
        except DeskError as error:  # a broker of another kind: workers tell of their tasks, and nobody of it
            log.warning("%s", error)
            return
        try:
            while not self._ending.is_set():
                began = time.monotonic()
                try:
                    self._once(look, lister)
                except Exception:
                    log.exception("the broker could not be looked into")
                self._ending.wait(max(EVERY - (time.monotonic() - began), 0.2))
        finally:
            look.close()
            lister.close()

    def _once(self, look: Any, lister: Any) -> None:
        wanted, names = self.wanted, dict.fromkeys([*self._queues(), *look.queues()])
        look.finish_purges(self._ledger)
        # First the lists: a message on its way to a worker is then seen twice and not never.
        listed = {queue: ids for queue in wanted if (ids := lister.ids(queue, LISTED)) is not None}
        view = look.read(names)
        if view is not None and not self._ending.is_set():
            self._looked(Looked(view, listed))
