"""Words of forecasts and kill menus: what becomes of so many tasks, as a sentence for people."""

from __future__ import annotations

from collections.abc import Sequence

from desktop.engine.api import Count
from desktop.engine.forecast.rules import Fate
from desktop.engine.forecast.situation import RETRY_DELAY, Settings
from desktop.engine.supervise.outcome import duration

PHRASES = {
    Fate.LOST: "will be lost ({acks})",
    Fate.MAYBE_LOST: "may be lost: the moment decides",
    Fate.FAILS: "will end as a failure and not run again",
    Fate.MAYBE_FAILS: "may end as a failure: the moment decides",
    Fate.ACKED: "will be cut off and lost, though acks are late: Celery acknowledges them",
    Fate.AGAIN: "will be cut off and run again at once, on any worker ({acks})",
    Fate.MAYBE_AGAIN: "may run twice: the moment decides",
    Fate.TWICE: "will run twice",
    Fate.LATER: "will be cut off and run again: they {back}",
    Fate.TWICE_LATER: "will run twice: their messages {back}",
    Fate.RETRIED: f"will be cut off and retried after their retry delay ({RETRY_DELAY:g} s by default)",
    Fate.BACK: "go back to the queue at once",
    Fate.BACK_LATER: "{back}",
    Fate.MAYBE_BACK: "may be delivered again: the moment decides",
    Fate.GONE: "will be lost: their messages are gone",
    Fate.MAYBE_GONE: "may be lost: the moment decides whether their messages are saved",
}
_OF_ONE = (
    ("they come", "it comes"),
    ("their messages come", "its message comes"),
    ("their messages are", "its message is"),
    ("their retry", "its retry"),
    ("acknowledges them", "acknowledges it"),
    ("come back", "comes back"),
    ("go back", "goes back"),
    ("go on", "goes on"),
)


def number(count: Count) -> str:
    """`2`, `up to 2`, `2 to 4`, `3 (2 to 4)`."""
    if count.exact:
        return f"{count.most:,}"
    if count.likely:
        return f"{count.likely:,} ({count.least:,} to {count.most:,})"
    return f"{count.least:,} to {count.most:,}" if count.least else f"up to {count.most:,}"


def running_tasks(count: Count) -> str:
    """`2 running tasks`, `2 running tasks (1 to 3)`."""
    said, behind = number(count), ""
    if count.likely and not count.exact:
        said, behind = f"{count.likely:,}", f" ({count.least:,} to {count.most:,})"
    return f"{said} running task{'' if said == '1' else 's'}{behind}"


def amounts(running: Count, reserved: Count, scheduled: int = 0) -> str:
    """`2 running tasks, 6 reserved and 1 scheduled`; "" for none."""
    parts = [running_tasks(running)] if running.most else []
    parts += [f"{number(reserved)} reserved"] if reserved.most else []
    return listed([*parts, *([f"{scheduled:,} scheduled"] if scheduled else [])])


def for_one(text: str) -> str:
    """The same said of a single task."""
    for many, one in _OF_ONE:
        text = text.replace(many, one)
    return text


def told(fate: Fate, subject: str, count: Count, settings: Settings, back: str = "") -> str:
    """What becomes of `count` tasks, whose subject is `2 running tasks`; without its full stop."""
    text = PHRASES[fate].format(acks=f"acks {settings.acks}", back=back)
    sentence = f"{subject} {for_one(text) if count == Count(1, 1) else text}"
    return sentence[:1].upper() + sentence[1:]


def timeout_text(seconds: float) -> str:
    """`3,600 s`, `2.5 s`."""
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:g} s"


def come_back(after: float, settings: Settings, who: str) -> str:
    """`come back after 58 min 12 s (visibility timeout 3,600 s), at the earliest when w2 polls`."""
    timeout = timeout_text(settings.timeout)
    if after >= settings.timeout:
        return f"come back after the visibility timeout, {timeout}, at the earliest {who}"
    return f"come back after {duration(after)} (visibility timeout {timeout}), at the earliest {who}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """`w1`, `w1 and w2`, `w1, w2 and w3`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
