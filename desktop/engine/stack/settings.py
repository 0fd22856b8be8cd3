"""Celery's own settings: their names and types, what the [celery] table may hold, and how a worker is told.

The names are read out of the source of the installed `celery/app/defaults.py`, which takes 5 ms and imports
nothing. Importing it takes 85 ms and pulls in kombu and billiard, and two threads that import Celery for the
first time at once fail now and then with an ImportError.
"""

from __future__ import annotations

import ast
import datetime
import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from desktop.engine.stack.problems import Fault, kind_of, nearest, shown

_ADDRESS_STEP = "Take it out: the stack's broker is started for it, and every process is given its address."
_RESULTS_STEP = "Write results = true in [broker]: results are then kept in the stack's own broker."
_SECRET_STEP = "Take it out; give secrets to the app with env_file in [app]."

# Settings that a stack decides in another place: (what, next step).
_ELSEWHERE: dict[str, tuple[str, str]] = {
    "result_backend": ("is not set here.", _RESULTS_STEP),
    "cache_backend": ("is not set here.", _RESULTS_STEP),
    "worker_pool": ("is not set here.", "Write pool = … in [[worker]]: each worker has its own."),
    "worker_concurrency": (
        "is not set here.",
        "Write concurrency = … in [[worker]]: each worker has its own.",
    ),
    "worker_state_db": (
        "would be one file for all workers, which spoil it for each other.",
        'Write extra_args = ["--statedb", "…"] in each [[worker]].',
    ),
    # bin/worker.py hands what follows `--` to cmdline_config_parser, which splits each name at its first
    # underscore; a name without one ends the worker with "not enough values to unpack".
    "timezone": (
        "cannot be given to a worker: Celery's command line takes no setting without an underscore.",
        "Set it in the app itself.",
    ),
}
_BROKER_OWNED = re.compile(
    r"broker_(url|read_url|write_url|transport|host|port|user|password|vhost|login_method|use_ssl|failover_strategy)"
    r"|redis_(host|port|db|username|backend_use_ssl)"
)
_SECRET = re.compile(r"password|secret|access_key|token|^security_")
# The type says text, yet Celery's own default or documentation is a number.
_TEXT_OR_NUMBER = frozenset({"task_default_priority", "task_default_delivery_mode"})
# Linux takes no single argument over 128 KiB (MAX_ARG_STRLEN).
_LONGEST = 100_000
# Given with --include instead: these two have no underscore either.
INCLUDED = ("imports", "include")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of Celery."""

    name: str
    kind: (
        str  # Celery's word for its type: "bool", "int", "float", "string", "list", "tuple", "dict", "any", …
    )
    plain: bool  # whether Celery's command line finds its type by itself
    default: object  # where it is a plain value


@cache
def celery_settings() -> Mapping[str, Setting]:
    """Every setting of the installed Celery, by its lower-case name."""
    spec = importlib.util.find_spec("celery")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        source = Path(folder) / "app" / "defaults.py"
        if source.is_file():
            found = {setting.name: setting for setting in _read(source.read_text("utf-8"))}
            if found:
                return found
    return _imported()


def _read(source: str) -> Iterator[Setting]:
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="NAMESPACES")], value=ast.Call() as call):
                yield from _namespace(call, "")


def _namespace(call: ast.Call, group: str) -> Iterator[Setting]:
    for keyword in call.keywords:
        match keyword.value:
            case ast.Call(func=ast.Name(id="Namespace")) as inner if keyword.arg:
                yield from _namespace(inner, keyword.arg)
            case ast.Call(func=ast.Name(id="Option")) as option if keyword.arg:
                name = f"{group}_{keyword.arg}" if group else keyword.arg
                kind, known = _kind(option)
                yield Setting(name, kind, known and bool(group), _default(option))


def _kind(option: ast.Call) -> tuple[str, bool]:
    """Its type, and whether Celery can convert to it: `type=int`, a class for a word, it cannot."""
    for keyword in option.keywords:
        if keyword.arg == "type":
            node = keyword.value
            word = isinstance(node, ast.Constant)
            return (str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)), word
    return "string", True


def _default(option: ast.Call) -> object:
    nodes = [*option.args[:1], *(keyword.value for keyword in option.keywords if keyword.arg == "default")]
    return nodes[0].value if nodes and isinstance(nodes[0], ast.Constant) else None


def _imported() -> Mapping[str, Setting]:
    """The same, where Celery is installed without its source."""
    from celery.app.defaults import NAMESPACES

    found: dict[str, Setting] = {}
    for key, value in NAMESPACES.items():
        group = value if isinstance(value, dict) else {"": value}
        for inner, option in group.items():
            name = f"{key}_{inner}" if inner else key
            word = isinstance(option.type, str)
            kind = option.type if word else option.type.__name__
            found[name] = Setting(name, kind, word and bool(inner), option.default)
    return found


def setting_faults(name: str, value: Any) -> list[Fault]:
    """What is wrong with one entry of [celery]; empty when a worker can be given it."""
    setting = celery_settings().get(name)
    if setting is None:
        return [Fault("is not a setting of Celery.", _right_name(name))]
    if _BROKER_OWNED.fullmatch(name):
        return [Fault("is not set here.", _ADDRESS_STEP)]
    if name in _ELSEWHERE:
        return [Fault(*_ELSEWHERE[name])]
    if name.endswith("_url"):
        return [Fault("is not set here.", _RESULTS_STEP)]
    if _SECRET.search(name):
        return [Fault("is a secret, which does not belong in a stack file.", _SECRET_STEP)]
    faults = [fault for fault in (_type_fault(setting, value),) if fault] or list(_inner_faults(value))
    return faults or list(_value_faults(setting, value))


def _right_name(name: str) -> str:
    """The next step for a name that is none: old names, other cases, missing prefixes, misspelt ones."""
    names = celery_settings()
    plain = name.lower().replace("-", "_").removeprefix("celery_").removeprefix("celeryd_")
    for guess in (plain, f"task_{plain}", f"worker_{plain}"):
        if guess in names:
            return f"Write `{guess}`."
    found = nearest(plain, names)
    return f"Did you mean `{found}`?" if found else "Celery's documentation lists them all; take it out."


def _type_fault(setting: Setting, value: Any) -> Fault | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match setting.kind:
        case "bool":
            right, allowed = isinstance(value, bool), "true or false"
        case "int":
            fraction = isinstance(setting.default, float)
            right, allowed = number and (fraction or isinstance(value, int)), "a whole number"
        case "float":
            right, allowed = number, "a number"
        case "list" | "tuple":
            right, allowed = isinstance(value, list), 'a list, such as ["json"]'
        case "dict":
            right, allowed = isinstance(value, dict), "a table, such as { key = 1 }"
        case "any":
            right, allowed = True, ""
        case _ if setting.name in _TEXT_OR_NUMBER:
            right, allowed = number or isinstance(value, str), "text or a whole number"
        case _:
            right, allowed = isinstance(value, str), "text in quotes"
    if right:
        return None
    return Fault(f"must be {allowed}, not {kind_of(value)}.", f"Allowed: {allowed}.")


def _inner_faults(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """What a command line cannot carry, and secrets, anywhere inside a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if re.search(r"password|secret", key.lower()) and isinstance(inner, str):
                yield Fault("is a secret, which does not belong in a stack file.", _SECRET_STEP, (*at, key))
            else:
                yield from _inner_faults(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _inner_faults(inner, (*at, index))
    elif isinstance(value, datetime.date | datetime.time):
        yield Fault(
            "is a date or time, which Celery's command line cannot carry.", "Write text or a number.", at
        )
    elif isinstance(value, str) and "\0" in value:
        yield Fault("holds a NUL character.", "Take it out.", at)
    elif isinstance(value, float) and math.isnan(value):
        yield Fault("is not a number (nan).", "Write a number.", at)


def _value_faults(setting: Setting, value: Any) -> Iterator[Fault]:
    if setting.name == "worker_enable_remote_control" and value is False:
        yield Fault(
            "cannot be false: whether a worker is ready is proved with a control ping.",
            "Take it out; only a worker that you start yourself can run without.",
        )
    if setting.name == "worker_prefetch_multiplier" and value < 1:
        # bin/worker.py: `value or ctx.obj.app.conf.worker_prefetch_multiplier`, so 0 counts as not given.
        yield Fault(
            f"cannot be {value}: Celery's command line takes 0 (no limit) for not given.",
            "Allowed: 1 or more. Only the app itself can set 0.",
        )
    if setting.name == "broker_transport_options":
        timeout = value.get("visibility_timeout", 1)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
            yield Fault(
                f"cannot be {shown(timeout)}.", "Allowed: a number of seconds.", ("visibility_timeout",)
            )
    if setting.name in INCLUDED:
        for index, module in enumerate(value):
            if not isinstance(module, str) or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module):
                yield Fault("is not the name of a module.", 'Write it as in import: "shop.tasks".', (index,))
    elif len(setting_arg(setting.name, value)) > _LONGEST:
        yield Fault("is longer than a command line can carry.", "Set it in the app itself.")


def key_hint(key: str) -> str:
    """Where a setting of Celery belongs that stands in another table; "" when it is none."""
    names = celery_settings()
    plain = key.lower().replace("-", "_")
    for guess in (plain, f"task_{plain}", f"worker_{plain}"):
        if guess in names and guess not in _ELSEWHERE:
            return f"Celery's setting `{guess}` belongs in [celery]. "
    return ""


def setting_args(celery: Mapping[str, Any]) -> list[str]:
    """The arguments after `--`, as Celery's `cmdline_config_parser` (loaders/base.py) reads them."""
    return [setting_arg(name, value) for name, value in celery.items() if name not in INCLUDED]


def setting_arg(name: str, value: Any) -> str:
    """One setting: `task_acks_late=true`, or with a cast where Celery would read the plain form otherwise."""
    setting = celery_settings().get(name)
    kind = setting.kind if setting and setting.plain else ""
    match value:
        case bool():
            plain, cast, rendered = kind == "bool", "bool", str(value).lower()
        case int():
            plain, cast, rendered = kind in ("int", "float"), "int", str(value)
        case float():
            plain, cast, rendered = kind == "float", "float", repr(value)
        case str():
            plain, cast, rendered = kind == "string" and not re.match(r"\(\w+\)", value), "string", value
        case list() | tuple():
            plain, cast, rendered = False, "list", json.dumps(list(value))
        case _:
            plain, cast, rendered = False, "dict", json.dumps(dict(value))
    return f"{name}={rendered}" if plain else f"{name}=({cast}){rendered}"


def included_modules(celery: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules that [celery] asks every worker to import."""
    return tuple(dict.fromkeys(module for name in INCLUDED for module in celery.get(name, ())))
