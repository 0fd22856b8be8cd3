"""When messages that wait were sent: Celery's messages do not say it, the record does."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

from desktop.engine.api import DeskError, MessagePage


def with_times(page: MessagePage, run_folder: Path) -> MessagePage:
    """The page with `sent_at` wherever the record of the run knows it.

    The record is half a second behind; where it cannot be read, the page stays as it is.
    """
    # Only now: whoever shows no messages needs none of the record.
    from desktop.engine.record.recall import Recall
    from desktop.engine.record.schema import NAME, open_to_read

    try:
        connection = open_to_read(run_folder / NAME)
    except DeskError:
        return page
    try:
        recall = Recall(connection)
        rows = {message.id: recall.row_of(message.id) for message in page.messages if message.id}
        marks = ",".join("?" * len(rows))
        sent = dict(
            connection.execute(f"SELECT row, sent FROM task WHERE row IN ({marks})", list(rows.values()))
        )
    except sqlite3.Error:
        return page
    finally:
        connection.close()
    messages = (dataclasses.replace(one, sent_at=sent.get(rows.get(one.id))) for one in page.messages)
    return dataclasses.replace(page, messages=tuple(messages))
