"""The load generator: `python -m desktop.engine.load.generator`, a process of its own.

stdin: one JSON line with the plan (`plan.Plan`), then control lines `{"do": "pause"}`, `"resume"`,
`"cancel"`. Its end is a cancel, so the generator never outlives its panel.
stdout: JSON lines `{"t", "state", "sent", "in_doubt", "rate", "detail"}` (the words of
`api.LoadSnapshot`), about five a second while something changes, at once when the state does.
The state of the last one is `done`, `cancelled` or `failed`; its rate is that of the whole load.
"""

from __future__ import annotations

import signal
import sys

from desktop.engine.api import DeskError, LoadState
from desktop.engine.load.board import Board
from desktop.engine.load.control import Control
from desktop.engine.load.plan import Plan


def main() -> int:
    """Read the plan, send the workload; 0 unless it failed."""
    control, board = Control(sys.stdin.fileno()), Board(sys.stdout.fileno())
    line = control.first_line()
    if not line:
        return 0
    board.start()
    signal.signal(signal.SIGTERM, lambda *_: control.cancel())
    try:
        plan = Plan.from_line(line)
        # Only now: this imports Celery, and "starting" has been told before.
        from desktop.engine.load.run import Run

        run = Run(plan, control, board)
    except DeskError as error:
        return _failed(board, str(error))
    except OSError as error:
        return _failed(board, f"The ledger cannot be written: {error.strerror or error}.")
    control.listen(run.on_cancel)
    try:
        run.go()
    except DeskError as error:
        return _failed(board, str(error), run.average)
    board.finish(*run.summary(), run.average)
    return 0


def _failed(board: Board, sentence: str, rate: float = 0.0) -> int:
    board.finish(LoadState.FAILED, sentence, rate)
    return 1


if __name__ == "__main__":
    sys.exit(main())
