"""What is forgotten and recalled while a run is recorded leaves no trace in its database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from desktop.engine.ledger import kept
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line
from desktop.engine.ledger.tail import Tail
from desktop.engine.record import schema
from desktop.engine.record.writing.store import Store
from tests.support.made_run import MadeRun, write_ledger
from tests.support.waiting import eventually

TABLES = ("task", "attempt", "delivery", "kin", "word", "text", "earlier_text", "facts", "ids", "task_texts")


def flood(folder: Path, count: int) -> list[Line]:
    """The lines of a run whose tasks all wait before the first of them is received."""
    write_ledger(folder, MadeRun(count))
    tail = Tail(folder)
    lines: list[Line] = []
    while some := tail.poll():
        lines += some
    tail.close()
    return sorted(lines, key=lambda line: (line.data["k"] != "sent", line.data["t"]))


def recorded(folder: Path, lines: Sequence[Line]) -> tuple[int, dict[str, list[tuple[object, ...]]]]:
    """Record them in batches: how many tasks were in memory at the end, and what the tables hold."""
    folder.mkdir()
    store = Store.create(folder, {})
    account = Account(recall=store.recall)
    for start in range(0, len(lines), 400):
        account.take(lines[start : start + 400])
        changed = account.changed()
        store.write(changed)
        store.commit({})
        account.forget(changed)
        eventually(lambda: store.settled, "the SQL thread has committed")
    store.close(clean=True)
    with closing(sqlite3.connect(folder / schema.NAME)) as connection:
        rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    return sum(1 for _ in account.tasks()), rows


def test_a_flood_that_did_not_fit_into_memory_is_recorded_as_one_that_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = flood(tmp_path / "ledger", 1_500)
    whole, rows = recorded(tmp_path / "whole", lines)
    monkeypatch.setattr(kept, "KEPT", 50)
    monkeypatch.setattr(kept, "KEPT_OVER", 20)
    few, same = recorded(tmp_path / "few", lines)
    assert few < 200 < whole
    for table, expected in rows.items():
        assert same[table] == expected, table
