"""A drill's verdict in its run folder: `drill.json`, and the drill's file as `drill.toml` beside it.

`drill.json` is what `drill --json` prints. Its members are those of design.md §6, the account's among them at
the top; `faults` has the whole record of each, with `what`, `target`, `when` and `landed` in front.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import Account, DeskError, FaultRecord, Verdict
from desktop.engine.faults.kept import from_json, to_json

NAME, TEXT = "drill.json", "drill.toml"


def verdict_as_dict(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON can hold it, the most telling first; `verdict_from_dict` makes it again."""
    account: dict[str, Any] = to_json(verdict.account)
    account["failed"] = dict(verdict.account.failed)
    whole = to_json(verdict)
    whole.pop("account")
    return {
        "verdict": whole.pop("verdict"),
        "reason": whole.pop("reason"),
        "drill": whole.pop("drill"),
        "seed": whole.pop("seed"),
        **account,
        "checks": whole.pop("checks"),
        "recovery": whole.pop("recovery"),
        "faults": [_fault(fault, verdict.began) for fault in verdict.faults],
        "forecast": [_forecast(fault) for fault in verdict.faults if fault.forecast is not None],
        **{key: value for key, value in whole.items() if key != "faults"},
    }


def verdict_from_dict(data: Mapping[str, Any]) -> Verdict:
    """What `verdict_as_dict` made this of. Raises ValueError where it is something else."""
    if not isinstance(data, Mapping) or "verdict" not in data:
        raise ValueError("there is no verdict in it")
    failed = data.get("failed", {})
    if not isinstance(failed, Mapping):
        raise ValueError("its failed tasks are no table")
    account = to_json(from_json(Account, {**data, "failed": list(failed.items())}))
    return from_json(Verdict, {**data, "account": account})


def write_verdict(folder: Path, verdict: Verdict, drill_text: str) -> None:
    """Put it into the run folder, each file as a whole. Raises DeskError where the disk does not take it."""
    told = json.dumps(verdict_as_dict(verdict), ensure_ascii=False, indent=1) + "\n"
    try:
        for name, text in ((TEXT, drill_text), (NAME, told)):
            fresh = folder / f".{name}.new"
            fresh.write_text(text, encoding="utf-8")
            os.replace(fresh, folder / name)
    except OSError as error:
        for name in (TEXT, NAME):
            with contextlib.suppress(OSError):
                (folder / f".{name}.new").unlink()
        raise DeskError(
            f"The verdict could not be written into {folder.name}: {error.strerror or error}.",
            f"Look at the room and the rights of {folder}.",
        ) from error


def read_verdict(folder: Path) -> Verdict | None:
    """The verdict of the drill that a run was; None for a run that was none.

    Raises DeskError where there is one that cannot be read.
    """
    try:
        return verdict_from_dict(json.loads((folder / NAME).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DeskError(
            f"The {NAME} of {folder.name} cannot be read: {error}.",
            "The record beside it is whole: open the run, or play the drill again.",
        ) from error


def read_drill_text(folder: Path) -> str:
    """The drill's file as it was; "" where there is none that can be read."""
    try:
        return (folder / TEXT).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _fault(fault: FaultRecord, began: float) -> dict[str, Any]:
    """`when` is seconds from the beginning of the drill, of its landing or of the attempt."""
    at = fault.asked_at if fault.landed_at is None else fault.landed_at
    return {
        "what": fault.spec.kind.value,
        "target": ", ".join(fault.targets) or fault.spec.target.text,
        "when": round(at - began, 3),
        "landed": fault.landed,
        **to_json(fault),
    }


def _forecast(fault: FaultRecord) -> dict[str, Any]:
    """What was said of a fault beforehand, beside what became of it."""
    said, found = fault.forecast, fault.outcome
    assert said is not None
    told: dict[str, Any] = {"fault": fault.id, "sentences": list(said.sentences), "sure": said.sure}
    for name in ("lost", "failed", "again", "back"):
        count = getattr(said, name)
        told[name] = {"least": count.least, "most": count.most}
        if found is not None:
            told[name]["found"] = len(getattr(found, name))
    told["agrees"] = None if found is None else not found.differs
    return told
