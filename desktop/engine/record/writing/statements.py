"""The SQL by which tasks come into the database."""

from __future__ import annotations

from typing import Final

COLUMNS: Final = (
    *("name", "queue", "state", "ending", "holder", "holder_start", "sent", "received", "received_by"),
    *(
        "received_start",
        "ended",
        "wait",
        "back_at",
        "attempts",
        "last",
        "flags",
        "load",
        "args",
        "kwargs",
        "error",
    ),
)
MARKS: Final = ", ".join("?" * (len(COLUMNS) + 2))
NEW: Final = f"INSERT OR REPLACE INTO task({', '.join(COLUMNS)}, row, id) VALUES({MARKS})"
SENT: Final = (
    "INSERT OR REPLACE INTO task(row, id, name, queue, state, sent, flags, load, attempts)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0)"
)
CHANGED: Final = f"UPDATE task SET {', '.join(f'{name} = ?' for name in COLUMNS)} WHERE row = ?"
ATTEMPT: Final = f"INSERT OR REPLACE INTO attempt VALUES({', '.join('?' * 16)})"
DELIVERY: Final = "INSERT OR REPLACE INTO delivery VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
KIN: Final = "INSERT OR REPLACE INTO kin VALUES(?, ?, ?)"
BY_ID: Final = "INSERT OR REPLACE INTO by_id VALUES(?, ?, ?)"
BY_KIN: Final = "INSERT OR REPLACE INTO by_kin VALUES(?, ?, ?)"
EARLIER: Final = "INSERT OR IGNORE INTO earlier_text VALUES(?, ?, ?)"
WORD: Final = "INSERT OR REPLACE INTO word VALUES(?, ?)"
TEXT: Final = "INSERT OR REPLACE INTO text VALUES(?, ?)"
FACTS: Final = "INSERT OR REPLACE INTO facts VALUES(?, ?, ?)"
TEXTS: Final = "INSERT OR REPLACE INTO task_texts VALUES(?, ?, ?)"
IDS: Final = "INSERT OR REPLACE INTO ids SELECT ?1, ?3 WHERE ?2 = 0"
