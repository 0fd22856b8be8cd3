"""How well a few typed letters fit a text."""

from __future__ import annotations


def score(typed: str, text: str) -> float | None:
    """Higher fits better; None when the letters do not occur in this order. Case does not count.

    Each word that is typed must fit by itself, so "kill w2" finds "w2: Kill".
    """
    total = 0.0
    for word in typed.lower().split():
        best = _word(word, text.lower())
        if best is None:
            return None
        total += best
    return total - len(text) / 200


def _word(word: str, text: str) -> float | None:
    at = text.find(word)
    if at >= 0:
        return 3.0 * len(word) + (4.0 if at == 0 or not text[at - 1].isalnum() else 0.0)
    points, place, last = 0.0, 0, -2
    for letter in word:
        place = text.find(letter, place)
        if place < 0:
            return None
        starts = place == 0 or not text[place - 1].isalnum()
        points += 1.0 + (1.0 if place == last + 1 else 0.0) + (0.8 if starts else 0.0)
        last, place = place, place + 1
    # Letters scattered over a long text are chance, not a wish.
    return points if points >= 1.5 * len(word) else None
