"""Lines for whoever reads our output, for as long as they do."""

from __future__ import annotations

import os
import sys


class Lines:
    """stdout, flushed at each line. `gone`: nobody reads it any more, and nothing is written."""

    def __init__(self) -> None:
        self.gone = False

    def write(self, line: str) -> None:
        """Write a line. Never raises for a reader that has left."""
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (BrokenPipeError, ValueError, OSError):
            self.gone = True
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
