"""Log files on disk: kept within bounds while processes write to them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

LIMIT = 10_000_000  # bytes
KEEP = 5
_CHUNK = 1 << 18
_CHASE = 20
# w1.003.log, and w1.003.log.2 of an earlier stretch of the same start
_NAME = re.compile(r"(?P<service>.+)\.(?P<start>\d+)\.log(?:\.\d+)?")


def copies(path: Path, keep: int = KEEP) -> Iterator[Path]:
    """Where the earlier stretches of a rotated file lie, newest first, whether they exist or not."""
    for number in range(1, keep + 1):
        yield path.with_name(f"{path.name}.{number}")


def rotate(path: Path, limit: int = LIMIT, keep: int = KEEP) -> bool:
    """Bound a log file that a process holds open: true if it was rotated.

    A file over `limit` bytes is copied to `<path>.1` (the earlier copies move up, at most `keep`
    stay) and then emptied in place. The writer must have opened it with O_APPEND; it notices
    nothing. No system offers a way to empty a file of exactly what was copied: what is written in
    the instant, some microseconds, between the last look for more and the emptying is lost.
    A file that is gone, or a full disk, is no error: it is tried again at the next call.
    """
    try:
        if path.stat().st_size <= limit:
            return False
        _rotate(path, list(copies(path, keep)))
    except OSError:
        return False
    return True


def _rotate(path: Path, targets: list[Path]) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with path.open("r+b", buffering=0) as source, part.open("wb", buffering=0) as target:
            _copy_rest(source.fileno(), target.fileno())
            for older, newer in zip(reversed(targets), reversed(targets[:-1]), strict=False):
                if newer.exists():
                    newer.replace(older)
            # In its place before the file is emptied: who finds it emptied finds the copy.
            part.replace(targets[0])
            _copy_rest(source.fileno(), target.fileno())
            os.ftruncate(source.fileno(), 0)
    finally:
        part.unlink(missing_ok=True)


def _copy_rest(source: int, target: int) -> None:
    """Copy up to the end; of a writer that is faster than this, up to where the end was just now."""
    for _ in range(_CHASE):
        while len(chunk := os.read(source, _CHUNK)) == _CHUNK:
            _write(target, chunk)
        if not chunk:
            return
        _write(target, chunk)


def _write(target: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(target, view) :]


def prune(folder: Path, keep: int = 10, spare: Collection[Path] = ()) -> list[Path]:
    """Keep the logs of the last `keep` starts of each service; returns what was deleted.

    So that a crash loop does not fill the disk. Files are known by their name,
    `<service>.<start>.log` and its rotated copies; others are left alone, as are those in `spare`.
    """
    starts: dict[str, dict[int, list[Path]]] = {}
    try:
        entries = list(folder.iterdir())
    except OSError:
        return []
    for path in entries:
        if match := _NAME.fullmatch(path.name):
            starts.setdefault(match["service"], {}).setdefault(int(match["start"]), []).append(path)
    deleted = []
    for by_start in starts.values():
        for start in sorted(by_start, reverse=True)[keep:]:
            for path in by_start[start]:
                if path not in spare and _delete(path):
                    deleted.append(path)
    return deleted


def _delete(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def last_lines(path: Path, count: int = 20) -> list[str]:
    """The last lines of a log, for the sentence that tells why its process ended."""
    from desktop.engine.observe.loglines import clean

    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * 1024))
            raw = file.read()
    except OSError:
        return []
    return [clean(line) for line in raw.splitlines()[-count:]] if count > 0 else []
