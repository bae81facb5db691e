"""The page in Firefox: it is played by keys and the pad, takes a sound, and has a map."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import FURTHER, drop, is_silent, played_pitch, sounds, wait_for
from firefox import Firefox, firefox

pytestmark = pytest.mark.slow

ONE_FILE = Path(__file__).parents[1] / "docs" / "horn-sitar.html"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with firefox(tmp_path_factory.mktemp("firefox")) as found:
        yield found
        assert found.problems() == []


def plays(window: Firefox, key: str, pitch: float) -> None:
    """Play a key of the computer's keyboard, and let it go."""
    window.press(key)
    assert played_pitch(window) == pytest.approx(pitch, abs=0.2)
    window.let_go(key)
    is_silent(window)


def moved(window: Firefox, selector: str) -> None:
    """Drag over an element, from a third of its width to two thirds."""
    left, top, width, height = window.box(selector)
    window.drag(*((left + share * width, top + height / 2) for share in (1 / 3, 1 / 2, 2 / 3)))


def test_one_file_plays(window: Firefox) -> None:
    window.open(ONE_FILE.as_uri())
    left, top, _, height = window.box("#pad")
    window.drag((left + 2, top + height / 2))  # to the horn, which is held
    plays(window, "a", 60)
    plays(window, "d", 64)
    window.press("a")
    sounds(window)
    moved(window, "#pad")
    wait_for(window, lambda: "padX=0.6" in window.evaluate("location.hash"))
    window.let_go("a")
    is_silent(window)


def test_the_page_takes_a_sound_and_has_a_map(window: Firefox, address: str) -> None:
    window.open(address)
    plays(window, "a", 60)
    drop(window, {FURTHER[1].name: FURTHER[1].read_bytes()})
    wait_for(window, lambda: "celesta" in window.text("#cards") and not window.text("#status"), milliseconds=60_000)
    window.click("#views button:nth-child(2)")
    wait_for(window, lambda: window.box("#explore canvas")[2] > 0)
    moved(window, "#explore canvas")
    wait_for(window, lambda: "mapX=" in window.evaluate("location.hash"))
    plays(window, "a", 60)
