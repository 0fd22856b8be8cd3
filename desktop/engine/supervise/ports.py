"""TCP ports on loopback: free ones, and who holds a taken one."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass

import psutil

from desktop.engine.api import DeskError

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(after: int | None = None) -> int:
    """A free port: any that the system gives, or the next free one after `after`."""
    if after is not None:
        for port in range(after + 1, min(after + 200, 65536)):
            if is_free(port):
                return port
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port; the process cannot be told where it belongs to another user."""

    port: int
    pid: int | None = None
    program: str = ""

    def __str__(self) -> str:
        if self.pid is None:
            return f"port {self.port} is held by a program of another user"
        return f"port {self.port} is held by {self.program} (pid {self.pid})"


def holder_of(port: int) -> Holder:
    """The program that listens on a port."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                return Holder(port, connection.pid, psutil.Process(connection.pid).name())
    except psutil.Error:
        pass
    return Holder(port)


class PortTaken(DeskError):
    """The port that the stack file asks for is taken; `free_port`, the next free one, is offered."""

    def __init__(self, port: int) -> None:
        self.holder = holder_of(port)
        self.port = port
        self.free_port = free_port(after=port)
        super().__init__(
            f"The broker cannot start: {self.holder}.",
            f"Use {self.free_port}, the next free one, or end that program.",
        )
