"""The routes of the map: its points, and the instrument at a place of it, from a process of their own."""

import json
import math
import threading
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from intertone.errors import InputError
from intertone.web.body import TooLargeError, limited
from intertone.web.guard import refusal
from intertone.web.uploads import MapRequest, OwnCode
from intertone.web.workers import START_SECONDS, QueueFullError, Workers

MAX_ORDER_BYTES = 1024
"""Largest order of a place, bytes of JSON."""


class MapRoutes:
    """What can be asked of the map.

    Args:
        start: Makes the workers, whose work takes a ``MapRequest``. Called with the first request, since most who
            play never open the map, and its process needs memory.
        own: Return the codes of the sounds of an instrument, by the identifier of its job.
    """

    def __init__(self, start: Callable[[], Workers], own: Callable[[str], tuple[OwnCode, ...]]) -> None:
        self._start, self._own = start, own
        self._workers: Workers | None = None
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Return what can be asked for."""
        return [Route("/map", self.points), Route("/map/sound", self.sound, methods=["POST"])]

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._workers is not None:
                self._workers.close()

    async def points(self, request: Request) -> Response:
        """Return the instruments of the map, and the sounds of an instrument among them."""
        found = await self._ask(MapRequest(self._own(request.query_params.get("instrument", ""))))
        return found if isinstance(found, Response) else JSONResponse({"points": found})

    async def sound(self, request: Request) -> Response:
        """Return the bytes of the instrument at a place."""
        try:
            place, job = _place_of(b"".join([chunk async for chunk in limited(request, MAX_ORDER_BYTES)]))
        except TooLargeError:
            return refusal(f"a place must have at most {MAX_ORDER_BYTES} bytes, got more", 413)
        except InputError as error:
            return refusal(str(error), 400)
        found = await self._ask(MapRequest(self._own(job), place))
        return found if isinstance(found, Response) else Response(found, media_type="application/octet-stream")

    async def _ask(self, wanted: MapRequest) -> object:
        """Return what the process answers, or a refusal in one sentence."""
        with self._lock:
            workers = self._workers = self._workers or self._start()
        try:
            job = workers.submit(wanted)
        except QueueFullError as error:
            return refusal(str(error), 503)
        # longer than any job may take, so the limits of the workers count
        await run_in_threadpool(job.finished.wait, START_SECONDS + 2 * workers.limits.seconds)
        return job.result if job.state == "done" else refusal(job.error or "the map did not answer; try again", 500)


def _place_of(body: bytes) -> tuple[tuple[float, float], str]:
    """Return the place and the instrument of an order.

    Raises:
        InputError: If it is none.
    """
    wanted = 'a place must be {"x": 0…1, "y": 0…1, "instrument": identifier or null}'
    try:
        order = json.loads(body)
        place = float(order["x"]), float(order["y"])
        job = order.get("instrument") or ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise InputError(f"{wanted}, got something else") from None
    if not all(math.isfinite(value) and 0 <= value <= 1 for value in place):
        raise InputError(f"{wanted}, got {place[0]:g} and {place[1]:g}")
    if not isinstance(job, str):
        raise InputError(f"{wanted}, got an instrument that is no text")
    return place, job
