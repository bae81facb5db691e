"""The page and an instrument as one HTML file, which needs no server and no network."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import PurePosixPath

from intertone.files import Json

ENTRY, WORKLETS = "page.js", ("worklet.js", "recorder-worklet.js")
"""Module with which the page begins, and those that run in the audio thread."""

WORKER = "prepare-worker.js"
"""Module that runs in a thread beside the page."""

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.-]+)";\n?', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (\w+))", re.MULTILINE)
_LEFT_OVER = re.compile(r"^\s*(?:import|export)\b.*$|\bimport\s*\(", re.MULTILINE)


def modules_as_script(entry: str, modules: Mapping[str, str]) -> str:
    """Return one script that does what an ES module and those that it imports do.

    Each module becomes a function that returns its exports, called in the order of the imports; so equal names of two
    modules do not meet. Two forms are understood: ``import { a, b as c } from "./file.js";`` at the beginning of a
    line, and ``export`` before a function, class or constant.

    Args:
        entry: Name of the module to begin with.
        modules: Text of the modules by name.

    Returns:
        The script; equal modules give an equal script.

    Raises:
        ValueError: If a module is missing, modules import each other in a circle, or another form is used.

    Example:
        >>> modules = {"a.js": 'import { two } from "./b.js";\\nf(two);\\n', "b.js": "export const two = 2;\\n"}
        >>> print(modules_as_script("a.js", modules))
        "use strict";
        const module_b = (() => {
        const two = 2;
        return { two };
        })();
        const module_a = (() => {
        const { two } = module_b;
        f(two);
        return { };
        })();
    """
    parts: dict[str, str] = {}
    _add(entry, modules, parts, ())
    return "\n".join(['"use strict";', *parts.values()])


def _add(name: str, modules: Mapping[str, str], parts: dict[str, str], above: tuple[str, ...]) -> None:
    if name in parts:
        return
    if name in above:
        raise ValueError(f"modules must not import each other in a circle, got {' → '.join([*above, name])}")
    if name not in modules:
        raise ValueError(f"an imported module must be one of the page's, got {name}")
    text = modules[name]
    for found in _IMPORT.finditer(text):
        _add(found[2], modules, parts, (*above, name))
    exported = ", ".join(found[1] for found in _EXPORT.finditer(text))
    body = _EXPORT.sub("", _IMPORT.sub(lambda found: f"{_taken(found[1], found[2])}\n", text))
    if left := _LEFT_OVER.search(body):
        raise ValueError(f"imports and exports must have one of two forms, got {left[0].strip()} in {name}")
    parts[name] = (
        f"const {_variable(name)} = (() => {{\n{body.strip()}\nreturn {{ {exported}{' ' * bool(exported)}}};\n}})();"
    )


def _taken(names: str, module: str) -> str:
    parts = [" ".join(part.split()).replace(" as ", ": ") for part in names.split(",") if part.strip()]
    return f"const {{ {', '.join(parts)} }} = {_variable(module)};"


def _variable(module: str) -> str:
    return "module_" + re.sub(r"\W", "_", PurePosixPath(module).stem)


def one_file(instrument: bytes, sounds: "Sequence[Mapping[str, Json]]", *, title: str = "intertone") -> str:
    """Return a page that plays an instrument without a server and without a network.

    The modules become one script, which stands in the page; what runs in another thread is a ``data:`` address,
    because browsers refuse others to a page that was opened as a file; the instrument is base64 text.

    Args:
        instrument: As ``Instrument.to_bytes``.
        sounds: Overview and remarks of each sound, as the server has them.
        title: Title of the page.

    Returns:
        The text of the HTML file; equal arguments give equal text.
    """
    folder = resources.files("intertone.web") / "static"
    files = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.is_file()}
    script, style = modules_as_script(ENTRY, files), files["style.css"]
    if "</" in script:
        raise ValueError("a script of the page must not hold </, which would end it")
    addresses = {name: _address(modules_as_script(name, files)) for name in WORKLETS}
    worker = _address(modules_as_script(WORKER, files))
    content = {"sounds": list(sounds), "worklets": addresses, "worker": worker}
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' data:; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<title>{html.escape(title)}</title>\n'
        f"<style>{style}</style>"
    )
    shown = json.dumps(content).replace("<", "\\u003c")
    blocks = (
        f'<script type="application/json" id="content">{shown}</script>\n'
        f'<script type="text/plain" id="instrument">{base64.b64encode(instrument).decode("ascii")}</script>\n'
        f"<script>{script}</script>"
    )
    page = re.sub(r"<title>.*?</title>", lambda _: head, files["index.html"], count=1)
    page = re.sub(r'<link rel="stylesheet"[^>]*>\n?', "", page)
    return re.sub(r'<script type="module"[^>]*></script>', lambda _: blocks, page, count=1)


def _address(script: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(script.encode()).decode("ascii")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
