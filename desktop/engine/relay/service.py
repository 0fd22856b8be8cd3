"""The panel's side of the relay: a service of the stack, the workers' ports, and what is done to them."""

from __future__ import annotations

import functools
import itertools
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import IO, Any

from desktop.engine.api import DeskError, Kind, State
from desktop.engine.relay.conditions import Conditions, Counters, together
from desktop.engine.relay.door import shared_port
from desktop.engine.stack.model import Restart
from desktop.engine.supervise.outcome import Outcome
from desktop.engine.supervise.process import ManagedProcess
from desktop.engine.supervise.service import Launch, Service
from desktop.engine.supervise.services import StackContext, base_env

log = logging.getLogger(__name__)

MODULE = "desktop.engine.relay.main"
NAME = "relay"
ASK_EVERY = 2.0  # seconds
SILENT_AFTER = 4.5  # seconds without an answer

Counted = Mapping[str, Counters]  # by worker


class RelayService(Service):
    """One relay process for all workers of a stack; in the loop's thread but for `text_of` and `counters`.

    A port belongs to its worker for as long as the stack lives: over restarts of the worker, the broker and
    the relay itself. A relay that dies is started again at once, with the conditions that were in force;
    meanwhile the workers have lost the broker, and come back to it by themselves.
    """

    kind = Kind.RELAY
    ready_poll = 0.05

    def __init__(self, context: StackContext) -> None:
        super().__init__(context, NAME, Restart.ALWAYS)
        self.stack_context = context
        self.counters: Counted = {}
        self._kept: dict[str, socket] = {}  # bound, so that nobody else gets the port
        self._imposed: dict[str, dict[int, Conditions]] = {}
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Counted]] = {}
        self._begun: Future[Counted] | None = None
        self._last_ask = self._last_answer = 0.0

    # ports

    def keep_ports(self, workers: Iterable[str], known: Mapping[str, int]) -> None:
        """A port for each worker; `known`: those that they have. Raises DeskError where none is left."""
        for worker in workers:
            self._keep_port(worker, known.get(worker, 0))

    def _keep_port(self, worker: str, port: int = 0) -> None:
        try:
            self._kept[worker] = shared_port(port)
        except OSError as error:
            if port:
                log.error("port %s of %s is taken: it gets another one, at its next start", port, worker)
                return self._keep_port(worker)
            raise DeskError(
                f"There is no port for {worker}: {error.strerror or error}.",
                "End programs that hold many connections.",
            ) from error

    def take_over(self, ports: Mapping[str, int], left: int | None) -> None:
        """Start anew for workers that a crashed panel left, at the ports that they know.

        `left`: the pid of its relay, where that still lives; it would hear nobody any more.
        """
        if left is not None:
            ManagedProcess.adopt(left, time.time()).kill_group()
        self.keep_ports(ports, ports)
        self.start()

    @property
    def ports(self) -> Mapping[str, int]:
        """Where each worker finds the broker."""
        return {worker: int(kept.getsockname()[1]) for worker, kept in self._kept.items()}

    def port_of(self, worker: str) -> int:
        """Where this worker finds the broker; a new one is let in. Raises DeskError without any port left."""
        if worker not in self._kept:
            self._keep_port(worker)
            if self.process is not None:
                self._ask("open", doors={worker: self.ports[worker]})
        return self.ports[worker]

    def forget(self, worker: str) -> None:
        """A worker has left the stack."""
        kept = self._kept.pop(worker, None)
        self._imposed.pop(worker, None)
        if kept is not None:
            if self.process is not None:
                self._ask("shut", doors=[worker])
            kept.close()

    def close(self) -> None:
        """The stack has ended: give the ports back. From any thread."""
        kept, self._kept = self._kept, {}
        for one in kept.values():
            one.close()

    # what is done to the network

    def impose(self, key: int, conditions: Mapping[str, Conditions]) -> Future[Counted]:
        """Put the network of these workers under conditions, until `lift` of the same key.

        The future has the counters of the moment at which they were in force. Raises DeskError while the
        relay does not run. Conditions of several keys are in force together.
        """
        self._must_answer()
        for worker, one in conditions.items():
            self._imposed.setdefault(worker, {})[key] = one
        return self._put(conditions)

    def lift(self, key: int) -> Future[Counted]:
        """Take back what was imposed under this key; does nothing where nothing is."""
        workers = [worker for worker, imposed in self._imposed.items() if imposed.pop(key, None) is not None]
        if self.process is None or not workers:
            done: Future[Counted] = Future()
            done.set_result(self.counters)
            return done
        return self._put(workers)

    def count(self) -> Future[Counted]:
        """The counters of this moment. Raises DeskError while the relay does not run."""
        self._must_answer()
        return self._ask("count")

    def _must_answer(self) -> None:
        if self.state is not State.READY:
            raise DeskError(
                f"The network cannot be looked at or changed: the relay is {self.state.value}.",
                "Try again when it answers.",
            )

    def conditions_of(self, worker: str) -> Conditions:
        """What its network is under now."""
        return together(tuple(self._imposed.get(worker, {}).values()))

    def text_of(self, worker: str) -> str:
        """What is done to its network, for people: "is cut"; "" when nothing is. From any thread."""
        conditions = self.conditions_of(worker)
        return "" if conditions.clear else conditions.text

    def _put(self, workers: Iterable[str]) -> Future[Counted]:
        wanted = {worker: self.conditions_of(worker).as_dict() for worker in workers}
        return self._ask("set", conditions=wanted)

    # its process

    def launch(self) -> Launch:
        context = self.stack_context
        assert context.endpoint is not None
        # The module is found beside this one, whatever the folder that the panel was started in.
        root = str(Path(__file__).resolve().parents[3])
        env = base_env(context.session_id)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
        first = {
            "broker": context.endpoint.port,
            "doors": self.ports,
            "conditions": {worker: self.conditions_of(worker).as_dict() for worker in self._kept},
        }
        # -P: a celery.py in the folder where the panel was started is not ours to import.
        argv = [sys.executable, "-P", "-m", MODULE]
        return Launch(argv, env, context.run_folder, stdin=json.dumps(first).encode() + b"\n", talks=True)

    def process_started(self) -> None:
        assert self.process is not None
        self._begun = self._asked[0] = Future()
        self._last_answer = self._last_ask = time.monotonic()
        pipe = self.process.stdout
        assert pipe is not None
        threading.Thread(target=self._hear, args=(pipe,), name="relay-answers", daemon=True).start()

    def process_ended(self, outcome: Outcome) -> None:
        asked, self._asked, self._begun = self._asked, {}, None
        for future in asked.values():
            future.set_exception(DeskError("The relay ended.", "It is started again by itself: try again."))

    def prove_ready(self) -> None:
        if self._begun is not None and self._begun.done():
            self.answered()

    def look_at_health(self) -> None:
        """Ask for its counters now and then; one that does not answer is silent."""
        now = time.monotonic()
        if self.state not in (State.READY, State.SILENT) or now - self._last_ask < ASK_EVERY:
            return
        if not self._asked:  # else the pipe of one that is frozen would fill up
            self._ask("count")
        elif now - self._last_answer > SILENT_AFTER:
            self.fell_silent("the relay runs, but does not answer: the workers do not reach the broker")

    def _ask(self, what: str, **more: Any) -> Future[Counted]:
        number = next(self._numbers)
        future = self._asked[number] = Future()
        self._last_ask = time.monotonic()
        if self.process is not None:
            self.process.say(json.dumps({"n": number, "do": what, **more}).encode() + b"\n")
        return future

    def _hear(self, pipe: IO[bytes]) -> None:
        """In a thread of its own, until the relay's end."""
        with pipe, suppress(ValueError):
            for line in pipe:
                self.context.loop.call(functools.partial(self._heard, json.loads(line)))

    def _heard(self, answer: Mapping[str, Any]) -> None:
        self._last_answer = time.monotonic()
        self.counters = {worker: Counters(**counted) for worker, counted in answer["counters"].items()}
        future = self._asked.pop(answer["n"], None)
        problems = answer["problems"]
        if future is not None and problems:
            what = "; ".join(problems.values())
            future.set_exception(DeskError(f"The relay told: {what}.", "Stop the stack and start it again."))
        elif future is not None:
            future.set_result(self.counters)
        if self.state is State.SILENT:
            self.answered()
