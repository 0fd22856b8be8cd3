"""How the stack of a run was set up: what differs from Celery's own defaults, and each worker."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tomlkit.exceptions import TOMLKitError

from desktop.engine.api import DeskError
from desktop.engine.report.model import Difference, WorkerLine
from desktop.engine.stack.command import shown_command
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.stack.secrets import LEFT_OUT, hidden, is_secret, without_secrets

# What a worker's own columns tell.
_TOLD = frozenset({"name", "pool", "autoscale", "concurrency", "prefetch_multiplier", "queues", "restart"})
_MISSING = object()


def celery_version() -> str:
    """Of the Celery that is installed beside us."""
    return importlib.metadata.version("celery")


def differences(celery: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The settings of a stack that are not Celery's own defaults, by name.

    Imports Celery, which takes a tenth of a second and must not happen in two threads at once: for a process
    that does nothing else.
    """
    defaults = _defaults()
    found = []
    for name in sorted(celery):
        here, default = celery[name], defaults.get(name, _MISSING)
        if default is _MISSING or not _same(here, default):
            shown = "not a setting of this Celery" if default is _MISSING else _shown(default)
            found.append(Difference(name, LEFT_OUT if is_secret(name) else _shown(_clean(here)), shown))
    return tuple(found)


def _defaults() -> Mapping[str, Any]:
    from celery.app.defaults import NAMESPACES, flatten

    return {name: option.default for name, option in flatten(NAMESPACES)}


def _same(here: Any, default: Any) -> bool:
    if isinstance(default, (list, tuple, set, frozenset)) and isinstance(here, (list, tuple)):
        return sorted(map(str, here)) == sorted(map(str, default))
    if isinstance(here, bool) or isinstance(default, bool):
        return here is default
    return bool(here == default)


def _clean(value: Any) -> Any:
    """Without passwords, however deep they lie."""
    match value:
        case Mapping():
            return {key: LEFT_OUT if is_secret(str(key)) else _clean(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(inner) for inner in value]
        case str():
            return hidden(value)
        case _:
            return value


def _shown(value: Any) -> str:
    """As a stack file says it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case Mapping():
            inner = ", ".join(f"{key} = {_shown(one)}" for key, one in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple() | set() | frozenset():
            return f"[{', '.join(map(_shown, value if isinstance(value, (list, tuple)) else sorted(value)))}]"
        case _:
            return str(value)


def worker_lines(spec: StackSpec, known: bool) -> tuple[WorkerLine, ...]:
    """Each worker; `known`: we started it, and so know its command line."""
    return tuple(_line(spec, worker, known) for worker in spec.workers)


def _line(spec: StackSpec, worker: WorkerSpec, known: bool) -> WorkerLine:
    plain = WorkerSpec(worker.name)
    more = [
        (item.name, _shown(getattr(worker, item.name)))
        for item in fields(worker)
        if item.name not in (*_TOLD, "extra_args") and getattr(worker, item.name) != getattr(plain, item.name)
    ]
    return WorkerLine(
        name=worker.name,
        pool=worker.pool.value,
        size=_size(worker),
        prefetch=_prefetch(spec, worker),
        queues=worker.queues,
        restart=worker.restart.value if known else "–",
        command=_command(spec, worker) if known else "",
        more=tuple(more),
    )


def _size(worker: WorkerSpec) -> str:
    if worker.autoscale:
        return f"autoscale {worker.autoscale.min} to {worker.autoscale.max}"
    return str(worker.concurrency) if worker.concurrency is not None else "Celery's default"


def _prefetch(spec: StackSpec, worker: WorkerSpec) -> str:
    if worker.disable_prefetch:
        return "none"
    multiplier = worker.prefetch_multiplier or spec.celery.get("worker_prefetch_multiplier")
    return f"{multiplier} × size" if multiplier else "Celery's default"


def _command(spec: StackSpec, worker: WorkerSpec) -> str:
    """Without what may be a secret: `--password …` of somebody's own options too."""
    try:
        words = shlex.split(shown_command(spec, worker))
    except (DeskError, ValueError):
        return ""
    clean: list[str] = []
    for word in words:
        before = clean[-1] if clean else ""
        named = before.startswith("-") and "=" not in before and is_secret(before)
        clean.append(LEFT_OUT if named and not word.startswith("-") else hidden(word))
    return shlex.join(clean)


def broker_line(spec: StackSpec) -> str:
    """The broker, in a few words."""
    broker = spec.broker
    words = [broker.kind, f"persistence {broker.persistence.value}", f"restart {broker.restart.value}"]
    words += ["results kept in it"] if broker.results else []
    words += ["workers reach it through the relay"] if broker.relay else []
    return ", ".join(words)


def clean_file(text: str) -> str:
    """A stack or drill file as it may leave the machine; one that is none loses what looks like a secret."""
    try:
        return without_secrets(text)
    except TOMLKitError:
        return hidden(text)
