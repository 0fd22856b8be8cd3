"""The page Queues, for its tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from desktop.ui.page import PAGES
from desktop.ui.pages.queues import QueuesPage
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.ui.page_queues import Open


@pytest.fixture
def open_page(make_window: Callable[..., Window]) -> Open:
    """Opens the page of a desk."""

    def opened(desk: FakeDesk) -> QueuesPage:
        page = make_window(desk, pages=PAGES, page="queues").page
        assert isinstance(page, QueuesPage)
        return page

    return opened
