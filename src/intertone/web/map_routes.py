"""The routes of the map: its points, and the instrument at a place of it, from a process of their own."""

import json
import math
import threading
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from intertone.errors import InputError
from intertone.web.body import TooLargeError, limited
from intertone.web.bundle import one_file
from intertone.web.guard import refusal
from intertone.web.uploads import MapRequest, OwnCode
from intertone.web.workers import START_SECONDS, QueueFullError, Workers

CODECS_WITH_LOOPS = ("canne", "manne")
"""Codecs of single frames with a few numbers in 0…1 as their code, which the page plays by sliders."""

MOST_VALUES = 16
"""Largest number of values of a code."""

MAX_ORDER_BYTES = 1024
"""Largest order of a place, bytes of JSON."""


class UnknownInstrumentError(InputError):
    """Sounds of an instrument that the server does not have, as after its restart."""


class MapRoutes:
    """What can be asked of the map.

    Args:
        start: Makes the workers, whose work takes a ``MapRequest``. Called with the first request, since most who
            play never open the map, and its process needs memory.
        own: Return the codes of the sounds of an instrument, by the identifier of its job; None where it is unknown.
    """

    def __init__(self, start: Callable[[], Workers], own: Callable[[str], tuple[OwnCode, ...] | None]) -> None:
        self._start, self._own = start, own
        self._workers: Workers | None = None
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/map", self.points),
            Route("/map/sound", self.sound, methods=["POST"]),
            Route("/map/page", self.page, methods=["POST"]),
        ]

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._workers is not None:
                self._workers.close()

    async def points(self, request: Request) -> Response:
        """Return the instruments of the map, the sounds of an instrument among them, and whether that is known."""
        job = request.query_params.get("instrument", "")
        own = self._own(job) if job else ()
        found = await self._ask(MapRequest(own or ()))
        return found if isinstance(found, Response) else JSONResponse({"points": found, "known": own is not None})

    def _order_of(self, body: bytes) -> MapRequest:
        """Return what an order asks for.

        Raises:
            InputError: If it is neither a place nor a code.
            UnknownInstrumentError: If the place is one between sounds of an instrument that is not known.
        """
        try:
            order = json.loads(body)
        except (ValueError, RecursionError):
            order = None
        if isinstance(order, dict) and "codec" in order:
            return MapRequest(codec=_codec_of(order["codec"]), values=_values_of(order.get("values")))
        place, job = _place_of(order)
        own = self._own(job) if job else ()
        if own is None:
            raise UnknownInstrumentError("the server no longer has your sounds; drop them again")
        return MapRequest(own, place)

    async def sound(self, request: Request) -> Response:
        """Return the bytes of the instrument at a place, or of a code."""
        found = await self._instrument(request)
        return found if isinstance(found, Response) else Response(found, media_type="application/octet-stream")

    async def page(self, request: Request) -> Response:
        """Return the instrument at a place, or of a code, as one HTML file."""
        found = await self._instrument(request)
        if isinstance(found, Response):
            return found
        return Response(one_file(found, [{"overview": None, "remarks": []}]), media_type="text/html")

    async def _instrument(self, request: Request) -> bytes | Response:
        """Return the bytes of the instrument that an order asks for, or a refusal in one sentence."""
        try:
            wanted = self._order_of(b"".join([chunk async for chunk in limited(request, MAX_ORDER_BYTES)]))
        except TooLargeError:
            return refusal(f"a place must have at most {MAX_ORDER_BYTES} bytes, got more", 413)
        except UnknownInstrumentError as error:
            return refusal(str(error), 404, lost=True)
        except InputError as error:
            return refusal(str(error), 400)
        found = await self._ask(wanted)
        return found if isinstance(found, bytes | Response) else refusal("the map did not answer; try again", 500)

    async def _ask(self, wanted: MapRequest) -> object:
        """Return what the process answers, or a refusal in one sentence."""
        with self._lock:
            workers = self._workers = self._workers or self._start()
        try:
            job = workers.submit(wanted)
        except QueueFullError as error:
            return refusal(str(error), 503)
        # the start of the process and two jobs; where more wait, the page asks again
        await run_in_threadpool(job.finished.wait, START_SECONDS + 2 * workers.limits.seconds)
        workers.drop(job)
        return job.result if job.state == "done" else refusal(job.error or "the map did not answer; try again", 500)


def _codec_of(name: object) -> str:
    if name not in CODECS_WITH_LOOPS:
        raise InputError(f"a code must be of one of the codecs {', '.join(CODECS_WITH_LOOPS)}, got {str(name)[:40]}")
    return str(name)


def _values_of(values: object) -> tuple[float, ...]:
    wanted = f"a code must be a list of at most {MOST_VALUES} numbers in 0…1"
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        raise InputError(f"{wanted}, got something else")
    if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in values):
        raise InputError(f"{wanted}, got others")
    return tuple(float(value) for value in values)


def _place_of(order: Any) -> tuple[tuple[float, float], str]:
    """Return the place and the instrument of an order.

    Raises:
        InputError: If ``order`` has no such content.
    """
    wanted = 'a place must be {"x": 0…1, "y": 0…1, "instrument": identifier or null}'
    try:
        place = float(order["x"]), float(order["y"])
        job = order.get("instrument") or ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise InputError(f"{wanted}, got something else") from None
    if not all(math.isfinite(value) and 0 <= value <= 1 for value in place):
        raise InputError(f"{wanted}, got {place[0]:g} and {place[1]:g}")
    if not isinstance(job, str):
        raise InputError(f"{wanted}, got an instrument that is no text")
    return place, job
