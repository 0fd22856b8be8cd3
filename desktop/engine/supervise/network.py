"""The way of a stack's workers to its broker: straight to it, or through the relay, which may come and go."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from desktop.engine.api import State, StopHow
from desktop.engine.relay.service import NAME, RelayService
from desktop.engine.supervise import broker as brokers
from desktop.engine.supervise.services import BrokerService, StackContext
from desktop.engine.supervise.session import Record


class Network:
    """In the loop's thread, but for `relay` and `text_of`.

    Workers learn their way when they start. So while the relay is put between, or is taken away, some still
    have the other one, and both ways are open.
    """

    def __init__(self, context: StackContext, broker: BrokerService, relay: bool) -> None:
        """`relay`: workers go through one from the beginning."""
        self.relay: RelayService | None = RelayService(context) if relay else None
        self.changing = False  # the relay is being put between, or taken away
        self._context = context
        self._broker = broker
        self._through = relay  # whether workers that start now go through it

    # with the stack

    def start(self, workers: Iterable[str]) -> None:
        """Start what lies between these workers and the broker. Raises DeskError where no port is left."""
        if self.relay is not None:
            self.relay.keep_ports(workers, {})
            self.relay.start()

    def adopt(self, record: Record) -> None:
        """Go on for workers that a crashed panel left, at the ports that they know."""
        if self.relay is None and record.relay_ports:  # it was being taken away
            self.relay = RelayService(self._context)
        if self.relay is not None:
            left = next((one.pid for one in record.services if one.name == NAME and one.alive), None)
            self.relay.take_over(record.relay_ports, left)

    def close(self) -> None:
        """The stack has ended: give the ports back. From any thread."""
        if self.relay is not None:
            self.relay.close()

    # the way

    def way(self, worker: str) -> brokers.Endpoint | None:
        """Where a worker that starts now finds the broker."""
        endpoint = self._context.endpoint
        if self.relay is None or endpoint is None or not self._through:
            return endpoint
        return replace(endpoint, port=self.relay.port_of(worker))

    def open_since(self) -> float | None:
        """Since when workers may reach the broker, on `time.monotonic`; None while they cannot."""
        way = (self._broker, self.relay) if self.relay is not None and self._through else (self._broker,)
        if any(service.state is not State.READY for service in way):
            return None
        return time.monotonic() - (time.time() - max(service.since for service in way))

    def text_of(self, worker: str) -> str:
        """What is done to this worker's network, for people; "" when nothing is. From any thread."""
        return self.relay.text_of(worker) if self.relay is not None else ""

    def look_at_health(self) -> None:
        """Whether the relay answers."""
        if self.relay is not None:
            self.relay.look_at_health()

    def forget(self, worker: str) -> None:
        """A worker has left the stack."""
        if self.relay is not None:
            self.relay.forget(worker)

    # changes while it runs

    def open_relay(self, workers: Iterable[str]) -> RelayService:
        """Start a relay beside the straight way, which stays in use until `lead`. Raises DeskError."""
        if self.relay is not None:  # a panel that crashed was taking it away
            return self.relay
        relay = RelayService(self._context)
        relay.keep_ports(workers, {})
        self.relay = relay
        relay.start()
        return relay

    def lead(self, through: bool) -> None:
        """Workers that start from now on go through the relay, or straight to the broker."""
        self._through = through

    def shut_relay(self) -> None:
        """Nobody goes through the relay any more: end it, and forget it. Not while it leads workers again."""
        relay = self.relay
        if relay is None or self._through:
            return

        def gone() -> None:
            if self.relay is relay:
                self.relay = None
                relay.close()

        relay.stop(StopHow.WARM, then=gone)
