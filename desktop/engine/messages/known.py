"""What the record of the run knows about single messages: half a second behind, and only read."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.engine.api import DeskError, MessagePage, TaskDetail

if TYPE_CHECKING:
    from desktop.engine.record.reading.recall import Recall


def with_times(page: MessagePage, run_folder: Path) -> MessagePage:
    """The page with `sent_at` wherever the record knows it: Celery's messages do not say it.

    Where the record cannot be read, the page stays as it is.
    """
    try:
        with _recalling(run_folder) as (connection, recall):
            rows = {message.id: recall.row_of(message.id) for message in page.messages if message.id}
            marks = ",".join("?" * len(rows))
            sent = dict(
                connection.execute(f"SELECT row, sent FROM task WHERE row IN ({marks})", list(rows.values()))
            )
    except DeskError:
        return page
    messages = (dataclasses.replace(one, sent_at=sent.get(rows.get(one.id))) for one in page.messages)
    return dataclasses.replace(page, messages=tuple(messages))


def detail_of(task_id: str, run_folder: Path) -> TaskDetail:
    """A task of this run. Raises DeskError where the run does not know it, or cannot be read."""
    from desktop.engine.record.reading.detail import Details

    with _recalling(run_folder) as (connection, recall):
        return Details(connection, recall).detail(task_id)


@contextmanager
def _recalling(run_folder: Path) -> Iterator[tuple[sqlite3.Connection, Recall]]:
    # Only now: whoever asks for none of it needs none of the record.
    from desktop.engine.record.reading.recall import Recall
    from desktop.engine.record.schema import NAME, open_to_read, unreadable

    path = run_folder / NAME
    connection = open_to_read(path)
    try:
        yield connection, Recall(connection)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    finally:
        connection.close()
