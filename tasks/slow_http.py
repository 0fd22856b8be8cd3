"""The slow local server that tasks call: `python -m tasks.slow_http --port 0`.

`GET /wait/<seconds>` is answered after so long (at most 60 s), `GET /ping` at once. Loopback only.
Prints "listening on 127.0.0.1:PORT" when it is ready; ends cleanly on SIGTERM and SIGINT.
"""

import argparse
import asyncio
import json
import math
import signal
import sys
from http import HTTPStatus

HOST = "127.0.0.1"
LONGEST_WAIT = 60.0  # seconds
_REQUEST_TIME = 30.0  # seconds that a client may take over a request, and between two
_BACKLOG = 1024


class BadRequest(Exception):
    """A request that is answered with `status` and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def answer_for(method: str, path: str) -> dict[str, object]:
    """The answer to a request, when it is due. Raises `BadRequest`."""
    if method != "GET":
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is answered here.")
    path = path.partition("?")[0]
    if path == "/ping":
        return {"ok": True}
    if path.startswith("/wait/"):
        seconds = _seconds(path.removeprefix("/wait/"))
        await asyncio.sleep(seconds)
        return {"ok": True, "waited": seconds}
    raise BadRequest(HTTPStatus.NOT_FOUND, "There are /wait/<seconds> and /ping.")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise BadRequest(
            HTTPStatus.BAD_REQUEST, f"The wait must be 0 to {LONGEST_WAIT:g} seconds, not {text!r}."
        )
    return seconds


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bool] | None:
    """Method, path and whether the connection stays open; None when there is no further request."""
    try:
        async with asyncio.timeout(_REQUEST_TIME):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, TimeoutError):
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.") from None
    first, *fields = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "That is not HTTP.")
    close = any(field.lower().replace(" ", "") == "connection:close" for field in fields)
    return words[0], words[1], words[2] == "HTTP/1.1" and not close


def _response(status: HTTPStatus, body: dict[str, object], keep: bool) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + content


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        keep = True
        while keep:
            try:
                request = await _read_request(reader)
                if request is None:
                    return
                method, path, keep = request
                status, body = HTTPStatus.OK, await answer_for(method, path)
            except BadRequest as error:
                # A body may follow that nobody reads: the connection is of no further use.
                status, body, keep = error.status, {"ok": False, "error": str(error)}, False
            writer.write(_response(status, body, keep))
            await writer.drain()
    except ConnectionError:
        pass  # the client went away: a killed worker does that
    finally:
        writer.close()


async def serve(port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when the port cannot be had."""
    open_connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            await _serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the server ends, and a wait with it
        finally:
            open_connections.discard(task)

    server = await asyncio.start_server(accept, HOST, port, backlog=_BACKLOG)
    ended = _told_to_end()
    print(f"listening on {HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.close()
    for task in list(open_connections):
        task.cancel()
    if open_connections:
        await asyncio.wait(list(open_connections))


def _told_to_end() -> asyncio.Event:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
    return ended


def main(arguments: list[str] | None = None) -> int:
    """Run the server; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks.slow_http", description="A server that answers late."
    )
    parser.add_argument("--port", type=int, default=0, help="0 (default): a free one")
    port: int = parser.parse_args(arguments).port
    try:
        asyncio.run(serve(port))
    except (OSError, OverflowError) as error:
        print(f"The slow server cannot listen on port {port}: {error}. Choose another one.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
