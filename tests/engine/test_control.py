"""Questions to workers, and their replies, over a real broker."""

from __future__ import annotations

from pathlib import Path

import redis

from desktop.engine.supervise.control import ControlClient
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support_apps.workers import Worker

WHERE_REPLIES_GO = "_kombu.binding.reply.celery.pidbox"


def test_a_worker_that_starts_after_a_flush_is_heard(
    nothing_left: None, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """FLUSHDB takes the way of replies with it, and the connection lives: nothing else would tell."""
    client: redis.Redis = redis.Redis.from_url(valkey.url)
    control = ControlClient(valkey.url, {})
    (tmp_path / "ledger").mkdir()
    worker = Worker(valkey.url, "solo", tmp_path, "-Q", "main", ledger=tmp_path / "ledger")
    try:
        eventually(lambda: client.exists(WHERE_REPLIES_GO), "replies have a way")
        client.flushdb()
        worker.start()
        replies: list[object] = []

        def heard() -> list[object]:
            control.ask("ping", {}, ["w1@test"], lambda _, reply: replies.append(reply))
            return replies

        assert eventually(heard, "it is heard", every=0.2)[0] == {"ok": "pong"}
    finally:
        control.close()
        client.close()
        worker.kill()
