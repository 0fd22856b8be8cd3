"""Who gives back what a dead or cut-off worker held, and when at the earliest."""

from __future__ import annotations

from dataclasses import dataclass

from desktop.engine.forecast.rules import RESTORE_START, RESTORE_SWEEP
from desktop.engine.forecast.situation import SWEEPING, Situation, WorkerSituation
from desktop.engine.forecast.words import come_back, listed


@dataclass(frozen=True, slots=True)
class Restoring:
    """When what is past the visibility timeout is delivered again."""

    after: float | None  # seconds until the first may be; None: nobody is left who would look
    latest: float | None  # seconds within which all are, if nothing else breaks
    text: str  # "come back after 58 min …"
    rules: tuple[str, ...]


def restoring(
    situation: Situation, gone: tuple[WorkerSituation, ...], *, restarted: tuple[str, ...] = ()
) -> Restoring:
    """Of what `gone` workers hold; those named in `restarted` are started again soon."""
    settings = situation.settings
    names = {one.name for one in gone}
    since = [one.held_since for one in gone if one.held_since is not None]
    age = max(0.0, situation.t - min(since)) if since else 0.0
    after = max(0.0, settings.timeout - age)
    others = [one.name for one in situation.workers if one.consumes and one.name not in names]
    sweepers = [one.name for one in situation.workers if one.name in others and one.pool in SWEEPING]
    again = [one.name for one in gone if one.name in restarted and one.pool in SWEEPING]
    rules = (RESTORE_SWEEP,)
    if sweepers:
        who = f"when {listed(sweepers, 'or')} polls"
    elif again:
        who = f"when {listed(again, 'or')}, started again, polls"
    else:
        who = _when_started(others, restarted)
        return Restoring(after, None, come_back(after, settings, who), (RESTORE_START,))
    late = f", up to {settings.sweep:g} s later" if settings.sweep >= 2 else ""
    text = come_back(after, settings, who + late)
    return Restoring(after, settings.timeout + settings.sweep + 1.0, text, rules)


def _when_started(others: list[str], restarted: tuple[str, ...]) -> str:
    """Greenlets look once, at their start."""
    if others or restarted:
        return "when a worker is started after that: gevent and eventlet only look for them then"
    return "when a worker is started after that: none is left that polls"
