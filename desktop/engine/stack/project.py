"""The [app] table: whose tasks a stack runs, in which folder, with which interpreter and environment."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop.engine.stack import values
from desktop.engine.stack.envfile import VARIABLE, read_env_file
from desktop.engine.stack.model import AppSpec
from desktop.engine.stack.problems import Fault, WrongError, kind_of, wrong
from desktop.engine.stack.reader import Reader

_KEYS = ("target", "directory", "python", "env", "env_file")

# Each of these decides which broker or backend a Celery command talks to. BROKER_URL and CELERY_BROKER are
# what click reads for `celery -b` (bin/celery.py, auto_envvar_prefix), and the command puts their value over
# CELERY_BROKER_URL: tried, a worker with either of them in its environment leaves the stack's broker.
BROKER_VARIABLES = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
    "CELERY_CACHE_BACKEND",
    "CELERY_BROKER",
    "BROKER_URL",
    "RESULT_BACKEND",
    "LOADER",
    "CONFIG_MODULE",
)


class Folder:
    """Where relative paths of a stack file start."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def _path(self, value: Any) -> Path:
        written = values.filled(value)
        try:
            return self._base / Path(written).expanduser()
        except RuntimeError:
            raise wrong(
                f"names {written}, whose home folder is not known.", "Write the whole path."
            ) from None

    def directory(self, value: Any) -> Path:
        """A folder that exists."""
        path = self._path(value)
        if not _is(path, Path.is_dir):
            raise wrong(
                f"names {path}, which is no folder.", "Correct the path: it is relative to the stack file."
            )
        return path

    def program(self, value: Any) -> Path:
        """A program that exists and may be run. A bare name is looked for in PATH too."""
        path = self._path(value)
        if not _is(path, Path.is_file) and os.sep not in str(value):
            path = Path(shutil.which(str(value)) or path)
        if not _is(path, Path.is_file):
            raise wrong(
                f"names {path}, which is no file.", "Correct the path: it is relative to the stack file."
            )
        if not os.access(path, os.X_OK):
            raise wrong(f"names {path}, which may not be run.", f"Make it a program: chmod +x {path}")
        return path

    def env_file(self, value: Any) -> Path:
        """A file of KEY=VALUE lines that can be read and is right."""
        path = self._path(value)
        read_env_file(path)
        return path


def _is(path: Path, test: Any) -> bool:
    try:
        return bool(test(path))
    except OSError:  # a name that is too long, for one
        return False


def read_app(reader: Reader, data: Mapping[str, Any], folder: Folder) -> AppSpec:
    """The [app] table; without it, the sample app."""
    table = reader.table(data, "app", _KEYS)
    path = ("app",)
    default = AppSpec()
    return AppSpec(
        target=reader.take(table, path, "target", _target, default.target),
        directory=reader.take(table, path, "directory", folder.directory, None),
        python=reader.take(table, path, "python", folder.program, None),
        env=reader.take(table, path, "env", _env, default.env),
        env_file=reader.take(table, path, "env_file", folder.env_file, None),
    )


def _target(value: Any) -> str:
    found = values.text(value).strip()
    if not re.fullmatch(r"([^\W\d]\w*(\.[^\W\d]\w*)*(:[\w.]+)?)?", found):
        raise wrong(
            "is not what `celery -A` takes.",
            'Write a module, "shop.celery", or a module and its app, "shop.celery:app".',
        )
    return found or AppSpec().target


def _env(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise wrong(f"must be a table, not {kind_of(value)}.", 'Write env = { KEY = "value" }.')
    faults = [Fault(*why, at=(key,)) for key, text in value.items() if (why := _variable_fault(key, text))]
    if faults:
        raise WrongError(*faults)
    return dict(value)


def _variable_fault(key: str, value: Any) -> tuple[str, str] | None:
    if not VARIABLE.fullmatch(key):
        return "is no name of an environment variable.", "Allowed: letters, digits and _, not a digit first."
    if key in BROKER_VARIABLES:
        return (
            "is not set here: it would overrule the stack, which gives each process its own broker.",
            "Take it out; results = true in [broker] keeps results.",
        )
    if key == "AUTOSCALE_KEEPALIVE":
        return "is set for each worker.", "Write autoscale_keepalive = 5 in [[worker]]."
    if not isinstance(value, str):
        return f"must be text, not {kind_of(value)}.", 'Put it in quotes: "…".'
    if "\0" in value:
        return "holds a NUL character.", "Take it out."
    return None
