"""Tells the tasks of a Celery app as JSON: `python celery_desk_catalog.py TARGET`.

Run by the app's own interpreter, in its folder and with its environment; needs Celery 5.2+ only. Prints
one object: `{"celery", "python", "tasks": [...]}`, or `{"error": "..."}` in words for people. What the
project itself prints while it is imported goes to stderr.
"""

from __future__ import annotations

import inspect
import json
import os
import platform
import re
import sys
import traceback
import typing
from typing import Any, Optional

# TARGET is looked up as `celery -A` does: from the working directory, not from this file's folder.
if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):
    sys.path[0] = os.getcwd()

_KINDS = {int: "int", float: "float", str: "str", bool: "bool"}
_SECTION = re.compile(r"\s*(Args|Arguments|Parameters|Params)\s*:\s*$")
_ENTRY = re.compile(r"(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_FIELD = re.compile(r"\s*:param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")


def catalog(target: str) -> dict[str, Any]:
    """Every task of the app at `target` that is not Celery's own."""
    import celery
    from celery.app.utils import find_app

    app = find_app(target)
    app.loader.import_default_modules()
    app.finalize()
    tasks = [
        _task(app, name, task) for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")
    ]
    return {"celery": celery.__version__, "python": platform.python_version(), "tasks": tasks}


def _task(app: Any, name: str, task: Any) -> dict[str, Any]:
    doc = inspect.cleandoc(task.run.__doc__ or "") or _own_doc(task)
    return {
        "name": name,
        "module": getattr(task.run, "__module__", None) or type(task).__module__,
        "queue": _queue(app, task),
        "summary": _summary(doc),
        "doc": doc,
        "params": _params(task.run, _argument_docs(doc)),
    }


def _own_doc(task: Any) -> str:
    """The docstring of a task that is a class; not one that it inherits from Celery."""
    return inspect.cleandoc(type(task).__dict__.get("__doc__") or "")


def _summary(doc: str) -> str:
    paragraph = " ".join(doc.split("\n\n")[0].split())
    sentence = re.match(r"(.+?[.!?])(?:\s|$)", paragraph)
    return sentence.group(1) if sentence else paragraph


def _queue(app: Any, task: Any) -> Optional[str]:
    """The queue that the app itself sends the task to; None for its default queue."""
    queue: Any = getattr(task, "queue", None)
    if queue is None:
        try:
            queue = app.amqp.router.route({}, task.name).get("queue")
        except Exception:
            queue = None
    name = getattr(queue, "name", queue)
    return None if name is None or name == app.conf.task_default_queue else str(name)


def _params(run: Any, docs: dict[str, str]) -> list[dict[str, Any]]:
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):
        return []
    try:
        hints = typing.get_type_hints(run)
    except Exception:  # names that exist for type checkers only
        hints = {}
    found = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        required = parameter.default is parameter.empty
        default = None if required else _plain(parameter.default)
        hint = hints.get(parameter.name, parameter.annotation)
        kind, choices = _kind(hint, default)
        found.append(
            {
                "name": parameter.name,
                "kind": kind,
                "default": default,
                "required": required,
                "choices": choices,
                "doc": docs.get(parameter.name, ""),
            }
        )
    return found


def _kind(hint: Any, default: Any) -> tuple[str, list[str]]:
    """What to ask for: by the annotation, without one by the default."""
    hint = _without_none(hint)
    if hint in _KINDS:
        return _KINDS[hint], []
    if typing.get_origin(hint) is typing.Literal:
        values = typing.get_args(hint)
        if all(isinstance(value, str) for value in values):
            return "choice", list(values)
        kinds = {type(value) for value in values}
        return _KINDS.get(kinds.pop(), "json") if len(kinds) == 1 else "json", []
    if hint is inspect.Parameter.empty and type(default) in _KINDS:
        return _KINDS[type(default)], []
    return "json", []


def _without_none(hint: Any) -> Any:
    """`int` of `Optional[int]` and of `int | None`; anything else as it is."""
    args = typing.get_args(hint)
    if type(None) in args:
        others = [arg for arg in args if arg is not type(None)]
        if len(others) == 1:
            return others[0]
    return hint


def _plain(value: Any) -> Any:
    """A default as JSON can tell it; None where it cannot."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return None


def _argument_docs(doc: str) -> dict[str, str]:
    """What a docstring says about each argument: an `Args:` section, or `:param name:` fields."""
    found: dict[str, str] = {}
    lines = doc.split("\n")
    for start, line in enumerate(lines):
        field = _FIELD.match(line)
        if field:
            found[field.group(1)] = _joined(field.group(2), lines[start + 1 :], _indent(line))
        if _SECTION.match(line):
            found.update(_section(lines[start + 1 :]))
    return found


def _section(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    depth: Optional[int] = None
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        if _indent(line) == 0:
            break
        depth = _indent(line) if depth is None else depth
        entry = _ENTRY.match(line)
        if entry and len(entry.group(1)) == depth:
            found[entry.group(2)] = _joined(entry.group(3), lines[at + 1 :], depth)
    return found


def _joined(first: str, following: list[str], depth: int) -> str:
    """A description with the deeper lines that go on with it."""
    parts = [first.strip()]
    for line in following:
        if not line.strip() or _indent(line) <= depth:
            break
        parts.append(line.strip())
    return " ".join(part for part in parts if part)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _reason(error: BaseException) -> str:
    """What went wrong, in one line, and where in the project it did."""
    if isinstance(error, ValueError) and str(error).startswith("Couldn't import") and error.__context__:
        error = error.__context__  # kombu wraps the ValueErrors of the modules that it imports
    text = str(error).strip() or type(error).__name__
    if isinstance(error, SystemExit):
        text = "it ended the interpreter while it was imported (sys.exit)"
    elif isinstance(error, AttributeError) and text.endswith("has no attribute 'celery'"):
        text = text.replace("has no attribute 'celery'", "holds no Celery app")
    elif not isinstance(error, (ImportError, AttributeError)):
        text = "%s: %s" % (type(error).__name__, text)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_project(frame.filename)]
    if frames:
        text += " (%s, line %d)" % (os.path.basename(frames[-1].filename), frames[-1].lineno or 0)
    return " ".join(text.split())


def _is_project(path: str) -> bool:
    inside = os.path.realpath(path).startswith(os.path.realpath(os.getcwd()) + os.sep)
    return inside and os.path.isfile(path) and "site-packages" not in path and path != __file__


def main(arguments: list[str]) -> int:
    """Print the catalog; 1 when there is none."""
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        if len(arguments) != 1:
            told: dict[str, Any] = {"error": "One argument is needed: what `celery -A` is given."}
        else:
            told = catalog(arguments[0])
    except (Exception, SystemExit) as error:
        told = {"error": _reason(error)}
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump(told, out)
    return 1 if "error" in told else 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that the project has started do not hold us
