"""What a crashed panel left running: found at the start, taken over, ended or left."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.engine.api import DeskError, Leftover
from desktop.engine.run import Run
from desktop.engine.stack.document import Document
from desktop.engine.stack.parse import parse_stack
from desktop.engine.supervise import broker as brokers
from desktop.engine.supervise import session as sessions
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.outcome import plural


class LeftoverVerbs:
    """The part of `Desk` that deals with the leftovers of crashed panels."""

    _crashed: tuple[sessions.Record, ...] = ()
    _leftovers: tuple[Leftover, ...] = ()

    if TYPE_CHECKING:
        _loop: Loop
        _guard: Guard | None
        _session: sessions.Session

        def _changed(self) -> None: ...
        def _must_be_stopped(self, to_do: str) -> None: ...
        def _let_go_of_opened(self) -> None: ...
        def _take_document(self, document: Document) -> None: ...
        def _new_run(self, folder: Path, endpoint: brokers.Endpoint) -> Run: ...

    def _look_for_leftovers(self) -> None:
        self._crashed = sessions.crashed()
        self._leftovers = tuple(sessions.leftover_of(record) for record in self._crashed)
        self._changed()

    def leftovers(self) -> Future[tuple[Leftover, ...]]:
        """What crashed panels left, as found at the start."""
        return self._loop.ask(lambda: self._leftovers)

    def resolve_leftover(self, session: str, how: str) -> Future[str]:
        def resolve() -> str:
            record = next((r for r in self._crashed if r.id == session), None)
            if record is None:
                raise DeskError("That is gone already.")
            said = {"adopt": self._adopt, "stop": _end, "leave": _leave}[how](record)
            self._look_for_leftovers()
            return said

        return self._loop.ask(resolve)

    def _adopt(self, record: sessions.Record) -> str:
        """The processes carry the crashed session's marker: it becomes ours."""
        self._must_be_stopped("take over another one")
        self._let_go_of_opened()
        spec = parse_stack(record.stack_text, Path(record.stack_file) if record.stack_file else None)
        self._take_document(Document(spec, record.stack_text))
        if self._guard is not None:
            self._guard.close()
            self._guard = None
            self._session.close()
        self._session = sessions.Session(record.id)
        endpoint = brokers.Endpoint(record.port, record.password)
        self._new_run(Path(record.run_folder), endpoint).adopt(record)
        return f"'{record.stack}' was taken over: {plural(len(record.services), 'service')}."


def _end(record: sessions.Record) -> str:
    count = sessions.end_leftover(record)
    return f"{plural(count, 'process')} of '{record.stack}' {'was' if count == 1 else 'were'} ended."


def _leave(record: sessions.Record) -> str:
    sessions.forget(record)
    return f"What is left of '{record.stack}' runs on; Celery Desk no longer knows of it."
