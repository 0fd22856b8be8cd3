"""What the recorder does: account, database and broker of one run. Used from one thread."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, Mark, MarkKind, TaskState
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.dropped import Dropped
from desktop.engine.ledger.records import Task
from desktop.engine.ledger.settle import VISIBILITY, Settler
from desktop.engine.ledger.tail import Tail, lives
from desktop.engine.messages.stranded import Stranded
from desktop.engine.record import draw, moment
from desktop.engine.record.facts import machine, versions
from desktop.engine.record.looker import Looked, Looker
from desktop.engine.record.schema import NAME, open_to_read, stillborn
from desktop.engine.record.source import WatchedSource, source_of
from desktop.engine.record.told import Told, WorkerTold
from desktop.engine.record.writing.store import Store

log = logging.getLogger("recorder")

ACCOUNT = "account"  # the key of the database under which the account's counts are kept
MANY = 20_000  # changes of tasks that are handed to the database at once while there is more to read
HEARD_SINCE = 1.0  # seconds after a delivery: a worker that lives has written that it received it


class Recording:
    """Reads a source, keeps the account of it, and writes both into the run's database.

    `wake` is called, from another thread, when something has come that `read` should deal with.
    """

    def __init__(self, begin: Mapping[str, Any], wake: Callable[[], None] = lambda: None) -> None:
        folder = Path(begin["folder"])
        self._ledger = folder / "ledger"
        self._store = _store(folder, begin["facts"])
        self._marks = _last_marks(folder)
        for t, text in begin["facts"].get("texts", ()):  # of a stack that was taken over, it may have changed
            self.text(t, text)
        self._account = Account(recall=self._store.recall)
        saved = self._store.get(ACCOUNT)
        if saved is not None:
            self._account.restore(saved, self._store.unfinished())
        self._source = source_of(begin, self._store.positions())
        self._watched = self._source if isinstance(self._source, WatchedSource) else None
        self._gaps: tuple[str, ...] = ()
        self._full_since: float | None = None  # since when nothing can be written
        if self._watched is None:
            self._settler = Settler(self._account, self._waiting_in)
        else:
            self._watched.adopt(self._account)
            unseen = self._watched.unseen
            self._settler = Settler(self._account, self._waiting_in, TaskState.UNKNOWN, unseen)
        self._wake = wake
        self._looker: Looker | None = None
        self._looks: deque[Looked] = deque(maxlen=2)
        self._names: tuple[str, ...] = ()
        self._moves = 0
        self._moved_at = 0.0  # when lines about tasks were last read
        self._committed_moves = 0
        self._drawing = draw.Drawing(self._account, self._settler)
        self._pushed: Told | None = None

    # the ledger

    @property
    def behind(self) -> bool:
        """There is more to read at once."""
        return self._source.behind

    def read(self) -> None:
        """Take what was written, and the last look at the broker, if there is a new one."""
        lines = self._source.poll()
        if lines:
            self._account.take(lines)
        now = time.time()
        self._account.tick(now)
        moves = self._account.moves
        if moves != self._moves:
            self._moves, self._moved_at = moves, now
        if self._looks and not self._source.behind:
            self._settle(self._looks.popleft())

    def catch_up(self) -> None:
        """Read all that is written now, however much: what is in the database need not stay in memory."""
        self.read()
        while self._source.behind:
            self._commit_many()
            self.read()

    def _commit_many(self) -> None:
        if self._account.moves - self._committed_moves > MANY:
            self._commit()

    # what the panel tells

    def cut(self, service: str, start: int, t: float, gave_back: bool) -> None:
        """A worker's main process died at `t`; `gave_back`: by itself, its messages are in their queues."""
        self.catch_up()
        self._account.cut(service, start=start, t=t, gave_back=gave_back)

    def sample(self, t: float, values: Mapping[str, float]) -> None:
        """One beat of all series."""
        self._store.sample(t, values)

    def mark(self, mark: Mark) -> None:
        """A moment on the time line. The panel tells the last ones again after the death of a recorder."""
        if mark not in self._marks:
            self._store.mark(mark)

    def text(self, t: float, text: str) -> None:
        """The stack file as it is from `t` on; kept beside the earlier ones where it differs."""
        texts = self._store.get("texts") or []
        if not texts or (texts[-1][1] != text and texts[-1][0] < t):
            self._store.put("texts", [*texts, [t, text]])

    def put(self, key: str, value: Any) -> None:
        """Remember something about the run."""
        self._store.put(key, value)

    def broker(self, url: str, options: Mapping[str, Any]) -> None:
        """From now on, look into this broker. An empty URL: into none."""
        if self._looker is not None:
            self._looker.stop()
            self._looker = None
        self._settler.visibility = float(options.get("visibility_timeout") or VISIBILITY)
        if url:
            self._looker = Looker(url, options, self._ledger, self._queues, self._looked)

    def queues(self, names: Sequence[str]) -> None:
        """Queues of the stack, beside those that the ledger names."""
        self._names = tuple(names)

    # what it is asked

    def held(self, service: str, start: int) -> WorkerTold:
        """What a worker holds, read up to this moment."""
        self.catch_up()
        return draw.worker(self._account, service, start)

    def task_of(self, service: str, start: int, pid: int) -> str | None:
        """The name of the task that a pool process runs, or ran when it died."""
        self.catch_up()
        running = self._account.running(service, start)
        return next((task.name for task in running if task.pid == pid), None)

    def stranded(self) -> tuple[Stranded, ...]:
        """Every message that was delivered and that no living worker has, by the last look."""
        return tuple(self._stranded(one) for one in self._settler.unheld)

    def _stranded(self, one: Any) -> Stranded:
        task = self._account.task(one.task_id)
        holder = task.holder if task is not None else None
        dead = self._account.processes.dead
        if holder is None and self._watched is not None and self._watched.unseen(one.delivered_at):
            gone = False
        elif holder is None:
            workers = self._account.workers.items()
            gone = all(
                (name, state.start) in dead or state.heard_at > one.delivered_at + HEARD_SINCE
                for name, state in workers
            )
        else:
            gone = holder in dead
        back_at = one.delivered_at + self._settler.visibility if one.delivered_at else None
        return Stranded(one.task_id, one.queue, holder[0] if holder else "", one.delivered_at, back_at, gone)

    def told(self) -> Told | None:
        """The state of this moment; None while it is what was told last."""
        now, problem = time.time(), self._store.problem
        self._note_problem(now, problem)
        told = self._drawing.told(now, problem)
        told = dataclasses.replace(told, gaps=self._gaps)
        if self._watched is not None:
            told = dataclasses.replace(told, attached=self._watched.told())
        before, self._pushed = self._pushed, told
        if before is not None and dataclasses.replace(before, t=told.t) == told:
            return None
        return told

    def _note_problem(self, now: float, problem: str) -> None:
        """Where the database finds no room, the lines of the workers beside it find none either."""
        if problem and self._full_since is None:
            self._full_since = now
        elif not problem and self._full_since is not None:
            self._account.went_unwritten(Dropped("", 0, self._full_since, now, 0))
            self._full_since = None
            self._gaps = self._known_gaps()

    # the database

    def beat(self) -> None:
        """Hand what has changed to the database."""
        self._drawing.beat(time.time())
        self._commit()

    def _known_gaps(self) -> tuple[str, ...]:
        """What this record does not know."""
        watched = self._watched.sentences() if self._watched is not None else ()
        return (*watched, *self._account.dropped.sentences())

    def _commit(self) -> None:
        self._gaps = self._known_gaps()
        if list(self._gaps) != self._store.get("gaps", []):
            self._store.put("gaps", list(self._gaps))
        self._committed_moves = self._account.moves
        changed = self._account.changed()
        if changed or self._account.unsaved:
            self._store.write(changed)
            self._store.put(ACCOUNT, self._account.saved())
            self._store.commit(self._source.positions())
            self._account.forget(changed)
        else:
            self._store.commit({})

    def flush(self, seconds: float) -> bool:
        """Read all that is written now, and wait until the database has it; False when it has not by then."""
        self.catch_up()
        self._commit()
        return self._store.wait(seconds)

    def close(self, clean: bool, ended: float | None = None) -> None:
        """Read and write all that there is. `clean`: the run has come to an end by itself, now or `ended`."""
        if self._looker is not None:
            self._looker.stop()
        self.catch_up()
        if not clean:  # nobody is told of it any more
            told = self._drawing.told(time.time(), "")
            self._store.put(moment.MOMENT, moment.after(told, self._store.get(moment.MOMENT)))
        self._account.unsaved = True
        self._commit()
        self._source.close()
        try:
            self._store.close(clean, ended)
        except DeskError as error:
            log.error("%s", error)

    def close_after(self, seconds: float) -> None:
        """The panel is gone: wait so long for its workers' last lines; what they ran as they died is cut."""
        if self._watched is not None:  # its workers live on
            self.close(clean=False)
            return
        until = time.monotonic() + seconds
        dead = self._account.processes.dead
        living = {name: w for name, w in self._account.workers.items() if (name, w.start) not in dead}
        while True:
            gone = [name for name, worker in living.items() if not lives(worker.pid)]
            self.catch_up()
            for name in gone:
                self._account.cut(name, start=living.pop(name).start, t=time.time())
            if not living or time.monotonic() > until:
                break
            time.sleep(0.01)
        self.close(clean=False)

    def complete(self) -> None:
        """The run is long over: what nobody told the end of was cut when its worker was last heard of."""
        if isinstance(self._source, Tail):
            for lines in self._source.in_time():
                self._account.take(lines)
                self._commit_many()
        self.catch_up()
        dead = self._account.processes.dead
        attached = bool(self._store.get("attached"))  # nobody knows what became of its workers
        for name, worker in list(self._account.workers.items()):
            if (name, worker.start) not in dead and not attached:
                self._account.cut(name, start=worker.start, t=worker.heard_at)
        self.close(clean=False, ended=self._last_heard())

    def _last_heard(self) -> float | None:
        """When anything was last written into the ledger."""
        return max((file.stat().st_mtime for file in self._ledger.glob("*.jsonl")), default=None)

    # the broker

    def _queues(self) -> Collection[str]:
        """From the looker's thread."""
        return [*self._names, *(cell.queue for cell in self._account.places.queues() if cell.queue)]

    def _looked(self, looked: Looked) -> None:
        """From the looker's thread."""
        self._looks.append(looked)
        self._wake()

    def _settle(self, looked: Looked) -> None:
        view = looked.view
        wanted = self._settler.settle(view, looked.listed, quiet=self._moved_at < view.asked)
        self._moves = self._account.moves  # what the look brought to light did not move now
        self._drawing.looked(view)
        if self._looker is not None:
            self._looker.wanted = wanted

    def _waiting_in(self, queue: str) -> Iterable[Task]:
        """Of what was written and forgotten."""
        self._commit()
        return self._store.waiting(queue)


def _store(folder: Path, facts: Mapping[str, Any]) -> Store:
    path = folder / NAME
    if path.exists() and not stillborn(path):
        return Store.resume(folder)
    for left in folder.glob(f"{NAME}*"):
        left.unlink()
    return Store.create(folder, {**facts, "versions": versions(), "machine": machine()})


def _last_marks(folder: Path) -> frozenset[Mark]:
    with closing(open_to_read(folder / NAME)) as connection:
        rows = connection.execute("SELECT t, kind, service, text FROM mark ORDER BY t DESC LIMIT 500")
        return frozenset(Mark(t, MarkKind(kind), service, text) for t, kind, service, text in rows)
