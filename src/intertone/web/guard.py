"""Conditions of every request before the server reads it: the right host, the right origin, a token where needed."""

import hmac
import ipaddress
import socket
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "intertone"
"""Name of the cookie that holds the token."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy of the page: everything comes from this server, nothing is inline."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer, unless it has its own."""


def refusal(sentence: str, status: int, **more: object) -> Response:
    """Return an answer that refuses in one sentence."""
    return JSONResponse({"error": sentence, **more}, status_code=status)


class Guard:
    """Refuses requests of foreign hosts and origins, and those without the token, before the app reads them.

    Another site can make a browser send requests here, and by DNS rebinding even under a name of its own. So the Host
    header must name this computer, and an Origin header must be that of the host. Where the server listens on all
    addresses, every numeric address is taken: rebinding needs a name.

    Args:
        app: The app behind it.
        host: Address on which the server listens.
        token: What a request must hold in its cookie, or as ``Authorization: Bearer``; None: nothing.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", token: str | None = None) -> None:
        self.app, self.host, self.token = app, host, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._check(scope)
        await (answer or self.app)(scope, receive, with_headers)

    def _check(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._own_host(host):
            return refusal(f"the host must be this computer, got {host[:80]}", 403)
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope.get('scheme', 'http')}://{host}":
            return refusal(f"the origin must be this page, got {origin[:80]}", 403)
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        # a link to the page may stand anywhere; another site may not embed or fetch anything
        if foreign and (scope["method"] != "GET" or headers.get("sec-fetch-mode", "navigate") != "navigate"):
            return refusal("the request must come from this page, got one of another site", 403)
        return None if self.token is None else self._check_token(scope, headers, self.token)

    def _check_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and _equal(given, token):
            answer = RedirectResponse(scope["path"], status_code=303)
            # lax: with strict, a visit by a link of another site, such as a mail, would come without the cookie
            answer.set_cookie(COOKIE, token, httponly=True, samesite="lax")
            return answer
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if (cookie is not None and _equal(cookie, token)) or _equal(bearer, token):
            return None
        return refusal("the address must hold the token: /?token=…", 401)

    def _own_host(self, header: str) -> bool:
        try:
            name = (urlsplit(f"//{header}").hostname or "").lower()
        except ValueError:
            return False
        if name in ("localhost", self.host.lower()):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return not is_loopback(self.host) and name == socket.gethostname().lower()
        return is_loopback(name) if is_loopback(self.host) else not address.is_multicast


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this computer only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
