"""Figures of Explore: how the map lies over the codes, and how long a place takes from the finger to its rows.

    python benchmarks/explore.py [--places 100]

It needs Chromium (apt-get install chromium) and the sounds of examples/.
"""

import argparse
import json
import shutil
import time

import numpy as np
import torch
from page_pictures import SOUNDS, serve
from playwright.sync_api import Page, sync_playwright

from intertone.codec import Codec
from intertone.instrument import InstrumentBank
from intertone.instrument.code_map import CodeMap, heard_features
from intertone.instrument.decoded import decoded_instrument

STEP = 0.01
KEYS = ("KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH", "KeyJ", "KeyK")

TIMES = """
const real = window.fetch.bind(window);
window.times = [];
window.fetch = async (address, options) => {
  const begun = performance.now();
  const answer = await real(address, options);
  if (!String(address).endsWith("map/sound")) return answer;
  const bytes = await answer.arrayBuffer();
  window.times.push(performance.now() - begun);
  return new Response(bytes, { status: answer.status });
};
"""
"""Script that measures how long each place takes, from the request to its last byte, milliseconds."""


def map_figures(n_places: int) -> dict[str, float]:
    """Return how neighbours are kept, how much a small step changes, and the processor's time of a decoding."""
    codec, bank = Codec.load("harmonic"), InstrumentBank.read("harmonic")
    code_map = CodeMap.of(codec, bank)
    heard, places = (_nearest(values) for values in (code_map.heard, code_map.places))
    generator = np.random.default_rng(1701)
    start = generator.uniform(STEP, 1 - STEP, (n_places, 2))
    angle = generator.uniform(0, 2 * np.pi, n_places)
    steps = start + STEP * np.stack([np.cos(angle), np.sin(angle)], 1)
    before, after = (
        heard_features(codec, torch.stack([code_map.code(place) for place in each]), code_map.seconds)
        for each in (start, steps)
    )
    scale = np.sqrt(before.shape[1])
    change = np.abs(before - after).mean(1) * scale
    pairs = np.abs(code_map.heard[:, None] - code_map.heard[None]).mean(-1)[np.triu_indices(len(heard), 1)] * scale
    begun = time.process_time()
    for place in start[:20]:
        decoded_instrument(codec, code_map.code(place), "place", seconds=code_map.seconds).to_bytes()
    spent = 1000 * (time.process_time() - begun) / 20
    apart = np.linalg.norm(code_map.places[:, None] - code_map.places[None], axis=-1) + np.eye(len(heard))
    return {
        "instruments": len(heard),
        "of six nearest in sound, among the six nearest on the map": float(
            np.mean([len(set(a) & set(b)) for a, b in zip(heard, places, strict=True)])
        ),
        "least distance of two points": float(apart.min()),
        "change of a step of 0.01, dB: median": float(np.median(change)),
        "change of a step of 0.01, dB: 95 %": float(np.quantile(change, 0.95)),
        "change of a step of 0.01, dB: largest": float(change.max()),
        "difference of two instruments, dB: median": float(np.median(pairs)),
        "processor's time of a place, ms": spent,
    }


def _nearest(values: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(values[:, None] - values[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1)[:, :6]


def places_taken(page: Page, n_places: int) -> list[float]:
    """Return the milliseconds that random places take, one after the other."""
    page.evaluate("() => { window.times.length = 0; }")
    box = page.locator(".sky").bounding_box()
    assert box is not None
    generator = np.random.default_rng(1704)
    for number, (x, y) in enumerate(generator.uniform(0.1, 0.9, (n_places, 2)).tolist()):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        while page.evaluate("() => window.times.length") <= number:
            page.wait_for_timeout(10)
    found: list[float] = page.evaluate("() => window.times")
    return found


def latency(n_places: int) -> dict[str, float]:
    """Return median and 95 % of the milliseconds from a click to the rows of the place, idle and in a chord."""
    found: dict[str, float] = {}
    server, address = serve(SOUNDS)
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page()
        page.add_init_script(TIMES)
        page.goto(address)
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        begun = time.monotonic()
        page.get_by_role("button", name="Explore").click()
        page.locator(".parts li").first.wait_for(timeout=60_000)
        found["seconds until the map is drawn, once"] = time.monotonic() - begun
        for name, keys in (("idle", ()), ("eight notes", KEYS)):
            for key in keys:
                page.keyboard.down(key)
            times = places_taken(page, n_places)
            found[f"{name}, ms: median"] = float(np.median(times))
            found[f"{name}, ms: 95 %"] = float(np.quantile(times, 0.95))
        browser.close()
    server.terminate()
    server.wait()
    return found


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=100, help="random places of each figure (default: 100)")
    n_places = parser.parse_args().places
    torch.set_num_threads(1)
    figures = map_figures(n_places) | latency(n_places)
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
