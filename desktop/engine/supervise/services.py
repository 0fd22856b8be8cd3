"""The services of a stack: the broker, the workers, the slow web server."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

from desktop.engine.api import DeskError, Kind, Light, State, StopHow
from desktop.engine.record.told import WorkerTold
from desktop.engine.stack.command import clean_env, shown_command, worker_command, worker_env
from desktop.engine.stack.model import BrokerSpec, Pool, StackSpec, WebSpec, WorkerSpec
from desktop.engine.supervise import broker as brokers
from desktop.engine.supervise.control import Heard
from desktop.engine.supervise.guard import MARKER
from desktop.engine.supervise.outcome import Outcome, plural
from desktop.engine.supervise.service import Context, Launch, Service

PING_EVERY = 2.0  # seconds
SILENT_AFTER = 4.5  # seconds without a reply: two pings missed
SAMPLE_APP = "tasks.app"
FULL_DISK = Path("/dev/full")  # full(4): every write to it fails with ENOSPC

# Pools whose main thread runs the tasks: while one computes, nothing answers (measured on Celery 5.7).
RUNS_TASKS_ITSELF = frozenset({Pool.SOLO, Pool.GEVENT, Pool.EVENTLET})


class StackContext(Context, Protocol):
    """What the services of one stack need besides."""

    session_id: str
    run_folder: Path
    endpoint: brokers.Endpoint | None
    server: brokers.Server | None

    def spec(self) -> StackSpec:
        """The live stack."""

    def held(self, service: str, start: int) -> WorkerTold:
        """From the ledger."""

    def cut(self, service: str, start: int, gave_back: bool) -> None:
        """The process died: what it ran is cut. `gave_back`: by itself, so kombu restored what it held."""

    def ping(self, nodes: list[str], heard: Heard) -> None:
        """Ask workers whether they answer."""

    def slow_http_url(self) -> str:
        """Where the slow web server listens; empty without one."""

    def broker_ready_since(self) -> float | None:
        """Since when workers may reach the broker; None while they cannot (a broken network apart)."""

    def way_to_broker(self, worker: str) -> brokers.Endpoint | None:
        """Where this worker finds the broker: at its own address, or at that of the relay."""

    def network_of(self, worker: str) -> str:
        """What is done to its network, for people: "is cut"; "" when nothing is."""


def base_env(session_id: str) -> dict[str, str]:
    """The environment every process of a session starts from: ours, and the session's marker."""
    env = {key: value for key, value in clean_env(os.environ).items() if not key.startswith("QT_")}
    return {**env, MARKER: session_id, "PYTHONUNBUFFERED": "1"}


def sample_root() -> Path:
    """The folder that holds the sample app's package; found without importing it."""
    spec = importlib.util.find_spec(SAMPLE_APP.partition(".")[0])
    if spec is None or not spec.submodule_search_locations:
        raise DeskError("The sample app `tasks` is not installed.", "Run `make` again.")
    return Path(next(iter(spec.submodule_search_locations))).parent


def app_env(
    stack: StackSpec,
    worker: WorkerSpec,
    session_id: str,
    endpoint: brokers.Endpoint | None = None,
    slow_http: str = "",
) -> dict[str, str]:
    """The environment of everything that imports the stack's app. With an `endpoint` it holds the password.

    Celery lets CELERY_BROKER_URL and CELERY_RESULT_BACKEND win over the app's own settings
    (`celery.app.utils.Settings`).
    """
    env = {**base_env(session_id), **worker_env(stack, worker)}
    path = [str(Path(__file__).parent.parent / "probe")]
    if stack.app.target.partition(".")[0] == SAMPLE_APP.partition(".")[0]:
        path.append(str(sample_root()))
    # Ours first, but a project's own path stays: its modules lie there.
    env["PYTHONPATH"] = os.pathsep.join([*path, *filter(None, [env.get("PYTHONPATH", "")])])
    if endpoint is not None:
        env["CELERY_BROKER_URL"] = endpoint.url
        if stack.broker.results:
            env["CELERY_RESULT_BACKEND"] = endpoint.results_url
    if slow_http:
        env["CELERY_DESK_SLOW_HTTP"] = slow_http
    return env


class BrokerService(Service):
    """A Redis or Valkey of our own."""

    kind = Kind.BROKER
    ready_poll = 0.01

    def __init__(self, context: StackContext, spec: BrokerSpec) -> None:
        super().__init__(context, "broker", spec.restart)
        self.stack_context = context
        self.spec = spec

    def launch(self) -> Launch:
        context = self.stack_context
        assert context.endpoint is not None
        context.server = brokers.choose_server(self.spec)
        folder = context.run_folder / "broker"
        return Launch(
            argv=brokers.command(context.server),
            env=base_env(context.session_id),
            cwd=folder,
            stdin=brokers.configuration(context.server, self.spec, context.endpoint, folder),
        )

    def prove_ready(self) -> None:
        endpoint = self.stack_context.endpoint
        if endpoint is not None and brokers.answers(endpoint, timeout=0.2):
            self.answered()

    def stop_signal(self, how: StopHow) -> int:
        return signal.SIGTERM

    def look_at_health(self) -> None:
        """Ask for a PONG in a thread of its own: a frozen server would block for the time-out."""
        endpoint = self.stack_context.endpoint
        if self.state not in (State.READY, State.SILENT) or endpoint is None:
            return

        def ask() -> None:
            heard = brokers.answers(endpoint, timeout=2.0)
            self.context.loop.call(self.answered if heard else self._missed)

        threading.Thread(target=ask, name="broker-ping", daemon=True).start()

    def _missed(self) -> None:
        self.fell_silent("the broker runs, but does not answer")


class WebService(Service):
    """The slow web server of the sample app. Its log says where it listens."""

    kind = Kind.WEB
    ready_poll = 0.05

    def __init__(self, context: StackContext, spec: WebSpec) -> None:
        super().__init__(context, "web", spec.restart)
        self.stack_context = context
        self.spec = spec
        self.port = spec.port

    @property
    def url(self) -> str:
        """Where it listens, once its port is known."""
        return f"http://127.0.0.1:{self.port}" if self.port else ""

    def launch(self) -> Launch:
        env = base_env(self.stack_context.session_id)
        env["PYTHONPATH"] = os.pathsep.join([str(sample_root()), *filter(None, [env.get("PYTHONPATH", "")])])
        argv = [sys.executable, "-m", "tasks.slow_http", "--port", str(self.port)]
        return Launch(argv, env, self.stack_context.run_folder)

    def prove_ready(self) -> None:
        if self.log_file is None:
            return
        try:
            said = self.log_file.read_text(encoding="utf-8", errors="replace")[:4096]
        except OSError:
            return
        if (match := re.search(r"listening on 127\.0\.0\.1:(\d+)", said)) and int(match[1]) == (
            self.port or int(match[1])
        ):
            self.port = int(match[1])
            self.answered()


class WorkerService(Service):
    """A Celery worker."""

    kind = Kind.WORKER
    ready_poll = 0.05

    def __init__(self, context: StackContext, spec: WorkerSpec) -> None:
        super().__init__(context, spec.name, spec.restart)
        self.stack_context = context
        self.spec = spec
        self.last_pong = 0.0
        self.disk_full = False  # a fault: from its next start on, no line of its log can be written
        self._shown: tuple[StackSpec, WorkerSpec, str] | None = None
        self._next_ping = 0.0

    @property
    def node(self) -> str:
        """Its node name."""
        return f"{self.name}@{self.stack_context.spec().name}"

    @property
    def command(self) -> str:
        """The line that starts it, for people; made once for each change, as every snapshot has it."""
        stack, shown = self.stack_context.spec(), self._shown
        if shown is None or shown[0] is not stack or shown[1] is not self.spec:
            shown = self._shown = (stack, self.spec, shown_command(stack, self.spec))
        return shown[2]

    @property
    def held(self) -> WorkerTold:
        """What the ledger knows of it."""
        return self.stack_context.held(self.name, self.starts)

    def launch(self) -> Launch:
        context = self.stack_context
        stack = context.spec()
        way = context.way_to_broker(self.name)
        env = {
            **app_env(stack, self.spec, context.session_id, way, context.slow_http_url()),
            "CELERY_DESK_LEDGER": str(context.run_folder / "ledger"),
            "CELERY_DESK_SERVICE": self.name,
            "CELERY_DESK_START": str(self.starts),
        }
        python = stack.app.python or Path(sys.executable)
        argv = worker_command(stack, self.spec, python, probe=True)
        output = None
        if self.disk_full:
            # Without its banner: a worker that cannot print that does not start at all (tried: exit code 1).
            argv.insert(argv.index("celery") + 1, "--quiet")
            output = FULL_DISK
        return Launch(argv, env, stack.app.directory or context.run_folder, output=output)

    def prove_ready(self) -> None:
        """A ping by this node; or a task that it runs after `ready`, where the pool leaves no time to answer.

        Before the probe's `ready` line a ping is only tried now and then: it could not be answered.
        """
        now = time.monotonic()
        held = self.held
        if held.ready and held.running and self.spec.pool in RUNS_TASKS_ITSELF:
            self.answered()
            return
        if not held.ready and now < self._next_ping:
            return
        self._next_ping = now + 0.5
        self.stack_context.ping([self.node], lambda _node, _reply: self.context.loop.call(self.pong))

    def pong(self) -> None:
        """A ping was answered."""
        self.last_pong = time.monotonic()
        self.answered()

    def look_at_health(self) -> None:
        """Call it silent when it is alive and has not answered for two pings."""
        since = self.stack_context.broker_ready_since()
        if self.state is not State.READY or since is None:
            return
        quiet_since = max(self.last_pong, self.since - time.time() + time.monotonic())
        quiet_since = max(quiet_since, since)
        if time.monotonic() - quiet_since > SILENT_AFTER:
            self.fell_silent(self._why_silent())

    def computes(self) -> bool:
        """Silent because its main thread runs tasks, seen by the probe's lines; not death."""
        held = self.held
        return bool(
            self.spec.pool in RUNS_TASKS_ITSELF and held.running and time.time() - held.heard_at < 5.0
        )

    def answer_light(self) -> Light:
        if self.state is State.SILENT and not self.frozen and self.computes():
            return Light.BUSY
        if self.stack_context.broker_ready_since() is None and self.process is not None:
            return Light.WAIT
        return super().answer_light()

    def _why_silent(self) -> str:
        if self.computes():
            return (
                f"{self.name} does not answer while it computes: {self.spec.pool} runs tasks in the main "
                f"process ({plural(self.running_tasks(), 'task')} now). Its probe still writes; it is alive"
            )
        if network := self.stack_context.network_of(self.name):
            return f"{self.name} is alive, but does not answer: its network to the broker {network}"
        return f"{self.name} is alive, but has not answered for {SILENT_AFTER:g} s"

    def running_tasks(self) -> int:
        return len(self.held.running)

    def process_ended(self, outcome: Outcome) -> None:
        # Of a process that was taken over nobody can tell how it ended, but whether it had begun to stop.
        by_itself = outcome.signal is None and (outcome.code is not None or self.held.closing)
        self.stack_context.cut(self.name, self.starts, by_itself)
