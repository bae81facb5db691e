"""The server of the page: static files, uploads, one queue of analyses, and the instruments that come of them."""

import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from intertone.errors import InputError
from intertone.files import Json, mebibytes
from intertone.web.body import TooLargeError, limited
from intertone.web.bundle import one_file
from intertone.web.guard import Guard, refusal
from intertone.web.map_routes import MapRoutes
from intertone.web.shelf import MAX_UPLOAD_BYTES, Shelf, readable
from intertone.web.uploads import MAX_SOUNDS, Made, OwnCode, Upload
from intertone.web.workers import Job, QueueFullError, Workers

MAX_ORDER_BYTES = 4096
"""Largest body of a request that orders an instrument, bytes of JSON."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
"""Content types of the static files."""


class Site:
    """The routes, and what they share.

    Args:
        workers: Make instruments of ``tuple[Upload, ...]`` and return ``Made``.
        sounds: Files of the command line, which the page opens with; they stay where they are.
        map_workers: Makes the workers behind the map, as ``MapRoutes`` takes it; None: the page has no map.
    """

    def __init__(
        self, workers: Workers, sounds: Sequence[Path] = (), map_workers: Callable[[], Workers] | None = None
    ) -> None:
        self.workers, self.shelf = workers, Shelf()
        self.static = static_files()
        uploads = [Upload(path, readable(path.name)) for path in sounds]
        self._own = [(self.shelf.add(upload, keep=True), upload.name) for upload in uploads]
        self._map = None if map_workers is None else MapRoutes(map_workers, self._codes)
        self._first = workers.submit(tuple(uploads), keep=True) if uploads else None

    def close(self) -> None:
        """End the worker processes and remove the uploads."""
        self.workers.close()
        if self._map is not None:
            self._map.close()
        self.shelf.close()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self.page),
            Route("/static/{name}", self.file),
            Route("/start", self.start),
            Route("/sounds", self.add_sound, methods=["POST"]),
            Route("/instruments", self.order, methods=["POST"]),
            Route("/instruments/{job}", self.status),
            Route("/instruments/{job}/data", self.data),
            Route("/instruments/{job}/page", self.download),
            *(self._map.routes() if self._map is not None else ()),
        ]

    async def page(self, _request: Request) -> Response:
        """Return the page."""
        return self._static("index.html")

    async def file(self, request: Request) -> Response:
        """Return a static file: one of those that were read at the start, so no name leads elsewhere."""
        return self._static(request.path_params["name"])

    async def start(self, _request: Request) -> Response:
        """Return the sounds of the command line, the job that makes their instrument, and whether there is a map."""
        sounds = [{"id": identifier, "name": name} for identifier, name in self._own]
        instrument = self._first and self._first.name
        return JSONResponse({"sounds": sounds, "instrument": instrument, "map": self._map is not None})

    async def add_sound(self, request: Request) -> Response:
        """Take a sound file as the body of a request; the answer is its identifier."""
        path = self.shelf.new_path()
        try:
            with path.open("wb") as handle:
                async for chunk in limited(request, MAX_UPLOAD_BYTES):
                    handle.write(chunk)
        except TooLargeError:
            path.unlink()
            limit = mebibytes(MAX_UPLOAD_BYTES)
            return refusal(f"a sound must have at most {limit} when it is uploaded, got more", 413)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        name = readable(request.query_params.get("name", ""))
        return JSONResponse({"id": self.shelf.add(Upload(path, name)), "name": name}, status_code=201)

    async def order(self, request: Request) -> Response:
        """Put an instrument of some sounds into the queue; the answer is the job's identifier."""
        try:
            names = _order_of(b"".join([chunk async for chunk in limited(request, MAX_ORDER_BYTES)]))
        except TooLargeError:
            return refusal(f"an order must have at most {MAX_ORDER_BYTES} bytes, got more", 413)
        except InputError as error:
            return refusal(str(error), 400)
        uploads = [self.shelf.find(name) for name in names]
        if (missing := next((index for index, upload in enumerate(uploads) if upload is None), None)) is not None:
            return refusal("this sound is no longer on the server; drop it again", 404, sound=missing)
        try:
            job = self.workers.submit(tuple(upload for upload in uploads if upload is not None))
        except QueueFullError as error:
            return refusal(str(error), 503)
        return JSONResponse(self._state(job), status_code=202)

    async def status(self, request: Request) -> Response:
        """Return how far a job is."""
        job = self.workers.find(request.path_params["job"])
        return _no_instrument() if job is None else JSONResponse(self._state(job))

    async def data(self, request: Request) -> Response:
        """Return the bytes of an instrument."""
        made = self._made(request)
        return _no_instrument() if made is None else Response(made.data, media_type="application/octet-stream")

    async def download(self, request: Request) -> Response:
        """Return an instrument as one HTML file."""
        made = self._made(request)
        if made is None:
            return _no_instrument()
        headers = {"content-disposition": 'attachment; filename="instrument.html"'}
        return Response(one_file(made.data, made.sounds), media_type="text/html", headers=headers)

    def _made(self, request: Request) -> Made | None:
        job = self.workers.find(request.path_params["job"])
        return None if job is None else job.result

    def _codes(self, name: str) -> tuple[OwnCode, ...] | None:
        """Return the codes of the sounds of a job, none where it is not done; None where the job is unknown."""
        job = self.workers.find(name)
        if job is None:
            return None
        return () if job.result is None else job.result.codes

    def _state(self, job: Job) -> "dict[str, Json]":
        state: dict[str, Json] = {"id": job.name, "state": job.state, "step": job.step}
        if job.state == "waiting":
            state["before"] = self.workers.before(job)
        if job.state == "failed":
            state |= {"error": job.error, "sound": job.index}
        if job.state == "done":
            state["sounds"] = job.result.sounds
        return state

    def _static(self, name: str) -> Response:
        content = self.static.get(name)
        if content is None:
            return _unknown()
        return Response(content, media_type=TYPES[Path(name).suffix])


def make_app(site: Site, *, host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """Return the server's app.

    Args:
        site: Its routes; whoever made it closes it.
        host: Address on which it listens.
        token: What requests must hold; None: nothing.
    """
    return Starlette(routes=site.routes(), middleware=[Middleware(Guard, host=host, token=token)])


def static_files() -> dict[str, bytes]:
    """Return the files of the page by name."""
    folder = resources.files("intertone.web") / "static"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if Path(entry.name).suffix in TYPES}


def _order_of(body: bytes) -> list[str]:
    """Return the identifiers of an order.

    Raises:
        InputError: If the body is no order.
    """
    wanted = f'an order must be {{"sounds": [identifier, …]}} with 1 to {MAX_SOUNDS}'
    try:
        names = json.loads(body)["sounds"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"{wanted}, got something else") from None
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_SOUNDS:
        raise InputError(f"{wanted}, got {len(names) if isinstance(names, list) else 'no list'}")
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{wanted}, got one that is no text")
    return names


def _no_instrument() -> Response:
    """Return the answer for a job that is not known, as after a restart of the server."""
    return refusal("the server no longer has this instrument; drop its sounds again, or reload the page", 404)


def _unknown() -> Response:
    return refusal("nothing was found at this address", 404)
