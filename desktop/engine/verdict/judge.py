"""The judge: what was expected, what was found, and whether that can be said at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from desktop.engine.api import (
    Account,
    Check,
    DrillSpec,
    Expect,
    FaultKind,
    FaultRecord,
    Finding,
    Recovery,
    TaskState,
    Verdict,
)
from desktop.engine.supervise.outcome import duration, plural


def judge(
    spec: DrillSpec,
    account: Account,
    recovery: Sequence[Recovery],
    faults: Sequence[FaultRecord],
    *,
    rested: bool,
    why_not: str = "",
    halted: bool = False,
    seed: int = 0,
    began: float = 0.0,
    ended: float = 0.0,
    run_folder: Path | None = None,
    number: int = 1,
    settled_after: float | None = None,
    judged_in: float | None = None,
) -> Verdict:
    """The verdict on a drill. `rested`: nothing moved any more; `why_not`: what still did, as a sentence.

    UNKNOWN: a person halted it, a fault did not land, the ledger does not tell, or the stack did not come to
    rest. Where that is the only thing in the way and an expectation is broken for good already, it is FAIL.
    """
    checks = tuple(_checks(spec.expect, account, recovery, faults))
    finding, reason = _found(spec, account, faults, checks, rested, why_not, halted)
    return Verdict(
        drill=spec.name,
        verdict=finding,
        reason=reason,
        seed=seed,
        began=began,
        ended=ended,
        account=account,
        checks=checks,
        recovery=tuple(recovery),
        faults=tuple(faults),
        run_folder=run_folder,
        number=number,
        halted=halted,
        gives=spec.gives,
        settled_after=settled_after,
        judged_in=judged_in,
    )


def _found(
    spec: DrillSpec,
    account: Account,
    faults: Sequence[FaultRecord],
    checks: Sequence[Check],
    rested: bool,
    why_not: str,
    halted: bool,
) -> tuple[Finding, str]:
    if halted:
        return Finding.UNKNOWN, "It was halted before its end."
    if missed := _missed(spec, faults):
        return Finding.UNKNOWN, missed
    broken = [check for check in checks if not check.ok]
    doubt = _doubt(spec, account, rested, why_not)
    if doubt:
        broken = [check for check in broken if _for_good(check, account)]
    if broken:
        return Finding.FAIL, _sentence(_complaint(check, account) for check in broken)
    if doubt:
        return Finding.UNKNOWN, doubt
    return Finding.PASS, _praise(account, faults)


# what was expected


def _checks(
    expect: Expect, account: Account, recovery: Sequence[Recovery], faults: Sequence[FaultRecord]
) -> Iterator[Check]:
    still = sum(account.still.values())
    for name, most, found in (
        ("lost", expect.lost, len(account.lost)),
        ("duplicates", expect.duplicates, len(account.ended_more)),
        ("failed", expect.failed, len(account.failed)),
        ("still", expect.still, still),
    ):
        if most is not None:
            yield Check(name, f"at most {most:,}", f"{found:,}", found <= most)
    landed = {fault.id for fault in faults if fault.landed}
    after = [one for one in recovery if one.fault in landed]
    if expect.recovered_within is not None:
        yield _in_time("recovered_within", expect.recovered_within, after, lambda one: one.backlog)
    if expect.noticed_within is not None:
        yield _in_time("noticed_within", expect.noticed_within, after, lambda one: one.noticed)


def _in_time(
    name: str, limit: float, after: Sequence[Recovery], took: Callable[[Recovery], float | None]
) -> Check:
    """The slowest of the faults decides, and one after which it never came to that is the slowest."""
    wanted = f"within {duration(limit)}"
    times = [(took(one), one.fault) for one in after]
    never = [fault for t, fault in times if t is None]
    if never:
        return Check(name, wanted, f"not after {_numbered(never)}", False)
    slowest, fault = max(((t, fault) for t, fault in times if t is not None), default=(0.0, 0))
    found = f"{duration(slowest)} after fault {fault}" if fault else "no fault"
    return Check(name, wanted, found, slowest <= limit)


def _numbered(faults: Sequence[int]) -> str:
    if len(faults) == 1:
        return f"fault {faults[0]}"
    return f"faults {', '.join(map(str, faults[:-1]))} and {faults[-1]}"


# what is in the way of saying it


def _missed(spec: DrillSpec, faults: Sequence[FaultRecord]) -> str:
    """A fault that did not land, or whose moment never came, as a sentence."""
    for fault in faults:
        if not fault.landed:
            at = " and ".join(fault.targets) or fault.spec.target.text
            why = f": {fault.text}" if fault.text else ""
            return _end(f"The fault {fault.spec.kind} ({at}) did not land{why}")
    planned: Counter[FaultKind] = Counter()
    for one in spec.faults:
        planned[one.spec.kind] += one.times
    never = planned - Counter(fault.spec.kind for fault in faults)
    if not never:
        return ""
    kind, count = next(iter(never.items()))
    when = next((one.when for one in spec.faults if one.spec.kind is kind and one.when), None)
    moment = f': its moment never came ("{when}")' if when else ""
    times = "" if count == 1 else f" {count} times"
    return f"The fault {kind} was not done{times}{moment}."


def _doubt(spec: DrillSpec, account: Account, rested: bool, why_not: str) -> str:
    """Why what was found may not be all, as a sentence; "" where it is."""
    if spec.workloads and not account.submitted:
        return "No task was submitted."
    if account.gaps:
        more = f" (and {plural(len(account.gaps) - 1, 'more gap')})" if len(account.gaps) > 1 else ""
        return f"The ledger has a gap: {account.gaps[0]}{more}"
    if account.unknown:
        return f"What became of {plural(account.unknown, 'task')} the ledger does not tell."
    if not rested:
        return _end(f"The stack did not come to rest: {why_not or 'tasks still moved'}")
    if account.copies and spec.expect.duplicates is not None:
        lie = "lies" if account.copies == 1 else "lie"
        return (
            f"{plural(account.copies, 'task')} that ended {lie} in the broker once more, and will run again: "
            "that may become more duplicates than are allowed."
        )
    return ""


def _for_good(check: Check, account: Account) -> bool:
    """Broken, whatever is found out later.

    Ends are lines that were written. What counts as lost may have run where lines are missing; and a worker
    that lives may still run what it holds though the broker has forgotten it.
    """
    if check.name in ("duplicates", "failed"):
        return True
    moving = any(account.still.get(state.value) for state in (TaskState.ACTIVE, TaskState.RESERVED))
    return check.name == "lost" and not (account.gaps or account.unknown or moving)


# in words


def _complaint(check: Check, account: Account) -> str:
    allowed = check.wanted
    of = f"of {plural(account.submitted, 'task')}"
    match check.name:
        case "lost":
            return f"{check.found} {of} {_was(len(account.lost))} lost ({allowed})"
        case "duplicates":
            return f"{check.found} {of} ended more than once ({allowed})"
        case "failed":
            return f"{check.found} {of} failed ({allowed}): {_common(account)}"
        case "still":
            where = ", ".join(f"{count:,} {state}" for state, count in account.still.items())
            return f"{check.found} {of} {_was(sum(account.still.values()))} not over ({where}; {allowed})"
        case "recovered_within":
            return f"the backlog was as before {check.found}, not {allowed}"
        case _:
            return f"the panel showed it {check.found}, not {allowed}"


def _common(account: Account) -> str:
    """The error that most of the failed tasks have."""
    errors = Counter(why.partition("\n")[0] or "no reason is known" for _, why in account.failed)
    (error, count), *others = errors.most_common()
    return f"{error} ({count:,}), and others" if others else error


def _praise(account: Account, faults: Sequence[FaultRecord]) -> str:
    if not account.submitted:
        return "Nothing that was expected is broken."
    said = [f"{account.ended_once:,} of {plural(account.submitted, 'task')} ended once"]
    if account.ended_once == account.submitted > 1:
        said = [f"All {plural(account.submitted, 'task')} ended once"]
    for ids, what in (
        (account.ended_more, "ended more than once"),
        (account.failed, "failed"),
        (account.lost, "lost"),
    ):
        if ids:
            said.append(f"{len(ids):,} {what}, as allowed")
    if faults:
        said.append(f"{plural(len(faults), 'fault')} landed")
    return _sentence(said)


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _sentence(parts: Iterable[str]) -> str:
    text = "; ".join(parts)
    return _end(text[0].upper() + text[1:])


def _end(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
