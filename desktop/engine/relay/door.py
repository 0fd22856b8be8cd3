"""A worker's port: its connections to the broker, each a pair of sockets, under the worker's conditions."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys

from desktop.engine.relay.conditions import CLEAR, Conditions, Counters, Way
from desktop.engine.relay.flow import Flow, Lane

log = logging.getLogger("relay")

LOOPBACK = "127.0.0.1"
BACKLOG = 256
READ_AT_ONCE = 65_536  # bytes

_BUFFER = memoryview(bytearray(READ_AT_ONCE))  # one for all: what is read is taken out of it at once


def shared_port(port: int = 0) -> socket.socket:
    """A socket bound to a loopback port that another process of ours may bind, and listen on, too.

    So the panel keeps a port from everybody else while nobody listens on it: during a cut, and between two
    relays. Raises OSError where the port is taken.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Linux lets two sockets share a port by SO_REUSEADDR as long as no more than one listens; BSD does not.
    option = socket.SO_REUSEADDR if sys.platform == "linux" else socket.SO_REUSEPORT
    try:
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


class Door:
    """Listens on one worker's port and passes its bytes to the broker, as its conditions say."""

    def __init__(self, worker: str, port: int, broker_port: int) -> None:
        self.worker = worker
        self.port = port
        self.broker_port = broker_port
        self.conditions = CLEAR
        self.to_broker = Lane(Way.TO_BROKER)
        self.to_worker = Lane(Way.TO_WORKER)
        self.accepted = self.reset = self.unreachable = 0
        self._pairs: set[Pair] = set()
        self._server: asyncio.Server | None = None

    @property
    def counters(self) -> Counters:
        """As they are now."""
        return Counters(
            connections=len(self._pairs),
            accepted=self.accepted,
            reset=self.reset,
            unreachable=self.unreachable,
            to_broker=self.to_broker.passed,
            to_worker=self.to_worker.passed,
        )

    async def take(self, conditions: Conditions) -> None:
        """From now on its network is like this; returns when it is. Raises OSError where it cannot listen."""
        self.conditions = conditions
        self.to_broker.take(conditions)
        self.to_worker.take(conditions)
        if conditions.cut:
            self._refuse()
        else:
            await self._listen()
        for pair in tuple(self._pairs):
            pair.changed()
        log.info("%s, port %s: its network %s", self.worker, self.port, conditions.text)

    def close(self) -> None:
        """Listen no more, and reset what is open."""
        self._refuse()

    async def _listen(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            listening = shared_port(self.port)
            self._server = await loop.create_server(lambda: Near(self), sock=listening, backlog=BACKLOG)

    def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for pair in tuple(self._pairs):
            self.reset += 1
            pair.reset()

    def entered(self, pair: Pair) -> None:
        """A connection was made."""
        self.accepted += 1
        self._pairs.add(pair)
        if self.conditions.cut:  # it came in while the port was being closed
            self.reset += 1
            pair.reset()

    def left(self, pair: Pair) -> None:
        """A connection is over."""
        self._pairs.discard(pair)

    def broker_refused(self) -> None:
        """A connection could not be passed on; only the first of many is worth a line."""
        self.unreachable += 1
        if self.unreachable == 1:
            log.warning("the broker refused a connection of %s", self.worker)


class Pair:
    """One connection: the worker's socket, the broker's, and the two flows between them."""

    def __init__(self, door: Door, near: Near, transport: asyncio.Transport) -> None:
        self._door = door
        self._near = near
        self._sockets = [transport]
        self._connecting: asyncio.Task[None] | None = None
        self._over = False
        self._ends = 0
        self.up = Flow(door.to_broker, transport, self._one_ended)
        self.down: Flow | None = None

    def changed(self) -> None:
        """The conditions are others. A connection that hangs goes on to the broker once it may."""
        if self._over:
            return
        if self._connecting is None and not self._door.conditions.half_open:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        self.up.changed()
        if self.down is not None:
            self.down.changed()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Far(self), LOOPBACK, self._door.broker_port)
        except OSError:
            self._door.broker_refused()
            self.reset()

    def arrived(self, transport: asyncio.Transport) -> Flow:
        """The broker took the connection; the flow towards the worker."""
        transport.pause_reading()
        self._sockets.append(transport)
        self.down = self._near.outward = Flow(self._door.to_worker, transport, self._one_ended)
        if self._over:
            _abort(transport)
        else:
            self.up.open(transport)
            self.down.open(self._sockets[0])
        return self.down

    def reset(self) -> None:
        """End it with an RST to both sides."""
        self._end()
        for transport in self._sockets:
            _abort(transport)

    def lost(self) -> None:
        """One side is gone, and not as the other knows it: that one is reset."""
        if not self._over:
            self.reset()

    def _one_ended(self) -> None:
        self._ends += 1
        if self._ends == 2:
            self._end()
            for transport in self._sockets:
                transport.close()

    def _end(self) -> None:
        self._over = True
        self._door.left(self)
        if self._connecting is not None:
            self._connecting.cancel()
        self.up.close()
        if self.down is not None:
            self.down.close()


def _abort(transport: asyncio.Transport) -> None:
    """With SO_LINGER of 0 a close is an RST."""
    if not transport.is_closing():
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


class _Side(asyncio.BufferedProtocol):
    """One of the two sockets. `inward` takes what it sends, `outward` brings what it is sent."""

    inward: Flow | None = None
    outward: Flow | None = None
    pair: Pair | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self.inward is not None:
            self.inward.received(bytes(_BUFFER[:nbytes]))

    def eof_received(self) -> bool:
        if self.inward is not None:
            self.inward.source_ended()
        return True

    def pause_writing(self) -> None:
        if self.outward is not None:
            self.outward.choke(True)

    def resume_writing(self) -> None:
        if self.outward is not None:
            self.outward.choke(False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.pair is not None:
            self.pair.lost()


class Near(_Side):
    """The worker's."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self.pair = pair = Pair(self._door, self, transport)
        self.inward = pair.up
        self._door.entered(pair)
        pair.changed()


class Far(_Side):
    """The broker's."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.outward = pair.up

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        assert self.pair is not None
        self.inward = self.pair.arrived(transport)
