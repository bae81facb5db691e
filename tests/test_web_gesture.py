"""Gestures on the pad and one note at a time: as text, in node; repeating, in the address and undone, in a browser."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import heard, opened, pitch_of, played_pitch, sounds, to_left, wait_for
from commands import NODE

GESTURE = Path(__file__).parents[1] / "src/intertone/web/static/gesture.js"

needs_node = pytest.mark.skipif(shutil.which("node") is None and not os.environ.get("CI"), reason="apt install nodejs")


def in_node(expression: str, value: object = None) -> Any:
    """Return what an expression of the module of gestures gives; ``value`` is the value that is passed to it."""
    code = (
        f"import * as gesture from {json.dumps(GESTURE.as_uri())}; const value = {json.dumps(value)};"
        f"console.log(JSON.stringify({expression}));"
    )
    words = [*NODE, "--input-type=module", "-e", code]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def circle(seconds: float, rate: float = 60) -> list[dict[str, float]]:
    times = np.arange(0, seconds + 1e-9, 1 / rate)
    angles = 2 * np.pi * times / seconds
    return [
        {"x": 0.5 + 0.4 * float(np.cos(angle)), "y": 0.5 + 0.4 * float(np.sin(angle)), "time": 7 + float(time)}
        for angle, time in zip(angles, times, strict=True)
    ]


@needs_node
def test_a_circle_repeats_in_its_time() -> None:
    places = circle(2.0)
    text, found = in_node(
        "(() => { const points = gesture.gesturePoints(gesture.gestureText(gesture.gestureOf(value.places)));"
        " return [gesture.gestureText(points), value.times.map((time) => gesture.gestureAt(points, time))]; })()",
        {"places": places, "times": [place["time"] - 7 + turn for turn in (0, 2, 20) for place in places[:-1]]},
    )
    assert re.fullmatch(r"[\w-]+", text) and len(text) <= 180
    for at, place in enumerate(3 * places[:-1]):
        assert np.hypot(found[at]["x"] - place["x"], found[at]["y"] - place["y"]) < 0.02


@needs_node
def test_an_open_movement_goes_back_at_once() -> None:
    points = in_node("gesture.gestureOf(value)", [{"x": 0, "y": 0.5, "time": 1}, {"x": 1, "y": 0.5, "time": 1.5}])
    assert [point["seconds"] for point in points] == pytest.approx([0.5, 0.2])


@needs_node
def test_a_wild_movement_has_at_most_a_hundred_points() -> None:
    random = np.random.default_rng(3701)
    places = [{"x": x, "y": y, "time": 0.02 * at} for at, (x, y) in enumerate(random.uniform(size=(1400, 2)).tolist())]
    text = in_node("gesture.gestureText(gesture.gestureOf(value))", places)
    assert 6 < len(text) <= 600
    assert in_node("gesture.isGesture(value)", text) is True


@needs_node
@pytest.mark.parametrize("text", ["A", "AAAAAA", "ABCDEF=", "äbcdef", "AAA AA", 101 * "AbCdEf"])
def test_other_text_is_no_gesture(text: str) -> None:
    assert in_node("gesture.isGesture(value)", text) is False


@needs_node
def test_without_a_movement_there_is_no_gesture() -> None:
    assert in_node("[gesture.gestureOf([]), gesture.gestureOf([{x: 0, y: 0, time: 1}]), gesture.isGesture('')]") == [
        None,
        None,
        True,
    ]


# in a browser


def place(page: Any) -> str:
    """Return what the pad says of its place."""
    return page.locator("#field").get_attribute("aria-valuetext")


def moves(page: Any) -> None:
    """Wait until the pad was at six places."""
    found: set[str] = set()
    wait_for(page, lambda: found.add(place(page)) or len(found) > 5)


def draw(page: Any) -> None:
    """Move on the pad from left to right within about half a second."""
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    for step in range(1, 10):
        page.mouse.move(box["x"] + (0.1 + 0.08 * step) * box["width"], box["y"] + 0.5 * box["height"])
        page.wait_for_timeout(50)
    page.mouse.up()


@pytest.mark.slow
def test_a_gesture_repeats_until_it_is_stopped(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        button = page.locator("#gesture")
        button.click()
        assert (button.text_content(), button.get_attribute("aria-pressed")) == ("Repeat", "true")
        draw(page)
        button.click()
        assert button.text_content() == "Stop"
        moves(page)
        wait_for(page, lambda: "gesture=" in page.evaluate("location.hash"))
        assert len(page.evaluate("location.hash")) < 200
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert button.text_content() == "Stop"
        moves(page)
        page.click("#gesture")
        assert button.text_content() == "Gesture"
        before = place(page)
        page.wait_for_timeout(500)
        assert place(page) == before
        page.click("#undo")
        assert button.text_content() == "Stop"
        moves(page)
        wait_for(page, lambda: "gesture=" in page.evaluate("location.hash"))


@pytest.mark.slow
def test_a_gesture_without_a_movement_is_none(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.click("#gesture")
        page.click("#gesture")
        assert page.locator("#status").text_content() == "The pad was not moved, so nothing repeats."
        assert page.locator("#gesture").text_content() == "Gesture"


@pytest.mark.slow
def test_one_note_at_a_time(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        to_left(page)
        page.click("#mono")
        assert page.locator("#mono").get_attribute("aria-pressed") == "true"
        page.keyboard.down("KeyA")
        sounds(page)
        page.keyboard.down("KeyD")
        assert played_pitch(page) == pytest.approx(64, abs=0.2)
        assert re.match(r"1 voice\b", page.locator("#meter").text_content())
        page.keyboard.up("KeyD")
        page.wait_for_timeout(700)
        assert pitch_of(*heard(page)) == pytest.approx(60, abs=0.2)
        wait_for(page, lambda: "mono=1" in page.evaluate("location.hash"))
        page.keyboard.up("KeyA")
        page.click("#undo")
        assert page.locator("#mono").get_attribute("aria-pressed") == "false"


@pytest.mark.slow
def test_a_gesture_on_the_map_is_its_own(browser: Any, address: str) -> None:
    """It repeats on the map and in its sound; the pad has another one, and the codes have none."""
    with opened(browser, address) as page:
        page.get_by_role("button", name="Explore").click()
        page.locator(".parts li").first.wait_for(timeout=60_000)
        button, sky = page.locator("#gesture"), page.locator(".sky")
        button.click()
        assert page.locator("#status").text_content().startswith("Move on the map, then press Repeat")
        box = sky.bounding_box()
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
        page.mouse.down()
        for step in range(1, 10):
            page.mouse.move(box["x"] + (0.2 + 0.06 * step) * box["width"], box["y"] + 0.3 * box["height"])
            page.wait_for_timeout(50)
        page.mouse.up()
        button.click()
        assert button.text_content() == "Stop"
        asked: set[float] = set()
        page.on("request", lambda one: one.url.endswith("map/sound") and asked.add(one.post_data_json.get("x")))
        wait_for(page, lambda: len(asked) > 5)
        wait_for(page, lambda: "gestureMap=" in page.evaluate("location.hash"))
        page.get_by_role("button", name="Codes").click()
        assert button.is_disabled() and button.text_content() == "Gesture"
        page.get_by_role("button", name="Morph").click()
        assert button.is_enabled() and button.text_content() == "Gesture"
        before = place(page)
        page.wait_for_timeout(300)
        assert place(page) == before
        page.get_by_role("button", name="Explore").click()
        button.click()
        assert button.text_content() == "Gesture"
        there = sky.get_attribute("aria-valuetext")
        page.wait_for_timeout(300)
        assert sky.get_attribute("aria-valuetext") == there
