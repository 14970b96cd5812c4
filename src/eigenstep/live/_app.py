"""The page and what it asks for, as an ASGI application."""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eigenstep.live._analyst import Analyst
from eigenstep.live._detail import detail
from eigenstep.live._page_files import page_file
from eigenstep.live._run_folder import RunsFolder
from eigenstep.live._window import window

# A page elsewhere whose name is made to lead here (DNS rebinding) still sends its own name.
HOSTS = ("127.0.0.1", "localhost")
LARGEST_QUESTION = 1 << 20
POLICY = (
    # plotly.js brings styles of its own; names of runs and columns enter the page as text only.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


def build_app(folder: RunsFolder) -> Starlette:
    """An application that serves the page on a folder of runs, and tells it what is new.

    It reads the runs and changes nothing. Requests by another host name than 127.0.0.1 or localhost, or from
    a page of another site, are refused.
    """
    session = secrets.token_hex(8)

    async def changes(request: Request) -> Response:
        asked = await _question(request)
        return _Json(await run_in_threadpool(_changes, folder, session, asked))

    async def rows_between(request: Request) -> Response:
        asked = await _question(request)
        return _Json(await run_in_threadpool(_rows_between, folder, asked))

    @contextlib.asynccontextmanager
    async def judging(app: Starlette) -> AsyncIterator[None]:
        analyst = Analyst(folder)
        analyst.start()
        yield
        analyst.stop()

    return Starlette(
        routes=[
            Route("/", _page),
            Route("/page/{name}", _page),
            Route("/changes", changes, methods=["POST"]),
            Route("/rows", rows_between, methods=["POST"]),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(_SameSite),
        ],
        lifespan=judging,
    )


def _changes(folder: RunsFolder, session: str, asked: dict[str, Any]) -> dict[str, Any]:
    """New rows of the table, and of the runs that are looked at.

    `asked` has what the page knows: `session`, which is another one after the server was started anew, the
    version of the `table`, and under `runs` a cursor for each name.
    """
    with folder.lock:
        folder.refresh()
        same = asked.get("session") == session
        since, runs = asked.get("table"), asked.get("runs")
        reply: dict[str, Any] = {
            "session": session,
            "now": folder.clock(),
            "folder": folder.root.resolve().name,
            "table": folder.table(since if same and isinstance(since, int) else 0),
            "runs": {},
        }
        for name, cursor in runs.items() if isinstance(runs, dict) else ():
            entry = folder.entries.get(name)
            if entry is None:
                continue
            entry.asked = folder.asked
            cursor = cursor if isinstance(cursor, dict) else {}
            try:
                reply["runs"][name] = detail(entry, cursor if same else cursor | {"generation": 0})
            except Exception as error:  # whatever a foreign folder brings; the page and the other runs go on
                reply["runs"][name] = {"problem": " ".join(str(error).split()) or type(error).__name__}
        return reply


def _rows_between(folder: RunsFolder, asked: dict[str, Any]) -> dict[str, Any]:
    with folder.lock:
        entry = folder.entries.get(str(asked.get("run")))
        if entry is None:  # not found yet, or gone this moment
            return {"rows": None}
        try:
            start, end = float(asked["from"]), float(asked["to"])
            return {"rows": window(entry.run, asked["source"], asked["axis"], start, end)}
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise HTTPException(400, " ".join(str(error).split())) from error


async def _question(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_QUESTION:
            raise HTTPException(413, "the question is too long")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "expected JSON") from error
    if not isinstance(asked, dict):
        raise HTTPException(400, "expected a JSON object")
    return asked


def _page(request: Request) -> Response:
    try:
        content, kind, tag = page_file(request.path_params.get("name", "page.html"))
    except KeyError as error:
        raise HTTPException(404) from error
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


class _Json(JSONResponse):
    """In ASCII: a foreign folder's names may hold half a character, which has no UTF-8."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


class _SameSite:
    """Refuses what another site's page asks, and adds the headers that keep this page to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        if origin and _host(origin) not in HOSTS:
            await Response("another site's page may not ask", 403)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)
