"""The sample tasks on real workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.tasks.test_slow_http import SlowServer


class Worker:
    """A worker of the sample app; sends tasks to itself, and reads their results from the backend."""

    def __init__(self, valkey: ValkeyServer, pool: str, log: Path, **extra: str) -> None:
        self.log = log
        self._app = Celery("test", broker=valkey.url, set_as_current=False)
        self._redis = redis.Redis.from_url(valkey.url)
        environment = {**os.environ, "CELERY_BROKER_URL": valkey.url, "CELERY_RESULT_BACKEND": valkey.url}
        command = [sys.executable, "-m", "celery", "-A", "tasks.app", "worker", "-P", pool, "-c", "2"]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*command, "--loglevel", "INFO", "-n", "t@test"],
                env={**environment, **extra},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def send(self, task: str, **arguments: Any) -> str:
        with self._app.connection_for_write() as connection:
            return str(self._app.send_task(f"tasks.{task}", kwargs=arguments, connection=connection).id)

    def result(self, task_id: str) -> tuple[str, Any]:
        """Its final state and result."""

        def ended() -> tuple[str, Any] | None:
            raw = self._redis.get(f"celery-task-meta-{task_id}")
            told = json.loads(raw) if raw else {"status": "PENDING"}
            return (told["status"], told["result"]) if told["status"] in ("SUCCESS", "FAILURE") else None

        return eventually(ended, f"a result; the worker's log is {self.log.read_text()}", within=60) or (
            "",
            None,
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._redis.close()


@contextmanager
def worker(valkey: ValkeyServer, pool: str, folder: Path, **extra: str) -> Iterator[Worker]:
    started = Worker(valkey, pool, folder / f"{pool}.log", **extra)
    try:
        yield started
    finally:
        started.close()


def test_each_task_on_a_threads_worker(valkey: ValkeyServer, tmp_path: Path) -> None:
    server = SlowServer()
    try:
        with worker(
            valkey, "threads", tmp_path, CELERY_DESK_SLOW_HTTP=f"http://127.0.0.1:{server.port}"
        ) as threads:
            asked = {
                threads.send("primes", limit=100): 25,
                threads.send("http", calls=2, wait=0.01): 2,
                threads.send("mixed", limit=10, wait=0.01): 4,
                threads.send("noop"): None,
                threads.send("flaky", failures=1): 2,
                threads.send("leak", megabytes=3, hold=0): 3,
            }
            assert {task_id: threads.result(task_id) for task_id in asked} == {
                task_id: ("SUCCESS", result) for task_id, result in asked.items()
            }
            state, regions = threads.result(threads.send("csv_total", rows=1_000))
            assert (state, len(regions)) == ("SUCCESS", 4)
            state, digest = threads.result(threads.send("hash", megabytes=1))
            assert (state, len(digest)) == ("SUCCESS", 64)
            state, slept = threads.result(threads.send("sleep", seconds=0.01))
            assert state == "SUCCESS"
            assert slept >= 0.01
            state, error = threads.result(threads.send("primes", limit=-5))
            assert state == "FAILURE"
            assert "limit must lie between" in str(error)
    finally:
        server.end()


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_crash_takes_the_whole_worker_where_tasks_run_in_its_process(
    pool: str, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with worker(valkey, pool, tmp_path) as started:
        started.send("crash", how="exit", after=0)
        assert started.process.wait(60) == 7


def test_crash_takes_one_pool_process_on_prefork(valkey: ValkeyServer, tmp_path: Path) -> None:
    with worker(valkey, "prefork", tmp_path) as prefork:
        state, error = prefork.result(prefork.send("crash", how="segv", after=0))
        assert state == "FAILURE"
        assert error["exc_type"] == "WorkerLostError"
        assert prefork.result(prefork.send("primes", limit=10)) == ("SUCCESS", 4)
