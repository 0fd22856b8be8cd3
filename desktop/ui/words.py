"""How figures and times are written: one way on every page."""

from __future__ import annotations

from pathlib import Path

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def count(number: int, word: str, words: str = "") -> str:
    """A number and its word: "1 task", "2,000 tasks"."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def duration(seconds: float) -> str:
    """Seconds for people: "0.4 s", "12 s", "4 min 12 s", "2 h 5 min", "3 d 4 h"."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", 1, "s")
    if whole < 86400:
        return _two(whole, 3600, "h", 60, "min")
    return _two(whole, 86400, "d", 3600, "h")


def _two(whole: int, large: int, word: str, small: int, small_word: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {word} {rest} {small_word}" if rest else f"{whole // large} {word}"


def memory(size: float) -> str:
    """Bytes for people, in steps of 1024: "812 KiB", "41.3 MiB"."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("the last unit takes everything")


def listed(words: list[str] | tuple[str, ...]) -> str:
    """Words in a sentence: "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def short(number: int) -> str:
    """A count for where there is little room: "99,999", "120 k", "1.20 M"."""
    if number < 100_000:
        return f"{number:,}"
    if number < 1_000_000:
        return f"{number // 1000} k"
    return f"{number / 1e6:.2f} M" if number < 100_000_000 else f"{number / 1e6:,.0f} M"


def headline(detail: str) -> str:
    """The sentences of a detail without the log lines that follow them."""
    first = detail.partition("\n")[0]
    return first.rpartition(". ")[0] + "." if first.endswith(":") and ". " in first else first


def below(detail: str) -> str:
    """The log lines that follow the sentences of a detail; empty when there are none."""
    return detail.partition("\n")[2]


def place(path: Path) -> str:
    """A path as people write it: with "~" for their home."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
