"""How figures and places are written."""

from __future__ import annotations

from pathlib import Path

from desktop.ui.words import place


def test_a_place_at_home_is_written_with_a_tilde() -> None:
    assert place(Path.home() / "runs" / "one") == "~/runs/one"
    assert place(Path("/srv/runs/one")) == "/srv/runs/one"
