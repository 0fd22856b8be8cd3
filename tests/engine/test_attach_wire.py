"""Taking apart what a subscribed connection brings, and under which names a broker is listened to."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from desktop.engine.api import DeskError
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.wire import Frames, events_of, skip

PATTERN = b"/0.celeryev/*"
SUBSCRIBED = b"*3\r\n$10\r\npsubscribe\r\n$13\r\n/0.celeryev/*\r\n:1\r\n"


def message(payload: bytes, channel: bytes = b"/0.celeryev/task.multi") -> bytes:
    """One message as the server sends it to a subscriber."""
    parts = (b"pmessage", PATTERN, channel, payload)
    return b"*4\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def envelope(body: Any, kind: str = "application/json", **headers: str) -> bytes:
    """Kombu's envelope around a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": kind,
        "headers": headers,
        "properties": {"body_encoding": "base64", "delivery_tag": "a"},
    }
    return json.dumps(told).encode()


def test_every_payload_comes_out_wherever_the_bytes_are_cut() -> None:
    payloads = [b"one", b"", b"two\r\n*4\r\n$8\r\npmessage\r\n", b"x" * 300]
    data = SUBSCRIBED + b"".join(message(payload) for payload in payloads) + b"+PONG\r\n" + message(b"last")
    for cut in range(len(data)):
        frames = Frames(PATTERN)
        assert frames.feed(data[:cut]) + frames.feed(data[cut:]) == [*payloads, b"last"], cut
    frames = Frames(PATTERN)
    assert [p for at in range(len(data)) for p in frames.feed(data[at : at + 1])] == [*payloads, b"last"]
    assert frames.confirmed == 2


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"-NOAUTH no\r\n", "NOAUTH"),
        (b"HTTP/1.1 200 OK\r\n", "unknown kind"),
        (b"*4\r\n$8\r\npmessage\r\n?\r\n", "unknown kind"),
    ],
)
def test_what_is_no_message_is_an_error(broken: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Frames(PATTERN).feed(broken)


def test_replies_of_every_kind_are_passed_over() -> None:
    for reply in (
        b"+OK\r\n",
        b":12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$3\r\nabc\r\n",
        b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n",
    ):
        assert skip(reply, 0) == len(reply)
        assert all(skip(reply[:size], 0) == -1 for size in range(len(reply)))


def test_one_event_and_a_batch_of_them() -> None:
    one, two = {"type": "task-sent"}, {"type": "task-started", "uuid": "ä"}
    assert events_of(envelope(one)) == [one]
    assert events_of(envelope([one, two])) == [one, two]


def test_an_envelope_in_another_order_is_read_too() -> None:
    told = json.loads(envelope({"type": "task-sent"}))
    turned = json.dumps(dict(reversed(told.items()))).encode()
    assert events_of(turned) == [{"type": "task-sent"}]
    plain = {"body": json.dumps([{"type": "a"}]), "content-type": "application/json", "properties": {}}
    assert events_of(json.dumps(plain).encode()) == [{"type": "a"}]


def test_lone_surrogates_and_nan_are_read() -> None:
    assert events_of(envelope(b'{"args": "\\ud800", "x": NaN}')) is not None


def test_what_is_not_json_is_not_read() -> None:
    pickled = b"\x80\x04}\x94."
    assert events_of(envelope(pickled, kind="application/x-python-serialize")) is None
    assert events_of(envelope(b"\x1f\x8b", compression="gzip")) is None
    for nonsense in (b"", b"{", b"[]", b'"text"', envelope(3), b'{"body": "%%%"}'):
        assert events_of(nonsense) is None


def test_where_events_are_listened_for() -> None:
    assert AttachOptions.of("redis://h").pattern() == b"/0.celeryev/*"
    assert AttachOptions.of("redis://h:1/3").pattern("worker.") == b"/3.celeryev/worker.*"
    named = AttachOptions.of("redis://h/2?global_keyprefix=qa%3A&event_exchange=ev&ssl_cert_reqs=none")
    assert named.pattern() == b"qa:/2.ev/*"
    assert named.url == "redis://h/2?ssl_cert_reqs=none"
    assert named.prefix == "qa:"
    starred = AttachOptions.of("redis://h", {"broker_transport_options": {"global_keyprefix": "a*[b]:"}})
    assert starred.pattern() == b"a\\*\\[b\\]:/0.celeryev/*"
    older = {"broker_transport_options": {"fanout_patterns": False, "fanout_prefix": False}}
    assert AttachOptions.of("redis://h", older).pattern() == b"celeryev"


def test_the_options_go_through_a_pipe_and_show_no_password() -> None:
    options = AttachOptions.of("redis://me:s3cret@host:6380/1?control_exchange=c")
    assert AttachOptions.from_message(json.loads(json.dumps(options.to_message()))) == options
    assert options.control_exchange == "c"
    assert options.address == "host:6380/1"
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://guest@localhost//", "cannot attach to a broker of the kind 'amqp'"),
        ("localhost:6379", "does not begin"),
        ("redis://host:6379/first", "'first' is no database"),
        ("redis://host:port/0", "port"),
        ("redis://[host/0", "cannot be read"),
    ],
)
def test_a_url_of_nothing_that_can_be_listened_to_is_refused(url: str, says: str) -> None:
    with pytest.raises(DeskError, match=says) as raised:
        AttachOptions.of(url)
    assert "s3cret" not in str(raised.value)


def test_the_database_of_a_socket() -> None:
    options = AttachOptions.of("redis+socket:///run/valkey.sock?virtual_host=4&event_exchange=e")
    assert (options.db, options.address) == (4, "/run/valkey.sock/4")
    assert options.url == "redis+socket:///run/valkey.sock?virtual_host=4"


def test_the_url_that_is_shown_has_no_password() -> None:
    assert AttachOptions.of("redis://:s3cret@h:1/2").shown_url == "redis://h:1/2"
    assert (
        AttachOptions.of("rediss://me:s3cret@h:1/2?ssl_cert_reqs=none").shown_url
        == "rediss://me@h:1/2?ssl_cert_reqs=none"
    )
    assert AttachOptions.of("unix://:s3cret@/run/s").shown_url == "unix:///run/s"
