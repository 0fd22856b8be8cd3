"""How a process ended, told as a sentence."""

from __future__ import annotations

import signal
from dataclasses import dataclass


def duration(seconds: float) -> str:
    """`4 min 12 s`; at most two units, as one says it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plural(count: int, thing: str) -> str:
    """`1 task`, `2 tasks`; a thing in -s gets -es (`2 processes`)."""
    if count == 1:
        return f"1 {thing}"
    return f"{count:,} {thing}{'es' if thing.endswith('s') else 's'}"


def signal_name(number: int) -> str:
    """`SIGKILL`, or `signal 99` for one without a name here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one process."""

    code: int | None  # exit code; None when a signal ended it or nobody can tell
    signal: int | None  # the signal's number
    ran: float  # seconds from start to end

    @classmethod
    def of_returncode(cls, returncode: int, ran: float) -> Outcome:
        """From `subprocess`' return code, which is -N for signal N."""
        return cls(None, -returncode, ran) if returncode < 0 else cls(returncode, None, ran)

    @property
    def clean(self) -> bool:
        """Exit code 0."""
        return self.code == 0

    def sentence(self, who: str, running: int = 0) -> str:
        """`w2 was killed by SIGKILL after 4 min 12 s, while it ran 2 tasks`."""
        if self.signal is not None:
            verb = "was killed" if self.signal == signal.SIGKILL else "was ended"
            text = f"{who} {verb} by {signal_name(self.signal)}"
        elif self.code is None:
            text = f"{who} ended"
        else:
            text = f"{who} exited with code {self.code}"
        text += f" after {duration(self.ran)}"
        return f"{text}, while it ran {plural(running, 'task')}" if running else text
