"""The body of a request, within a limit."""

from collections.abc import AsyncIterator

from starlette.requests import Request


class TooLargeError(Exception):
    """A body that is larger than it may be."""


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body of a request, whatever its headers claim of its length.

    Args:
        request: The request.
        limit: Largest size, bytes.

    Raises:
        TooLargeError: As soon as it is known that it has more.
    """
    claimed = request.headers.get("content-length", "")
    if claimed.isdecimal() and int(claimed) > limit:
        raise TooLargeError
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLargeError
        yield chunk
