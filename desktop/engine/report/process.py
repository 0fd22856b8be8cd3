"""A report made in a process of its own: `python -m desktop.engine.report.process`.

The panel starts it, writes one line of JSON to its stdin, {"runs": […], "to": …, "formats": […]}, and reads
lines from its stdout: {"doing": …, "share": …} as it goes on, then {"written": […]} or {"what": …,
"next_step": …}. The end of its stdin ends it: it takes back what it made, and never outlives the panel by
more than a moment.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, Underway
from desktop.engine.runs.underway import Progress, StoppedError

LAST = 3.0  # seconds that it has to take back what it made
_PUSH = 0.1  # seconds between two lines


def main() -> int:
    """Exit code 0 when everything that there was to say was said."""
    asked = _asked()
    future: Underway[Any] = Underway()
    over = threading.Event()
    threading.Thread(target=_watch, args=(future,), daemon=True).start()
    teller = threading.Thread(target=_tell, args=(future, over), daemon=True)
    teller.start()
    try:
        said = _work(asked, Progress(future))
    except StoppedError:
        return 1
    finally:
        over.set()
        teller.join()
    _say(said)
    return 0


def _work(asked: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from desktop.engine.report.write import write_reports

    try:
        runs = [Path(run) for run in asked["runs"]]
        written = write_reports(runs, Path(asked["to"]), asked["formats"], progress)
    except DeskError as error:
        return {"what": error.what, "next_step": error.next_step}
    return {"written": [str(path) for path in written]}


def _asked() -> dict[str, Any]:
    """What stands on stdin, up to the end of its line."""
    data = b""
    while not data.endswith(b"\n"):
        some = os.read(0, 1 << 16)
        if not some:
            sys.exit(1)
        data += some
    asked: dict[str, Any] = json.loads(data)
    return asked


def _watch(future: Underway[Any]) -> None:
    """The end of stdin is the end of whoever asked."""
    with contextlib.suppress(OSError):
        # Not through sys.stdin: an interpreter that ends while a thread reads there aborts.
        while os.read(0, 4096):
            pass
    future.cancel()
    time.sleep(LAST)
    os._exit(1)


def _tell(future: Underway[Any], over: threading.Event) -> None:
    told: tuple[str, float] = ("", -1.0)
    while not over.wait(_PUSH):
        now = (future.doing, round(future.share, 2))
        if now != told:
            told = now
            _say({"doing": now[0], "share": now[1]})


def _say(line: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
