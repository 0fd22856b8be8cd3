"""Who does which kind of fault: the one table."""

from __future__ import annotations

from collections.abc import Mapping

from desktop.engine.api import DeskError, FaultKind
from desktop.engine.faults import brokers, disk, floods, network, pool, rolling, shutdowns, signals, twin
from desktop.engine.faults.ground import Doer

_DOERS: Mapping[FaultKind, Doer] = {
    **signals.DOERS,
    **shutdowns.DOERS,
    **twin.DOERS,
    **rolling.DOERS,
    **pool.DOERS,
    **floods.DOERS,
    **disk.DOERS,
    **brokers.DOERS,
    **network.DOERS,
}


def doer_of(kind: FaultKind) -> Doer:
    """Does it. Raises DeskError where it cannot be done here."""
    found = _DOERS.get(kind)
    if found is None:
        raise DeskError(f"'{kind}' cannot be done by this version.", "Choose another fault.")
    return found
