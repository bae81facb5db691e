"""The page as one file: modules become one script, which a policy names."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from commands import NODE

from intertone.instrument import Instrument
from intertone.web.bundle import ENTRY, WORKER, WORKLETS, modules_as_script, one_file
from intertone.web.server import static_files

MODULES = {
    "page.js": 'import { twice, size as count } from "./list.js";\n'
    'import { log } from "./log.js";\nlog(twice(count));\n',
    "list.js": 'import { log } from "./log.js";\nexport const size = 21;\nconst own = 2;\n'
    "export function twice(value) {\n  log(value);\n  return own * value;\n}\n",
    "log.js": "const own = [];\nexport class Log {}\nexport async function later() {}\n"
    "export function log(value) {\n  own.push(value);\n  console.log(own.join(' '));\n}\n",
}


def test_modules_run_as_one_script() -> None:
    if shutil.which("node") is None and not os.environ.get("CI"):
        pytest.skip("apt-get install nodejs")
    done = subprocess.run([*NODE, "-"], input=modules_as_script("page.js", MODULES), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("21\n21 42\n", "")


def test_a_module_stands_once_and_before_those_that_import_it() -> None:
    script = modules_as_script("page.js", MODULES)
    assert re.findall(r"^const module_(\w+) =", script, re.MULTILINE) == ["log", "list", "page"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('import thing from "./log.js";', "one of two forms"),
        ('import * as all from "./log.js";', "one of two forms"),
        ("export default 1;", "one of two forms"),
        ("const own = 1;\nexport { own };", "one of two forms"),
        ('const late = import("./log.js");', "one of two forms"),
        ('import { a } from "./other.js";', "must be one of the page's, got other.js"),
        ('import { a } from "./page.js";', "in a circle, got page.js → page.js"),
    ],
)
def test_other_forms_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        modules_as_script("page.js", {**MODULES, "page.js": text})


class _Blocks(HTMLParser):
    """Collects the scripts, styles and the policy of a page, and every address in it."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.addresses: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.addresses += [str(found[name]) for name in ("src", "href") if name in found]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])
        if tag in ("script", "style"):
            self.blocks.append((tag, found, ""))

    def handle_data(self, data: str) -> None:
        if self.blocks and self.get_starttag_text() is not None and self.cdata_elem:
            tag, found, text = self.blocks[-1]
            self.blocks[-1] = (tag, found, text + data)


def test_the_file_holds_everything_and_its_policy_names_that() -> None:
    instrument, shown = bytes(range(256)), [{"remarks": ["a </script> in a name"]}]
    page = one_file(instrument, shown, title="horn & <sitar>")
    assert page == one_file(instrument, shown, title="horn & <sitar>")
    assert "<title>horn &amp; &lt;sitar&gt;</title>" in page
    parser = _Blocks()
    parser.feed(page)
    assert parser.addresses == ["data:,"]
    hashes = {
        "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for _, found, text in parser.blocks
        if "type" not in found
    }
    assert set(re.findall(r"sha256-[^']+", parser.policy)) == hashes and len(hashes) == 2
    assert parser.policy.startswith("default-src 'none'; ") and "unsafe" not in parser.policy
    stored = {found["id"]: text for _, found, text in parser.blocks if "id" in found}
    assert base64.b64decode(stored["instrument"]) == instrument
    content = json.loads(stored["content"])
    assert content["sounds"] == shown and sorted(content["worklets"]) == sorted(WORKLETS)
    for address in content["worklets"].values():
        assert b"registerProcessor(" in base64.b64decode(address.removeprefix("data:text/javascript;base64,"))
    assert b"self.onmessage = " in base64.b64decode(content["worker"].removeprefix("data:text/javascript;base64,"))


def test_every_module_of_the_page_is_used() -> None:
    files = {name: text.decode() for name, text in static_files().items() if name.endswith(".js")}
    used = set()
    for entry in (ENTRY, WORKER, *WORKLETS):
        used |= set(re.findall(r"^const module_(\w+) =", modules_as_script(entry, files), re.MULTILINE))
    assert {re.sub(r"\W", "_", name.removesuffix(".js")) for name in files} - used == {"offline"}
    # the engine's tests render with it


def colours(theme: str) -> dict[str, tuple[float, float, float]]:
    style = static_files()["style.css"].decode()
    light, dark = style.split("prefers-color-scheme: dark", 1)
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6})", light)
    if theme == "dark":
        found += re.findall(r"--([\w-]+): #([0-9a-f]{6})", dark.split("}", 1)[0])
    return {name: tuple(int(value[at : at + 2], 16) / 255 for at in (0, 2, 4)) for name, value in found}


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""

    def luminance(colour: tuple[float, float, float]) -> float:
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "ground"),
        ("ink", "panel"),
        ("soft", "ground"),
        ("soft", "panel"),
        ("accent", "panel"),
        ("ground", "accent"),
    ],
)
def test_text_can_be_read(theme: str, text: str, ground: str) -> None:
    found = colours(theme)
    assert contrast(found[text], found[ground]) >= 4.5


def test_the_instrument_of_the_documentation_is_what_export_makes_now() -> None:
    """Else: intertone export examples/english-horn.wav examples/sitar.wav -o docs/horn-sitar.html --force."""
    page = (Path(__file__).parents[1] / "docs" / "horn-sitar.html").read_text(encoding="utf-8")
    (content,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    (data,) = re.findall(r'<script type="text/plain" id="instrument">(.*?)</script>', page, re.DOTALL)
    instrument = base64.b64decode(data)
    assert [sound["name"] for sound in Instrument.from_bytes(instrument).header["sounds"]] == ["english-horn", "sitar"]
    assert page == one_file(instrument, json.loads(content)["sounds"], title="english-horn · sitar")
