"""Firefox for tests of the page, driven by Marionette, the protocol that it speaks itself."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import HEARD, wait_for

INSTALL = "apt-get install firefox-esr pulseaudio"
"""Command that installs the browser, and the sound server without which it plays nothing."""

PROBLEMS = """
const seen = Services.console.getMessageArray();
return seen.filter((one) => one instanceof Ci.nsIScriptError && /^(file|http|blob)/.test(one.sourceName))
  .map((one) => `${one.sourceName}:${one.lineNumber}: ${one.errorMessage}`);
"""
"""Script with a browser's rights: errors and warnings of pages and of their threads."""


def find_programs() -> tuple[str, str]:
    """Return the paths of Firefox and PulseAudio; skip the test where one is absent, or fail under CI."""
    browser, server = shutil.which("firefox-esr") or shutil.which("firefox"), shutil.which("pulseaudio")
    if browser and server:
        return browser, server
    if os.environ.get("CI"):
        pytest.fail(INSTALL)
    pytest.skip(INSTALL)


class Firefox:
    """One window of Firefox.

    Args:
        link: Connection to its Marionette port.
    """

    def __init__(self, link: socket.socket) -> None:
        self._stream = link.makefile("rwb")
        self._read()  # a greeting
        self._count = 0
        self.send("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})

    def _read(self) -> Any:
        size = b""
        while (digit := self._stream.read(1)) != b":":
            if not digit:
                raise ConnectionError("Firefox has closed the connection")
            size += digit
        return json.loads(self._stream.read(int(size)))

    def send(self, command: str, **parameters: Any) -> Any:
        """Return the result of a command; a refusal is an error with its message."""
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._stream.write(b"%d:%s" % (len(message), message))
        self._stream.flush()
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def open(self, address: str) -> None:
        """Open the page at an address, and wait until it is ready."""
        self.send("WebDriver:Navigate", url=address)
        wait_for(self, lambda: self.evaluate("document.body.dataset.ready") == "true", milliseconds=60_000)
        self.evaluate(f"() => {{ {HEARD} }}")

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Return the value of an expression in the page, or what a function returns; a promise is waited for."""
        call = f"const found = ({script}); return typeof found === 'function' ? found(arguments[0]) : found;"
        return self.send("WebDriver:ExecuteScript", script=call, args=[argument], newSandbox=False)["value"]

    def wait_for_timeout(self, milliseconds: float) -> None:
        time.sleep(milliseconds / 1000)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Return left, top, width and height of an element in the window, pixels."""
        found = "document.querySelector(name).getBoundingClientRect()"
        script = f"(name) => {{ const box = {found}; return [box.x, box.y, box.width, box.height]; }}"
        left, top, width, height = self.evaluate(script, selector)
        return left, top, width, height

    def text(self, selector: str) -> str:
        return str(self.evaluate("(name) => document.querySelector(name).textContent", selector))

    def click(self, selector: str) -> None:
        left, top, width, height = self.box(selector)
        self.drag((left + width / 2, top + height / 2))

    def problems(self) -> list[str]:
        """Return the errors and warnings of pages."""
        self.send("Marionette:SetContext", value="chrome")
        found = self.send("WebDriver:ExecuteScript", script=PROBLEMS, args=[])["value"]
        self.send("Marionette:SetContext", value="content")
        return list(found)

    def act(self, kind: str, *steps: dict[str, Any], **device: Any) -> None:
        """Perform steps of a "key" or "pointer" device, as WebDriver defines them."""
        self.send("WebDriver:PerformActions", actions=[{"type": kind, "id": kind, "actions": list(steps), **device}])

    def press(self, key: str) -> None:
        self.act("key", {"type": "keyDown", "value": key})

    def let_go(self, key: str) -> None:
        self.act("key", {"type": "keyUp", "value": key})

    def drag(self, *places: tuple[float, float]) -> None:
        """Press at the first place in the window, pixels, move over the others, and let go."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 50} for x, y in places]
        self.act(
            "pointer", moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}
        )


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox without a window on the screen, with an empty profile in `folder` and a sound device of its own."""
    browser, server = find_programs()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile, at = folder / "profile", folder / "sound"
    profile.mkdir()
    (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    surroundings = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_SERVER": f"unix:{at}"}
    device = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--load=module-null-sink"]
    words = [server, *device, f"--load=module-native-protocol-unix auth-anonymous=1 socket={at}"]
    with running(words, surroundings):
        for _ in range(200):
            if at.exists():
                break
            time.sleep(0.05)
        options = [
            "--headless",
            "--no-remote",
            "--marionette",
            "--remote-allow-system-access",
            "--profile",
            str(profile),
        ]
        with running([browser, *options], surroundings), connected(port) as link:
            yield Firefox(link)


@contextmanager
def running(words: list[str], surroundings: dict[str, str]) -> Iterator[None]:
    """Run a program, and end it."""
    process = subprocess.Popen(words, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def connected(port: int, seconds: float = 60) -> socket.socket:
    """Return a connection to a port of this computer as soon as something listens there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=120)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
