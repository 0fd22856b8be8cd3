"""Queues: where every message is, what stands in line, and whether the sum is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Held:
    """What one worker holds of one queue. `stranded`: delivered to it, and it is dead or cut off."""

    worker: str  # name in the stack file; the node of a stack that we are only attached to; "" unknown
    reserved: int = 0
    active: int = 0
    scheduled: int = 0
    stranded: int = 0
    back_at: float | None = None  # when its first stranded message may be delivered again
    all_back_at: float | None = None  # when the last may
    since: float | None = None  # when the oldest one was delivered that it holds and has not started


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """A queue: where its messages are at one moment."""

    name: str
    waiting: int = 0  # in the broker, all priorities together
    by_priority: Mapping[int, int] = field(default_factory=dict)
    consumers: tuple[str, ...] = ()  # names of live workers that consume it
    reserved: int = 0
    active: int = 0
    scheduled: int = 0
    stranded: int = 0
    held: tuple[Held, ...] = ()  # the same by worker
    oldest_since: float | None = None  # when the oldest waiting one was sent; None: unknown, or none waits
    rate_in: float = 0.0  # messages that came in a second, over the last seconds
    rate_out: float = 0.0  # messages that workers took a second


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum over all queues, in tasks.

    submitted + copies = waiting + reserved + active + scheduled + stranded + ended.

    A task may have a second message: one whose worker died after it had run it and
    before it acknowledged it. Such a message waits or is stranded, its task has ended: it is one of `copies`.

    `waiting` and `stranded` are the broker's, `reserved`, `active` and `scheduled` the workers', `submitted`
    and `ended` the ledger's: a difference says that somebody lost or doubled a message.
    """

    submitted: int = 0  # distinct tasks: sent by us, or first seen at a worker or in a queue
    waiting: int = 0
    reserved: int = 0
    active: int = 0
    scheduled: int = 0
    stranded: int = 0
    ended: int = 0  # lost, purged and revoked ones among them
    lost: int = 0  # of the ended: cut while they ran, or gone from the broker, and back no more
    copies: int = 0  # messages of tasks that have ended or are elsewhere already: they will run once more
    exact: bool = True  # the broker was asked at this moment, and nothing moved meanwhile

    @property
    def difference(self) -> int:
        """How many are missing (positive) or too many (negative)."""
        places = self.waiting + self.reserved + self.active + self.scheduled + self.stranded + self.ended
        return self.submitted + self.copies - places


@dataclass(frozen=True, slots=True)
class Message:
    """A message that waits in a queue, read without taking it out."""

    position: int  # 0: the next that a worker takes
    id: str
    task: str
    args: str  # as text, capped; the sender's own `argsrepr` where the body cannot be read without a risk
    kwargs: str
    priority: int = 0
    eta: float | None = None
    expires: float | None = None
    retries: int = 0
    sent_at: float | None = None  # where the record knows it
    size: int = 0  # bytes in the broker
    origin: str = ""  # who sent it, as Celery writes it
    problem: str = ""  # a sentence: why it is not shown whole, or what it is instead of a task's message


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Part of a queue, from the end that workers take from."""

    queue: str
    first: int
    messages: tuple[Message, ...]
    total: int


@dataclass(frozen=True, slots=True)
class PurgeOffer:
    """What purging a queue would delete now, said before it is done."""

    queue: str
    waiting: int
    by_priority: Mapping[int, int] = field(default_factory=dict)
    untouched: int = 0  # reserved, active, scheduled or stranded messages of it: a purge leaves those
