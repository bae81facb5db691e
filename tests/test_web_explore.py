"""Explore in a browser: the map is dragged, walked by keys and jumped on while a note is held."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from browser import chromium, level_db, opened, played_pitch, playwright, wait_for
from conftest import SAMPLE_RATE
from test_web_page import SOUNDS, drop, mean_spectrum, one_file, served, sounds, wav

from intertone.codec import Codec
from intertone.instrument.looped import looped_instrument

pytestmark = pytest.mark.slow

__all__ = ["one_file"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright() as driver, chromium(driver) as started:
        yield started


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(*SOUNDS) as found:
        yield found


def hiss() -> bytes:
    stream = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    soundfile.write(stream, noise, SAMPLE_RATE, format="WAV", subtype="PCM_24")
    return stream.getvalue()


def explore(page: Any) -> None:
    """Open the map, and wait until a place of it is played."""
    page.get_by_role("button", name="Explore").click()
    page.locator(".parts li").first.wait_for(timeout=60_000)


def drag(page: Any, x: float, y: float) -> None:
    box = page.locator(".sky").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
    page.mouse.up()


def go_to(page: Any, name: str) -> None:
    page.get_by_label("Go to").select_option(label=name)
    page.wait_for_function("name => document.querySelector('.parts .name').textContent === name", arg=name)


def test_a_held_note_follows_the_map(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        explore(page)
        go_to(page, "flute")
        page.keyboard.down("KeyA")
        sounds(page)
        flute = mean_spectrum(page)
        go_to(page, "trumpet")
        trumpet = mean_spectrum(page)
        go_to(page, "flute")
        again = mean_spectrum(page)
        assert np.abs(flute - trumpet).mean() > 8 > 2 > np.abs(flute - again).mean()
        drag(page, 0.9, 0.5)
        assert page.locator(".parts .name").first.text_content() not in ("flute", "trumpet")
        dragged = mean_spectrum(page)
        assert np.abs(flute - dragged).mean() > 4
        assert re.match(r"1 voice\b", page.locator("#meter").text_content())


def test_only_the_newest_place_is_asked_for(browser: Any, address: str) -> None:
    """Fifty moves without a pause are a few requests, one after the other; the last is for the last place."""
    with opened(browser, address) as page:
        explore(page)
        under_way: set[Any] = set()
        most, bodies = [0], [{}]

        def begun(request: Any) -> None:
            if request.url.endswith("map/sound"):
                under_way.add(request)
                most[0] = max(most[0], len(under_way))
                bodies.append(request.post_data_json)

        page.on("request", begun)
        page.on("requestfinished", lambda request: under_way.discard(request))
        page.locator(".sky").focus()
        for _ in range(50):
            page.keyboard.press("ArrowRight")
        wait_for(page, lambda: bodies[-1].get("x") == 1 and not under_way)
        assert most[0] == 1 and len(bodies) < 26  # half of the presses move nothing: the edge has been reached
        assert bodies[-1]["instrument"]


def test_a_note_does_not_wait_for_the_server(browser: Any, address: str) -> None:
    """While the server does not answer, notes sound; where its answer is damaged, a sentence says so."""
    with opened(browser, address) as page:
        explore(page)
        go_to(page, "flute")
        page.keyboard.down("KeyA")
        sounds(page)
        page.keyboard.up("KeyA")
        wait_for(page, lambda: level_db(page) < -70)
        held = []
        page.route("**/map/sound", lambda route: held.append(route))
        drag(page, 0.8, 0.6)
        begun = time.monotonic()
        page.keyboard.down("KeyA")
        wait_for(page, lambda: level_db(page) > -45)
        assert held and time.monotonic() - begun < 5
        held[0].fulfill(status=200, body="lost")
        page.wait_for_function(
            "() => document.getElementById('status').textContent.startsWith('The sound stays as it is')"
        )
        assert level_db(page) > -45


def test_own_sounds_are_points_and_the_pad_comes_back(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        explore(page)
        go_to(page, "english-horn")
        assert "100 %" in page.locator(".parts li").first.text_content()
        assert page.locator(".parts li").count() == 1  # the others have no part
        drop(page, {"mine.wav": wav(57)}, "#explore")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.goto option')].some((one) => one.textContent === 'mine')",
            timeout=60_000,
        )
        page.keyboard.down("KeyA")
        sounds(page)
        page.get_by_role("button", name="Morph").click()
        assert page.locator("#pad").is_visible() and not page.locator(".sky").is_visible()
        page.wait_for_timeout(500)
        sounds(page)  # the note that is held goes on with the pad's sounds


def test_the_map_is_reached_without_a_mouse(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        button = page.get_by_role("button", name="Explore")
        button.focus()
        page.keyboard.press("Enter")
        page.locator(".parts li").first.wait_for(timeout=60_000)
        assert button.get_attribute("aria-pressed") == "true"
        sky = page.get_by_role("slider", name=re.compile("Place on the map"))
        sky.focus()
        before = sky.get_attribute("aria-valuetext")
        for _ in range(4):
            page.keyboard.press("Shift+ArrowLeft")
        assert re.fullmatch(r"[\w -]+ \d+ %(, [\w -]+ \d+ %)*", sky.get_attribute("aria-valuetext"))
        assert sky.get_attribute("aria-valuetext") != before
        page.get_by_role("button", name="Undo").click()
        assert sky.get_attribute("aria-valuenow") == "20"
        page.wait_for_timeout(400)
        assert "mapX" in page.evaluate("location.hash") and "view=1" in page.evaluate("location.hash")
        page.reload()
        page.locator(".parts li").first.wait_for(timeout=60_000)
        assert page.get_by_role("slider", name=re.compile("Place on the map")).get_attribute("aria-valuenow") == "20"


def test_a_sound_without_one_pitch_is_named_beside_the_map(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        drop(page, {"hiss.wav": hiss()})
        wait_for(page, lambda: page.locator(".card canvas").count() == 3, milliseconds=60_000)
        explore(page)
        wait_for(page, lambda: page.locator("#status").text_content() != "The map is being drawn.")
        assert page.locator("#status").text_content() == "hiss has no single pitch, so it is not on the map."


def test_a_held_note_follows_the_numbers_of_a_code(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.get_by_role("button", name="Codes").click()
        page.keyboard.down("KeyA")
        sounds(page)
        # until the loop of the code is there, the sounds of the pad play; it has no partials
        page.wait_for_function("() => document.querySelector('#meter').textContent.includes(' 0 partials')")
        first = np.maximum(mean_spectrum(page), -60)  # the rest is rounding
        for number in ("1", "4"):
            page.get_by_role("slider", name=number, exact=True).fill("900")
        second = np.maximum(mean_spectrum(page), -60)
        assert np.abs(first - second).mean() > 4
        assert re.match(r"1 voice\b", page.locator("#meter").text_content())
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Undo").click()
        assert np.abs(np.maximum(mean_spectrum(page), -60) - first).mean() < 2
        page.get_by_role("button", name="manne").click()
        visible = page.locator(".codes:visible input")
        assert visible.count() == 3
        page.get_by_role("button", name="Surprise me").locator("visible=true").click()
        assert len({visible.nth(index).input_value() for index in range(3)} - {"500"}) == 3
        page.wait_for_timeout(400)
        assert "view=3" in page.evaluate("location.hash") and "manne2" in page.evaluate("location.hash")


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_what_stands_on_the_map_can_be_read_and_touched(browser: Any, address: str, width: int, theme: str) -> None:
    settings = {"viewport": {"width": width, "height": 844}, "color_scheme": theme}
    with opened(browser, address, **settings) as page:
        explore(page)
        for name in ("#views button:nth-child(1)", "#views button:nth-child(2)", ".goto select"):
            box = page.locator(name).bounding_box()
            assert box["width"] >= 44 and box["height"] >= 44
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(LEAST_CONTRAST) >= 4.5


LEAST_CONTRAST = """() => {
  const canvas = document.querySelector(".sky");
  const parts = (colour) => {
    const one = document.createElement("canvas").getContext("2d");
    one.fillStyle = colour;
    one.fillRect(0, 0, 1, 1);
    return one.getImageData(0, 0, 1, 1).data;
  };
  const light = ([red, green, blue]) => {
    const linear = (v) => (v <= 10.3 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [red, green, blue].map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(canvas);
  const ink = light(parts(style.getPropertyValue("--ink")));
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const levels = [];
  for (let at = 0; at < pixels.length; at += 4 * 97) levels.push(light(pixels.slice(at, at + 3)));
  levels.sort((a, b) => a - b);
  // the ground is the most of the map: the tenth of its pixels that is nearest to the ink may be points and names
  const ground = levels[Math.floor((ink > 0.5 ? 0.9 : 0.1) * levels.length)];
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
}"""


def test_the_one_file_has_no_map(browser: Any, one_file: str) -> None:
    with opened(browser, one_file, offline=True) as page:
        assert page.locator("#views button").count() == 0
        assert not page.locator("#explore").is_visible()
        page.keyboard.down("KeyA")
        sounds(page)


LOADS = """
window.loads = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...rest) {
  if (data?.type === "load") loads.push(data.instrument.sounds.length);
  return post.call(this, data, ...rest);
};
"""
"""Script that holds in ``loads`` how many sounds each instrument has that the engine gets."""


def test_an_answer_after_the_view_was_left_does_nothing(browser: Any, address: str) -> None:
    with opened(browser, address, LOADS) as page:
        explore(page)
        page.keyboard.down("KeyA")
        sounds(page)
        held = []
        page.route("**/map/sound", lambda route: held.append(route))
        drag(page, 0.8, 0.6)
        wait_for(page, lambda: held)
        page.get_by_role("button", name="Morph").click()
        wait_for(page, lambda: page.evaluate("loads.at(-1)") == 2)
        page.evaluate("loads.length = 0")
        page.get_by_role("button", name="Explore").click()
        held[0].fulfill(status=200, body="lost")  # taken, it would be a sentence
        wait_for(page, lambda: len(held) > 1)
        assert page.evaluate("loads") == [] and page.locator("#status").text_content() == ""


def test_a_map_that_comes_after_the_view_was_left_says_nothing(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        held = []
        page.route("**/map?*", lambda route: held.append(route))
        page.get_by_role("button", name="Explore").click()
        wait_for(page, lambda: held)
        page.get_by_role("button", name="Morph").click()
        page.click("#octave-up")
        held[0].fulfill(status=200, json={"points": [], "known": True})
        page.wait_for_timeout(300)
        assert page.locator("#status").text_content().startswith("A plays ")


def test_what_is_heard_in_a_view_is_saved(browser: Any, address: str, tmp_path: Path) -> None:
    """The saved page has the sound of the place, or of the code, and plays it."""
    with opened(browser, address) as page:
        explore(page)
        go_to(page, "flute")
        saved = []
        for view in ("Explore", "Codes", "Morph"):
            page.get_by_role("button", name=view).click()
            with page.expect_download() as waiting:
                page.click("#save")
            saved.append(tmp_path / f"{view}.html")
            waiting.value.save_as(saved[-1])
    names = []
    for path in saved:
        with opened(browser, path.as_uri(), offline=True) as page:
            names.append(page.locator(".card .name").all_text_contents())
            page.keyboard.down("KeyA")
            sounds(page)
            if path != saved[1]:  # the spectrum of a code has no pitch of its own
                assert played_pitch(page) == pytest.approx(60, abs=0.2)
    assert names == [["flute 100 %"], ["canne"], ["english-horn", "sitar"]]


def test_a_restarted_server_is_one_clear_sentence(browser: Any) -> None:
    """The map goes on without the sounds that the new server does not know; what is saved then says so, too."""
    context = browser.new_context()
    page = context.new_page()
    with served(SOUNDS[0], options=("--port", "8797")) as address:
        page.goto(address)
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        explore(page)
        assert page.locator(".goto option").count() == 95
    with served(SOUNDS[0], options=("--port", "8797")):
        drag(page, 0.7, 0.6)
        status = page.locator("#status")
        wait_for(page, lambda: "no longer has your sounds" in status.text_content(), milliseconds=60_000)
        assert page.locator(".goto option").count() == 94
        with page.expect_response("**/map/sound") as answer:
            drag(page, 0.3, 0.6)
        assert answer.value.status == 200
        page.get_by_role("button", name="Morph").click()
        page.click("#save")
        wait_for(page, lambda: status.text_content().startswith("Nothing was saved: the server no longer has this"))
    context.close()


def test_the_map_alone_finds_out_how_many_voices_there_are(browser: Any) -> None:
    script = "window.probed = 0; const Base = OfflineAudioContext; const render = Base.prototype.startRendering;"
    script += "Base.prototype.startRendering = function () { probed += 1; return render.call(this); };"
    with served() as address:
        context = browser.new_context()
        context.add_init_script(script)
        page = context.new_page()
        page.goto(address)
        page.get_by_role("button", name="Codes").click()
        page.wait_for_timeout(1500)
        assert page.evaluate("probed") == 0  # a loop tells nothing of partials
        explore(page)
        wait_for(page, lambda: page.evaluate("probed") > 0)
        context.close()


def test_the_card_of_a_saved_code_says_that_it_follows_the_keys(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "numbers.intertone"
    looped_instrument(Codec.load("canne"), torch.full((8,), 0.5), "numbers").save(path)
    with served(path) as address, opened(browser, address) as page:
        assert page.locator(".card .facts").text_content() == "a steady sound at the pitch of each key"
