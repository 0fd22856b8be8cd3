"""The small parts that pages are made of."""

from __future__ import annotations

import itertools
import math
import shlex

import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QPushButton, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from desktop.engine.api import Light as LightState
from desktop.engine.api import LoadState, StackState, State
from desktop.ui.states import AnyState, Tone, paint_shape, tone_of, word_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.command_line import CommandLine, broken
from desktop.ui.widgets.containers import Card, Column, Pair, clear
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.form import Form
from desktop.ui.widgets.labels import ElidedLabel
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.widgets.segmented import Segmented
from desktop.ui.widgets.stat_card import Number, Sparkline, StatCard
from desktop.ui.widgets.state_pill import Light, StatePill
from desktop.ui.words import below, count, duration, headline, listed, memory, short

EVERY_STATE: list[AnyState] = [*State, *StackState, *LightState, *LoadState]


@pytest.mark.parametrize("state", EVERY_STATE, ids=lambda s: f"{type(s).__name__}-{s.value}")
def test_every_state_has_a_tone_and_a_word(theme: Theme, qtbot: QtBot, state: AnyState) -> None:
    pill = StatePill("w1")
    qtbot.addWidget(pill)
    pill.set_state(state, "because")
    assert pill.accessibleName() == f"w1: {word_of(state)}"
    assert pill.toolTip() == "because"
    assert "-" not in word_of(state)
    assert isinstance(tone_of(state), Tone)


def test_equal_words_of_different_kinds_keep_their_own_tone() -> None:
    assert tone_of(LightState.BUSY) is Tone.BUSY
    assert tone_of(StackState.STOPPED) is tone_of(State.STOPPED) is Tone.IDLE
    assert tone_of(LoadState.WAITING) is Tone.WARN


def shape(tone: Tone) -> bytes:
    image = QImage(24, 24, QImage.Format.Format_Grayscale8)
    image.fill(QColor("white"))
    painter = QPainter(image)
    paint_shape(painter, tone, QRectF(4, 4, 16, 16), QColor("black"))
    painter.end()
    return bytes(image.constBits())


def test_every_tone_has_a_shape_of_its_own(theme: Theme) -> None:
    for one, other in itertools.combinations(Tone, 2):
        differing = sum(abs(a - b) > 128 for a, b in zip(shape(one), shape(other), strict=True))
        assert differing > 20, (one, other)


def test_a_light_says_what_it_means(theme: Theme, qtbot: QtBot) -> None:
    light = Light("Answers")
    qtbot.addWidget(light)
    light.set_state(LightState.BUSY, "computes, and is silent meanwhile")
    assert light.accessibleName() == "Answers: Busy"
    assert light.toolTip() == "Answers: computes, and is silent meanwhile"


def test_a_stat_card_says_all_of_it(theme: Theme, qtbot: QtBot) -> None:
    card = StatCard("Waiting", spark=True)
    qtbot.addWidget(card)
    card.show_value("1,204", "tasks", "3 queues", "warn")
    assert card.accessibleName() == "Waiting: 1,204 tasks. 3 queues"
    assert card.hint.property("tone") == "warn"


def test_a_card_leaves_nothing_outside_itself(theme: Theme, qtbot: QtBot, qapp: QApplication) -> None:
    before = set(qapp.topLevelWidgets())
    side = QPushButton("Copy")
    plain, headed = Card(), Card("Command line", side=side)
    qtbot.addWidget(plain)
    qtbot.addWidget(headed)
    assert set(qapp.topLevelWidgets()) - before == {plain, headed}
    assert headed.accessibleName() == "Command line"
    headed.resize(400, 120)
    headed.grab()  # lays it out
    assert side.geometry().right() > 350


def test_a_pair_goes_below_each_other_where_there_is_no_room(theme: Theme, qtbot: QtBot) -> None:
    left, right = QPushButton("one"), QPushButton("two")
    for button in (left, right):
        button.setMinimumWidth(200)
    pair, host = Pair(left, right), QWidget()
    qtbot.addWidget(host)
    pair.setParent(host)
    pair.resize(500, 100)
    host.show()
    qtbot.waitUntil(lambda: right.geometry().left() > left.geometry().right())
    assert not pair.stacked
    assert pair.minimumSizeHint().width() == 200
    pair.resize(300, 100)
    qtbot.waitUntil(lambda: right.geometry().top() > left.geometry().bottom())
    assert pair.stacked
    pair.resize(500, 100)
    qtbot.waitUntil(lambda: not pair.stacked)


LONG = "celery -A tasks.app worker -n w1@%h --pool=prefork --autoscale=4,1 -Q celery,mail,reports.nightly"
QUOTED = f"""{LONG} -- 'broker_transport_options=(dict){{"visibility_timeout": 3600, "retries": 3}}' x=1"""


@pytest.mark.parametrize("room", [24, 30, 40, 60, 200])
@pytest.mark.parametrize("command", [LONG, QUOTED, "x 'a b' \"c d\"", ""])
def test_a_command_goes_on_as_a_shell_has_it(command: str, room: int) -> None:
    text = broken(command, room)
    assert shlex.split(text.replace("\\\n", "")) == shlex.split(command)
    assert all(len(line) <= room for line in text.splitlines())
    assert not [line for line in text.splitlines() if line.endswith((" -A \\", " -n \\", " -Q \\"))]


def test_a_command_line_is_as_high_as_it_must_be(theme: Theme, qtbot: QtBot) -> None:
    command = CommandLine("Command line")
    qtbot.addWidget(command)
    command.show()
    command.show_line(LONG)
    command.resize(260, 200)
    lines = command.text().count("\n") + 1
    assert lines >= 3
    assert command.sizeHint().height() >= lines * command.fontMetrics().height()
    command.resize(2000, 200)
    assert command.text() == command.line == LONG


@pytest.mark.parametrize(
    ("width", "text", "role"), [(300, "1,433,502", 28), (110, "1,433,502", 20), (60, "1.43 M", 20)]
)
def test_a_number_without_room_gets_smaller_then_shorter(
    theme: Theme, qtbot: QtBot, width: int, text: str, role: int
) -> None:
    number = Number()
    qtbot.addWidget(number)
    number.show_number("1,433,502", short(1_433_502))
    number.show()
    number.resize(width, 40)
    assert (number.text(), number.font().pixelSize()) == (text, role)


def test_a_detail_is_told_without_its_log_lines() -> None:
    detail = "w4 exited 6 times. Mend the cause, then start it. Its last log lines:\none\ntwo"
    assert headline(detail) == "w4 exited 6 times. Mend the cause, then start it."
    assert below(detail) == "one\ntwo"
    assert headline("w1 is ready") == "w1 is ready"
    assert (headline(""), below("w1 is ready")) == ("", "")


def test_counts_are_shortened() -> None:
    figures = [short(n) for n in (0, 99_999, 120_433, 1_204_331, 123_456_789)]
    assert figures == ["0", "99,999", "120 k", "1.20 M", "123 M"]


def test_a_sparkline_draws_lines_with_gaps(theme: Theme, qtbot: QtBot) -> None:
    spark = Sparkline()
    qtbot.addWidget(spark)
    spark.resize(100, 30)
    empty = spark.grab().toImage()
    spark.set_values([1.0] * 60 + [math.nan] * 60 + [5.0] * 60)
    drawn = spark.grab().toImage()
    assert drawn != empty
    half = [drawn.pixelColor(50, y) == empty.pixelColor(50, y) for y in range(30)]
    assert all(half), "a gap is not bridged"
    spark.set_values([math.nan, math.nan])
    assert spark.grab().toImage() == empty


def test_a_form_shows_errors_in_place_and_focuses_the_first(theme: Theme, qtbot: QtBot) -> None:
    form = Form()
    qtbot.addWidget(form)
    name, size = QLineEdit(), QSpinBox()
    form.add("name", "Name", name, "As in the stack file.")
    field = form.add("size", "Concurrency", size)
    form.show()
    qtbot.waitUntil(form.isActiveWindow)
    assert (name.accessibleName(), name.accessibleDescription()) == ("Name", "As in the stack file.")
    assert not form.set_errors({"size": "At least 1."})
    assert field.note.text() == "At least 1."
    assert size.property("invalid") is True
    assert size.accessibleDescription() == "At least 1."
    assert form.focusWidget() is size
    assert form.set_errors({})
    assert not field.note.isVisible()
    assert form.fields["name"].note.text() == "As in the stack file."


def test_a_form_can_be_filled_anew(theme: Theme, qtbot: QtBot) -> None:
    form = Form()
    qtbot.addWidget(form)
    form.add("a", "A", QLineEdit())
    form.clear()
    form.add("b", "B", QLineEdit())
    assert list(form.fields) == ["b"]


def test_segments_are_chosen_by_key_and_by_hand(theme: Theme, qtbot: QtBot) -> None:
    segments = Segmented("Level", (("all", "All"), ("warn", "Warnings"), ("bad", "Errors", "error")), "warn")
    qtbot.addWidget(segments)
    assert segments.current == "warn"
    buttons = {b.accessibleName(): b for b in segments.findChildren(QWidget) if b.accessibleName()}
    assert {"Level: All", "Level: Warnings", "Level: Errors"} <= buttons.keys()
    with qtbot.waitSignal(segments.chosen) as chosen:
        qtbot.mouseClick(buttons["Level: All"], Qt.MouseButton.LeftButton)
    assert chosen.args == ["all"]
    with qtbot.assertNotEmitted(segments.chosen):
        segments.choose("bad")
    assert segments.current == "bad"
    segments.allow("warn", False, "There are none.")
    assert buttons["Level: Warnings"].toolTip() == "There are none."


def test_a_menu_is_filled_when_it_opens(theme: Theme, qtbot: QtBot) -> None:
    opened: list[int] = []

    def fill(menu: QMenu) -> None:
        opened.append(len(opened))
        menu.addAction(f"entry {len(opened)}")

    button = MenuButton("More about w1", fill)
    qtbot.addWidget(button)
    button.show()
    assert (opened, button.accessibleName()) == ([], "More about w1")
    for number in (1, 2):
        menu = button.open_menu()
        assert [a.text() for a in menu.actions()] == [f"entry {number}"]
        menu.close()


def test_an_elided_label_keeps_its_text_and_shows_it_as_a_tip(theme: Theme, qtbot: QtBot) -> None:
    label = ElidedLabel("celery -A tasks.app worker -n w1@%h --pool=prefork")
    qtbot.addWidget(label)
    label.resize(80, 20)
    label.grab()
    assert label.toolTip() == label.text()
    label.resize(900, 20)
    label.grab()
    assert label.toolTip() == ""
    assert label.minimumSizeHint().width() < 40


def test_an_empty_state_says_the_next_step(theme: Theme, qtbot: QtBot) -> None:
    button = QPushButton("Start")
    empty = EmptyState("play", "Nothing runs", "Start the stack to see it here.", button)
    qtbot.addWidget(empty)
    empty.show()
    assert button.isVisible()
    assert empty.accessibleName() == "Nothing runs. Start the stack to see it here."
    empty.say("No log yet", "A service writes when it starts.")
    assert empty.accessibleName() == "No log yet. A service writes when it starts."


def test_a_flow_goes_on_in_the_next_line(theme: Theme, qtbot: QtBot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    flow = FlowLayout(host)
    parts = [QPushButton(f"part {i}") for i in range(6)]
    for part in parts:
        flow.addWidget(part)
    wide = flow.heightForWidth(2000)
    host.resize(240, 300)
    host.show()
    assert flow.heightForWidth(240) > wide
    assert parts[-1].y() > parts[0].y()
    assert all(host.rect().contains(part.geometry()) for part in parts)


def test_a_tall_card_keeps_its_title_at_the_top(theme: Theme, qtbot: QtBot) -> None:
    column, card = Column(), Card("Workers")
    qtbot.addWidget(column)
    column.body.addWidget(card)
    card.add(QLabel("one"))
    column.resize(600, 900)
    column.show()
    assert card.accessibleName() == "Workers"
    label = card.findChildren(QLabel)[0]
    assert label.mapTo(card, label.rect().topLeft()).y() < 40
    clear(card.body)
    assert card.body.count() == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.42, "0.4 s"),
        (12.9, "12 s"),
        (252, "4 min 12 s"),
        (240, "4 min"),
        (7500, "2 h 5 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (812 * 1024, "812 KiB"),
        (41.3 * 1024**2, "41.3 MiB"),
        (2.5 * 1024**4, "2.5 TiB"),
    ],
)
def test_memory_is_said_as_people_do(size: float, said: str) -> None:
    assert memory(size) == said


def test_counts_and_lists() -> None:
    assert (count(1, "task"), count(2000, "task"), count(2, "queue is", "queues are")) == (
        "1 task",
        "2,000 tasks",
        "2 queues are",
    )
    assert [listed(list(w)) for w in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
