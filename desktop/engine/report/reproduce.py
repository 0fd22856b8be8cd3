"""How the same is done again from a shell."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from desktop.engine.report.model import Report


@dataclass(frozen=True, slots=True)
class Command:
    """A line for a shell, and what it does."""

    text: str
    does: str


def commands(report: Report) -> tuple[Command, ...]:
    """The commands, in their order."""
    scenario = report.scenario
    if scenario is None:
        return (
            Command("celery-desk up stack.toml", "starts the same stack (save the file below as stack.toml)"),
            Command(
                f"celery-desk open {shlex.quote(report.run)}", "opens the record of this run in the window"
            ),
        )
    seed = f"--seed {scenario.seed}"
    if scenario.shipped:
        name, does = (
            shlex.quote(scenario.name),
            "the same drill, which ships with Celery Desk, with the same seed",
        )
    else:
        name, does = (
            shlex.quote(f"{scenario.name}.toml"),
            "the same drill with the same seed (save the file below)",
        )
    return (
        Command(f"celery-desk drill {name} {seed}", does),
        Command(f"celery-desk drill {name} --repeat 20", "how often it happens, with twenty seeds"),
        Command(f"celery-desk open {shlex.quote(report.run)}", "opens the record of this run in the window"),
    )
