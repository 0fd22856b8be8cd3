"""Ids of tasks: packed to 16 bytes, and known again without keeping them all."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from struct import Struct

_FIRST_EIGHT = Struct("<q8x").unpack  # of 16 bytes

Packed = bytes | str  # 16 bytes for an id that is written as UUIDs are, else the id itself


def packed(task_id: str) -> Packed:
    """The id as it is stored."""
    if (
        len(task_id) == 36
        and task_id[8] == task_id[13] == task_id[18] == task_id[23] == "-"
        and task_id == task_id.lower()
    ):
        try:
            raw = bytes.fromhex(task_id.replace("-", ""))
        except ValueError:
            return clean(task_id)
        if len(raw) == 16:
            return raw
    return clean(task_id)


def unpacked(stored: Packed) -> str:
    """The id as Celery writes it."""
    if isinstance(stored, str):
        return stored
    text = stored.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def hash_of(stored: Packed) -> int:
    """Eight bytes of it as a signed number, for an index."""
    if isinstance(stored, bytes):
        first: int = _FIRST_EIGHT(stored)[0]
        return first
    return int.from_bytes(blake2b(stored.encode(), digest_size=8).digest(), "little", signed=True)


def key_of(task_id: str) -> tuple[Packed, int]:
    """The id as it is stored, and its hash."""
    stored = packed(task_id)
    return stored, hash_of(stored)


def key16(stored: Packed) -> bytes:
    """16 bytes for any id: those of a UUID, or a digest."""
    return stored if isinstance(stored, bytes) else blake2b(stored.encode(), digest_size=16).digest()


def clean(text: str) -> str:
    """A text that can be stored: lone surrogates, which are no UTF-8, become escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


# Two of eight bits, for each of 64 numbers.
_PATTERNS = tuple(1 << (n & 7) | 1 << ((n + 1 + (n >> 3) % 7) & 7) for n in range(64))


class Seen:
    """Which hashes were added: never a wrong no, one wrong yes in some thousands; 4 bytes each.

    A Bloom filter of two bytes per hash with two bits set in each; a larger layer follows a full one.
    """

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._layers: list[tuple[bytearray, int]] = []
        self._room = 0
        self._bits = 18
        for number in hashes:
            self.add(number)

    def add(self, number: int) -> None:
        if self._room == 0:
            self._grow()
        self._room -= 1
        table, mask = self._layers[-1]
        table[number & mask] |= _PATTERNS[number >> 58 & 63]
        table[number >> 26 & mask] |= _PATTERNS[number >> 52 & 63]

    def __contains__(self, number: int) -> bool:
        one, other = _PATTERNS[number >> 58 & 63], _PATTERNS[number >> 52 & 63]
        for table, mask in self._layers:
            if table[number & mask] & one == one and table[number >> 26 & mask] & other == other:
                return True
        return False

    def _grow(self) -> None:
        self._layers.append((bytearray(4 << self._bits), (4 << self._bits) - 1))
        self._room = 1 << self._bits
        self._bits += 2
