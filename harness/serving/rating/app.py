"""The server of the page: on loopback alone, behind a token that only the terminal shows."""

from __future__ import annotations

import json
import secrets
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.files import Json
from harness.serving.rating.desk import Desk, NameTaken, Outdated, whole

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE = "harness_rate"
MOST = 65_536  # bytes of a request
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
TYPES = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}


def app(desk: Desk, token: str, port: int) -> Starlette:
    """The application. Whoever does not bring the token, in the address or as a cookie, gets nothing but 401."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    door = Door(token, port)

    async def page(request: Request) -> Response:
        return door.opened(request) or door.refused(request) or _page(request.path_params.get("name", "page.html"))

    async def api(request: Request) -> Response:
        return door.refused(request) or await _told(desk, request)

    pages = [Route("/", page), Route("/{name}", page)]
    return Starlette(routes=[Route("/api/{what}", api, methods=["POST"]), *pages])


class Door:
    """Who is let in."""

    def __init__(self, token: str, port: int) -> None:
        self.token = token
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self.cookie = f"{COOKIE}_{port}"  # cookies know no ports

    def opened(self, request: Request) -> Response | None:
        """The answer to an address with a token: the page, from now on by a cookie; None for one without."""
        from starlette.responses import RedirectResponse

        given = request.query_params.get("token")
        if given is None:
            return None
        if request.headers.get("host") not in self.hosts or not self._is_token(given):
            return _words("That is not the address that the terminal shows.", 401)
        to_page = RedirectResponse("/", 303, HEADERS)
        to_page.set_cookie(self.cookie, self.token, httponly=True, samesite="lax")
        return to_page

    def refused(self, request: Request) -> Response | None:
        """The answer to who may not ask; None for who may."""
        if (
            request.headers.get("host") not in self.hosts
        ):  # another name for this machine, which another page may have made
            return _words("Open the address that the terminal shows.", 400)
        if not self._is_token(request.cookies.get(self.cookie, "")):
            return _words("Open the address that the terminal shows, with its token.", 401)
        if request.method == "POST" and request.headers.get("origin") not in {f"http://{host}" for host in self.hosts}:
            return _words("Requests come from the page itself.", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


def _words(text: str, status: int) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(text, status, HEADERS)


def _page(name: str) -> Response:
    from starlette.responses import Response

    if name not in TYPES:
        return _words("There is no such page.", 404)
    text = (files("harness.serving.rating") / "page" / name).read_text(encoding="utf-8")
    return Response(text, 200, HEADERS, TYPES[name])


async def _told(desk: Desk, request: Request) -> Response:
    """The answer to a request of the page, made in a thread: it writes to the disk."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    body = await _json(request)
    if body is None:
        return JSONResponse({"problem": "that is no request of the page."}, 400, HEADERS)
    try:
        return JSONResponse(await run_in_threadpool(answer, desk, request.path_params["what"], body), 200, HEADERS)
    except HarnessError as error:
        told = {"problem": error.problem, "remedy": error.remedy, "taken": isinstance(error, NameTaken)}
        return JSONResponse(told, 409 if isinstance(error, NameTaken | Outdated) else 500, HEADERS)


def answer(desk: Desk, what: str, body: Json) -> Json:
    """What the page asks for."""
    name, secret = (whole(str(body.get(field, ""))) for field in ("name", "secret"))
    if what == "join":
        return desk.join(name, secret, bool(body.get("same_person")))
    if what == "show":
        at = body.get("at")
        return desk.show(name, secret, at if isinstance(at, int) else None)
    if what == "rate":
        return desk.rate(name, secret, body)
    raise Outdated("there is no such request.", "Reload the page.")


async def _json(request: Request) -> Json | None:
    """The request's object; None where it is none, or too long."""
    text = bytearray()
    async for part in request.stream():
        text += part
        if len(text) > MOST:
            return None
    try:
        found: Any = json.loads(bytes(text))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
