"""How many voices and partials sound: the choice of the probe, what gaps in the sound change, what the page shows."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from browser import is_silent, opened, sounds, to_left, wait_for
from commands import NODE

CAPACITY = Path(__file__).parents[1] / "src/intertone/web/static/capacity.js"

needs_node = pytest.mark.skipif(shutil.which("node") is None and not os.environ.get("CI"), reason="apt install nodejs")

SLOW_CLOCK = """
const now = performance.now.bind(performance);
window.slow = 300;
performance.now = () => window.slow * now();
"""
"""Script with which the page takes its computer for three hundred times as slow as it is, until ``slow`` is 1."""

GAPS = """
window.gaps = 0;
Object.defineProperty(AudioContext.prototype, "playbackStats", { get: () => ({ underrunEvents: window.gaps }) });
window.ended = false;
const render = OfflineAudioContext.prototype.startRendering;
OfflineAudioContext.prototype.startRendering = function () {
  const rendered = render.call(this);
  rendered.then(() => (window.ended = true));
  return rendered;
};
"""
"""Script that lets a test say how many gaps there were in the sound, and holds in ``ended`` whether the probe did."""


def chosen(steps: list[list[float]], loads: dict[int, float] | None = None) -> list[list[int]]:
    """Return voices and partials at each change: a probe where ``loads`` has the load of a voice by its partials."""
    code = f"""
    import {{ Capacity }} from {json.dumps(CAPACITY.as_uri())};
    const [steps, loads] = {json.dumps([steps, loads])};
    const found = [];
    const capacity = new Capacity((...values) => found.push(values));
    if (loads) await capacity.probe(async (partials) => loads[partials]);
    for (const step of steps) capacity.watch(...step);
    console.log(JSON.stringify(found));
    """
    words = [*NODE, "--input-type=module", "-e", code]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


@needs_node
@pytest.mark.parametrize(
    ("loads", "found"),
    [
        ({640: 0.001}, [16, 640]),
        ({640: 0.04}, [12, 640]),
        ({640: 0.1, 320: 0.07, 160: 0.05}, [10, 160]),
        ({640: 2, 320: 2, 160: 2, 80: 2}, [4, 80]),
    ],
)
def test_half_of_the_time_is_for_sound(loads: dict[int, float], found: list[int]) -> None:
    assert chosen([], loads) == [found]


@needs_node
def test_gaps_take_voices_then_partials() -> None:
    gaps = [[at, 16, 2000 * at] for at in range(9)]
    assert chosen(gaps) == [[12, 640], [9, 640], [8, 640], [8, 320], [8, 160], [8, 80], [6, 80], [4, 80]]


@needs_node
def test_gaps_that_follow_each_other_count_once() -> None:
    assert chosen([[0, 1, 0], [1, 1, 5000], [2, 1, 5100], [3, 1, 5900], [4, 1, 6100]]) == [[12, 640], [9, 640]]


@needs_node
def test_what_there_was_before_the_sound_is_no_gap() -> None:
    assert chosen([[7, 1, 0], [7, 1, 5000]]) == []


@needs_node
def test_more_voices_are_tried_where_all_were_used_without_a_gap() -> None:
    lowered = [[0, 1, 0], [1, 1, 5000]]
    assert chosen([*lowered, [1, 12, 20_000], [1, 1, 34_000], [1, 1, 35_000]]) == [[12, 640], [13, 640]]
    assert chosen([*lowered, [1, 11, 20_000], [1, 1, 90_000]]) == [[12, 640]]


# in a browser


def shown(page: Any) -> str:
    """Return the figures that the page shows."""
    return page.locator("#meter").text_content()


@pytest.mark.slow
def test_the_page_shows_how_many_voices_it_can_play(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.keyboard.down("KeyA")
        wait_for(page, lambda: shown(page).startswith("1 voice of "))
        assert 4 <= int(shown(page).split(" ")[3]) <= 16


@pytest.mark.slow
def test_a_slow_computer_plays_fewer_voices(browser: Any, address: str) -> None:
    with opened(browser, address, SLOW_CLOCK) as page:
        to_left(page)
        wait_for(page, lambda: shown(page).startswith("0 voices of 4 · 0 partials, at most 80 a voice"))
        page.evaluate("slow = 1")
        for code in ("KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH"):
            page.keyboard.down(code)
        sounds(page)
        wait_for(page, lambda: shown(page).startswith("4 voices of 4 "))
        page.keyboard.press("Escape")
        is_silent(page)


@pytest.mark.slow
def test_a_browser_that_renders_without_pauses_is_probed(browser: Any, address: str) -> None:
    without_pauses = """
    delete OfflineAudioContext.prototype.suspend;
    window.rendered = 0;
    const { startRendering } = OfflineAudioContext.prototype;
    OfflineAudioContext.prototype.startRendering = function () {
      window.rendered += 1;
      return startRendering.call(this);
    };
    """
    with opened(browser, address, without_pauses) as page:
        page.keyboard.down("KeyA")
        wait_for(page, lambda: page.evaluate("rendered") == 2 and shown(page).startswith("1 voice of "))


@pytest.mark.slow
def test_firefox_is_not_asked_for_its_latency(browser: Any, address: str) -> None:
    """The page stands still there while it is asked, on Linux often for ever."""
    asked = """
    window.asked = 0;
    Object.defineProperty(AudioContext.prototype, "outputLatency", { get: () => (window.asked += 1) });
    """
    name = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
    with opened(browser, address, asked, user_agent=name) as page:
        page.keyboard.down("KeyA")
        wait_for(page, lambda: shown(page).startswith("1 voice of "))
        assert page.evaluate("asked") == 0 and "latency" not in shown(page)
    with opened(browser, address, asked) as page:
        page.keyboard.down("KeyA")
        wait_for(page, lambda: "output latency" in shown(page))


@pytest.mark.slow
def test_the_page_says_that_there_is_no_device(browser: Any, address: str) -> None:
    script = "Object.defineProperty(BaseAudioContext.prototype, 'state', { get: () => 'suspended' });"
    with opened(browser, address, script) as page:
        page.keyboard.down("KeyA")
        wait_for(page, lambda: "no loudspeaker" in page.locator("#status").text_content())


@pytest.mark.slow
def test_gaps_in_the_sound_leave_fewer_voices(browser: Any, address: str) -> None:
    with opened(browser, address, SLOW_CLOCK.replace("300", "0.001"), GAPS) as page:
        wait_for(page, lambda: page.evaluate("ended"))
        page.evaluate("slow = 1")
        page.keyboard.down("KeyA")
        wait_for(page, lambda: shown(page).startswith("1 voice of 16 "))
        page.wait_for_timeout(1200)
        page.evaluate("gaps = 3")
        wait_for(page, lambda: shown(page).startswith("1 voice of 12 ") and shown(page).endswith("3 gaps"))
