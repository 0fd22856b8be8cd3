"""Tasks on their way into the database: as rows, as packed facts, and in the indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from math import nan
from typing import Any, Final

from desktop.engine.ledger.records import CUT, Attempt, Receipt, Task
from desktop.engine.record import ids
from desktop.engine.record.layout import CHUNK, MOST
from desktop.engine.record.schema import (
    ARGS_CUT,
    ATTEMPT_BITS,
    CODES,
    COUNTED,
    KIN,
    MOST_ATTEMPTS,
    OPEN,
    OVER,
    OWN_ID,
    PART_BITS,
    STATES,
    TWICE,
)
from desktop.engine.record.writing import statements
from desktop.engine.record.writing.chunks import Chunk, Chunks
from desktop.engine.record.writing.sink import Batch
from desktop.engine.record.writing.texts import Texts

_NO_TEXTS: Final = (0, 0, 0)
_FEW: Final = 4  # attempts or receipts of a task that are written anew with it; of more, what changed
_KEYS: Final = 50_000  # packed ids kept between the question for a task and its first row


class TaskRows:
    """Turns tasks into the rows of a batch."""

    def __init__(self, reader: sqlite3.Connection, counts: Mapping[str, Any]) -> None:
        self._states = [int(counts.get("states", {}).get(state, 0)) for state in STATES]
        self._twice = int(counts.get("ran_twice", 0))
        self._own_ids = int(counts.get("own_ids", 0))
        self._words = {text: number for number, text in reader.execute("SELECT id, text FROM word")}
        self._words[""] = 0
        self._last = int(reader.execute("SELECT coalesce(max(row), 0) FROM task").fetchone()[0])
        self._seen = ids.Seen(number for (number,) in reader.execute("SELECT hash FROM by_id"))
        self._texts = Texts(1 + int(reader.execute("SELECT coalesce(max(block), 0) FROM text").fetchone()[0]))
        self._chunks = Chunks(reader)
        self._keys: dict[str, tuple[ids.Packed, int]] = {}
        self._unsettled: dict[int, None] = {}  # attempts without their last word, of tasks with many
        # Receipts that will not change any more, of tasks that are not over.
        self._delivered: dict[int, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._sent: list[tuple[Any, ...]] = []
        self._new: list[tuple[Any, ...]] = []
        self._changed: list[tuple[Any, ...]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._deliveries: list[tuple[Any, ...]] = []
        self._kin: list[tuple[Any, ...]] = []
        self._by_id: list[tuple[int, int, int]] = []
        self._by_kin: list[tuple[int, int, int]] = []
        self._earlier: list[tuple[int, int, int]] = []
        self._new_words: list[tuple[int, str]] = []
        self._written: dict[str, Task] = {}

    def maybe(self, task_id: str) -> bool:
        """False for an id that was never written."""
        key = ids.key_of(task_id)
        if key[1] in self._seen:
            return True
        if len(self._keys) >= _KEYS:
            self._keys.clear()
        self._keys[task_id] = key
        return False

    @property
    def uncommitted(self) -> Mapping[str, Task]:
        """The tasks of the batch that is being made."""
        return self._written

    def drain(self, batch: Batch, committed: int) -> bool:
        """Put everything since the last call into the batch; False when there is nothing."""
        if not self._written:
            return False
        facts, texts, packed = self._chunks.drain(batch.number, committed)
        self._by_id.sort()
        self._by_kin.sort()
        for sql, rows in (
            (statements.WORD, self._new_words),
            (statements.TEXT, self._texts.drain()),
            (statements.SENT, self._sent),
            (statements.NEW, self._new),
            (statements.CHANGED, self._changed),
            (statements.ATTEMPT, self._attempts),
            (statements.DELIVERY, self._deliveries),
            (statements.KIN, self._kin),
            (statements.BY_ID, self._by_id),
            (statements.BY_KIN, self._by_kin),
            (statements.EARLIER, self._earlier),
            (statements.FACTS, facts),
            (statements.TEXTS, texts),
            (statements.IDS, packed),
        ):
            batch.add(sql, rows)
        batch.tasks = self._written
        self._clear()
        return True

    def write(self, tasks: Iterable[Task]) -> None:
        """Copy the tasks into rows, and their facts into their chunks."""
        written, chunk_of = self._written, self._chunks.of
        for task in tasks:
            row = task.row
            written[task.id] = task
            if row:
                values = self._values(task, chunk_of(row), row - 1 & CHUNK - 1)
                key: tuple[Any, ...] = (row,)
                self._changed.append(values + key)
                continue
            self._last = row = task.row = self._last + 1
            chunk, place = chunk_of(row), row - 1 & CHUNK - 1
            stored = self._identify(task, chunk, place)
            if task.received is None and task.args is None and not (task.attempts or task.over or task.root):
                self._write_sent(task, chunk, place, stored)
            else:
                key = (row, stored)
                self._new.append(self._values(task, chunk, place) + key)

    def _write_sent(self, task: Task, chunk: Chunk, place: int, stored: ids.Packed) -> None:
        """A new task of which only its sender has told: the half of all rows in a flood."""
        words, sent, load = self._words, task.sent, task.load
        name = words.get(task.name) or self._word(task.name)
        queue = (words.get(task.queue) or self._word(task.queue)) if task.queue else 0
        state, flags = CODES[task.place], chunk.flags[place] | COUNTED
        self._states[state] += 1
        if sent is not None:
            chunk.sent[place] = sent
        chunk.name[place] = name if name < MOST else MOST
        chunk.queue[place] = queue if queue < MOST else MOST
        if load is not None:
            chunk.load[place] = load + 1 if 0 <= load < MOST else MOST
        chunk.state[place], chunk.flags[place] = state, flags
        self._sent.append((task.row, stored, name, queue or None, state, sent, flags, load))

    def _values(self, task: Task, chunk: Chunk, place: int) -> tuple[Any, ...]:
        """The columns of `task`, which are put into its chunk as well."""
        words, attempts = self._words, task.attempts
        sent, received, wait = task.sent, task.received, None
        holder, ended = (None, task.ended) if task.over else (task.holder, None)
        holder_word, worker, last_row, now = None, 0, None, _NO_TEXTS
        if attempts:
            last, now = self._write_attempts(task)
            last_row, worker = last.row, words[last.service]
            chunk.started[place] = last.started
            chunk.run[place] = nan if last.run is None else last.run
            chunk.cpu[place] = nan if last.cpu is None else last.cpu
            wait = _wait(task)
            if wait is not None:
                chunk.wait[place] = wait
            if ended is None and task.over:
                ended = last.ended
        if holder is not None:
            worker = holder_word = words.get(holder[0]) or self._word(holder[0])
        if task.error is not None:
            now = (now[0], self._texts.id_of(task.error), now[2])
        args, kwargs = self._set_texts(task, chunk, place, now)
        name = words.get(task.name) or self._word(task.name)
        queue = (words.get(task.queue) or self._word(task.queue)) if task.queue else 0
        by, by_start = self._write_receipts(task) if task.receipts else (None, None)
        flags = self._flags(task, chunk.flags[place])
        if by is not None and task.receipts[0].open:
            flags |= OPEN
        state, load, count = CODES[task.place], task.load, len(attempts)
        self._count(chunk, place, state, flags)
        if sent is not None:
            chunk.sent[place] = sent
        if received is not None:
            chunk.received[place] = received
        chunk.ended[place] = nan if ended is None else ended
        chunk.name[place] = name if name < MOST else MOST
        chunk.queue[place] = queue if queue < MOST else MOST
        chunk.worker[place] = worker if worker < MOST else MOST
        chunk.attempts[place] = count if count < MOST else MOST
        if load is not None:
            chunk.load[place] = load + 1 if 0 <= load < MOST else MOST
        chunk.state[place], chunk.flags[place] = state, flags
        ending = (words.get(task.state) or self._word(task.state)) if task.state else 0
        by_holder = None if holder is None else holder[1]
        where = (name, queue or None, state, ending, holder_word, by_holder, sent, received, by, by_start)
        how = (ended, wait, task.back_at, count, last_row, flags, load, args, kwargs, now[1] or None)
        return where + how

    def _count(self, chunk: Chunk, place: int, state: int, flags: int) -> None:
        counts = self._states
        if chunk.flags[place] & COUNTED:
            counts[chunk.state[place]] -= 1
        counts[state] += 1
        self._twice += (flags & TWICE > 0) - (chunk.flags[place] & TWICE > 0)

    def counts(self) -> dict[str, Any]:
        """For `meta`: how many tasks there are, by state, how many ran twice and have no UUID."""
        states = {str(state): count for state, count in zip(STATES, self._states, strict=True) if count}
        return {"tasks": self._last, "states": states, "ran_twice": self._twice, "own_ids": self._own_ids}

    def _set_texts(
        self, task: Task, chunk: Chunk, place: int, now: tuple[int, int, int]
    ) -> tuple[int | None, int | None]:
        """Arguments stay as they were first known; of the rest, what is not the last is known as earlier."""
        args, kwargs = chunk.args[place], chunk.kwargs[place]
        if not args and task.args is not None:
            args = chunk.args[place] = self._texts.id_of(task.args)
            chunk.texts_changed = True
        if not kwargs and task.kwargs is not None:
            kwargs = chunk.kwargs[place] = self._texts.id_of(task.kwargs)
            chunk.texts_changed = True
        before = (chunk.result[place], chunk.error[place], chunk.traceback[place])
        if now != before:
            chunk.result[place], chunk.error[place], chunk.traceback[place] = now
            chunk.texts_changed = True
            if before != _NO_TEXTS:
                kinds = enumerate(before)
                self._earlier += [(old, task.row, kind) for kind, old in kinds if old and old != now[kind]]
        return args or None, kwargs or None

    def _flags(self, task: Task, before: int) -> int:
        root = task.root
        flags = before & (OWN_ID | KIN) | COUNTED
        if (task.parent is not None or (root is not None and root != task.id)) and not flags & KIN:
            self._add_kin(task)
            flags |= KIN
        if task.over:
            flags |= OVER
        if task.twice:
            flags |= TWICE
        if task.args_cut:
            flags |= ARGS_CUT
        return flags

    def _add_kin(self, task: Task) -> None:
        part = task.row >> PART_BITS
        kin = [None if one is None else ids.packed(one) for one in (task.root, task.parent)]
        self._kin.append((task.row, *kin))
        self._by_kin += {(part, ids.hash_of(one), task.row) for one in kin if one is not None}

    def _identify(self, task: Task, chunk: Chunk, place: int) -> ids.Packed:
        """The new task's id, as it is stored; known from now on."""
        key = self._keys.pop(task.id) if task.id in self._keys else ids.key_of(task.id)
        stored, hashed = key
        self._by_id.append((task.row >> PART_BITS, hashed, task.row))
        self._seen.add(hashed)
        if isinstance(stored, str):
            chunk.flags[place] = OWN_ID
            self._own_ids += 1
        chunk.ids[16 * place : 16 * place + 16] = ids.key16(stored)
        chunk.ids_changed = True
        return stored

    def _write_attempts(self, task: Task) -> tuple[Attempt, tuple[int, int, int]]:
        """The attempt that started last, and its texts; rows of what is new of all of them."""
        attempts = task.attempts
        if len(attempts) > 1:
            last = max(attempts, key=_started)
            return last, self._write_several(task, last)
        only = attempts[0]
        only.row = only.row or task.row << ATTEMPT_BITS
        return only, self._write_attempt(only)

    def _write_several(self, task: Task, last: Attempt) -> tuple[int, int, int]:
        """Rows of the attempts that are new or may have changed; the last one's result, error, traceback."""
        first_row, few, now = task.row << ATTEMPT_BITS, len(task.attempts) - _FEW, _NO_TEXTS
        for n, attempt in enumerate(task.attempts):
            if not attempt.row:
                attempt.row = first_row | min(n, MOST_ATTEMPTS - 1)
            elif n < few and attempt is not last and attempt.row not in self._unsettled:
                continue
            texts = self._write_attempt(attempt)
            if attempt is last:
                now = texts
            else:
                self._earlier += [(one, task.row, kind) for kind, one in enumerate(texts) if one]
            if few >= 0:
                self._settle(attempt)
        return now

    def _write_attempt(self, attempt: Attempt) -> tuple[int, int, int]:
        """Its row; its result, error and traceback as numbers of texts."""
        text, words, state = self._texts.id_of, self._words, attempt.state
        result = 0 if attempt.result is None else text(attempt.result)
        error = 0 if attempt.error is None else text(attempt.error)
        traceback = 0 if attempt.traceback is None else text(attempt.traceback)
        name = words.get(attempt.name) or self._word(attempt.name)
        worker = words.get(attempt.service) or self._word(attempt.service)
        end = (words.get(state) or self._word(state)) if state else 0
        where = (attempt.row, name, worker, attempt.start, attempt.pid)
        when = (attempt.received, attempt.started, attempt.ended, end, attempt.retries)
        how = (attempt.run, attempt.cpu, error or None, traceback or None, result or None, attempt.requeued)
        self._attempts.append(where + when + how)
        return result, error, traceback

    def _settle(self, attempt: Attempt) -> None:
        """Of a task with many attempts: those without their last word are written again with it."""
        if attempt.state in ("", CUT):
            self._unsettled[attempt.row] = None
        else:
            self._unsettled.pop(attempt.row, None)

    def _write_receipts(self, task: Task) -> tuple[int | None, int | None]:
        """A single plain receipt is part of the task's row (its worker and start); others have rows."""
        receipts = task.receipts
        if len(receipts) == 1:
            only = receipts[0]
            odd = only.redelivered or only.retries or only.closed or only.eta is not None
            if not odd and only.t == task.received:
                return self._words.get(only.service) or self._word(only.service), only.start
        row = task.row
        for n in range(min(self._delivered.get(row, 0), max(0, len(receipts) - _FEW)), len(receipts)):
            self._deliveries.append(self._delivery(row, n, receipts[n]))
        if task.over:
            self._delivered.pop(row, None)
        else:
            waits = (n for n, receipt in enumerate(receipts) if receipt.open)
            self._delivered[row] = next(waits, len(receipts))
        return None, None

    def _delivery(self, row: int, n: int, receipt: Receipt) -> tuple[Any, ...]:
        worker = self._words.get(receipt.service) or self._word(receipt.service)
        told = (receipt.redelivered, receipt.retries, receipt.eta, receipt.open | receipt.closed << 1)
        return row, n, receipt.t, worker, receipt.start, *told

    def _word(self, text: str) -> int:
        """The number of a name of anything, which is new as a rule."""
        number = self._words.get(text)
        if number is None:
            number = self._words[text] = len(self._words)
            self._new_words.append((number, ids.clean(text)))
        return number


def _started(attempt: Attempt) -> float:
    return attempt.started


def _wait(task: Task) -> float | None:
    """From sent (else received; from the ETA if that is later) to the first start."""
    attempts, receipts = task.attempts, task.receipts
    first = attempts[0].started if len(attempts) == 1 else min(attempt.started for attempt in attempts)
    since = task.sent if task.sent is not None else task.received
    if since is None:
        return None
    eta = receipts[0].eta if receipts else None
    if eta is not None and eta > since:
        since = eta
    return first - since if first > since else 0.0
