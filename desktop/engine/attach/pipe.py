"""The subscribed connection: drained at all times by a thread of its own, made again whenever it breaks."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.wire import skip
from desktop.engine.messages.link import Link

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

PIECE = 1024 * 1024  # bytes that one read takes at most
GATHER = 0.02  # seconds between two reads, so that many events share the cost of one
IDLE = 0.5  # seconds after which a waiting reader looks whether it shall end
HELD = 192 * 1024 * 1024  # bytes that may wait to be taken; beyond it the reader waits too
BACK_OFF = (0.0, 0.05, 0.1, 0.2, 0.5)  # seconds before each further try to connect; then the last
ANSWERS_WITHIN = 5.0


class Broke(NamedTuple):
    """How a connection came to its end."""

    t: float
    how: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that is subscribed: what comes from now on is heard."""

    t: float
    cuts: (
        int | None
    )  # connections that the server has cut because they read too slowly; None: it does not say
    server: str  # changes with each start of the server; "" when it does not say


class Piece(NamedTuple):
    """Bytes that came."""

    t: float
    data: bytes


class Pipe:
    """Gives, in order, what the connection brought and what became of it. `take` from one thread only."""

    def __init__(self, options: AttachOptions, pattern: bytes) -> None:
        self.pattern = pattern
        self.problem = ""  # a sentence: why there is no connection now
        self.connected = False
        self._link = Link(options.url, timeout=2.0)
        self._held: deque[Piece | Opened | Broke] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def take(self, size: int) -> list[Piece | Opened | Broke]:
        """What has come since the last call, up to about `size` bytes of it."""
        found: list[Piece | Opened | Broke] = []
        taken = 0
        while self._held and taken < size:
            item = self._held.popleft()
            found.append(item)
            taken += len(item.data) if isinstance(item, Piece) else 0
        if taken:
            with self._room:
                self._bytes -= taken
                self._room.notify()
        return found

    @property
    def waiting(self) -> bool:
        """Something more is there to be taken."""
        return bool(self._held)

    def close(self) -> None:
        """End the thread and the connection."""
        self._ending.set()
        with self._room:
            self._room.notify()
        self._thread.join()
        self._link.close()

    def _run(self) -> None:
        tries = 0
        while not self._ending.is_set():
            made = self._link.ask(self._open)
            self._link.close()
            if made is None:
                self.problem = self._link.problem
                tries += 1
            else:
                connection, opened, rest = made
                tries = 0
                self.problem, self.connected = "", True
                self._held.append(opened)
                self._held.append(Broke(time.time(), self._drain(connection, rest)))
                self.connected = False
                with contextlib.suppress(Exception):  # whatever a broken connection raises while it closes
                    connection.disconnect()
            self._ending.wait(BACK_OFF[min(tries, len(BACK_OFF) - 1)])

    def _open(self, client: Redis) -> tuple[Any, Opened, bytes]:
        """A connection of redis-py, which knows passwords and TLS; what it brings is read by ourselves."""
        cuts, server = _told(client)
        connection: Any = client.connection_pool.make_connection()
        try:
            connection.connect()
            sock: socket.socket = connection._sock
            sock.settimeout(ANSWERS_WITHIN)
            sock.sendall(b"*2\r\n$10\r\nPSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(self.pattern), self.pattern))
            rest = b""
            while skip(rest, 0) < 0:
                data = sock.recv(4096)
                if not data:
                    raise ConnectionError("closed while subscribing")
                rest += data
            _keep_alive(sock)
        except BaseException:
            connection.disconnect()
            raise
        return connection, Opened(time.time(), cuts, server), rest

    def _drain(self, connection: Any, rest: bytes) -> str:
        """Read until the connection ends; how it did."""
        sock: socket.socket = connection._sock
        sock.setblocking(False)
        buffer = bytearray(PIECE)
        view = memoryview(buffer)
        self._hold(rest)
        fresh = True
        while not self._ending.is_set():
            try:
                size = sock.recv_into(buffer)
            except (BlockingIOError, InterruptedError):
                fresh = self._wait(sock, fresh)
            except OSError as error:
                if not _again(error):
                    return type(error).__name__
                fresh = self._wait(sock, fresh)
            else:
                if not size:
                    return "closed"
                self._hold(bytes(view[:size]))
                fresh = True
        return "ended"

    def _wait(self, sock: socket.socket, fresh: bool) -> bool:
        """Nothing is there now. Wait for more to come together, and when that is all, for anything."""
        if fresh:
            self._ending.wait(GATHER)
        else:
            select.select([sock], [], [], IDLE)
        return False

    def _hold(self, data: bytes) -> None:
        self._held.append(Piece(time.time(), data))
        with self._room:
            self._bytes += len(data)
            while self._bytes > HELD and not self._ending.is_set():
                self._room.wait(IDLE)


def _told(client: Redis) -> tuple[int | None, str]:
    """The server's count of connections that it cut, and which start of the server this is."""
    from redis.exceptions import ConnectionError as Unreachable
    from redis.exceptions import RedisError

    try:
        stats: Any = client.info("stats")
        server: Any = client.info("server")
    except Unreachable:
        raise
    except RedisError:  # an account that may not ask
        client.ping()
        return None, ""
    cuts = stats.get("client_output_buffer_limit_disconnections")
    return (int(cuts) if cuts is not None else None), str(server.get("run_id", ""))


def _keep_alive(sock: socket.socket) -> None:
    """A broker whose machine vanished is noticed within half a minute; a frozen one is not cut off."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _again(error: OSError) -> bool:
    """TLS wants to read or write first."""
    import ssl

    return isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError)
