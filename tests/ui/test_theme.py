"""Colours can be read and told apart, also by colour-blind people; style and fonts come from one place."""

from __future__ import annotations

import itertools
import re
from importlib.resources import files

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontInfo, QFontMetrics, QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from desktop.ui import fonts, icons
from desktop.ui.theme import WORKER_COLORS, Scheme, Theme, to_color, tokens
from tests.ui.colors import DEUTAN, NORMAL, PROTAN, contrast, distance

SCHEMES = ("light", "dark")
SURFACES = ("window", "rail", "surface", "raised", "hover", "selected")
TEXTS = ("text", "muted", "accent", "good", "busy", "warn", "bad", "idle")


def role(scheme: str, name: str) -> QColor:
    return to_color(tokens()[scheme][name])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("text", TEXTS)
def test_text_can_be_read_on_every_surface(scheme: str, text: str) -> None:
    surfaces = SURFACES if text in ("text", "muted") else ("window", "surface", "raised")
    for surface in surfaces:
        assert contrast(role(scheme, text), role(scheme, surface)) >= 4.5, (text, surface)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("on_accent", "accent_fill"),
        ("on_accent", "accent_fill_hover"),
        ("on_danger", "danger_fill"),
        ("on_danger", "danger_fill_hover"),
        ("placeholder", "surface"),
        ("muted", "track"),
        ("text", "thumb"),
        ("text", "pressed"),
        *((f"{tone}", f"{tone}_tint") for tone in ("good", "busy", "warn", "bad", "idle")),
        *(("text", f"{tone}_tint") for tone in ("busy", "warn", "bad")),
    ],
)
def test_text_can_be_read_on_its_ground(scheme: str, text: str, ground: str) -> None:
    assert contrast(role(scheme, text), role(scheme, ground)) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_outlines_of_fields_and_the_focus_can_be_seen(scheme: str) -> None:
    for name in ("line_strong", "focus"):
        for surface in ("surface", "window", "raised"):
            assert contrast(role(scheme, name), role(scheme, surface)) >= 3.0, (name, surface)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_worker_colors_can_be_read_and_told_apart(scheme: str) -> None:
    colors = [to_color(text) for text in tokens()[scheme]["workers"]]
    assert len(colors) == WORKER_COLORS
    assert min(contrast(c, role(scheme, "surface")) for c in colors) >= 4.5
    for eye, least in ((NORMAL, 0.12), (DEUTAN, 0.09), (PROTAN, 0.085)):
        assert min(distance(a, b, eye) for a, b in itertools.combinations(colors, 2)) >= least


@pytest.mark.parametrize("scheme", SCHEMES)
def test_states_differ_for_colour_blind_eyes(scheme: str) -> None:
    colors = [role(scheme, name) for name in ("good", "busy", "warn", "bad")]
    for eye in (NORMAL, DEUTAN, PROTAN):
        assert min(distance(a, b, eye) for a, b in itertools.combinations(colors, 2)) >= 0.05


def test_both_schemes_have_the_same_roles() -> None:
    assert tokens()["light"].keys() == tokens()["dark"].keys()


def test_the_style_sheet_is_small_and_knows_every_word_it_uses(theme: Theme) -> None:
    text = (files("resources") / "theme" / "app.qss").read_text("utf-8")
    assert text.count("{") < 80
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", text), "colours belong into tokens.toml"
    assert "$" not in theme.style_sheet()


def test_applying_a_scheme_dresses_the_application(qapp: QApplication, theme: Theme, qtbot: QtBot) -> None:
    with qtbot.waitSignal(theme.changed):
        theme.apply(qapp, "dark")
    assert theme.dark
    assert qapp.palette().window().color() == theme.color("window")
    assert qapp.styleSheet() == theme.style_sheet()
    theme.apply(qapp, Scheme.SYSTEM)
    # Offscreen says Unknown: that is light.
    unknown = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Unknown
    assert theme.scheme is (Scheme.LIGHT if unknown else theme.scheme)


def test_only_the_choice_of_the_system_follows_the_system(qapp: QApplication, theme: Theme) -> None:
    heard = []
    theme.changed.connect(heard_it := (lambda: heard.append(theme.scheme)))
    hints = QGuiApplication.styleHints()
    theme.apply(qapp, Scheme.DARK)
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert heard == [Scheme.DARK]
    theme.apply(qapp, Scheme.SYSTEM)
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Light)
    theme.changed.disconnect(heard_it)
    assert len(heard) == 3


def test_the_bundled_fonts_are_used_with_figures_of_one_width(theme: Theme, qtbot: QtBot) -> None:
    label = QLabel("0123")
    qtbot.addWidget(label)
    label.ensurePolished()
    assert QFontInfo(label.font()).family() == fonts.TEXT
    assert QFontInfo(fonts.font("mono")).family() == fonts.MONO
    metrics = QFontMetrics(label.font())
    assert metrics.horizontalAdvance("1111") == metrics.horizontalAdvance("8888")


@pytest.mark.parametrize("name", fonts.ROLES)
def test_every_font_role_is_bundled(theme: Theme, name: str) -> None:
    assert QFontInfo(fonts.font(name)).family() in (fonts.TEXT, fonts.MONO)


@pytest.mark.parametrize("name", icons.names())
def test_icons_are_drawn_with_one_stroke_in_the_color_they_are_given(theme: Theme, name: str) -> None:
    text = (files("resources") / "icons" / f"{name}.svg").read_text("utf-8")
    assert 'viewBox="0 0 24 24"' in text
    assert 'stroke="currentColor"' in text
    assert re.findall(r'stroke-width="([\d.]+)"', text) == ["1.75"]
    picture = icons.pixmap(name, QColor("#ff0000"), 24, 2.0)
    assert (picture.width(), picture.devicePixelRatio()) == (48, 2.0)
    image = picture.toImage()
    solid = {
        image.pixelColor(x, y).name()
        for x, y in itertools.product(range(48), range(48))
        if image.pixelColor(x, y).alpha() == 255
    }
    assert solid == {"#ff0000"}


def test_an_icon_is_tinted_again_when_the_theme_changes(
    qapp: QApplication, theme: Theme, qtbot: QtBot
) -> None:
    button = QToolButton()
    qtbot.addWidget(button)
    icons.set_icon(button, "play", "text")
    before = button.icon().cacheKey()
    theme.apply(qapp, Scheme.DARK)
    assert button.icon().cacheKey() != before
    wanted = icons.pixmap("play", theme.color("text"), 16, 1.0).toImage()
    assert button.icon().pixmap(16, 16).toImage() == wanted


def test_a_worker_keeps_its_color_while_others_come_and_go(theme: Theme) -> None:
    theme.remember_workers(["w1", "w2", "w3"])
    second = theme.color_of("w2")
    theme.remember_workers(["w2", "w3", "w4"])
    assert theme.color_of("w2") == second
    assert theme.color_of("w4") == theme.worker_color(0), "the colour that became free"
    assert theme.color_of("broker") == theme.color("muted")
    theme.remember_workers([f"n{i}" for i in range(10)])
    assert theme.color_of("n8") == theme.color_of("n0"), "eight colours, then round again"
