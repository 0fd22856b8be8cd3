"""Messages that were delivered to a worker which is dead or cut off: what the recorder tells to restore."""

from __future__ import annotations

from typing import NamedTuple


class Stranded(NamedTuple):
    """One stranded message.

    `delivered_at` is exactly that of `View.unacked`: it tells this delivery from a later one of the same
    message, whose delivery tag is the same, and which a living worker may hold.
    """

    task_id: str
    queue: str
    worker: str
    delivered_at: float
    back_at: float | None = None  # when it may be delivered again; None: not known
    dead: bool = True  # False: its holder's process lives, and only lost its hold on the message
