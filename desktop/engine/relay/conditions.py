"""What a worker's network is like: the words that the panel and the relay share. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Way(StrEnum):
    """Which of the two directions is slow."""

    BOTH = "both"
    TO_BROKER = "to-broker"
    TO_WORKER = "to-worker"


@dataclass(frozen=True, slots=True)
class Conditions:
    """The network between one worker and the broker. The default is a clear one.

    Times are in seconds, `rate` in bytes a second for all connections of the worker together, in each
    direction. What is slow keeps its order, whatever the jitter.
    """

    delay: float = 0.0  # added to whatever passes
    jitter: float = 0.0  # the delay is drawn anew for each piece, from delay - jitter to delay + jitter
    rate: float | None = None  # None: as fast as the machine is
    way: Way = Way.BOTH  # of `delay`, `jitter` and `rate`
    cut: bool = False  # connections are reset, new ones are refused
    half_open: bool = False  # connections stay, nothing passes either way; new ones are accepted, and hang

    @property
    def clear(self) -> bool:
        """Nothing is in the way."""
        return not (self.delay or self.jitter or self.rate or self.cut or self.half_open)

    def slows(self, way: Way) -> bool:
        """Whether what goes that way is delayed or held back."""
        return bool(self.delay or self.jitter or self.rate) and self.way in (Way.BOTH, way)

    @property
    def text(self) -> str:
        """For people: "is cut", "is delayed by 0.2 s"; "is clear"."""
        if self.cut:
            return "is cut"
        if self.half_open:
            return "is half-open: connections stay, and nothing passes"
        parts = []
        if self.delay or self.jitter:
            spread = f" ± {self.jitter:g} s" if self.jitter else ""
            parts.append(f"is delayed by {self.delay:g} s{spread}")
        if self.rate:
            parts.append(f"passes {self.rate:,.0f} bytes/s")
        one_way = {Way.TO_BROKER: " to the broker", Way.TO_WORKER: " to the worker"}.get(self.way, "")
        return " and ".join(parts) + one_way if parts else "is clear"

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def of_dict(cls, raw: Mapping[str, Any]) -> Conditions:
        """What `as_dict` made. Raises TypeError or ValueError for anything else."""
        known = {item.name for item in fields(cls)}
        return cls(**{**{key: raw[key] for key in raw if key in known}, "way": Way(raw.get("way", Way.BOTH))})


CLEAR = Conditions()


def together(all_of: Iterable[Conditions]) -> Conditions:
    """Several at once: delays add up, the lowest rate counts, and what cuts, cuts.

    Slow ways that differ become both: two faults at once are never less than each of them.
    """
    several = [conditions for conditions in all_of if not conditions.clear]
    if not several:
        return CLEAR
    slow = [conditions for conditions in several if conditions.slows(conditions.way)]
    ways = {conditions.way for conditions in slow}
    return Conditions(
        delay=sum(conditions.delay for conditions in slow),
        jitter=sum(conditions.jitter for conditions in slow),
        rate=min((conditions.rate for conditions in slow if conditions.rate), default=None),
        way=ways.pop() if len(ways) == 1 else Way.BOTH,
        cut=any(conditions.cut for conditions in several),
        half_open=any(conditions.half_open for conditions in several),
    )


@dataclass(frozen=True, slots=True)
class Counters:
    """What passed through one worker's port since the relay opened it."""

    connections: int = 0  # open now
    accepted: int = 0
    reset: int = 0  # connections that a cut ended
    unreachable: int = 0  # connections that the broker refused
    to_broker: int = 0  # bytes
    to_worker: int = 0
