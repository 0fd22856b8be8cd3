"""`load`: a workload for a stack that runs, from outside its panel."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click

from desktop.engine.api import DeskError, LoadSnapshot, LoadState, TaskInfo, TaskShare, Workload
from desktop.engine.catalog import read_catalog
from desktop.engine.load.client import Load
from desktop.engine.load.plan import Plan
from desktop.engine.loads import free_load_id
from desktop.engine.stack.model import WorkerSpec
from desktop.engine.stack.parse import parse_stack
from desktop.engine.stack.problems import did_you_mean
from desktop.engine.supervise import session as sessions
from desktop.engine.supervise.services import app_env, base_env

_OVER = (LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED)


def run_load(
    stack_or_run: str,
    tasks: tuple[str, ...],
    args: tuple[str, ...],
    count: int | None,
    rate: float | None,
    seconds: float | None,
    queue: str | None,
    countdown: float | None,
    priority: int | None,
    seed: int,
    as_json: bool,
) -> int:
    """Exit code 0, or 1 when not all could be sent."""
    record = sessions.find_living(stack_or_run)
    if record is None:
        running = ", ".join(f"'{r.stack}'" for r in sessions.living()) or "none"
        raise DeskError(
            f"No running stack is called '{stack_or_run}' (running now: {running}).",
            f"Start it in the window, or with: celery-desk up {stack_or_run}",
        )
    if count is None and rate is None and seconds is None:
        count = 100
    shares = [_weighted(text) for text in tasks or ("tasks.mixed",)]
    arguments = _arguments_of([name for name, _ in shares], dict(map(_argument, args)), _catalog(record))
    mix = tuple(
        TaskShare(name, kwargs=given, queue=queue, weight=weight, countdown=countdown, priority=priority)
        for (name, weight), given in zip(shares, arguments, strict=True)
    )
    workload = Workload(mix=mix, count=count, rate=rate, seconds=seconds, seed=seed, name="command line")
    return _Run(record, workload, as_json).run()


def _weighted(text: str) -> tuple[str, int]:
    name, _, weight = text.partition(":")
    if weight and not (weight.isdigit() and int(weight) > 0):
        raise click.BadParameter(f"'{text}': the weight behind the colon is a whole number from 1.")
    return name, int(weight or 1)


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"'{text}' is not of the form NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _catalog(record: sessions.Record) -> dict[str, TaskInfo]:
    spec = parse_stack(record.stack_text, Path(record.stack_file) if record.stack_file else None)
    env = app_env(spec, WorkerSpec(name="catalog"), record.id)
    found = read_catalog(spec.app.python or Path(sys.executable), spec.app.target, spec.app.directory, env)
    return {task.name: task for task in found}


def _arguments_of(
    names: list[str], given: dict[str, Any], catalog: dict[str, TaskInfo]
) -> list[dict[str, Any]]:
    """What each task gets of the arguments. Raises DeskError for a task or an argument that nobody knows."""
    for name in names:
        if name not in catalog:
            hint = did_you_mean(name, catalog)
            raise DeskError(f"The app has no task '{name}'.", f"{hint}It has: {', '.join(sorted(catalog))}.")
    takes = [{param.name for param in catalog[name].params} for name in names]
    for argument in given:
        if not any(argument in known for known in takes):
            known = sorted(set().union(*takes))
            has = f"They take: {', '.join(known)}." if known else "They take none."
            raise DeskError(
                f"None of the tasks takes an argument '{argument}'.", did_you_mean(argument, known) + has
            )
    return [{key: value for key, value in given.items() if key in known} for known in takes]


class _Run:
    """One load, watched until it is over; Ctrl-C cancels it."""

    def __init__(self, record: sessions.Record, workload: Workload, as_json: bool) -> None:
        self._as_json = as_json
        self._workload = workload
        self._changed = threading.Event()
        self._began = time.monotonic()
        folder = Path(record.run_folder)
        stack = parse_stack(record.stack_text, Path(record.stack_file) if record.stack_file else None)
        number = free_load_id(folder / "ledger")
        plan = Plan(number, workload, folder / "ledger", record.broker_url, celery=stack.celery)
        self._load = Load(
            plan,
            env=base_env(record.id),
            log_file=folder / "logs" / f"load-{number}.001.log",
            on_change=lambda _snapshot: self._changed.set(),
        )

    def run(self) -> int:
        """Until it is over."""
        signal.signal(signal.SIGINT, self._cancel)
        signal.signal(signal.SIGTERM, self._cancel)
        while (now := self._load.snapshot()).state not in _OVER:
            self._changed.wait(0.5)
            self._changed.clear()
            self._progress(now)
        self._load.wait(5.0)
        return self._result(self._load.snapshot())

    def _cancel(self, _number: int, _frame: FrameType | None) -> None:
        self._load.cancel()

    def _progress(self, now: LoadSnapshot) -> None:
        if self._as_json:
            self._print(now)
        elif sys.stderr.isatty():
            of = f" of {self._workload.count:,}" if self._workload.count else ""
            doubt = f", {now.in_doubt:,} in doubt" if now.in_doubt else ""
            click.echo(
                f"\r\x1b[K{now.state.value}: {now.sent:,}{of}{doubt} sent, {now.rate:,.0f}/s",
                err=True,
                nl=False,
            )

    def _result(self, now: LoadSnapshot) -> int:
        took = time.monotonic() - self._began
        if self._as_json:
            self._print(now)
        else:
            if sys.stderr.isatty():
                click.echo("\r\x1b[K", err=True, nl=False)
            counted = f"{now.sent:,} tasks sent in {took:.1f} s, {now.sent / took:,.0f} a second"
            click.echo(f"{now.state.value}: {now.detail or counted}")
        return 0 if now.state is LoadState.DONE else 1

    def _print(self, now: LoadSnapshot) -> None:
        told = {
            "state": now.state.value,
            "sent": now.sent,
            "in_doubt": now.in_doubt,
            "rate": round(now.rate, 1),
            "detail": now.detail,
        }
        with contextlib.suppress(BrokenPipeError):
            click.echo(json.dumps(told))
