"""The relay: `python -m desktop.engine.relay.main`, one process for each stack with `[broker] relay = true`.

Workers reach the broker through it, each by a port of its own, so that the network of one can be broken
without the others'. It holds no password and understands nothing of what it passes on.

stdin: JSON lines; its end is the end of the panel, and of the relay.

    {"broker": PORT, "doors": {WORKER: PORT}, "conditions": {WORKER: {…}}}    the first
    {"n": 1, "do": "open", "doors": {WORKER: PORT}}
    {"n": 2, "do": "shut", "doors": [WORKER]}
    {"n": 3, "do": "set", "conditions": {WORKER: {…}}}      `conditions.Conditions`; those it names, wholly
    {"n": 4, "do": "count"}

stdout: a line for each, once it is done: `{"n", "counters": {WORKER: {…}}, "problems": {WORKER: "…"}}`,
for the first with n = 0. The counters are of that very moment. A problem is a port that is taken: at the
start the relay ends with it, later it is tried again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from desktop.engine.relay.conditions import CLEAR, Conditions
from desktop.engine.relay.door import Door

log = logging.getLogger("relay")

LONGEST_LINE = 1 << 20  # bytes


class Relay:
    """All doors of one stack, and the panel that has them changed."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._doors: dict[str, Door] = {}
        self._problems: dict[str, str] = {}

    async def begin(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """Open what the first line names, each under its conditions from the beginning."""
        conditions = {worker: Conditions.of_dict(raw) for worker, raw in first.get("conditions", {}).items()}
        await self._open(first["doors"], conditions)
        return self._answer(0)

    async def obey(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a line asks; the answer to it."""
        match asked["do"]:
            case "open":
                await self._open(asked["doors"], {})
            case "shut":
                for worker in asked["doors"]:
                    self._shut(worker)
            case "set":
                for worker, raw in asked["conditions"].items():
                    await self._take(worker, Conditions.of_dict(raw))
            case "count":  # a port that was taken may be free again
                for worker in tuple(self._problems):
                    await self._take(worker, self._doors[worker].conditions)
        return self._answer(asked["n"])

    def close(self) -> None:
        """Listen no more; connections are reset."""
        for worker in tuple(self._doors):
            self._shut(worker)

    async def _open(self, ports: Mapping[str, int], conditions: Mapping[str, Conditions]) -> None:
        for worker, port in ports.items():
            if worker not in self._doors:
                self._doors[worker] = Door(worker, port, self._broker_port)
                await self._take(worker, conditions.get(worker, CLEAR))

    async def _take(self, worker: str, conditions: Conditions) -> None:
        door = self._doors.get(worker)
        if door is None:
            return
        self._problems.pop(worker, None)
        try:
            await door.take(conditions)
        except OSError as error:
            why = error.strerror or str(error)
            self._problems[worker] = f"port {door.port} of {worker} cannot be listened on: {why}"
            log.error("%s", self._problems[worker])

    def _shut(self, worker: str) -> None:
        self._problems.pop(worker, None)
        door = self._doors.pop(worker, None)
        if door is not None:
            door.close()

    def _answer(self, number: int) -> dict[str, Any]:
        counters = {worker: asdict(door.counters) for worker, door in self._doors.items()}
        return {"n": number, "counters": counters, "problems": self._problems}


async def _serve(stop: asyncio.Event) -> int:
    """Until the panel's end: 0. 1 where a worker's port is taken at the start; the log says which."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    relay: Relay | None = None
    try:
        while line := await reader.readline():
            said = json.loads(line)
            if relay is None:
                relay = Relay(said["broker"])
                begun = await relay.begin(said)
                if begun["problems"]:
                    return 1
                _say(begun)
            else:
                _say(await relay.obey(said))
        return 0
    finally:
        if relay is not None:
            relay.close()
        pipe.close()
        stop.set()


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


async def _run() -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    serving = loop.create_task(_serve(stop))
    await stop.wait()
    serving.cancel()
    await asyncio.wait([serving])
    return 0 if serving.cancelled() else serving.result()


def main() -> int:
    """Relay until the panel's end, or a SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    # A greenlet worker may hold hundreds of connections, each two files here.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65_536, hard) if hard > 0 else max(soft, 4096), hard))
    try:
        return asyncio.run(_run())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the panel is gone, and hears nothing
    return 0


if __name__ == "__main__":
    sys.exit(main())
