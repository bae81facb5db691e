"""A browser for tests of the page, and what is heard in it."""

import base64
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

INSTALL = "apt-get install chromium"
"""Command that installs the browser."""

SOUNDS = [Path(__file__).parents[1] / "examples" / name for name in ("english-horn.wav", "sitar.wav")]
"""Sounds with which the page is served: two at C4, the first of which is held."""

FURTHER = [SOUNDS[0].with_name(name) for name in ("slow-strings.wav", "celesta.wav")]
"""Sounds that tests drop on the page."""

SILENT_DB, LOUD_DB = -70, -45
"""Levels below and above which a page is silent and sounds, dB re full scale."""

HEARD = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode && this.context instanceof AudioContext && !window.heard) {
    window.heard = new AnalyserNode(this.context, { fftSize: 16384, smoothingTimeConstant: 0 });
    connect.call(this, window.heard);
  }
  return connect.call(this, target, ...rest);
};
"""
"""Script that lets a test listen to what a page sends to the loudspeaker."""

FAKE_MIDI = """
window.midi = { id: "fake", name: "Fake keys", state: "connected", onmidimessage: null };
navigator.requestMIDIAccess = async () => ({ inputs: new Map([["fake", window.midi]]), onstatechange: null });
window.send = (...bytes) => window.midi.onmidimessage({ data: new Uint8Array(bytes) });
"""
"""Script that gives a page a MIDI device, whose messages a test sends."""


def find_chromium() -> str:
    """Return the path of Chromium; skip the test where it is absent, or fail under CI."""
    pytest.importorskip("playwright", reason="pip install playwright")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI"):
        pytest.fail(INSTALL)
    pytest.skip(INSTALL)


@contextmanager
def playwright() -> Iterator[Any]:
    """Start what drives browsers; a process can do that once at a time."""
    find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@contextmanager
def chromium(driver: Any, *, gesture_needed: bool = False) -> Iterator[Any]:
    """Start Chromium, in which pages may sound without a gesture unless one is needed."""
    arguments = ["--no-sandbox"] + ([] if gesture_needed else ["--autoplay-policy=no-user-gesture-required"])
    browser = driver.chromium.launch(executable_path=find_chromium(), args=arguments)
    yield browser
    browser.close()


@contextmanager
def opened(
    browser: Any, address: str, *scripts: str, offline: bool = False, refused: int | None = None, **settings: Any
) -> Iterator[Any]:
    """Open a page; at the end there must have been no error but the status ``refused``, and offline no request."""
    context = browser.new_context(accept_downloads=True, **settings)
    problems: list[str] = []
    for script in (HEARD, *scripts):
        context.add_init_script(script)
    if offline:
        context.set_offline(True)
        context.on("request", lambda one: one.url.startswith(("http", "ws")) and problems.append(one.url))
    page = context.new_page()
    page.on("console", lambda line: line.type in ("error", "warning") and problems.append(line.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    yield page
    context.close()
    assert [text for text in problems if f"status of {refused}" not in text] == []


def heard(page: Any) -> tuple[np.ndarray, float]:
    """Return the last 16384 samples that a page sent to the loudspeaker, and their rate in Hz."""
    samples = page.evaluate(
        "() => { const found = new Float32Array(heard.fftSize);"
        " heard.getFloatTimeDomainData(found); return [...found]; }"
    )
    return np.array(samples), page.evaluate("heard.context.sampleRate")


def level_db(page: Any) -> float:
    """Return the root mean square of what is heard, dB re full scale; without any sound −200."""
    if not page.evaluate("Boolean(window.heard)"):
        return -200.0
    samples, _ = heard(page)
    return 10 * math.log10(float(np.mean(samples**2)) + 1e-20)


def wait_for(page: Any, holds: Any, *, milliseconds: int = 15_000) -> None:
    """Wait until something that is heard holds."""
    for _ in range(milliseconds // 50):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("what was waited for did not come")


def pitch_of(samples: np.ndarray, rate: float) -> float:
    """Return the pitch of a steady tone between 55 and 1200 Hz in semitones, 69 at 440 Hz, by autocorrelation."""
    windowed = samples * np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(windowed, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)
    first, last = int(rate / 1200), int(rate / 55)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(len(samples)), 2 * len(samples))) ** 2)
    ratio = correlation[: last + 2] / window[: last + 2]
    inside = ratio[first:last]
    peaks = [at for at in range(first + 1, last) if ratio[at - 1] < ratio[at] >= ratio[at + 1]]
    lag = next(at for at in peaks if ratio[at] > 0.9 * inside.max())
    below, here, above = ratio[lag - 1 : lag + 2]
    exact = lag + 0.5 * (below - above) / (below - 2 * here + above)
    return 69 + 12 * math.log2(rate / exact / 440)


def spectrum_db(page: Any, pitch: float, count: int = 20) -> np.ndarray:
    """Return levels of the partials of a pitch that are heard now, dB, relative to the loudest."""
    samples, rate = heard(page)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    found = []
    for order in range(1, count + 1):
        centre = order * f0 * len(samples) / rate
        found.append(power[int(centre * 0.985) : int(centre * 1.015) + 2].max())
    levels = 10 * np.log10(np.array(found) + 1e-20)
    return levels - levels.max()


@contextmanager
def served(*sounds: Path, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve the page with some sounds, and give its address."""
    words = [sys.executable, "-m", "intertone", "play", *map(str, sounds), "--no-browser", *options]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*", server.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        server.terminate()
        server.communicate()


def sounds(page: Any) -> None:
    """Wait until a page sounds."""
    wait_for(page, lambda: level_db(page) > LOUD_DB)


def is_silent(page: Any) -> None:
    """Wait until a page is silent."""
    wait_for(page, lambda: level_db(page) < SILENT_DB)


def played_pitch(page: Any) -> float:
    """Return the pitch of what is held, 0.6 s after it is heard."""
    sounds(page)
    page.wait_for_timeout(600)
    return pitch_of(*heard(page))


def to_left(page: Any) -> None:
    """Move the pad to the horn, which sounds as long as its key is held."""
    box = page.locator("#pad").bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)


def drop(page: Any, files: dict[str, bytes], where: str = "#pad") -> None:
    """Drop files, name and content, on an element; on the pad at its lower left."""
    contents = {name: base64.b64encode(content).decode() for name, content in files.items()}
    page.evaluate(
        """([contents, where]) => {
          const data = new DataTransfer();
          for (const [name, text] of Object.entries(contents))
            data.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
          const box = document.querySelector(where).getBoundingClientRect();
          const at = { clientX: box.left + box.width / 4, clientY: box.bottom - box.height / 4 };
          document.querySelector(where).dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true, ...at }));
        }""",
        [contents, where],
    )
