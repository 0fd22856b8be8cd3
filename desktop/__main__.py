"""The program: `celery-desk`, `python main.py` and `python -m desktop`."""

from __future__ import annotations

import sys

BAD_INPUT = 64
INTERRUPTED = 130


def main() -> None:
    """Run a command; without one open the window, whose first paint waits for no command line."""
    if len(sys.argv) > 1:
        from desktop.cli import main as command_line

        command_line()
    from desktop.commands.window import open_window
    from desktop.engine.api import DeskError

    try:
        sys.exit(open_window())
    except DeskError as error:
        print(f"celery-desk: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
