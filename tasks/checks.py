"""Arguments are checked before the work starts; what is wrong is said in a sentence."""

from typing import Any


def whole(name: str, value: Any, low: int, high: int, unit: str = "") -> int:
    """`value` as an int from `low` to `high`. Raises ValueError with a sentence."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number from {low:,} to {high:,}{_of(unit)}, not {value!r}.")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low:,} and {high:,}{_of(unit)}; {value:,} does not.")
    return value


def number(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """`value` as a float from `low` to `high`. Raises ValueError with a sentence."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}{_of(unit)}, not {value!r}.")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low:g} and {high:g}{_of(unit)}; {value:g} does not.")
    return float(value)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """`value`, which is one of `allowed`. Raises ValueError with a sentence."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return str(value)


def _of(unit: str) -> str:
    return f" {unit}" if unit else ""
