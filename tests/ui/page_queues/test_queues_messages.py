"""The messages that wait in a queue: looking at them, and purging them."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from desktop.engine.api import (
    DeskError,
    PurgeOffer,
    StackSnapshot,
)
from desktop.ui.pages.queues import QueuesPage
from desktop.ui.pages.queues_message import MessageDialog, facts_of
from desktop.ui.pages.queues_messages import PAGE, arguments, eta_text
from desktop.ui.queue_commands import purge_losses
from desktop.ui.widgets.confirm import Confirm
from desktop.ui.widgets.toast import Toast
from tests.support.dressed_desk import STILL, Dressed
from tests.support.fake_queues import messages_of
from tests.ui.page_queues import Open, dialog_of, press

LEFT = Qt.MouseButton.LeftButton


def said(page: QueuesPage) -> str:
    """What the toasts say."""
    return " ".join(t.accessibleName() for t in page.window().findChildren(Toast))


# -- purging


def test_a_purge_counts_first_and_says_what_stays(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed()
    page = open_page(desk)
    waiting = page.shell.bridge.snapshot.queues[0].waiting
    press(qtbot, page, "Purge celery…")
    qtbot.waitUntil(lambda: page.window().findChild(Confirm) is not None)
    dialog = dialog_of(page)
    assert desk.called("purge_offer") == [("celery",)]
    assert desk.called("purge") == []
    assert f"{waiting:,} waiting messages will be deleted." in dialog.accessibleDescription()
    assert "stay untouched" in dialog.accessibleDescription()
    qtbot.mouseClick(dialog.buttons[0], LEFT)
    assert desk.called("purge") == [("celery",)]


def test_a_queue_that_ran_empty_meanwhile_is_not_purged(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(hold=True)
    page = open_page(desk)
    page.shell.commands["queue.purge:celery"].trigger()
    desk.settle("purge_offer", PurgeOffer("celery", 0, {}, 12))
    qtbot.waitUntil(lambda: "nothing to purge" in said(page))
    assert page.window().findChild(Confirm) is None


def test_what_a_purge_says_of_priorities() -> None:
    said = purge_losses(PurgeOffer("q", 12, {3: 2, 0: 10}, 0))
    assert said[1] == "These are 10 of priority 0 and 2 of priority 3."
    assert not [sentence for sentence in said if "untouched" in sentence]
    assert "1 waiting message will" in purge_losses(PurgeOffer("q", 1, {0: 1}, 1))[0]


# -- messages


def shown_ids(page: QueuesPage) -> list[str]:
    return [m.id for m in page.detail.messages.model.messages]


def test_messages_are_read_in_pages(open_page: Open, qtbot: QtBot) -> None:
    total = 1_685

    def dress(snapshot: StackSnapshot) -> StackSnapshot:
        first, second, *rest = snapshot.queues
        return replace(snapshot, queues=(first, replace(second, waiting=total), *rest))

    page = open_page(Dressed(dress))
    page.list.choose("mail")
    card = page.detail.messages
    qtbot.waitUntil(lambda: len(shown_ids(page)) == PAGE)
    assert card.where.text() == f"1–100 of {total:,}"
    assert not card.back.isEnabled()
    qtbot.mouseClick(card.on, LEFT)
    qtbot.waitUntil(lambda: card.where.text() == f"101–200 of {total:,}")
    assert card.model.index(0, 0).data() == "101"
    qtbot.mouseClick(card.back, LEFT)
    qtbot.waitUntil(lambda: card.where.text().startswith("1–"))


def test_a_queue_that_became_shorter_shows_its_last_page(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(hold=True)
    page = open_page(desk)
    card = page.detail.messages
    desk.settle("messages", messages_of("celery", 0, PAGE, 450, STILL))
    qtbot.waitUntil(lambda: len(shown_ids(page)) == PAGE)
    card.first = 400
    card.read()
    desk.settle("messages", messages_of("celery", 400, PAGE, 150, STILL))
    qtbot.waitUntil(lambda: desk.called("messages")[-1] == ("celery", 100, PAGE))
    desk.settle("messages", messages_of("celery", 100, PAGE, 150, STILL))
    qtbot.waitUntil(lambda: card.where.text() == "101–150 of 150")


def test_messages_are_read_again_by_f5_and_never_twice_at_once(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(hold=True)
    page = open_page(desk)
    before = len(desk.called("messages"))
    page.refresh()
    page.tick()
    assert len(desk.called("messages")) == before, "one reading is under way"
    desk.settle("messages", messages_of("celery", 0, PAGE, 3, STILL))
    qtbot.waitUntil(lambda: len(shown_ids(page)) == 3)
    page.refresh()
    assert len(desk.called("messages")) == before + 1


def test_what_came_for_another_queue_is_not_shown(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(hold=True)
    page = open_page(desk)
    page.list.choose("mail")
    desk.settle("messages", messages_of("celery", 0, PAGE, 3, STILL))
    desk.settle("messages", messages_of("mail", 0, PAGE, 2, STILL))
    qtbot.waitUntil(lambda: len(shown_ids(page)) == 2)
    assert shown_ids(page)[0].startswith("mail")


def test_a_reading_that_failed_is_said_where_it_belongs(open_page: Open, qtbot: QtBot) -> None:
    desk = Dressed(hold=True)
    page = open_page(desk)
    desk.settle("messages", DeskError("The broker does not answer.", "Wait for it."))
    qtbot.waitUntil(lambda: "does not answer" in page.detail.messages.fresh.text())
    assert said(page) == ""


def test_a_message_is_shown_whole_and_leads_on(open_page: Open, qtbot: QtBot) -> None:
    page = open_page(Dressed())
    qtbot.waitUntil(lambda: bool(shown_ids(page)))
    view = page.detail.messages.view
    view.setFocus()
    view.selectRow(0)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    dialog = page.window().findChild(MessageDialog)
    assert dialog is not None
    assert dialog.message.id == shown_ids(page)[0]
    assert dialog.message.args in dialog.arguments.toPlainText()
    qtbot.mouseClick(dialog.copy, LEFT)
    assert QGuiApplication.clipboard().text() == dialog.message.id
    dialog.close()


def test_what_is_known_of_a_message() -> None:
    message = messages_of("mail", 3, 1, 4, 1000.0).messages[0]
    facts = dict(facts_of(replace(message, retries=2), "mail", 1000.0))
    assert facts["Queue"] == "mail, place 4 when it was read"
    assert facts["Retries"] == "2 retries"
    assert facts["ETA"].endswith("in 43 s")
    assert "Expires" not in facts
    assert eta_text(None, 0.0) == "–"
    assert eta_text(5.0, 10.0) == "due"
    assert arguments(replace(message, args="(1,)", kwargs="{}")) == "(1,)"
    assert arguments(replace(message, args="()", kwargs="{}")) == ""
