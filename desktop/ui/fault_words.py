"""Faults, forecasts and outcomes in few words: for buttons, bands in graphs, lists. No Qt."""

from __future__ import annotations

import math

from desktop.engine.api import (
    Account,
    Count,
    FaultKind,
    FaultRecord,
    FaultSpec,
    FaultState,
    Forecast,
    Outcome,
    Pick,
    Verdict,
)
from desktop.ui.words import count, duration, listed

_K = FaultKind
# What is done, with the place of whom it is done to.
_DEEDS = {
    _K.KILL_PROCESS: "kill a process of {}",
    _K.KILL_WORKER: "kill {}",
    _K.WARM: "stop {} warm",
    _K.COLD: "stop {} cold",
    _K.SOFT: "stop {} softly",
    _K.TERM_GROUP: "SIGTERM the group of {}",
    _K.FREEZE_WORKER: "freeze {}",
    _K.FREEZE_PROCESS: "freeze a process of {}",
    _K.KILL_BROKER: "kill the broker",
    _K.STOP_BROKER: "restart the broker",
    _K.FREEZE_BROKER: "freeze the broker",
    _K.CUT_CLIENTS: "cut every client",
    _K.FILL_BROKER: "fill the broker",
    _K.FLUSH_BROKER: "flush the broker",
    _K.LATENCY: "delay the network of {}",
    _K.CUT: "cut the network of {}",
    _K.HALF_OPEN: "silence the network of {}",
    _K.SLOW: "slow the network of {}",
    _K.DISK_FULL: "fill the disk of {}",
    _K.POISON: "send poison to {}",
    _K.HOG: "send memory hogs to {}",
    _K.SHRINK: "shrink the pool of {}",
    _K.NODE_NAME: "double the name of {}",
    _K.ROLLING: "kill one after the other",
}
_AIMLESS = frozenset(kind for kind, deed in _DEEDS.items() if "{}" not in deed)
_NAMES = 2  # of workers, before they are counted


def deed(spec: FaultSpec, targets: tuple[str, ...] = ()) -> str:
    """What is done to whom, as a phrase: "kill w1", "cut the network of w1"."""
    names = f"{len(targets)} workers" if len(targets) > _NAMES else listed(targets)
    if spec.target.pid is not None and "a process" in _DEEDS[spec.kind]:
        return _DEEDS[spec.kind].replace("a process", f"process {spec.target.pid}").format(names)
    return _DEEDS[spec.kind].format(names or whom(spec))


def whom(spec: FaultSpec) -> str:
    """The target as a part of a phrase, before it is known who that is."""
    pick = spec.target.pick
    if pick is Pick.NAME:
        return spec.target.name
    return spec.target.text if pick in (Pick.ALL, Pick.RUNS) else f"the {spec.target.text}"


def aimless(kind: FaultKind) -> bool:
    """Whether its phrase names no worker."""
    return kind in _AIMLESS


def sentence(text: str) -> str:
    """A phrase at the beginning of a line: its first letter large."""
    return f"{text[:1].upper()}{text[1:]}"


def title_of(record: FaultRecord) -> str:
    """What was done: "Kill w1"."""
    targets = () if record.targets == ("broker",) else record.targets
    return sentence(deed(record.spec, targets))


def counted(number: Count) -> str:
    """One number, or from which to which: "2", "0–6"."""
    return f"{number.least:,}" if number.exact else f"{number.least:,}–{number.most:,}"


def one_number(number: Count) -> str:
    """The likely number where there is one: "2"; else as `counted`."""
    return counted(number) if number.guess is None else f"{number.guess:,}"


def range_of(number: Count) -> str:
    """What stands beside the likely number: "1–3"; "" where that says nothing more."""
    return "" if number.exact or number.guess is None else counted(number)


FIGURES = ("lost", "failed", "again", "back")  # of a forecast and of an outcome alike
FIGURE_WORDS = {"lost": "lost", "failed": "fail", "again": "run again", "back": "come back"}
PAST_WORDS = {"lost": "lost", "failed": "failed", "again": "ran again", "back": "came back"}
FIGURE_TONES = {"lost": "bad", "failed": "bad", "again": "warn", "back": ""}


def summary(seen: Forecast) -> str:
    """What will happen, in the fewest words: "2 lost, 6 come back"."""
    if seen.impossible:
        return "not possible now"
    if not seen.targets:
        return "nothing would be hit"
    said = [
        f"{one_number(getattr(seen, key))} {FIGURE_WORDS[key]}"
        for key in FIGURES
        if getattr(seen, key).most > 0 and getattr(seen, key).guess != 0
    ]
    return ", ".join(said) or ("nothing is lost" if seen.sure else "cannot be told")


def back_words(seen: Forecast) -> str:
    """When the first may come back: "after 58 min"."""
    if not seen.back.most or seen.back_after is None or math.isinf(seen.back_after):
        return ""
    return f"after {duration(seen.back_after)}"


def button_words(spec: FaultSpec, seen: Forecast | None) -> str:
    """What the button does, and what that costs: "Kill w1: 2 lost, 6 come back"."""
    if seen is None or seen.impossible:
        return sentence(deed(spec))
    targets = () if aimless(spec.kind) else seen.targets
    return f"{sentence(deed(spec, targets))}: {summary(seen)}"


def outcome_words(outcome: Outcome | None, state: FaultState) -> str:
    """What is known of the outcome besides its figures."""
    if state is FaultState.MISSED:
        return ""
    if outcome is None:
        return "It is judged when it is over." if state is FaultState.UNDER_WAY else "Not judged yet."
    if not outcome.settled:
        return f"{count(outcome.still, 'of its tasks is', 'of its tasks are')} not over yet."
    return "Not as forecast." if outcome.differs else ""


def nothing_words(seen: Forecast, outcome: Outcome | None) -> str:
    """Where no figure of the forecast and none of the outcome is more than zero."""
    if outcome is None:
        return "Forecast: nothing is lost." if seen.sure else "What it costs cannot be foretold."
    if not outcome.settled:
        return "Nothing was lost so far."
    return "Nothing was lost, as forecast." if seen.sure else "Nothing was lost."


def tasks_of(record: FaultRecord) -> str:
    """The filter of the page Tasks for those that a fault may have touched."""
    if record.landed_at is None:
        return ""
    until = record.ended_at or record.ends_at or record.landed_at
    span = f"span:{record.landed_at:.3f}:{max(until, record.landed_at + 0.001):.3f}"
    return " ".join([span, *(f"worker:{name}" for name in record.targets if name != "broker")])


def balance_parts(account: Account) -> list[tuple[str, str, int]]:
    """(key, word, number) of each part of the sum of an account; parts of which there are none are left out,
    but for those that tell most.
    """
    still = sum(account.still.values())
    parts = [
        ("submitted", "submitted", account.submitted),
        ("ended_once", "ended once", account.ended_once),
        ("ended_more", "ended twice or more", len(account.ended_more)),
        ("failed", "failed", len(account.failed)),
        ("lost", "lost", len(account.lost)),
        ("otherwise", "otherwise", sum(account.otherwise.values())),
        ("still", "still somewhere", still),
        ("unknown", "unknown", account.unknown),
    ]
    always = {"submitted", "ended_once", "failed", "lost"}
    return [part for part in parts if part[2] or part[0] in always]


def short_id(task_id: str) -> str:
    """The beginning of an id, as a person tells tasks apart."""
    return task_id if len(task_id) <= 12 else f"{task_id[:8]}…{task_id[-4:]}"


def repeats_words(verdicts: tuple[Verdict, ...]) -> str:
    """How often each was found: "48 PASS, 2 FAIL: seeds 17, 31"; the seeds of the rarer ones are told."""
    found: dict[str, list[int]] = {}
    for one in verdicts:
        found.setdefault(one.verdict.value, []).append(one.seed)
    ranked = sorted(found.items(), key=lambda pair: -len(pair[1]))
    said = [f"{len(seeds):,} {word}" for word, seeds in ranked[:1]]
    for word, seeds in ranked[1:]:
        shown = ", ".join(str(seed) for seed in seeds[:8]) + (", …" if len(seeds) > 8 else "")
        said.append(f"{len(seeds):,} {word}: {'seed' if len(seeds) == 1 else 'seeds'} {shown}")
    return ", ".join(said)
