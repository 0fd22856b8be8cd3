"""The tasks of a stack's app, told by the app's own interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from desktop.engine.api import DeskError, Param, TaskInfo

TIMEOUT = 20.0  # seconds; a large project imports in a few
PROGRAM = Path(__file__).parent / "probe" / "celery_desk_catalog.py"


def read_catalog(
    python: Path, target: str, cwd: Path | None, env: Mapping[str, str], timeout: float = TIMEOUT
) -> tuple[TaskInfo, ...]:
    """The tasks of the app `target` (what `celery -A` is given), without Celery's own, by name.

    Runs `python` in `cwd` with exactly `env`, in a session of its own that is gone afterwards. Raises
    DeskError when the app cannot be imported, or takes longer than `timeout` seconds to be.
    """
    answer, said, code = _run([str(python), str(PROGRAM), target], cwd, env, timeout, target)
    try:
        told = orjson.loads(answer)
    except orjson.JSONDecodeError:
        last = said.strip().splitlines()[-1:] or [f"exit code {code}"]
        raise DeskError(
            f"The app `{target}` ended its interpreter while it was imported: {last[0][:300]}",
            "Import it by hand to see why.",
        ) from None
    if "error" in told:
        raise DeskError(
            f"The app `{target}` cannot be imported: {told['error']}",
            "Check the app's target, folder and interpreter in the stack file.",
        )
    return tuple(_info(task) for task in told["tasks"])


def _run(
    argv: list[str], cwd: Path | None, env: Mapping[str, str], timeout: float, target: str
) -> tuple[bytes, str, int]:
    """(stdout, stderr, exit code). To files: what the project starts may keep a pipe open for ever."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise DeskError(
                f"{argv[0]} could not be run to read the app's tasks: {error.strerror or error}.",
                "Check the app's folder and interpreter in the stack file.",
            ) from None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DeskError(
                f"The app `{target}` was not imported within {timeout:g} s.",
                "Something in it waits or computes at import; its tasks can still be sent by name.",
            ) from None
        finally:
            _end_session(process)
        out.seek(0)
        err.seek(0)
        return out.read(), err.read().decode(errors="replace"), code


def _end_session(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _info(task: Mapping[str, Any]) -> TaskInfo:
    return TaskInfo(
        name=task["name"],
        params=tuple(
            Param(
                name=param["name"],
                kind=param["kind"],
                default=param["default"],
                required=param["required"],
                choices=tuple(param["choices"]),
                doc=param["doc"],
            )
            for param in task["params"]
        ),
        summary=task["summary"],
        doc=task["doc"],
        queue=task["queue"],
        group=_group(task["module"]),
    )


def _group(module: str) -> str:
    """The module for people: `cpu` of `tasks.cpu`, `shop` of `shop.tasks`."""
    parts = [part for part in module.split(".") if part not in ("tasks", "__main__")]
    return parts[-1] if parts else module
