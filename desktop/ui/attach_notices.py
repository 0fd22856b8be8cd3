"""What an attached stack does not tell: said at the top of the window, with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from desktop.engine.api import StackSnapshot
from desktop.ui.notices import Notice
from desktop.ui.words import count, listed

MUTE, GAPS = "attach-mute", "attach-gaps"


def attach_notices(
    snapshot: StackSnapshot, ask: Callable[[], None], show: Callable[[str], None]
) -> tuple[Notice, ...]:
    """The notices that hold now. `ask`: enable events; `show`: a text to read in full."""
    if not snapshot.attached:
        return ()
    notices = []
    mute = [worker.name for worker in snapshot.workers if worker.mute and worker.service.state.alive]
    if mute:
        notices.append(_mute_notice(mute, ask))
    gaps = [gap for gap in snapshot.gaps if not any(name in gap and "no events" in gap for name in mute)]
    if gaps:
        notices.append(gaps_notice(gaps, show))
    return tuple(notices)


def _mute_notice(names: list[str], ask: Callable[[], None]) -> Notice:
    one = len(names) == 1
    verb, has, ran = ("sends", "it has", "it ran") if one else ("send", "they have", "they ran")
    what = f"only what {has} is shown, and not what {ran}"
    text = f"{listed(names)} {verb} no events of tasks (started without -E): {what}."
    return Notice(MUTE, text, "warn", (("Ask for their events", "primary", ask),))


def gaps_notice(gaps: Sequence[str], show: Callable[[str], None]) -> Notice:
    """What the record does not know, and why; of several the first, with a way to all."""
    first, *more = gaps
    if not more:
        return Notice(GAPS, first, "warn")
    every = "\n\n".join(gaps)
    text = f"{first} And {count(len(more), 'more note')}."
    return Notice(GAPS, text, "warn", (("Show all", "", lambda: show(every)),))
