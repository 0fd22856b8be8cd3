"""The relay: what passes, what does not, and what its counters say of it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from threading import Thread

import pytest
import redis

from desktop.engine.relay.conditions import CLEAR, Conditions, Way, together
from desktop.engine.relay.door import shared_port
from desktop.engine.relay.flow import MOST_QUEUED
from tests.engine.relay_support import Relayed
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually


@pytest.fixture
def relayed(valkey: ValkeyServer) -> Iterator[Relayed]:
    with Relayed(valkey, "w1", "w2") as relay:
        yield relay


def test_everything_passes_unchanged_and_is_counted(relayed: Relayed) -> None:
    client, big = relayed.client("w1"), os.urandom(3_000_000)
    client.set("big", big)
    assert client.get("big") == big
    with client.pipeline(transaction=False) as pipe:
        for number in range(2_000):
            pipe.rpush("list", number)
        assert pipe.execute()[-1] == 2_000
    counters = relayed.count("w1")
    assert (counters.connections, counters.accepted, counters.reset) == (1, 1, 0)
    assert min(counters.to_broker, counters.to_worker) > 3_000_000
    assert relayed.count("w2").accepted == 0
    client.close()
    eventually(lambda: relayed.count("w1").connections == 0, "the connection is over on both sides")
    assert relayed.count("w1").reset == 0


def test_an_end_is_passed_on_after_the_last_byte(relayed: Relayed) -> None:
    relayed.set("w1", Conditions(delay=0.1))
    with relayed.connect("w1") as plain:
        plain.sendall(b"AUTH %s\r\nPING\r\n" % relayed.server.password.encode())
        plain.shutdown(socket.SHUT_WR)
        heard = b""
        while part := plain.recv(100):
            heard += part
    assert heard == b"+OK\r\n+PONG\r\n"


def test_a_delay_is_kept_each_way_and_keeps_the_order(relayed: Relayed) -> None:
    client = relayed.client("w1")
    client.ping()
    for way, least in ((Way.TO_BROKER, 0.1), (Way.TO_WORKER, 0.1), (Way.BOTH, 0.2)):
        relayed.set("w1", Conditions(delay=0.1, way=way))
        began = time.monotonic()
        client.ping()
        assert time.monotonic() - began >= least
    relayed.set("w1", Conditions(delay=0.02, jitter=0.02))
    with relayed.connect("w1") as plain:
        plain.sendall(b"AUTH %s\r\n" % relayed.server.password.encode())
        for number in range(100):
            plain.sendall(b"ECHO %03d\r\n" % number)
            time.sleep(0.0005)  # pieces of their own, each with a delay of its own
        heard = b""
        while heard.count(b"\r\n") < 201:
            heard += plain.recv(4096)
    assert heard == b"+OK\r\n" + b"".join(b"$3\r\n%03d\r\n" % number for number in range(100))
    # Cleared: what waits comes at once. The end of the line before must not be held up as well.
    eventually(lambda: relayed.count("w1").connections == 1, "the other connection has ended")
    relayed.set("w1", Conditions(delay=60))
    with relayed.connect("w1") as plain:
        plain.sendall(b"AUTH %s\r\n" % relayed.server.password.encode())
        eventually(lambda: relayed.count("w1").connections == 2, "the connection is there")
        relayed.set("w1", CLEAR)
        assert plain.recv(100) == b"+OK\r\n"


def test_a_slow_line_is_shared_and_the_other_way_is_not_slow(relayed: Relayed) -> None:
    a, b = relayed.client("w1"), relayed.client("w1")
    for client in (a, b, relayed.client("w2")):
        client.ping()
    relayed.set("w1", Conditions(rate=200_000, way=Way.TO_BROKER))
    began, before = time.monotonic(), relayed.count("w1")
    writers = [Thread(target=client.set, args=("slow", b"x" * 50_000)) for client in (a, b)]
    for writer in writers:
        writer.start()
    relayed.client("w2").set("fast", b"x" * 1_000_000)
    for writer in writers:
        writer.join()
    took = time.monotonic() - began
    passed = relayed.count("w1").to_broker - before.to_broker
    assert passed > 100_000
    assert passed / took < 220_000
    assert a.get("fast") == b"x" * 1_000_000  # the other way is as fast as ever
    assert time.monotonic() - began - took < took


def test_a_cut_resets_and_refuses_and_is_over(relayed: Relayed) -> None:
    other = relayed.client("w2")
    other.ping()
    with relayed.connect("w1") as first, relayed.connect("w1") as second:
        eventually(lambda: relayed.count("w1").connections == 2, "both are through")
        counters = relayed.set("w1", Conditions(cut=True))
        assert (counters.connections, counters.reset) == (0, 2)
        for plain in (first, second):
            with pytest.raises(ConnectionResetError):
                plain.recv(1)
        with pytest.raises(ConnectionRefusedError):
            relayed.connect("w1")
    assert other.ping()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use") as taken:
        stranger.bind(("127.0.0.1", relayed.ports["w1"]))
    assert taken.value.errno == errno.EADDRINUSE
    relayed.set("w1", CLEAR)
    assert relayed.client("w1").ping()
    with redis.Redis(port=relayed.server.port, password=relayed.server.password) as direct:
        eventually(lambda: len(direct.client_list()) == 3, "the broker knows of no connection that was cut")


def test_half_open_stays_and_nothing_passes_until_it_is_over(relayed: Relayed) -> None:
    client = relayed.client("w1")
    client.ping()
    before = relayed.set("w1", Conditions(half_open=True))
    assert before.connections == 1
    with relayed.connect("w1") as hanging:  # accepted, and hangs
        hanging.sendall(b"AUTH %s\r\nPING\r\n" % relayed.server.password.encode())
        hanging.settimeout(0.2)
        with pytest.raises(TimeoutError):
            hanging.recv(1)
        waiting = Thread(target=client.set, args=("key", "value"))
        waiting.start()
        eventually(lambda: relayed.count("w1").connections == 2, "both stay")
        counters = relayed.count("w1")
        assert (counters.to_broker, counters.to_worker) == (before.to_broker, before.to_worker)
        with redis.Redis(port=relayed.server.port, password=relayed.server.password) as direct:
            assert direct.get("key") is None
            relayed.set("w1", CLEAR)
            waiting.join()
            assert direct.get("key") == b"value"
        hanging.settimeout(10)
        assert hanging.recv(5) == b"+OK\r\n"


def test_a_source_is_not_read_beyond_what_the_other_side_takes(relayed: Relayed) -> None:
    """A fast sender must wait: the relay's memory is bounded."""
    for conditions in (Conditions(delay=30, way=Way.TO_BROKER), Conditions(half_open=True)):
        with relayed.connect("w1") as plain:
            eventually(lambda: relayed.count("w1").connections == 1, "it is through")
            relayed.set("w1", conditions)
            plain.setblocking(False)
            sent, full_since = 0, time.monotonic()
            while time.monotonic() - full_since < 0.3:
                try:
                    sent += plain.send(b"x" * 65_536)
                    full_since = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.005)
            # What the kernel holds on both sides of a loopback connection comes on top.
            assert sent < MOST_QUEUED + 16_000_000
            assert relayed.count("w1").to_broker == 0
        relayed.set("w1", Conditions(cut=True))
        relayed.set("w1", CLEAR)


def test_a_broker_that_is_down_is_a_reset_and_the_door_stays(relayed: Relayed) -> None:
    client = relayed.client("w1")
    client.ping()
    relayed.server.kill()
    with pytest.raises(redis.exceptions.ConnectionError):
        client.ping()
    with pytest.raises(ConnectionResetError), relayed.connect("w1") as plain:
        plain.recv(1)
    assert relayed.count("w1").unreachable > 0
    relayed.server.start()
    assert client.ping()


def test_doors_open_and_shut_while_it_runs_and_a_taken_port_is_told(relayed: Relayed) -> None:
    with shared_port() as kept, shared_port() as taken:
        port, busy = kept.getsockname()[1], taken.getsockname()[1]
        relayed.ask("open", doors={"w3": port})
        relayed.ports["w3"] = port
        assert relayed.client("w3").ping()
        assert "w3" not in relayed.ask("shut", doors=["w3"])
        with pytest.raises(ConnectionRefusedError):
            relayed.connect("w3")
        taken.listen()
        relayed._say({"n": 77, "do": "open", "doors": {"w4": busy}})
        assert f"port {busy} of w4" in relayed._answer()["problems"]["w4"]
    assert relayed.ask("count")["w4"].accepted == 0  # asked again, and now it listens
    relayed.ports["w4"] = busy
    relayed.connect("w4").close()


def test_it_ends_with_its_input_and_with_a_sigterm(valkey: ValkeyServer) -> None:
    with Relayed(valkey, "w1") as relay:
        plain = relay.connect("w1")
        relay.set("w1", Conditions(delay=0.5, jitter=0.25, rate=1_000))
        code, said = relay.end()
        assert code == 0
        assert valkey.password not in said
        assert "its network is delayed by 0.5 s ± 0.25 s and passes 1,000 bytes/s" in said
        with plain, pytest.raises(ConnectionResetError):
            plain.recv(1)
    with Relayed(valkey, "w1") as relay:
        relay.process.send_signal(signal.SIGTERM)
        assert relay.process.wait(10) == 0


def test_several_conditions_at_once_are_never_less_than_each() -> None:
    slow = Conditions(delay=0.2, jitter=0.1, way=Way.TO_BROKER)
    assert together([]) == CLEAR
    assert together([slow, CLEAR]) == slow
    assert together(
        [slow, Conditions(rate=500, way=Way.TO_WORKER), Conditions(rate=900, delay=1, cut=True)]
    ) == (Conditions(delay=1.2, jitter=0.1, rate=500, way=Way.BOTH, cut=True))
    assert Conditions.of_dict(slow.as_dict()) == slow
    with pytest.raises(ValueError, match="sideways"):
        Conditions.of_dict({"way": "sideways"})
