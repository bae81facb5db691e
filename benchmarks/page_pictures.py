"""Pictures of the page in both themes and three sizes, and times: from the command, a drop and a key.

    python benchmarks/page_pictures.py docs/images/play
    python benchmarks/page_pictures.py --times

The second only measures: from the command and from a drop to playable keys, and from the event of a key to the message
that begins the note; it also prints the machine's mean load over the last minute.
It needs Chromium (apt-get install chromium) and the sounds of examples/.
"""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
SOUNDS = [ROOT / "examples" / name for name in ("english-horn.wav", "sitar.wav")]
FOUR = [*SOUNDS, *(ROOT / "examples" / name for name in ("slow-strings.wav", "celesta.wav"))]
SIZES = ((390, 844), (1280, 800), (3840, 2160))

DROP = """(contents) => {
  const data = new DataTransfer();
  for (const [name, text] of Object.entries(contents))
    data.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


KEY_MESSAGES = """
window.waited = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...rest) {
  post.call(this, data, ...rest);
  if (data?.type === "noteOn" && window.event) waited.push(performance.now() - window.event.timeStamp);
};
"""
"""Script that measures the milliseconds from the event of a key to the message that begins its note."""

NO_GAPS = "Object.defineProperty(AudioContext.prototype, 'playbackStats', { get: () => ({ underrunEvents: 0 }) });"
"""Script without which the pictures would show gaps in the sound of a machine that draws and plays at once."""


def serve(sounds: list[Path]) -> tuple[subprocess.Popen[str], str]:
    """Start the page; return its process and address."""
    words = [sys.executable, "-m", "intertone", "play", *map(str, sounds), "--no-browser"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found is not None
    return server, found[0]


def play(page: Page) -> None:
    """Hold a chord, and move on the pad."""
    for code in ("KeyA", "KeyD"):
        page.keyboard.down(code)
        page.wait_for_timeout(700)
    box = page.locator("#pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.38 * box["height"], steps=25)
    page.mouse.up()
    page.wait_for_timeout(1500)
    page.keyboard.down("KeyG")
    page.wait_for_timeout(350)


def draw(page: Page, folder: Path, name: str, sizes: tuple[tuple[int, int], ...]) -> None:
    """Play in both themes at some sizes, and save what is seen."""
    for width, height in sizes:
        for theme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)
            play(page)
            save(page, folder / f"{name}-{width}-{theme}.webp", whole=width < 760)
            for code in ("KeyA", "KeyD", "KeyG"):
                page.keyboard.up(code)


def draw_views(page: Page, folder: Path) -> None:
    """Save the map at all sizes, and the codes at one, in both themes, while a note is held."""
    for width, height in SIZES:
        for theme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)
            page.get_by_role("button", name="Explore").click()
            page.locator(".parts li").first.wait_for()
            page.keyboard.down("KeyA")
            page.wait_for_timeout(700)
            box = page.locator(".sky").bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.7 * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + 0.62 * box["width"], box["y"] + 0.45 * box["height"], steps=25)
            page.mouse.up()
            page.wait_for_timeout(1500)
            save(page, folder / f"explore-{width}-{theme}.webp", whole=width < 760)
            if width == SIZES[1][0]:
                page.get_by_role("button", name="Codes").click()
                for number, value in enumerate((0.6, 0.3, 0.8, 0.45, 0.2, 0.7, 0.55, 0.9), 1):
                    page.locator(f"#control-canne{number}").fill(str(round(1000 * value)))
                page.wait_for_timeout(2500)
                save(page, folder / f"codes-{width}-{theme}.webp")
            page.keyboard.up("KeyA")


def save(page: Page, path: Path, *, whole: bool = False) -> None:
    """Save what is seen, or the whole page."""
    Image.open(io.BytesIO(page.screenshot(full_page=whole))).save(path, quality=82, method=6)


def opened(browser: Browser, address: str) -> Page:
    """Open the page, and wait until it can be played."""
    page = browser.new_page()
    page.add_init_script(KEY_MESSAGES)
    page.add_init_script(NO_GAPS)
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    return page


def drop_times(browser: Browser) -> dict[str, float]:
    """Return the seconds from the drop of four sounds on an empty page until the first and until all can be played."""
    server, address = serve([])
    try:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".add")
        page.wait_for_timeout(5000)  # somebody looks for the sounds, and the processes of the server are ready
        files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in FOUR}
        began = time.monotonic()
        page.evaluate(DROP, files)
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        first = time.monotonic() - began
        while page.locator(".card canvas").count() < 4 or page.locator(".working").count():
            page.wait_for_timeout(20)
        return {"first of four dropped, s": round(first, 2), "all four, s": round(time.monotonic() - began, 2)}
    finally:
        server.terminate()
        server.communicate()


def key_times(page: Page, count: int = 200) -> dict[str, float]:
    """Return the milliseconds from the event of a key to the message that begins its note."""
    for at in range(count + 1):
        page.keyboard.press(f"Key{'ASDFGHJK'[at % 8]}")
        page.wait_for_timeout(25)
        if at == 0:
            page.wait_for_timeout(1000)
            page.evaluate("waited.length = 0")  # the first key switches the sound on
    waited = sorted(page.evaluate("waited"))
    assert len(waited) == count
    return {"key to message, median, ms": round(waited[count // 2], 2), "largest, ms": round(waited[-1], 2)}


def main() -> None:
    """Measure, and draw pictures into the folder that is given."""
    folder = None if sys.argv[1] == "--times" else Path(sys.argv[1])
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    times = {}
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        began = time.monotonic()
        server, address = serve(SOUNDS)
        try:
            page = opened(browser, address)
            times["command to playable, s"] = round(time.monotonic() - began, 2)
            times |= key_times(page)
            if folder is not None:
                page.reload()
                page.wait_for_selector("body[data-ready]", timeout=120_000)
                draw(page, folder, "two", SIZES[1:2])
                draw_views(page, folder)
            files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in FOUR}
            if folder is not None:
                page = opened(browser, address)
                page.evaluate(DROP, files)
                while page.locator(".card canvas").count() < 4 or page.locator(".working").count():
                    page.wait_for_timeout(20)
                draw(page, folder, "four", SIZES)
        finally:
            server.terminate()
            server.communicate()
        times |= drop_times(browser)
        browser.close()
    times["load of the machine"] = round(os.getloadavg()[0], 1)
    sys.stdout.write(json.dumps(times, indent=2) + "\n")


if __name__ == "__main__":
    main()
