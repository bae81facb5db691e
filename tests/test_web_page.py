"""The page in a browser: it is played by keys, MIDI and the pad, takes sounds, records, and lives on as one file."""

import io
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import (
    FAKE_MIDI,
    LOUD_DB,
    SOUNDS,
    chromium,
    drop,
    heard,
    is_silent,
    level_db,
    opened,
    pitch_of,
    played_pitch,
    served,
    sounds,
    spectrum_db,
    to_left,
    wait_for,
)
from conftest import SAMPLE_RATE, tone

TYPED = {"KeyA": 60, "KeyS": 62, "KeyD": 64, "KeyF": 65}

VELOCITIES = """
window.velocities = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...rest) {
  if (data?.type === "noteOn") velocities.push(data.velocity);
  return post.call(this, data, ...rest);
};
"""
"""Script that collects the velocities of the notes that the engine gets."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "horn-sitar.html"
    words = [sys.executable, "-m", "intertone", "export", *map(str, SOUNDS), "-o", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path.as_uri()


def play_melody(page: Any) -> None:
    for code, pitch in TYPED.items():
        page.keyboard.down(code)
        assert played_pitch(page) == pytest.approx(pitch, abs=0.2), code
        page.keyboard.up(code)
        is_silent(page)


def mean_spectrum(page: Any) -> np.ndarray:
    """Levels of the partials of C4, dB, over the next second and a half."""
    found = []
    page.wait_for_timeout(400)
    for _ in range(10):
        page.wait_for_timeout(120)
        found.append(spectrum_db(page, 60))
    return np.mean(found, axis=0)


def wav(pitch: float) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, tone(pitch, seconds=1.5).numpy(), SAMPLE_RATE, format="WAV", subtype="PCM_24")
    return stream.getvalue()


def test_a_melody_on_the_computers_keys(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        to_left(page)
        play_melody(page)
        page.keyboard.press("KeyZ")
        page.keyboard.down("KeyA")
        assert played_pitch(page) == pytest.approx(48, abs=0.2)
        page.keyboard.down("KeyA")  # the repeats of a key that is held are no notes
        assert re.match(r"1 voice\b", page.locator("#meter").text_content())
        page.keyboard.press("Escape")
        is_silent(page)


def test_the_first_key_switches_the_sound_on(driver: Any, address: str) -> None:
    with chromium(driver, gesture_needed=True) as browser, opened(browser, address) as page:
        assert "switches the sound on" in page.locator("#status").text_content()
        page.keyboard.down("KeyA")
        sounds(page)


def test_keys_on_the_screen(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        to_left(page)
        key = page.locator("#keyboard [data-key='64']")
        box = key.bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 0.9 * box["height"])
        page.mouse.down()
        assert played_pitch(page) == pytest.approx(64, abs=0.2)
        assert "on" in key.get_attribute("class").split()
        page.mouse.up()
        is_silent(page)
        key.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.down("Enter")
        assert played_pitch(page) == pytest.approx(65, abs=0.2)


def test_two_fingers_play_two_notes(browser: Any, address: str) -> None:
    with opened(browser, address, has_touch=True, viewport={"width": 1280, "height": 800}) as page:
        boxes = [page.locator(f"#keyboard [data-key='{key}']").bounding_box() for key in (60, 67)]
        points = [{"x": box["x"] + 5, "y": box["y"] + box["height"] - 9, "id": at} for at, box in enumerate(boxes)]
        session = page.context.new_cdp_session(page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
        sounds(page)
        assert page.locator("#keyboard .on").count() == 2
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        is_silent(page)


def test_a_midi_keyboard(browser: Any, address: str) -> None:
    with opened(browser, address, FAKE_MIDI) as page:
        to_left(page)
        if page.locator("#midi").get_attribute("aria-pressed") == "false":
            page.click("#midi")
        wait_for(page, lambda: page.locator("#midi").get_attribute("aria-pressed") == "true")
        page.evaluate("send(0x90, 62, 100)")
        assert played_pitch(page) == pytest.approx(62, abs=0.2)
        page.evaluate("send(0xe0, 127, 127)")
        page.wait_for_timeout(700)
        assert pitch_of(*heard(page)) == pytest.approx(64, abs=0.2)
        page.evaluate("send(0xe0, 0, 64)")
        page.evaluate("send(0xb0, 64, 127); send(0x80, 62, 0)")
        page.wait_for_timeout(800)
        assert level_db(page) > LOUD_DB
        page.evaluate("send(0xb0, 64, 0)")
        is_silent(page)
        page.evaluate("send(0xb0, 1, 127); send(0xb0, 74, 0)")
        assert page.locator("#field").get_attribute("aria-valuetext") == "100 % sitar"


def test_the_pad_changes_the_spectrum_of_a_held_note(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        to_left(page)
        page.keyboard.down("KeyA")
        sounds(page)
        page.wait_for_timeout(2800)  # the horn's own timbre changes for 2 s, until its loop at 2.7 s
        left, again = mean_spectrum(page), mean_spectrum(page)
        box = page.locator("#pad").bounding_box()
        page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2)
        middle = mean_spectrum(page)
        assert 2 * np.abs(left - again).mean() < 4 < np.abs(left - middle).mean()
        page.focus("#field")
        before = page.locator("#field").get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        assert before == "40 % english-horn, 60 % sitar"
        assert page.locator("#field").get_attribute("aria-valuetext") == "38 % english-horn, 62 % sitar"


def test_dropped_sounds_play(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        drop(page, {"low.wav": wav(48), "high.wav": wav(72)})
        wait_for(page, lambda: page.locator(".card canvas").count() == 4, milliseconds=60_000)
        facts = page.locator(".card .facts").all_text_contents()
        assert [text.split(" ")[0] for text in facts] == ["C4", "C4", "C3", "C5"]
        assert facts[2].endswith("1.50 s")
        box = page.locator("#pad").bounding_box()
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.7 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] - 9, box["y"] + box["height"] + 9)
        page.mouse.up()
        assert page.locator("#field").get_attribute("aria-valuetext") == "100 % low"
        page.keyboard.down("KeyA")
        assert played_pitch(page) == pytest.approx(60, abs=0.2)


def test_dropped_sounds_are_still_there_after_a_reload(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        drop(page, {"low.wav": wav(48)})
        wait_for(page, lambda: page.locator(".card canvas").count() == 3, milliseconds=60_000)
        names = page.locator(".card .name").all_text_contents()
        page.reload()
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        wait_for(page, lambda: page.locator(".card canvas").count() == 3, milliseconds=60_000)
        assert page.locator(".card .name").all_text_contents() == names
        page.keyboard.down("KeyA")
        sounds(page)


@pytest.mark.parametrize("kept", ['[{"id": "gone", "name": "gone.wav"}]', "[null]", "{}", "7", "text"])
def test_a_reload_without_the_sounds_on_the_server_begins_anew(browser: Any, address: str, kept: str) -> None:
    with opened(browser, address, f"sessionStorage['intertone.sounds'] = '{kept}'", refused=404) as page:
        assert page.locator(".card .facts").all_text_contents()[0].startswith("C4")
        page.keyboard.down("KeyA")
        sounds(page)


def test_a_file_that_is_no_sound_is_one_sentence_where_it_was_dropped(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        drop(page, {"notes.wav": b"these are words"}, ".card-1")
        error = page.locator(".card-1 .error")
        error.wait_for()
        assert error.text_content() == "A sound must be a file that this browser can decode, got notes.wav."
        assert page.locator(".card .facts").all_text_contents()[0].startswith("C4")
        page.keyboard.down("KeyA")
        sounds(page)


def test_a_silent_sound_is_refused_and_the_others_play(browser: Any, address: str) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(16000), SAMPLE_RATE, format="WAV")
    with opened(browser, address) as page:
        drop(page, {"silence.wav": stream.getvalue()}, ".empty")
        error = page.locator(".card .error")
        error.wait_for(timeout=60_000)
        assert error.text_content().startswith("a sound must not be all silence")
        assert error.text_content().endswith("in silence.wav")
        assert page.locator(".card canvas").count() == 2


def test_a_sound_without_a_pitch_says_so_and_plays(browser: Any, address: str) -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    stream = io.BytesIO()
    soundfile.write(stream, noise.clip(-1, 1), SAMPLE_RATE, format="WAV")
    with opened(browser, address) as page:
        drop(page, {"noise.wav": stream.getvalue()}, ".card-0")
        facts = page.locator(".card-0 .facts")
        wait_for(page, lambda: facts.text_content() == "no single pitch · 1.00 s", milliseconds=60_000)
        assert (
            "its recording plays at its own pitch on every key" in page.locator(".card-0 .notes li").last.inner_text()
        )
        to_left(page)
        page.keyboard.down("KeyA")
        sounds(page)


def test_a_bad_file_of_the_command_line_leaves_the_other(browser: Any, tmp_path: Path) -> None:
    bad = tmp_path / "words.wav"
    bad.write_text("these are words")
    with served(bad, SOUNDS[1]) as address, opened(browser, address) as page:
        assert page.locator(".card .name").all_text_contents()[0] == "sitar"
        assert page.locator(".card .error").text_content().endswith("got words.wav, which is not one")
        page.keyboard.down("KeyA")
        sounds(page)


def test_a_page_without_sounds_waits_for_them(browser: Any) -> None:
    with served() as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        assert page.locator(".add").text_content() == "Drop a sound here, or choose one"
        drop(page, {f"{pitch}.wav": wav(pitch) for pitch in (48, 55, 60, 67)})
        wait_for(page, lambda: page.locator(".card canvas").count() == 4, milliseconds=60_000)
        assert page.locator(".card .name").all_text_contents() == ["48", "55", "60", "67"]
        context.close()


def test_what_is_heard_is_recorded(browser: Any, address: str, tmp_path: Path) -> None:
    with opened(browser, address) as page:
        to_left(page)
        page.click("#record")
        page.keyboard.down("KeyA")
        sounds(page)
        page.wait_for_timeout(1000)
        with page.expect_download() as waiting:
            page.click("#record")
        waiting.value.save_as(tmp_path / "record.wav")
        rate = page.evaluate("heard.context.sampleRate")
    audio, found = soundfile.read(tmp_path / "record.wav", always_2d=True)
    assert soundfile.info(tmp_path / "record.wav").subtype == "PCM_24"
    assert (found, audio.shape[1]) == (rate, 2) and len(audio) > rate
    assert pitch_of(audio[-16384:, 0], rate) == pytest.approx(60, abs=0.2)


def test_undo_versions_and_the_address(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        fader, shown = page.locator("#control-volume"), page.locator("#control-volume + output")
        fader.focus()
        page.keyboard.press("Home")
        assert shown.text_content() == "0 %"
        page.click("#undo")
        assert shown.text_content() == "80 %"
        page.click("#version")
        fader.focus()
        page.keyboard.press("End")
        page.click("#version")
        assert shown.text_content() == "80 %"
        page.click("#version")
        assert shown.text_content() == "100 %"
        wait_for(page, lambda: page.evaluate("location.hash") == "#volume=1")
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert shown.text_content() == "100 %"


@pytest.mark.parametrize("size", [(390, 844), (1366, 657), (1280, 800), (3840, 2160)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_control_has_a_name_and_a_size(browser: Any, address: str, size: tuple[int, int], theme: str) -> None:
    settings = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": theme}
    with opened(browser, address, **settings) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        controls = page.locator(
            "button:visible, input:visible, select:visible, [role=slider]:visible, summary:visible"
        ).all()
        assert len(controls) > 30
        for control in controls:
            box, black = control.bounding_box(), "black" in (control.get_attribute("class") or "")
            name = control.evaluate(
                "one => one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent.trim()"
            )
            assert name, control.evaluate("one => one.outerHTML")
            # of many keys the black ones are narrower than the white ones, between which they lie
            assert box["height"] >= 44 and ((black and size[0] > 500) or box["width"] >= 43.9), (name, box)
        if size[0] > 1000:
            keys = page.locator("#keyboard").bounding_box()
            assert keys["y"] + keys["height"] <= size[1]


def test_a_telephone_has_keys_for_fingers(browser: Any, address: str) -> None:
    """No key covers another one's middle, white keys are soft and loud, and another octave is a button away."""
    with opened(browser, address, VELOCITIES, has_touch=True, viewport={"width": 390, "height": 844}) as page:
        to_left(page)
        wait_for(page, lambda: page.locator("#meter").text_content().startswith("0 voices"))
        keys = page.locator("#keyboard [data-key]")
        assert [int(key.get_attribute("data-key")) for key in keys.all()] == list(range(60, 72))
        boxes = [key.bounding_box() for key in page.locator("#keyboard .black").all()]
        assert all(a["x"] + a["width"] <= b["x"] + 0.1 for a, b in pairwise(boxes))
        white = page.locator("#keyboard [data-key='62']").bounding_box()
        assert white["height"] - boxes[0]["height"] >= 44
        found = []
        for share in (0.65, 0.98):
            page.touchscreen.tap(white["x"] + white["width"] / 2, white["y"] + share * white["height"])
            found.append(page.evaluate("velocities.at(-1)"))
        assert found[0] < 0.45 and found[1] > 0.9
        page.click("#octave-up")
        assert keys.first.get_attribute("data-key") == "72"


def test_a_browser_without_audio_worklets_gets_one_sentence(browser: Any, address: str) -> None:
    context = browser.new_context()
    context.add_init_script("delete BaseAudioContext.prototype.audioWorklet;")
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(
        "document.getElementById('status').textContent.startsWith('This browser has no AudioWorklet')"
    )
    context.close()


def test_the_one_file_plays_without_a_network(browser: Any, one_file: str) -> None:
    with opened(browser, one_file, offline=True) as page:
        assert page.locator(".card canvas").count() == 2
        to_left(page)
        play_melody(page)
        assert page.title() == "english-horn, sitar · intertone"


def test_the_one_file_records(browser: Any, one_file: str, tmp_path: Path) -> None:
    with opened(browser, one_file, offline=True) as page:
        page.click("#record")
        page.keyboard.down("KeyA")
        sounds(page)
        with page.expect_download() as waiting:
            page.click("#record")
        waiting.value.save_as(tmp_path / "record.wav")
    assert np.abs(soundfile.read(tmp_path / "record.wav")[0]).max() > 0.01


def test_the_page_saves_itself_as_one_file(browser: Any, address: str, tmp_path: Path) -> None:
    with opened(browser, address) as page:
        with page.expect_download() as waiting:
            page.click("#save")
        waiting.value.save_as(tmp_path / "instrument.html")
    with opened(browser, (tmp_path / "instrument.html").as_uri(), offline=True) as page:
        page.keyboard.down("KeyA")
        sounds(page)
