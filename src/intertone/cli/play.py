"""``intertone play``: a local web page on which an instrument of up to four sounds is played."""

import os
import socket
import sys
import webbrowser
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import options
from intertone.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from intertone.web.map_work import MapBench
    from intertone.web.uploads import Made, MapRequest, Upload
    from intertone.web.work import Bench
    from intertone.web.workers import Report, Workers

PORT = 8642
"""Port of the page where ``--port`` is not given; if it is in use, the operating system chooses a free one."""

LEAST_TOKEN = 12
"""Smallest number of characters of a token."""


def play_sounds(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[A B …]", help="Up to four sounds, or one saved instrument (.intertone)."),
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on. An address that other computers can reach needs --token."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help=f"Port of the page. (default: {PORT}, or a free one)")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", help=f"Secret that the page's address must contain, {LEAST_TOKEN} characters or more."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=16, help="Number of processes that analyse sounds.")
    ] = 2,
    codec: options.CodecOption = options.DEFAULT_CODEC,
) -> None:
    """Play up to four sounds and the morphs between them on a page in the browser, until Ctrl-C."""
    check_sounds(sources or [])
    check_address(host, token)

    import uvicorn

    from intertone.web.server import Site, make_app

    with _listen(host, port) as listening:
        address = _address(host, listening.getsockname()[1], token)
        site = Site(_workers(codec, workers), sources or [], _map_workers(codec))
        app = make_app(site, host=host, token=token)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=1
        )
        typer.echo(f"the page is at {address} (Ctrl-C ends it)")
        sys.stdout.flush()
        if browser:
            # in a thread, since a browser in the terminal blocks, and the server starts only after this line
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn has shut down and raises the signal again
            typer.echo("ended")
        finally:
            site.close()


def check_sounds(sources: list[Path]) -> None:
    """Refuse files that cannot become an instrument, before the server is started.

    Raises:
        InputError: If there are more than four, one is not a file, a saved instrument is given with other files, or
            none can be decoded; the page says of a single one that cannot.
    """
    from intertone.audio import audio_extent
    from intertone.web.uploads import MAX_SOUNDS

    if len(sources) > MAX_SOUNDS:
        raise InputError(f"an instrument must have at most {MAX_SOUNDS} sounds, got {len(sources)}")
    options.check_inputs(sources)
    for source in sources:
        if not source.is_file():
            raise InputError(f"a sound must be an existing regular file, got {source}")
        if source.suffix.lower() == ".intertone" and len(sources) > 1:
            raise InputError(f"a saved instrument must be given alone, got {source} among {len(sources)} files")
    refusals = []
    for source in sources:
        try:
            if source.suffix.lower() != ".intertone":
                audio_extent(source)
        except InputError as error:
            refusals.append(error)
    if refusals and len(refusals) == len(sources):
        raise refusals[0]


def check_address(host: str, token: str | None) -> None:
    """Refuse an address that other computers can reach without a token; warn of one that they reach with a token.

    Raises:
        InputError: If the token is missing or too short.
    """
    from intertone.web.guard import is_loopback

    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isalnum()):
        raise InputError(f"--token must be {LEAST_TOKEN} or more letters and digits, got {len(token)} characters")
    if is_loopback(host):
        return
    if token is None:
        raise InputError(
            f"--host must be used with --token, since other computers can reach it, got {host} without one"
        )
    typer.echo(f"  warning: anyone who can reach {host} and has the token can upload sounds to this computer", err=True)


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on the address; with ``port=None``, on ``PORT`` or a free port.

    Raises:
        InputError: If ``host`` is not an address of this computer, or the port is in use.
    """
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise InputError(f"--host must be an address of this computer, got {host} ({error.strerror})") from None
    problem: OSError | None = None
    for wanted in [PORT, 0] if port is None else [port]:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, _address_option(), 1)
        try:
            listening.bind((host, wanted))
            listening.listen()  # a browser that connects before the server runs waits from now on
        except OSError as error:
            listening.close()
            problem = error
        else:
            return listening
    where = f"{host}:{port}" if port else host
    raise InputError(f"the address must be free and of this computer, got {where} ({problem and problem.strerror})")


def _address_option() -> int:
    """Return the option of a socket with which a port that another program listens on is refused.

    On Unix, ``SO_REUSEADDR`` admits only a port whose last program has ended. On Windows it would admit one that is in
    use, and requests would reach either program; ``SO_EXCLUSIVEADDRUSE``, which exists only there, refuses that.
    """
    return int(getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR))


def _address(host: str, port: int, token: str | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def _workers(codec: str, count: int) -> "Workers":
    """Return worker processes, each of which uses an equal share of the processors as threads."""
    from intertone.web.workers import Workers

    threads = max(1, (os.cpu_count() or 1) // count)
    return Workers(partial(_open, codec, threads), _make, count=count)


def _map_workers(codec: str) -> "Callable[[], Workers] | None":
    """Return what starts the process behind the map; None for a codec without codes of instruments."""
    from intertone.shipped import CODECS
    from intertone.web.workers import Limits, Workers

    if not any((folder / "instruments.npz").is_file() for folder in (CODECS / codec, Path(codec))):
        return None
    limits = Limits(waiting=16)
    words = {"task": "decoding of a place", "items": "places"}
    return partial(Workers, partial(_open_map, codec), _answer, count=1, limits=limits, **words)


def _open_map(codec: str) -> "MapBench":
    from intertone.web.map_work import MapBench

    return MapBench(codec, threads=1)


def _answer(bench: "MapBench", request: "MapRequest", _report: "Report") -> object:
    return bench.answer(request)


def _open(codec: str, threads: int) -> "Bench":
    from intertone.web.work import Bench

    return Bench(codec, threads=threads)


def _make(bench: "Bench", uploads: "tuple[Upload, ...]", report: "Report") -> "Made":
    return bench.make(uploads, report)
