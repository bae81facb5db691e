"""Work for worker processes of tests, in a module of its own because processes import it by name."""

import os
import time
from collections.abc import Callable

from intertone.errors import InputError
from intertone.web.uploads import Made, MapRequest, OwnCode, Upload
from intertone.web.workers import JobError


def nothing() -> None:
    """Open nothing."""


def no_codec() -> None:
    """Fail as a codec that cannot be loaded."""
    raise InputError("a codec must be there, got none")


def obey(_state: None, uploads: tuple[Upload, ...], report: Callable[[str], None]) -> Made:
    """Do what the first uploaded file asks for: die, fill the memory, never end, fail, refuse, or return its bytes."""
    order = uploads[0].path.read_bytes()
    report(f"{uploads[0].name} is read")
    if order == b"die":
        os.kill(os.getpid(), 9)
    if order == b"fill":
        bytearray(64 * 2**30)
    if order == b"sleep":
        time.sleep(600)
    if order == b"fail":
        raise KeyError("a fault")
    for index, upload in enumerate(uploads):
        if upload.path.read_bytes() == b"refuse":
            raise JobError(f"a sound must be a sound, got {upload.name}", index)
    codes = tuple(OwnCode(upload.name, corner, b"") for corner, upload in enumerate(uploads))
    return Made(b"".join(upload.path.read_bytes() for upload in uploads), [{"remarks": []} for _ in uploads], codes)


def answer_place(_state: None, request: MapRequest, _report: Callable[[str], None]) -> object:
    """Answer a place as its x asks: 0.1 die, 0.2 never end, 0.3 fail, else its own numbers; without one, the names."""
    if request.codec is not None:
        return " ".join([request.codec, *map(str, request.values)]).encode()
    if request.place is None:
        return [{"name": one.name, "corner": one.corner} for one in request.own]
    x, y = request.place
    if x == 0.1:
        os.kill(os.getpid(), 9)
    if x == 0.2:
        time.sleep(600)
    if x == 0.3:
        raise KeyError("a fault")
    return f"{x} {y} {len(request.own)}".encode()
