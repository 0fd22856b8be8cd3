"""Tasks that wait, for a slow server or for the clock."""

import http.client
import os
import time
from urllib.parse import urlsplit

from tasks import checks
from tasks.app import task
from tasks.cpu import count_primes

SLOW_HTTP = "CELERY_DESK_SLOW_HTTP"  # the slow server's address, as http://127.0.0.1:8123


class SlowServerMissing(RuntimeError):
    """The slow server is not there, or did not answer as it should."""


def _server() -> tuple[str, int]:
    address = os.environ.get(SLOW_HTTP, "")
    if not address:
        raise SlowServerMissing(
            "There is no slow server to call. "
            "Add a section [web] to the stack file, and the stack starts one."
        )
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise SlowServerMissing(f"{SLOW_HTTP} must look like http://127.0.0.1:8123, not {address!r}.")
    return parts.hostname, parts.port


def call_slow_server(calls: int, wait: float) -> int:
    """Make `calls` requests, one after the other, each answered after `wait` seconds."""
    host, port = _server()
    for done in range(calls):
        connection = http.client.HTTPConnection(host, port, timeout=wait + 30)
        try:
            connection.request("GET", f"/wait/{wait:g}")
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            raise SlowServerMissing(
                f"The slow server at {host}:{port} did not answer call {done + 1} of {calls} ({error}). "
                "See whether the stack's web service runs."
            ) from None
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise SlowServerMissing(f"The slow server answered call {done + 1} with status {answer.status}.")
    return calls


@task("tasks.http")
def http_calls(calls: int = 2, wait: float = 0.1) -> int:
    """Call the stack's slow HTTP server: waits, and computes next to nothing. Threads shine here.

    Args:
        calls: how many requests, one after the other.
        wait: how long the server takes to answer each, in seconds.

    Returns:
        How many were answered.

    """
    checks.whole("calls", calls, 1, 1_000)
    return call_slow_server(calls, checks.number("wait", wait, 0, 60, "seconds"))


@task("tasks.mixed")
def mixed(limit: int = 250_000, calls: int = 1, wait: float = 0.1) -> int:
    """Compute, then wait for the slow HTTP server, as most real tasks do.

    Args:
        limit: count the primes below this number first; 250,000 take about 0.08 s.
        calls: then make so many requests, one after the other.
        wait: how long the server takes to answer each, in seconds.

    Returns:
        How many primes there are below the limit.

    """
    checks.whole("limit", limit, 2, 20_000_000)
    checks.whole("calls", calls, 0, 1_000)
    found = count_primes(limit)
    call_slow_server(calls, checks.number("wait", wait, 0, 60, "seconds"))
    return found


@task("tasks.sleep")
def sleep(seconds: float = 0.2) -> float:
    """Wait for the clock, and do nothing.

    Args:
        seconds: how long.

    Returns:
        How long it really took, in seconds.

    """
    checks.number("seconds", seconds, 0, 86_400, "seconds")
    began = time.monotonic()
    time.sleep(seconds)
    return round(time.monotonic() - began, 3)
