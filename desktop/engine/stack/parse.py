"""Stack files: read and validated as a whole, with every problem told at once, by line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop.engine.stack import values
from desktop.engine.stack.compose import compose_stack
from desktop.engine.stack.model import BrokerSpec, Persistence, Restart, StackSpec, WebSpec, WorkerSpec
from desktop.engine.stack.positions import locate
from desktop.engine.stack.problems import (
    Fault,
    StackFileError,
    WrongError,
    kind_of,
    printable,
    shown,
    wrong,
)
from desktop.engine.stack.project import Folder, read_app
from desktop.engine.stack.reader import Reader
from desktop.engine.stack.rules import READERS, check_worker, combination_faults
from desktop.engine.stack.settings import key_hint, setting_faults
from desktop.engine.stack.shipped import find_stack, shipped_stacks
from desktop.engine.stack.text import load, plain, read_text, too_deep

__all__ = ["check_worker", "expand", "parse_stack", "read_stack", "shipped_stacks", "stack_text"]

_ROOT = ("name", "app", "broker", "celery", "worker", "web")
_BROKER = ("kind", "port", "persistence", "server", "results", "relay", "restart")
_WEB = ("kind", "port", "restart")
_MOST_WORKERS = 50
_LATER = {
    "beat": "This version starts no beat: start `celery beat` beside the stack. ",
    "task": "Tasks live in the app that [app] target names. ",
    "workers": "Write each worker as [[worker]]. ",
    "queues": "Write queues = […] in a [[worker]]. ",
}
_WORKER_WORDS = {
    "processes": "Write concurrency. ",
    "threads": 'Write pool = "threads" and concurrency. ',
    "min": "Write autoscale = { min = 1, max = 4 }. ",
    "max": "Write autoscale = { min = 1, max = 4 }. ",
    "events": "Write task_events. ",
    "env": "Write it in [app]. ",
}


def read_stack(path_or_name: str | Path) -> StackSpec:
    """The stack of a file, or of a shipped one by its bare name ("laptop").

    Raises StackFileError, which names every problem, and nothing else.
    """
    path = find_stack(path_or_name)
    return parse_stack(read_text(path), path)


def parse_stack(text: str, path: Path | None = None) -> StackSpec:
    """The stack that a text describes. Relative paths in it are relative to the folder of `path`.

    Raises StackFileError, which names every problem, and nothing else.
    """
    file = path.name if path else "stack file"
    try:
        data = load(text, file)
        reader = Reader(locate(plain(text)))
        spec = stack_of(reader, data, path, text)
    except RecursionError:
        raise too_deep(file) from None
    if reader.problems:
        raise StackFileError(file, reader.problems)
    return spec


def stack_text(stack: StackSpec) -> str:
    """A text that describes exactly this stack: its file's, or a new one where the file says otherwise."""
    if stack.path is not None:
        try:
            text = read_text(stack.path)
            if parse_stack(text, stack.path) == stack:
                return text
        except StackFileError:
            pass  # gone or changed since it was read
    return compose_stack(stack)


def stack_of(reader: Reader, data: Mapping[str, Any], path: Path | None, text: str) -> StackSpec:
    """The stack of a table with the keys of a stack file; what is wrong with it is noted in `reader`."""
    reader.unknown(data, (), _ROOT, lambda key: _LATER.get(key, ""))
    folder = Folder(path.parent.absolute() if path else Path.cwd())
    celery = _celery(reader, data)
    return StackSpec(
        name=_name(reader, data, path),
        app=read_app(reader, data, folder),
        broker=_broker(reader, data, folder),
        celery=celery,
        workers=_workers(reader, data, str(celery.get("task_default_queue", "celery"))),
        web=_web(reader, data),
        path=path,
        about=_about(text),
    )


def _name(reader: Reader, data: Mapping[str, Any], path: Path | None) -> str:
    if "name" in data:
        return reader.take(data, (), "name", values.name, "")
    stem = path.stem if path else ""
    if not values.NAME.fullmatch(stem) or len(stem) > 60:
        reader.fault((), "has no name.", 'Write name = "…" as its first key.')
    return stem


def _about(text: str) -> str:
    """The first paragraph of the comment that the file begins with."""
    lines: list[str] = []
    for line in plain(text).lstrip("\n").split("\n"):
        words = line.removeprefix("#").strip() if line.startswith("#") else ""
        if not words:
            break
        lines.append(words)
    return " ".join(" ".join(lines).split())


def _broker(reader: Reader, data: Mapping[str, Any], folder: Folder) -> BrokerSpec:
    table = reader.table(data, "broker", _BROKER)
    path = ("broker",)
    return BrokerSpec(
        kind=reader.take(table, path, "kind", _broker_kind, "redis"),
        port=reader.take(table, path, "port", values.port, 0),
        persistence=reader.take(table, path, "persistence", values.member(Persistence), Persistence.NONE),
        server=reader.take(table, path, "server", folder.program, None),
        results=reader.take(table, path, "results", values.flag, False),
        relay=reader.take(table, path, "relay", values.flag, False),
        restart=reader.take(table, path, "restart", values.member(Restart), Restart.ON_FAILURE),
    )


def _broker_kind(value: Any) -> str:
    if value in ("rabbitmq", "url"):
        raise wrong(
            f"cannot be {shown(value)} yet: this version starts Redis or Valkey only.",
            'Write kind = "redis".',
        )
    if value == "valkey":
        raise wrong(
            'is written "redis" for Valkey too, which speaks the same protocol.',
            'Write kind = "redis"; server = "…" names a certain valkey-server.',
        )
    return values.word(("redis",))(value)


def _web(reader: Reader, data: Mapping[str, Any]) -> WebSpec | None:
    if "web" not in data:
        return None
    table = reader.table(data, "web", _WEB)
    path = ("web",)
    return WebSpec(
        kind=reader.take(table, path, "kind", values.word(("slow-http",)), "slow-http"),
        port=reader.take(table, path, "port", values.port, 0),
        restart=reader.take(table, path, "restart", values.member(Restart), Restart.ON_FAILURE),
    )


def _celery(reader: Reader, data: Mapping[str, Any]) -> Mapping[str, Any]:
    table = reader.table(
        data, "celery", data.get("celery", ()) if isinstance(data.get("celery"), dict) else ()
    )
    right: dict[str, Any] = {}
    for key, value in table.items():
        faults = setting_faults(key, value)
        reader.faults(("celery", key), faults)
        if not faults:
            right[key] = value
    if "task_default_queue" in right:
        try:
            values.queues([right["task_default_queue"]])
        except WrongError as error:
            faults = [Fault(fault.what, fault.next_step) for fault in error.faults]
            reader.faults(("celery", "task_default_queue"), faults)
            del right["task_default_queue"]
    return right


def _workers(reader: Reader, data: Mapping[str, Any], default_queue: str) -> tuple[WorkerSpec, ...]:
    tables = data.get("worker", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        what = "a single table" if isinstance(tables, dict) else kind_of(tables)
        reader.fault(
            ("worker",), f"must be a list of tables, not {what}.", "Write each worker as [[worker]]."
        )
        return ()
    workers: list[WorkerSpec] = []
    for index, table in enumerate(tables):
        for worker in _worker(reader, table, index, default_queue):
            if any(worker.name == other.name for other in workers):
                step = "Give each worker a name of its own; count = 2 makes several alike."
                reader.fault(("worker", index, "name"), f"is {shown(worker.name)} for the second time.", step)
            workers.append(worker)
    if len(workers) > _MOST_WORKERS:
        reader.fault(("worker",), f"makes {len(workers)} workers.", f"Allowed: up to {_MOST_WORKERS}.")
    return tuple(workers)


def _worker(reader: Reader, table: Mapping[str, Any], index: int, default_queue: str) -> list[WorkerSpec]:
    """The workers of one table: one, or as many as its `count` says."""
    path = ("worker", index)
    if isinstance(table.get("name"), str):
        reader.worker_names[index] = printable(table["name"])
    reader.unknown(table, path, (*READERS, "count"), _worker_hint)
    if "name" not in table:
        reader.fault(path, "has no name.", f'Write name = "w{index + 1}".')
    found = {key: reader.take(table, path, key, read, None) for key, read in READERS.items() if key in table}
    known = {key: value for key, value in found.items() if value is not None}
    known.setdefault("name", f"w{index + 1}")
    known.setdefault("queues", (default_queue,))
    worker = WorkerSpec(**known)
    telling = [fault for fault in combination_faults(worker) if not _moot(reader, index, fault)]
    reader.faults(path, telling)
    count = reader.take(table, path, "count", values.whole(1, _MOST_WORKERS), 1)
    return expand(worker, count)


def expand(worker: WorkerSpec, count: int) -> list[WorkerSpec]:
    """`count = 3` makes w1-1, w1-2 and w1-3 of w1; 1 leaves the name as it is."""
    if count == 1:
        return [worker]
    return [replace(worker, name=f"{worker.name}-{number}") for number in range(1, count + 1)]


def _moot(reader: Reader, index: int, fault: Fault) -> bool:
    """A fault between keys of which one is wrong by itself: the pool perhaps, which all others hang on."""
    return any(reader.faulty(("worker", index, key)) for key in ("pool", fault.at[0]))


def _worker_hint(key: str) -> str:
    return _WORKER_WORDS.get(key) or key_hint(key)
