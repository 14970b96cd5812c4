"""The page and what it asks for, as an ASGI application."""

import asyncio
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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eigenstep.live._analyst import Analyst
from eigenstep.live._connections import TellsOnce
from eigenstep.live._detail import detail
from eigenstep.live._follower import Follower
from eigenstep.live._page_files import PLACES, page_file
from eigenstep.live._run_folder import RunsFolder
from eigenstep.live._window import window

# A page elsewhere whose name is made to lead here (DNS rebinding) still sends its own name.
HOSTS = ("127.0.0.1", "localhost")
LARGEST_QUESTION, QUESTION_SECONDS = 1 << 20, 10
# How long the first question waits for the first look at the folder.
FIRST_LOOK_SECONDS = 5
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

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> app = build_app(RunsFolder(Path(tempfile.mkdtemp())))
    >>> [route.path for route in app.routes]
    ['/', '/page/{name}', '/changes', '/rows']
    """
    session, name_of_folder = secrets.token_hex(8), folder.root.resolve().name
    for name in PLACES:
        page_file(name)  # while there are file descriptors

    async def changes(request: Request) -> Response:
        """New rows of the table, and of the runs that are looked at.

        The question has what the page knows: `session`, which is another one after the server was started
        anew, the version of the `table`, and under `runs` a cursor for each name.
        """
        asked = await _question(request)
        folder.ask()
        if not folder.looked.is_set():
            await run_in_threadpool(folder.looked.wait, FIRST_LOOK_SECONDS)
        same = asked.get("session") == session
        since, runs = asked.get("table"), asked.get("runs")
        told = await run_in_threadpool(_runs, folder, runs, same) if isinstance(runs, dict) and runs else "{}"
        table = folder.table(since if same and isinstance(since, int) else 0)
        head = {"session": session, "now": folder.clock(), "folder": name_of_folder}
        return _answer(f'{_json(head)[:-1]},"table":{table},"runs":{told}}}')

    async def rows_between(request: Request) -> Response:
        asked = await _question(request)
        return _answer(await run_in_threadpool(_rows_between, folder, asked))

    @contextlib.asynccontextmanager
    async def following(app: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(TellsOnce())
        threads = Follower(folder), Analyst(folder)
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.stop()

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
        lifespan=following,
    )


def _runs(folder: RunsFolder, cursors: dict[str, Any], same: bool) -> str:
    """What the page lacks of the runs that it looks at; one that was not read yet is read now."""
    told = []
    for name, cursor in cursors.items():
        entry = folder.entries.get(name)
        if entry is None:
            continue
        entry.asked = folder.asked
        cursor = cursor if isinstance(cursor, dict) else {}
        with entry.lock:
            if not entry.is_read:
                folder.read(entry)
            try:
                text = _json(detail(entry, cursor if same else cursor | {"generation": 0}))
            except Exception as error:  # whatever a foreign folder brings; the page and the other runs go on
                text = _json({"problem": " ".join(str(error).split()) or type(error).__name__})
        told.append(f"{_json(name)}:{text}")
    return f"{{{','.join(told)}}}"


def _rows_between(folder: RunsFolder, asked: dict[str, Any]) -> str:
    entry = folder.entries.get(str(asked.get("run")))
    if entry is None:  # not found yet, or gone this moment
        return _json({"rows": None})
    with entry.lock:
        try:
            start, end = float(asked["from"]), float(asked["to"])
            return _json({"rows": window(entry.run, asked["source"], asked["axis"], start, end)})
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise HTTPException(400, " ".join(str(error).split())) from error


async def _question(request: Request) -> dict[str, Any]:
    body = b""
    try:
        async with asyncio.timeout(QUESTION_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_QUESTION:
                    raise HTTPException(413, "the question is too long")
    except TimeoutError as error:
        raise HTTPException(408, "the question took too long", {"connection": "close"}) from error
    except ClientDisconnect as error:  # nobody is left to read this
        raise HTTPException(400, "the question was broken off") from error
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


def _json(content: Any) -> str:
    """In ASCII: a foreign folder's names may hold half a character, which has no UTF-8."""
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _answer(text: str) -> Response:
    return Response(text.encode("ascii"), media_type="application/json")


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
