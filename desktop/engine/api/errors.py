"""What a person must be told."""

from __future__ import annotations


class DeskError(Exception):
    """Something that a person must be told: what happened, and the next step to take.

    `free_port` is offered where a port was taken.
    """

    free_port: int | None = None

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what} {next_step}".strip())
        self.what = what
        self.next_step = next_step
