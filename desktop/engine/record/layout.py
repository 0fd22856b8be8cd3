"""How the facts of 256 tasks lie in one blob: column by column, so that a reader needs no decoding.

Little-endian. A time or duration that is not known is NaN; 0 is "none" for words, texts and loads.
"""

from __future__ import annotations

from typing import Final, Literal

Code = Literal["d", "f", "H", "B", "I"]  # of `struct`

CHUNK: Final = 256  # tasks: those with (row - 1) // 256 == chunk
MOST = 65_535  # of a 16-bit column: what is larger counts as this

# (name, code of `struct`): times in seconds since the epoch, durations in seconds.
FACTS: Final[tuple[tuple[str, Code], ...]] = (
    ("sent", "d"),
    ("received", "d"),
    ("started", "d"),  # the last attempt
    ("ended", "d"),
    ("wait", "f"),
    ("run", "f"),  # of the last attempt
    ("cpu", "f"),
    ("name", "H"),  # words
    ("queue", "H"),
    ("worker", "H"),  # who holds it, else of the last attempt
    ("load", "H"),  # its number + 1
    ("attempts", "H"),
    ("state", "B"),
    ("flags", "B"),
)
# Ids of texts: of the task, and of its last attempt.
TEXTS: Final[tuple[tuple[str, Code], ...]] = (
    *(("args", "I"), ("kwargs", "I")),
    *(("result", "I"), ("error", "I"), ("traceback", "I")),
)

_SIZES: Final[dict[Code, int]] = {"d": 8, "f": 4, "H": 2, "B": 1, "I": 4}


def offsets(columns: tuple[tuple[str, Code], ...]) -> dict[str, tuple[int, Code, int]]:
    """Where each column begins in a blob: (byte, code, bytes of one value)."""
    found: dict[str, tuple[int, Code, int]] = {}
    at = 0
    for name, code in columns:
        found[name] = (at, code, _SIZES[code])
        at += CHUNK * _SIZES[code]
    return found


FACT_OFFSETS: Final = offsets(FACTS)
TEXT_OFFSETS: Final = offsets(TEXTS)
FACT_BYTES: Final = CHUNK * sum(_SIZES[code] for _, code in FACTS)
TEXT_BYTES: Final = CHUNK * sum(_SIZES[code] for _, code in TEXTS)
ID_BYTES: Final = CHUNK * 16
