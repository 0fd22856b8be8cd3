"""What a load generator is told: one JSON line, over its stdin, and what its lines back mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, TaskShare, Workload


@dataclass(frozen=True, slots=True)
class Plan:
    """A workload, where it goes and where its account is kept.

    `celery` holds settings under Celery's lower-case names; `transport_options` are laid over
    its `broker_transport_options`. The URL may hold a password: it is never shown.
    """

    load_id: int
    workload: Workload
    ledger: Path  # the run's ledger folder
    broker_url: str = field(repr=False)
    celery: Mapping[str, Any] = field(default_factory=dict, repr=False)
    transport_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_line(self) -> bytes:
        """The plan as one JSON line. Raises DeskError where it holds what JSON cannot say."""
        plan = {
            "load_id": self.load_id,
            "workload": workload_to_json(self.workload),
            "ledger": str(self.ledger),
            "broker_url": self.broker_url,
            "celery": dict(self.celery),
            "transport_options": dict(self.transport_options),
        }
        try:
            return json.dumps(plan, allow_nan=False).encode() + b"\n"
        except (TypeError, ValueError) as error:
            raise DeskError(
                f"The workload or the settings hold a value that cannot be sent ({error}).",
                "Use numbers, text, true and false, lists and tables.",
            ) from None

    @classmethod
    def from_line(cls, line: bytes) -> Plan:
        """The plan of a line that `to_line` made."""
        plan = json.loads(line)
        return cls(
            load_id=plan["load_id"],
            workload=workload_from_json(plan["workload"]),
            ledger=Path(plan["ledger"]),
            broker_url=plan["broker_url"],
            celery=plan["celery"],
            transport_options=plan["transport_options"],
        )


def workload_to_json(workload: Workload) -> dict[str, Any]:
    """The workload as a JSON object."""
    return {
        "mix": [
            {
                "task": share.task,
                "args": list(share.args),
                "kwargs": dict(share.kwargs),
                "queue": share.queue,
                "weight": share.weight,
                "countdown": share.countdown,
                "priority": share.priority,
            }
            for share in workload.mix
        ],
        "count": workload.count,
        "rate": workload.rate,
        "seconds": workload.seconds,
        "name": workload.name,
        "seed": workload.seed,
    }


def workload_from_json(data: Mapping[str, Any]) -> Workload:
    """The workload of an object that `workload_to_json` made."""
    mix = tuple(TaskShare(**{**share, "args": tuple(share["args"])}) for share in data["mix"])
    return Workload(**{**data, "mix": mix})


def check(workload: Workload) -> None:
    """Raises DeskError, with the way out, for a workload that cannot be sent."""
    if not workload.mix:
        raise DeskError("The workload has no task.", "Choose at least one.")
    if workload.count is None and workload.rate is None:
        raise DeskError(
            "The workload has neither a count nor a rate.", "Say how many tasks, or how many a second."
        )
    if workload.count is not None and workload.count < 1:
        raise DeskError(f"A count of {workload.count} sends nothing.", "Ask for 1 or more.")
    for what, value, unit in (
        ("rate", workload.rate, "tasks a second"),
        ("seconds", workload.seconds, "seconds"),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise DeskError(f"The workload's {what} is {value:g}.", f"Give a number of {unit} above 0.")
    for share in workload.mix:
        _check_share(share)
    if not any(share.weight for share in workload.mix):
        raise DeskError("Every task of the mix has weight 0.", "Give at least one a weight of 1 or more.")


def _check_share(share: TaskShare) -> None:
    if not share.task:
        raise DeskError("A task of the mix has no name.", "Choose one.")
    if share.weight < 0:
        raise DeskError(f"{share.task} has the weight {share.weight}.", "Give it 0 or more.")
    if share.queue == "":
        raise DeskError(
            f"{share.task} has a queue without a name.", "Name it, or leave it to the app's routing."
        )
    if share.countdown is not None and not (math.isfinite(share.countdown) and share.countdown >= 0):
        raise DeskError(f"{share.task} has a countdown of {share.countdown:g} s.", "Give 0 or more.")
    if share.priority is not None and not 0 <= share.priority <= 9:
        raise DeskError(f"{share.task} has the priority {share.priority}.", "Priorities go from 0 to 9.")


def target(workload: Workload) -> int | None:
    """How many tasks it sends, if nobody cancels it; None: no fixed number.

    A rate over some seconds is a number too: the clock stands still while the load is paused
    or waits for the broker.
    """
    if workload.rate is None or workload.seconds is None:
        return workload.count
    total = max(1, round(workload.rate * workload.seconds))
    return total if workload.count is None else min(total, workload.count)
