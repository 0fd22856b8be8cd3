"""Workers that run on this machine: their end can be seen, and what they use be measured."""

from __future__ import annotations

import socket

import psutil

from desktop.engine.attach.nodes import Node
from desktop.engine.attach.options import AttachOptions
from desktop.engine.observe import proc


class Locals:
    """Knows which nodes are processes of this machine, by proof and never by their name alone.

    A process id says nothing by itself: the worker may run in a container or on another machine. It is ours
    when a process of that number runs here, was started before the node was first heard, and is named as a
    worker of this node name is, or is some Celery worker of this host.
    """

    def __init__(self, options: AttachOptions) -> None:
        self._host = socket.gethostname()
        self._known: dict[tuple[str, int], float | None] = {}  # (node, its start) → start of the process
        self._loopback = options.address.startswith(("127.", "localhost", "/", "[::1]", "::1"))

    def known(self, node: Node) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self._start(node) is not None

    def start_time(self, node: Node) -> float | None:
        """For whoever measures it (`proc.start_time`); None where it is not of this machine."""
        return self._start(node)

    def ended(self, node: Node) -> bool:
        """Proved: its process is no longer there."""
        start = self._start(node)
        return start is not None and not proc.alive(node.source.pid, start)

    def _start(self, node: Node) -> float | None:
        key = node.name, node.source.start
        if key not in self._known:
            self._known[key] = proc.start_time(node.source.pid) if self._is_ours(node) else None
        return self._known[key]

    def _is_ours(self, node: Node) -> bool:
        here = node.name.partition("@")[2] == self._host
        if not (here or self._loopback):
            return False
        try:
            process = psutil.Process(node.source.pid)
            words = " ".join(process.cmdline())
            earlier = process.create_time() <= node.first + 1.0
        except psutil.Error:
            return False
        if not earlier or "celery" not in words:
            return False
        return here or node.name in words or node.name.partition("@")[0] in words
