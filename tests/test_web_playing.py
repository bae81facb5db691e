"""What happens on the page at odd moments: drops in quick succession, a hold before the first note, no sound at all."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import FURTHER, LOUD_DB, SOUNDS, drop, is_silent, level_db, opened, served, sounds, to_left, wait_for

pytestmark = pytest.mark.slow

TWO_ACCESSES = """
const inputs = [];
const input = () => {
  const made = { id: "fake", name: "Fake keys", state: "connected", onmidimessage: null };
  inputs.push(made);
  return made;
};
navigator.requestMIDIAccess = async () => ({ inputs: new Map([["fake", input()]]), onstatechange: null });
window.send = (...bytes) => inputs.forEach((one) => one.onmidimessage?.({ data: new Uint8Array(bytes) }));
window.begun = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...rest) {
  if (data?.type === "noteOn") begun.push(data.key);
  return post.call(this, data, ...rest);
};
"""
"""Script that gives a page a MIDI device, of which every request makes an object of its own, as in browsers; ``begun``
holds the keys of the notes that the engine gets."""

NO_WORKLET_NODE = "window.AudioWorkletNode = class { constructor() { throw new Error('no node'); } };"


def silence() -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(16000), 16000, format="WAV")
    return stream.getvalue()


def test_sounds_dropped_in_quick_succession_all_play(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        for path in FURTHER:
            drop(page, {path.name: path.read_bytes()}, "#scope")
        wait_for(page, lambda: page.locator(".card canvas").count() == 4, milliseconds=60_000)
        names = page.locator(".card .name").all_text_contents()
        assert names == ["english-horn", "sitar", "slow-strings", "celesta"]


def test_a_card_says_what_is_loaded_until_it_plays(browser: Any, address: str) -> None:
    """An instrument that was ordered before is ready first; the card of the next sound still waits."""
    names = """() => {
      window.names = [];
      const look = () => {
        const name = document.querySelector(".card-1 .name").textContent;
        if (names.at(-1) !== name) names.push(name);
      };
      new MutationObserver(look).observe(document.querySelector("#cards"), { childList: true });
    }"""
    with opened(browser, address) as page:
        drop(page, {FURTHER[0].name: FURTHER[0].read_bytes()}, ".empty")
        wait_for(page, lambda: "compares" in page.locator(".card-2 .working").text_content())
        page.evaluate(names)
        drop(page, {FURTHER[1].name: FURTHER[1].read_bytes()}, ".card-1")
        wait_for(page, lambda: page.locator(".working").count() == 0, milliseconds=60_000)
        assert page.evaluate("names") in (["celesta"], ["sitar", "celesta"])
        assert page.locator(".card-1 .facts").text_content().startswith("C5")
        assert page.locator(".card canvas").count() == 3


def test_a_refused_sound_between_two_others_leaves_them(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        for name, content in (("words.wav", b"words"), (FURTHER[1].name, FURTHER[1].read_bytes())):
            drop(page, {name: content}, "#scope")
        wait_for(page, lambda: page.locator(".card canvas").count() == 3, milliseconds=60_000)
        assert page.locator(".card-2 .name").text_content() == "celesta"


def test_midi_pressed_twice_plays_every_note_once(browser: Any, address: str) -> None:
    with opened(browser, address, TWO_ACCESSES) as page:
        to_left(page)
        for _ in range(2):
            page.click("#midi")
        wait_for(page, lambda: page.locator("#midi").get_attribute("aria-pressed") == "true")
        page.keyboard.down("KeyA")  # held until it is heard
        sounds(page)
        page.keyboard.up("KeyA")
        page.evaluate("begun.length = 0; send(0x90, 62, 100)")
        assert page.evaluate("begun") == [62]


def test_hold_before_the_first_note_holds_it(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.click("#hold")
        page.keyboard.press("KeyA")
        sounds(page)
        page.wait_for_timeout(1200)
        assert level_db(page) > LOUD_DB
        page.click("#hold")
        is_silent(page)


def test_record_without_sound_is_one_sentence(browser: Any, address: str) -> None:
    with opened(browser, address, NO_WORKLET_NODE) as page:
        page.click("#record")
        wait_for(page, lambda: page.locator("#status").text_content() == "No sound could be made: no node.")
        assert page.locator("#record").text_content() == "Record"


def test_a_link_in_a_mail_opens_the_page_with_its_token(browser: Any) -> None:
    """The cookie of the first answer comes with the request that follows, although another site holds the link."""
    with served(*SOUNDS, options=("--token", "abcdefghijkl")) as address:
        context = browser.new_context()
        page = context.new_page()
        page.route("http://mail.example/", lambda route: route.fulfill(body=f'<a href="{address}">play</a>'))
        page.goto("http://mail.example/")
        page.click("a")
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        assert page.evaluate("location.search") == ""
        context.close()


@pytest.mark.parametrize("size", [(390, 844), (1280, 800), (1366, 657)])
def test_a_long_sentence_moves_nothing(browser: Any, size: tuple[int, int]) -> None:
    """With four sounds, an error leaves pad, cards and keys where they are, and can be read as a whole."""
    name = "a recording of the slow second movement from beginning to end.wav"
    viewport = {"width": size[0], "height": size[1]}
    with served(*SOUNDS, *FURTHER) as address, opened(browser, address, viewport=viewport) as page:
        parts = ["#pad", "#faders", "#keyboard", ".card-0", ".card-3"]
        before = [page.locator(part).bounding_box() for part in parts]
        drop(page, {name: silence()}, ".card-2")
        error = page.locator(".card-2 .error")
        error.wait_for(timeout=60_000)
        assert [page.locator(part).bounding_box() for part in parts] == before
        card, box = page.locator(".card-2").bounding_box(), error.bounding_box()
        assert box["height"] >= 30 and box["y"] + box["height"] <= card["y"] + card["height"]
        status = page.locator("#status")
        assert status.text_content().endswith(name)
        assert status.bounding_box()["height"] < 45
        page.click("#more")
        assert status.evaluate("one => one.scrollHeight <= one.clientHeight && one.scrollWidth <= one.clientWidth")
        assert [page.locator(part).bounding_box() for part in parts] == before
        page.click("#more")
        assert page.locator("#more").text_content() == "More"
        page.click("#octave-up")
        assert not page.locator("#more").is_visible()


def test_a_sentence_that_has_room_by_the_time_it_is_closed_needs_no_button(browser: Any, address: str) -> None:
    with opened(browser, address, viewport={"width": 1280, "height": 657}) as page:
        page.evaluate("document.querySelector('#status').textContent = 'long '.repeat(80)")
        page.set_viewport_size({"width": 1270, "height": 657})
        page.click("#more")
        page.evaluate("document.querySelector('#status').textContent = 'short'")
        page.click("#more")
        assert not page.locator("#more").is_visible()


def test_a_corner_without_a_sound_is_named_in_a_low_window(browser: Any, address: str) -> None:
    with opened(browser, address, viewport={"width": 1366, "height": 657}) as page:
        corner = page.locator("button.corner")
        assert corner.text_content() == "+ sound"
        assert corner.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_a_long_name_leaves_the_free_corner_beside_it(browser: Any, tmp_path: Path) -> None:
    sound = tmp_path / "a recording of the slow second movement.wav"
    sound.write_bytes(SOUNDS[0].read_bytes())
    with served(sound) as address, opened(browser, address, viewport={"width": 1366, "height": 657}) as page:
        name, free = (page.locator(f".corner-{corner}").bounding_box() for corner in (0, 1))
        assert name["x"] + name["width"] <= free["x"]


def test_an_error_leaves_the_picture_of_the_sound(browser: Any) -> None:
    names = """
    window.names = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
      if (this.canvas.className === "picture") names.push([y, parseFloat(this.font)]);
      return write.call(this, text, x, y);
    };
    """
    viewport = {"width": 1366, "height": 657}
    with served(*SOUNDS, *FURTHER) as address, opened(browser, address, names, viewport=viewport) as page:
        pictures = page.locator(".card .picture")
        before = [box["height"] for box in (picture.bounding_box() for picture in pictures.all())]
        written = page.evaluate("names")
        assert written  # of each picture from below upwards
        assert all(second[0] >= first[0] or second[0] + first[1] <= first[0] for first, second in pairwise(written))
        drop(page, {"words.wav": b"these are words"}, ".card-2")
        page.locator(".card-2 .error").wait_for(timeout=60_000)
        assert [picture.bounding_box()["height"] for picture in pictures.all()] == before
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.locator(".card-2 .picture").bounding_box()["height"] > 60


def test_an_error_is_gone_with_the_next_sound(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        drop(page, {"words.wav": b"these are words"}, ".card-1")
        page.locator(".card-1 .error").wait_for()
        drop(page, {"more words.wav": b"these are words"}, ".empty")
        page.locator(".card-2 .error").wait_for()
        assert page.locator(".error").count() == 1
        drop(page, {FURTHER[1].name: FURTHER[1].read_bytes()}, ".card-2")
        wait_for(page, lambda: page.locator(".card canvas").count() == 3, milliseconds=60_000)
        assert page.locator(".card .name").all_text_contents()[2:] == ["celesta"]
        assert page.locator(".error").count() == 0
