"""A forecast while it is made: the fates of tasks are put in, counts and sentences come out."""

from __future__ import annotations

from collections.abc import Sequence

from desktop.engine.api import Count, Forecast
from desktop.engine.forecast.restoring import Restoring
from desktop.engine.forecast.rules import RULES, Fate, Law
from desktop.engine.forecast.situation import Situation
from desktop.engine.forecast.words import listed, number, running_tasks, told

NONE = Count()
_ONE = Count(1, 1)
# The worst first, as the sentences are to stand.
_ORDER = (
    *(Fate.LOST, Fate.ACKED, Fate.GONE, Fate.MAYBE_GONE, Fate.MAYBE_LOST, Fate.FAILS, Fate.MAYBE_FAILS),
    *(Fate.TWICE, Fate.TWICE_LATER, Fate.MAYBE_AGAIN, Fate.AGAIN, Fate.LATER, Fate.RETRIED),
    *(Fate.MAYBE_BACK, Fate.BACK_LATER, Fate.BACK, Fate.FINISHES),
)
_LOST = frozenset({Fate.LOST, Fate.ACKED, Fate.GONE, Fate.MAYBE_GONE, Fate.MAYBE_LOST})
_FAILED = frozenset({Fate.FAILS, Fate.MAYBE_FAILS})
_AGAIN = frozenset({Fate.AGAIN, Fate.MAYBE_AGAIN, Fate.TWICE, Fate.TWICE_LATER, Fate.LATER, Fate.RETRIED})
_BACK = frozenset({Fate.BACK, Fate.BACK_LATER, Fate.MAYBE_BACK})
_MAYBE = frozenset({Fate.MAYBE_LOST, Fate.MAYBE_FAILS, Fate.MAYBE_BACK, Fate.MAYBE_AGAIN, Fate.MAYBE_GONE})
_LATER = frozenset({Fate.LATER, Fate.BACK_LATER, Fate.TWICE_LATER})


def plus(one: Count, other: Count) -> Count:
    """Of both together."""
    guesses = one.guess, other.guess
    likely = None if None in guesses else sum(guess for guess in guesses if guess is not None)
    return Count(one.least + other.least, one.most + other.most, likely)


def _perhaps(count: Count) -> Count:
    """None of them, all, or some. What is no more than a chance is likely to be none."""
    return Count(0, count.most, 0 if count.most == 1 else None)


def exactly(number: int) -> Count:
    """Known."""
    return Count(number, number)


class Draft:
    """Collects what becomes of tasks; `finish` makes the forecast."""

    def __init__(self, situation: Situation, targets: Sequence[str]) -> None:
        self.situation = situation
        self.targets = tuple(targets)
        self.running = 0
        self.held = 0
        self._fates: dict[tuple[Fate, str], Count] = {}
        self._quiet: set[tuple[Fate, str]] = set()
        self._first: list[str] = []
        self._notes: list[str] = []
        self._rules: dict[str, None] = {}
        self._why: list[str] = []
        self.sure = True
        self.restoring: Restoring | None = None
        self.back_after: float | None = None

    def becomes(self, law: Law, what: str, count: Count) -> None:
        """So many tasks share a fate. `what` is "running", "reserved", "scheduled" or "waiting"."""
        fate, rule = law
        if not count.most:
            return
        self.rule(rule)
        key = (fate, what)
        self._fates[key] = plus(self._fates.get(key, NONE), count)

    def quietly(self, law: Law, what: str, count: Count) -> None:
        """The same, where another sentence tells of it."""
        self.becomes(law, what, count)
        self._quiet.add((law[0], what))

    def rule(self, *rules: str) -> None:
        """It rests on these rules too."""
        self._rules |= dict.fromkeys(rules)

    def first(self, text: str) -> None:
        """A sentence before those of the fates."""
        if text not in self._first:
            self._first.append(text)

    def note(self, text: str) -> None:
        """A sentence behind those of the fates."""
        if text not in self._notes:
            self._notes.append(text)

    def because(self, why: str) -> None:
        """A sentence at the end: why a number is a range."""
        if why not in self._why:
            self._why.append(why)

    def cannot_tell(self, why: str) -> None:
        """The whole forecast is a guess, and why."""
        self.sure = False
        self.because(why)

    def finish(self) -> Forecast:
        """The forecast."""
        counts = {kind: self._sum(kind) for kind in ("lost", "failed", "again", "back")}
        later = any(fate in _LATER for fate, _ in self._fates)
        if later and self.restoring is not None:
            self.rule(*self.restoring.rules)
        return Forecast(
            t=self.situation.t,
            targets=self.targets,
            sentences=self._sentences(hurts := any(counts[k].most for k in ("lost", "failed", "again"))),
            running=self.running,
            held=self.held,
            lost=counts["lost"],
            failed=counts["failed"],
            again=counts["again"],
            back=counts["back"],
            back_after=self._back_after(counts["back"].most + counts["again"].most),
            hurts=hurts,
            sure=self.sure,
            rules=tuple(RULES[rule] for rule in self._rules),
        )

    def _sum(self, kind: str) -> Count:
        fates = {"lost": _LOST, "failed": _FAILED, "again": _AGAIN, "back": _BACK}[kind]
        total = NONE
        for (fate, _), count in self._fates.items():
            if fate in fates:
                total = plus(total, _perhaps(count) if fate in _MAYBE else count)
        return total

    def _back_after(self, any_back: int) -> float | None:
        fates = {fate for fate, _ in self._fates}
        if not any_back:
            return None
        if self.back_after is not None:
            return self.back_after
        if fates & {Fate.BACK, Fate.AGAIN, Fate.TWICE, Fate.MAYBE_AGAIN}:
            return 0.0
        return self.restoring.after if self.restoring is not None else None

    def _sentences(self, hurts: bool) -> tuple[str, ...]:
        fates = [sentence for fate in _ORDER for sentence in self._of(fate)]
        told = {fate for fate, _ in self._fates}
        if not hurts and not told & {Fate.BACK_LATER, Fate.MAYBE_BACK}:
            fates.append(
                "Nothing is lost." if self.running or self.held else "It holds no task: nothing is lost."
            )
        return (*self._first, *fates, *self._notes, *self._why)

    def _of(self, fate: Fate) -> list[str]:
        back = self.restoring.text if self.restoring is not None else "come back"
        share = self._share(fate)
        if share is None or fate is Fate.FINISHES:
            return []
        subject, count = share
        if fate is Fate.LATER and (held := self._share(Fate.BACK_LATER)) is not None:
            return [f"{subject} will be cut off; {'it' if count == _ONE else 'they'} and {held[0]} {back}."]
        if fate is Fate.BACK_LATER and self._share(Fate.LATER) is not None:
            return []  # told with those that ran
        return [f"{told(fate, subject, count, self.situation.settings, back)}."]

    def _share(self, fate: Fate) -> tuple[str, Count] | None:
        """`2 running tasks, 6 reserved and 1 scheduled`, and how many that is."""
        parts, total = [], NONE
        for what in ("running", "reserved", "scheduled", "waiting", "stranded"):
            count = self._fates.get((fate, what))
            if count is not None and (fate, what) not in self._quiet:
                parts.append(running_tasks(count) if what == "running" else f"{number(count)} {what}")
                total = plus(total, count)
        return (listed(parts), total) if parts else None
