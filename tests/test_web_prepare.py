"""Instruments are made ready in a thread beside the page; where there is none, on the page."""

from typing import Any

import pytest
from browser import HEARD, opened, to_left, wait_for
from test_web_page import one_file, play_melody

pytestmark = pytest.mark.slow

__all__ = ["one_file"]

WORKERS = """
window.answered = 0;
const Real = Worker;
window.Worker = class extends Real {
  constructor(...values) {
    super(...values);
    this.addEventListener("message", () => (answered += 1));
  }
};
"""
"""Script that holds in ``answered`` how often a thread beside the page has answered."""

NO_WORKERS = "window.Worker = class { constructor() { throw new Error('no thread'); } };"

BAD_WORKERS = (
    "const Real = Worker; window.Worker = function (_, how) { return new Real('data:text/javascript,no()', how) };"
)


@pytest.mark.parametrize("kind", ["served", "file"])
def test_an_instrument_is_made_ready_in_a_thread_before_the_first_key(
    browser: Any, address: str, one_file: str, kind: str
) -> None:
    with opened(browser, {"served": address, "file": one_file}[kind], WORKERS, offline=kind == "file") as page:
        wait_for(page, lambda: page.evaluate("answered") == 1)
        to_left(page)
        play_melody(page)
        assert page.evaluate("answered") == 1


@pytest.mark.parametrize("script", [NO_WORKERS, BAD_WORKERS])
def test_without_a_thread_the_page_does_the_same(browser: Any, one_file: str, script: str) -> None:
    context = browser.new_context()
    for one in (HEARD, script):
        context.add_init_script(one)
    page = context.new_page()
    page.goto(one_file)
    page.wait_for_selector("body[data-ready]")
    to_left(page)
    play_melody(page)
    context.close()
