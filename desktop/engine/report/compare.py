"""What was foretold beside what happened, and the one line that says it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desktop.engine.api import Count, FaultRecord, FaultState, Finding
from desktop.engine.report import words
from desktop.engine.report.model import Report

TONES = {Finding.PASS: "good", Finding.FAIL: "bad", Finding.UNKNOWN: "warn"}
_ORDER = (Finding.FAIL, Finding.UNKNOWN, Finding.PASS)


@dataclass(frozen=True, slots=True)
class Headline:
    """What stands largest: a word, and why. `tone` is "good", "warn" or "bad"."""

    word: str
    why: str
    tone: str


@dataclass(frozen=True, slots=True)
class Foretold:
    """One line of a comparison. `same`: None where there is nothing to compare."""

    what: str
    forecast: str
    outcome: str
    same: bool | None


@dataclass(frozen=True, slots=True)
class Part:
    """One place of the account: how many tasks are there."""

    key: str
    text: str
    count: int
    tone: str  # "good", "warn", "bad", "idle"


def headline(report: Report) -> Headline:
    """The verdict of a drill; of a run that was none, what the account says."""
    judged = report.judged
    if judged is not None:
        return Headline(judged.finding.value, judged.reason, TONES[judged.finding])
    account, twice = report.account, len(report.ran_twice)
    of = f"of {words.plural(account.submitted, 'task')}"
    bad = [f"{len(account.lost):,} lost"] if account.lost else []
    bad += [f"{twice:,} ran twice"] if twice else []
    bad += [f"{len(account.failed):,} failed"] if account.failed else []
    left = sum(account.still.values()) + account.unknown
    rest = f" {words.plural(left, 'task')} not over when the record ends." if left else ""
    rest += f" {again}" if (again := copies(report)) else ""
    if account.lost:
        return Headline("Tasks lost", f"{', '.join(bad)}, {of}.{rest}", "bad")
    if bad:
        return Headline("Nothing lost", f"{', '.join(bad)}, {of}.{rest}", "warn")
    if rest:
        return Headline("Nothing lost", f"{account.ended_once:,} {of} ended once.{rest}", "warn")
    if not account.submitted:
        return Headline("No tasks", "No task was submitted in this run.", "warn")
    ended = account.ended_once
    return Headline(
        "Nothing lost",
        f"{'All' if ended == account.submitted else f'{ended:,} of'} "
        f"{words.plural(account.submitted, 'task')} ended once.",
        "good",
    )


def parts(report: Report) -> tuple[Part, ...]:
    """Every task in one place; the counts make up `submitted`."""
    account = report.account
    found = [
        Part("ended_once", "ended once", account.ended_once, "good"),
        Part("ended_more", "ended more than once", len(account.ended_more), "warn"),
        Part("failed", "failed", len(account.failed), "bad"),
        Part("lost", "lost", len(account.lost), "bad"),
    ]
    found += [
        Part(key.lower(), key.lower(), count, "idle") for key, count in account.otherwise.items() if count
    ]
    found += [Part(key, f"still {key}", count, "warn") for key, count in account.still.items() if count]
    if account.unknown:
        found.append(Part("unknown", "not known: the ledger does not tell", account.unknown, "warn"))
    return tuple(found)


def copies(report: Report) -> str:
    """What lies in the broker beside the tasks that are not over, as a sentence; "" for nothing."""
    count = report.account.copies
    if not count:
        return ""
    lies = "lies" if count == 1 else "lie"
    return f"{words.plural(count, 'task')} that ended {lies} in the broker once more, and will run again."


def foretold(fault: FaultRecord) -> tuple[Foretold, ...]:
    """Forecast and outcome of a fault side by side; nothing where there was no forecast."""
    said, came = fault.forecast, fault.outcome
    if said is None:
        return ()
    kinds: tuple[tuple[str, Count, tuple[str, ...] | None], ...] = (
        ("lost", said.lost, came.lost if came else None),
        ("failed", said.failed, came.failed if came else None),
        ("run again", said.again, came.again if came else None),
        ("delivered again, not started before", said.back, came.back if came else None),
    )
    rows = [
        _row(what, count, ids, came is not None and came.settled, said.sure) for what, count, ids in kinds
    ]
    if said.back_after is not None or (came is not None and came.first_back is not None):
        first = came.first_back if came is not None else None
        rows.append(
            Foretold("first one back after", words.seconds(said.back_after), words.seconds(first), None)
        )
    return tuple(rows)


def _row(what: str, said: Count, ids: tuple[str, ...] | None, settled: bool, sure: bool) -> Foretold:
    """What was not said for sure is neither right nor wrong; nor is a count that may still grow into it."""
    if ids is None:
        return Foretold(what, words.count(said), "–", None)
    found = f"{len(ids):,}" if settled else f"{len(ids):,} so far"
    decided = sure and (settled or len(ids) > said.most)
    return Foretold(what, words.count(said), found, said.holds(len(ids)) if decided else None)


def state_of(fault: FaultRecord) -> tuple[str, str]:
    """(word, tone) of a fault."""
    if fault.state is FaultState.MISSED or not fault.landed:
        return "missed", "bad"
    if fault.outcome is not None and fault.outcome.differs:
        return "landed, not as foretold", "warn"
    return ("landed, still under way" if fault.state is FaultState.UNDER_WAY else "landed"), "good"


def by_worst(reports: Sequence[Report]) -> tuple[Report, ...]:
    """The worst first: failed before unknown before passed, then by what was lost and ran twice."""

    def badness(report: Report) -> tuple[int, int, int, int]:
        finding = report.judged.finding if report.judged is not None else Finding.PASS
        lost, twice = len(report.account.lost), len(report.ran_twice)
        return _ORDER.index(finding), -lost, -twice, -len(report.account.failed)

    return tuple(sorted(reports, key=badness))


def summary(reports: Sequence[Report]) -> Headline:
    """Of several runs: how often which verdict came."""
    if not any(report.judged for report in reports):
        lost = sum(bool(report.account.lost) for report in reports)
        why = (
            f"Tasks were lost in {lost} of {len(reports)} runs."
            if lost
            else f"In none of {len(reports)} runs."
        )
        return Headline("Tasks lost" if lost else "Nothing lost", why, "bad" if lost else "good")
    findings = [report.judged.finding for report in reports if report.judged is not None]
    counted = [(finding, findings.count(finding)) for finding in _ORDER if finding in findings]
    worst = counted[0][0]
    told = ", ".join(f"{finding.value} {count} of {len(reports)} times" for finding, count in counted)
    return Headline(worst.value, f"{told}.", TONES[worst])
