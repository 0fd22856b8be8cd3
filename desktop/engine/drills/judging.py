"""From what a repeat leaves to its verdict, written into its run folder."""

from __future__ import annotations

import dataclasses
import time

from desktop.engine.api import Account, DeskError, FaultRecord, Finding, Recovery, Verdict
from desktop.engine.drills.found import DrillDesk, Found
from desktop.engine.stack.secrets import without_secrets
from desktop.engine.supervise.outcome import duration
from desktop.engine.verdict.account import account_of
from desktop.engine.verdict.judge import judge
from desktop.engine.verdict.kept import write_verdict
from desktop.engine.verdict.recovery import recovery_of
from desktop.engine.verdict.settled import settled_record


def judge_round(desk: DrillDesk, found: Found) -> Verdict:
    """The verdict; where the record cannot be read it is UNKNOWN, and says so."""
    account, recovery, faults, troubles = Account(), tuple[Recovery, ...](), found.faults, found.troubles
    if found.folder is not None:
        try:
            account, recovery, faults = _evidence(desk, found)
        except DeskError as error:
            troubles = (*troubles, f"The record cannot be read: {error}")
    ended = time.time()
    verdict = judge(
        found.drill,
        account,
        recovery,
        faults,
        rested=found.rest_at is not None and not troubles,
        why_not=found.moving,
        halted=found.halted,
        seed=found.seed,
        began=found.began,
        ended=ended,
        run_folder=found.folder,
        number=found.number,
        settled_after=_between(found.load_ended, found.rest_at),
        judged_in=_between(found.rest_at, ended),
    )
    if troubles and _undecided(verdict, found):
        verdict = dataclasses.replace(verdict, reason=troubles[0])
    return _kept(found, _with_hope(verdict, found, ended))


def _undecided(verdict: Verdict, found: Found) -> bool:
    """UNKNOWN, and what went wrong with the drill itself tells more than the judge can know."""
    if verdict.verdict is not Finding.UNKNOWN or found.halted or found.moving:
        return False
    planned = sum(fault.times for fault in found.drill.faults)
    return not verdict.account.submitted or len(verdict.faults) >= planned


def _with_hope(verdict: Verdict, found: Found, now: float) -> Verdict:
    """Where stranded tasks are what is wrong: when they come back."""
    stands = any(check.name == "still" and not check.ok for check in verdict.checks)
    if not stands or found.back_at is None or verdict.verdict is not Finding.FAIL:
        return verdict
    left = duration(max(0.0, found.back_at - now))
    hope = f"What is stranded is back in {left}, when the visibility timeout is over."
    return dataclasses.replace(verdict, reason=f"{verdict.reason} {hope}")


def _evidence(desk: DrillDesk, found: Found) -> tuple[Account, tuple[Recovery, ...], tuple[FaultRecord, ...]]:
    """Account, recovery and the faults with what came of them. Raises DeskError."""
    record = settled_record(desk)
    if record is None:
        raise DeskError("nothing was recorded.", "")
    account = account_of(record, found.since)
    desk.judge_faults().result()
    judged = {fault.id: fault for fault in desk.snapshot().faults}
    faults = tuple(judged.get(fault.id, fault) for fault in found.faults)
    recovery = tuple(recovery_of(record, fault, found.events) for fault in faults)
    return account, recovery, faults


def _between(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else max(0.0, last - first)


def _kept(found: Found, verdict: Verdict) -> Verdict:
    """Written beside the record; where the disk is full the verdict says so, and is none the less."""
    if found.folder is None:
        return verdict
    try:
        write_verdict(found.folder, verdict, without_secrets(found.drill.text))
    except DeskError as error:
        return dataclasses.replace(verdict, reason=f"{verdict.reason} {error}")
    return verdict
