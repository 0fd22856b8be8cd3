"""Follows one log file by offset, whatever happens to the file meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from desktop.engine.observe.logfiles import copies

MAX_LINE = 16_384  # bytes shown of one line
_CHUNK = 1 << 20  # read at one poll
_BEHIND = 8 << 20  # further behind than this, what lies between is left out
_MARK = 64


class Follower:
    """Hands out the complete lines of a file, each once.

    The file may not exist yet, be emptied, be rotated by `logfiles.rotate` (what was not yet
    read is found in the copy), or be replaced by another of the same name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.modified = 0.0  # when the file was written last, as of the last `read` that found something
        self.at_end = False  # the last `read` came to the end of the file
        self._fd = -1
        self._offset = 0
        self._mark = b""  # what lies before the offset: another text there means another content
        self._held = bytearray()  # a line without its end
        self._cut = 0  # bytes of it beyond MAX_LINE

    def read(self) -> list[bytes]:
        """The lines that were completed since, up to about a megabyte of them."""
        if self._fd < 0 and not self._open():
            return []
        lines: list[bytes] = []
        raw = self._pread()
        if not raw.startswith(self._mark):
            lines += self._finish_emptied()
            raw = self._pread()
        fresh = len(raw) - len(self._mark)
        self.at_end = fresh < _CHUNK
        if fresh:
            lines += self._split(raw[len(self._mark) :])
            self._move(self._offset + fresh, raw[-_MARK:])
            lines += self._catch_up()
        elif self._replaced():
            lines += self._flush()
            self._close()
            lines += self.read()
        return lines

    def finish(self) -> list[bytes]:
        """All that is left, with a last line that has no end; then the file is closed."""
        lines = self.read()
        while self._fd >= 0 and not self.at_end:
            lines += self.read()
        lines += self._flush()
        self._close()
        return lines

    def _open(self) -> bool:
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        self._move(0, b"")
        return True

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _move(self, offset: int, mark: bytes) -> None:
        self._offset, self._mark = offset, mark

    def _pread(self) -> bytes:
        try:
            return os.pread(self._fd, len(self._mark) + _CHUNK, self._offset - len(self._mark))
        except OSError:
            return self._mark

    def _replaced(self) -> bool:
        try:
            there, ours = os.stat(self.path), os.fstat(self._fd)
        except OSError:
            return False  # deleted: its writer still has it, as we do
        return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev)

    def _catch_up(self) -> list[bytes]:
        status = os.fstat(self._fd)
        self.modified = status.st_mtime
        left_out = status.st_size - self._offset - _CHUNK
        if left_out < _BEHIND:
            return []
        lines = self._flush()
        self._move(self._offset + left_out, os.pread(self._fd, _MARK, self._offset + left_out - _MARK))
        return [*lines, f"[{left_out / 1e6:.1f} MB of the log file are left out here]".encode()]

    def _finish_emptied(self) -> list[bytes]:
        """What the copies of a rotated file hold beyond our offset; then the file anew."""
        lines: list[bytes] = []
        newer: list[Path] = []
        for copy in copies(self.path):
            if self._continues(copy):
                lines += self._whole(copy, self._offset)
                for path in reversed(newer):
                    lines += self._whole(path, 0)
                break
            newer.append(copy)
        else:
            lines += self._flush()
        self._move(0, b"")
        return lines

    def _continues(self, copy: Path) -> bool:
        try:
            with copy.open("rb") as file:
                file.seek(self._offset - len(self._mark))
                return file.read(len(self._mark)) == self._mark
        except OSError:
            return False

    def _whole(self, path: Path, offset: int) -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                while chunk := file.read(_CHUNK):
                    yield from self._split(chunk)
        except OSError:
            return

    def _split(self, data: bytes) -> list[bytes]:
        *complete, rest = data.split(b"\n")
        lines = []
        for piece in complete:
            if self._held or len(piece) > MAX_LINE:
                self._hold(piece)
                lines.append(self._release())
            else:
                lines.append(piece)
        self._hold(rest)
        return lines

    def _hold(self, piece: bytes) -> None:
        room = MAX_LINE - len(self._held)
        self._held += piece[:room]
        self._cut += max(len(piece) - room, 0)

    def _release(self) -> bytes:
        line = bytes(self._held)
        if self._cut:
            line += f" … ({self._cut:,} bytes more)".encode()
        self._held.clear()
        self._cut = 0
        return line

    def _flush(self) -> list[bytes]:
        return [self._release()] if self._held else []
