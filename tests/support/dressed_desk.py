"""A fake engine whose snapshots a test dresses up, and whose clock it turns."""

from __future__ import annotations

from collections.abc import Callable

from desktop.engine.api import StackSnapshot
from tests.support.fake_desk import FakeDesk

STILL = 1_000_038.0
Dress = Callable[[StackSnapshot], StackSnapshot]


class Dressed(FakeDesk):
    """`dress` changes each snapshot, `now` is its time; both can be set at any moment."""

    def __init__(self, dress: Dress = lambda snapshot: snapshot, **options: object) -> None:
        self.now, self.dress = STILL, dress
        super().__init__(**{"clock": lambda: self.now, **options})  # type: ignore[arg-type]

    def snapshot(self) -> StackSnapshot:
        return self.dress(super().snapshot())
