"""A stack as the text of a new file, and the pieces of one."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from desktop.engine.stack.model import AppSpec, BrokerSpec, StackSpec, WebSpec, WorkerSpec
from desktop.engine.stack.rules import raw

_WORKER_DEFAULTS = WorkerSpec(name="")


def compose_stack(stack: StackSpec) -> str:
    """A file that says what the spec says, with nothing in it that is the default anyway."""
    wrapper = textwrap.TextWrapper(
        100, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )
    about = "\n".join(wrapper.wrap(stack.about))
    blocks = [about, f"name = {toml(stack.name)}"]
    blocks += [
        compose_table(f"[{name}]", keys)
        for name, keys in (
            ("app", app_keys(stack.app)),
            ("broker", broker_keys(stack.broker)),
            ("celery", stack.celery),
        )
        if keys
    ]
    default_queue = default_queue_of(stack)
    blocks += [compose_table("[[worker]]", worker_keys(worker, default_queue)) for worker in stack.workers]
    if stack.web is not None:
        blocks.append(compose_table("[web]", web_keys(stack.web)))
    return "\n\n".join(block.rstrip("\n") for block in blocks if block) + "\n"


def compose_table(header: str, keys: Mapping[str, Any]) -> str:
    """A table with one line for each key."""
    return "".join([f"{header}\n", *(f"{key_text(key)} = {toml(value)}\n" for key, value in keys.items())])


def default_queue_of(stack: StackSpec) -> str:
    """The queue of a worker whose table names none."""
    return str(stack.celery.get("task_default_queue", "celery"))


def worker_keys(worker: WorkerSpec, default_queue: str) -> dict[str, Any]:
    """The keys of a [[worker]] table that are not the default anyway."""
    found: dict[str, Any] = {}
    for item in fields(WorkerSpec):
        value = getattr(worker, item.name)
        default = (default_queue,) if item.name == "queues" else getattr(_WORKER_DEFAULTS, item.name)
        if item.name in ("name", "pool") or value != default:
            found[item.name] = raw(value)
    return found


def app_keys(app: AppSpec) -> dict[str, Any]:
    """The keys of [app] that are not the default anyway."""
    return _keys(app, AppSpec())


def broker_keys(broker: BrokerSpec) -> dict[str, Any]:
    """The keys of [broker] that are not the default anyway."""
    return _keys(broker, BrokerSpec())


def web_keys(web: WebSpec) -> dict[str, Any]:
    """The keys of [web]: its kind, and what is not the default anyway."""
    return {"kind": web.kind, **_keys(web, WebSpec())}


def _keys(spec: AppSpec | BrokerSpec | WebSpec, default: object) -> dict[str, Any]:
    values = {item.name: getattr(spec, item.name) for item in fields(spec)}
    return {key: raw(value) for key, value in values.items() if value != getattr(default, key)}


def key_text(key: str) -> str:
    """A key as TOML writes it."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(toml(item) for item in value)}]"
        case Mapping():
            inner = ", ".join(f"{key_text(key)} = {toml(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            return _text(str(value))


def _text(value: str) -> str:
    # JSON's text is TOML's basic string, but for the one control character that JSON lets through.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
