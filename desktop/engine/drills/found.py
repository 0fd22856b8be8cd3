"""What one repeat of a drill needs of a desk, and what it leaves to be judged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from desktop.engine.api import Desk, DrillSpec, FaultRecord, ServiceEvent, Verdict


class DrillDesk(Desk, Protocol):
    """A desk that can hold its own stack back while a drill uses another."""

    def take_drill_stack(self, drill: DrillSpec) -> Future[str]:
        """Make the drill's stack the desk's; its own, with all that is shown of it, is kept."""

    def write_record(self) -> None:
        """Wait until all that is known of the living run is in its record."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a repeat leaves to be judged."""

    drill: DrillSpec
    seed: int
    number: int
    began: float
    folder: Path | None
    since: float | None  # only tasks sent from then on are the drill's; None: the whole run is its
    faults: tuple[FaultRecord, ...]
    rest_at: float | None  # None: it did not come to rest
    load_ended: float | None
    troubles: tuple[str, ...]  # sentences: why nothing can be said
    moving: str  # what still moved at the limit, as a clause; "" when it came to rest
    halted: bool
    back_at: float | None = None  # when the last of what is stranded comes back
    events: tuple[ServiceEvent, ...] = ()  # what was heard of the services meanwhile


Judge = Callable[[DrillDesk, Found], Verdict]
