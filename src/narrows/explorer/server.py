"""The explorer's server: the same page on this machine, with the functions that a file cannot offer.

Only clients that know the token may ask, and only from a page of this server. No paths go over the wire: rows are
numbers, and exports are named by the server. Nothing is fetched from anywhere.

- The ``Host`` of every request must be this machine, so that no other name can be made to point to it (DNS rebinding).
- Everything under ``/api/`` requires the token, 256 random bits, in a header that forms and images cannot send.
- Requests that change anything must have JSON or an image as their type and, if a browser sends it, the same origin.
- A body must state its length, have at most 20 MB and arrive in time. The number of requests that are worked on or wait
  at once is limited; those whose bodies are still arriving do not block others.
- A client that does not ask in time, or does not read its answer in time, is disconnected (see ``connections``).
- A signal ends the server within seconds, whatever is connected or in progress.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from narrows.errors import InputError, RunFolderError, WriteError
from narrows.explorer.opened import Opened, png
from narrows.explorer.page import policy, shell

try:
    import uvicorn
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import FileResponse, JSONResponse

    from narrows.explorer.connections import Connection, Limits
except ImportError as error:  # pragma: no cover - the verb reports it
    raise InputError(
        "narrows explore", "needs FastAPI and uvicorn", remedy="Install them: pip install 'narrows[serve]'."
    ) from error

LARGEST = 20_000_000  # bytes of a body
AT_ONCE, WAITING = 4, 32  # requests in progress, and in all; as many more may still send their bodies
LINE = 64  # connections waiting to be accepted: few, so that they cannot take all file descriptors at once
IMAGE_TYPES = {"image/png", "image/jpeg", "image/gif", "image/bmp", "image/tiff", "image/webp"}
TOO_MANY = 429, "too many requests at once"
SAME = {"same-origin", "none"}  # allowed values of Sec-Fetch-Site: the page itself, or a person who typed the address

T = TypeVar("T")
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


class _Passing(FileResponse):
    """A file that is deleted with its folder once it is sent or sending fails."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            shutil.rmtree(Path(self.path).parent, ignore_errors=True)


def new_token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def build(opened: list[Opened], token: str, hosts: set[str], limits: Limits | None = None) -> Guard:
    """Return the server as an ASGI application.

    Parameters
    ----------
    opened : the run, and optionally another to compare it with
    token : the secret that requests must contain
    hosts : the accepted values of ``Host``, with their port
    limits : limits on connections

    Notes
    -----
    Every refusal is an answer: 400 (invalid request), 401 (token), 403 (Host or origin), 404, 405, 408 (a body that did
    not arrive), 409 (newer edits), 411 and 413 (length), 415 (type), 429 (too many at once), 507 (full disk)
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(RunFolderError)
    async def broken(_: Request, error: RunFolderError) -> Response:
        print(error, file=sys.stderr)  # it contains a path, which must not be sent
        return JSONResponse({"error": "The run's folder cannot be read; see the terminal."}, status_code=500)

    @app.exception_handler(WriteError)
    async def unwritten(_: Request, error: WriteError) -> Response:
        print(error, file=sys.stderr)
        return JSONResponse({"error": "The file could not be written; see the terminal."}, status_code=507)

    @app.exception_handler(InputError)
    async def refused(_: Request, error: InputError) -> Response:
        return JSONResponse({"error": str(error)}, status_code=400)

    @app.get("/")
    async def page() -> Response:
        before, after = shell(f"{opened[0].bundle.header['name']}: explorer", served=True)
        return Response(before + after, media_type="text/html")

    @app.get("/api/runs/{which}/header")
    async def header(which: int) -> Response:
        return JSONResponse(_which(opened, which).bundle.header | {"runs": len(opened)})

    @app.get("/api/runs/{which}/blobs/{number}")
    async def blob(which: int, number: int) -> Response:
        blobs = _which(opened, which).bundle.blobs
        if not 0 <= number < len(blobs):
            raise InputError("blob", f"must be from 0 to {len(blobs) - 1}", value=number)
        return Response(blobs[number], media_type="application/octet-stream")

    @app.get("/api/runs/{which}/pictures/{row}")
    async def picture(which: int, row: int) -> Response:
        return Response(await _aside(_which(opened, which).picture, row), media_type="image/png")

    @app.get("/api/runs/{which}/edits")
    async def edits(which: int) -> Response:
        return JSONResponse({"edits": _which(opened, which).log.edits})

    @app.post("/api/edits")
    async def edit(request: Request) -> Response:
        asked = await _json(request, {"after", "edit"})
        log = opened[0].log
        if asked["after"] != len(log.edits):  # made in another window, and not yet known to this one
            return JSONResponse({"error": "edits were made since", "edits": log.edits}, status_code=409)
        return JSONResponse({"n": log.append(asked["edit"])})

    @app.post("/api/draw")
    async def draw(request: Request) -> Response:
        codes, images = await _aside(opened[0].draw, await _json(request))
        made: dict[str, Any] = {"codes": codes.tolist()}
        if images.ndim == 4:
            made |= {"count": len(images), "sheet": _data_uri(_sheet(images))}
        else:
            made |= {"vectors": images.tolist()}
        return JSONResponse(made)

    @app.post("/api/place")
    async def place(request: Request) -> Response:
        return JSONResponse(await _aside(opened[0].place, await request.body()))

    @app.post("/api/split")
    async def split(request: Request) -> Response:
        asked = await _json(request, {"rows", "parts"})
        return JSONResponse({"parts": await _aside(opened[0].split, asked["rows"], asked["parts"])})

    @app.post("/api/folders")
    async def folders(request: Request) -> Response:
        asked = await _json(request, {"rows", "how"})
        return JSONResponse({"folder": await _aside(opened[0].export_folders, asked["rows"], asked["how"])})

    @app.post("/api/parquet")
    async def parquet(request: Request) -> Response:
        asked = await _json(request, {"rows"})
        folder = Path(tempfile.mkdtemp(prefix="narrows-"))  # which no other user can read
        try:
            await _aside(opened[0].write_parquet, folder / "rows.parquet", asked["rows"])
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return _Passing(folder / "rows.parquet", media_type="application/vnd.apache.parquet")

    return Guard(app, token, hosts, limits or Limits())


class _Refused(Exception):
    """A request that is refused, with a status and a reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.said = status, why


class Guard:
    """The checks that every request must pass before it is handled."""

    def __init__(self, app: FastAPI, token: str, hosts: set[str], limits: Limits) -> None:
        self.app, self._token, self._hosts, self._limits = app, token, hosts, limits
        self._origins = {f"http://{host}" for host in hosts}
        self._working = asyncio.Semaphore(AT_ONCE)
        self._inside = self._reading = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # websockets are not supported
        guarded = self._with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await _say(guarded, *refusal)
            return
        body = b""
        if scope["method"] == "POST":
            try:
                body = await self._body(receive)
            except _Refused as error:
                await _say(guarded, *error.said)
                return
        if self._inside >= WAITING:
            await _say(guarded, *TOO_MANY)
            return
        async with AsyncExitStack() as place:

            async def answer(message: Any) -> None:
                await place.aclose()  # the work is done; sending the answer may take longer
                await guarded(message)

            self._inside += 1
            place.callback(self._leave)
            try:
                await place.enter_async_context(self._working)
                await self.app(scope, _replayed(body, receive), answer)
            except asyncio.CancelledError:  # the server is stopping, and this took too long
                await _say(answer, 503, "the server was stopped")

    def _leave(self) -> None:
        self._inside -= 1

    async def _body(self, receive: Receive) -> bytes:
        """Return a body once all of it has arrived; raise _Refused if it is too long or does not arrive in time."""
        if self._reading >= WAITING:
            raise _Refused(*TOO_MANY)
        self._reading += 1
        try:
            async with asyncio.timeout(self._limits.body):
                body = await _whole_body(receive)
        except TimeoutError as error:
            raise _Refused(408, f"the body must arrive within {self._limits.body:g} seconds") from error
        finally:
            self._reading -= 1
        if body is None:
            raise _Refused(413, f"the body may have at most {LARGEST:,} bytes")
        return body

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        names = [name.decode("latin-1").lower() for name, _ in scope["headers"]]
        headers = {n: v.decode("latin-1") for n, (_, v) in zip(names, scope["headers"], strict=True)}
        if names.count("host") != 1 or headers["host"] not in self._hosts:
            return 403, "this server answers only under its own name"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "only GET and POST are allowed"
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if origin is not None and origin not in self._origins:
            return 403, "the request comes from another page"
        if not scope["path"].startswith("/api/"):
            return None if scope["path"] == "/" and scope["method"] != "POST" else (404, "there is no such page")
        if site is not None and site not in SAME:
            return 403, "the request comes from another site"
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode("latin-1"), f"Bearer {self._token}".encode()):
            return 401, "the token is missing or wrong: open the address shown in the terminal"
        if scope["method"] != "POST":
            return None
        if origin is None and site is not None:
            return 403, "a browser must send the origin of its request"
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        allowed = IMAGE_TYPES if scope["path"] == "/api/place" else {"application/json"}
        if kind not in allowed:
            return 415, "the body must be JSON, or an image for /api/place"
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):  # or it would be read before it is known to be too long
            return 411, "the length of the body must be given"
        if len(length) > 20 or int(length) > LARGEST:
            return 413, f"the body may have at most {LARGEST:,} bytes"
        return None

    def _with_headers(self, send: Send) -> Send:
        added = [
            (b"content-security-policy", f"{policy(served=True)}; frame-ancestors 'none'".encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", []), *added]}
            await send(message)

        return guarded


def serve(opened: list[Opened], *, port: int, on_ready: Callable[[str], None], limits: Limits | None = None) -> None:
    """Serve on 127.0.0.1 until a signal arrives, and then stop within seconds.

    Parameters
    ----------
    opened : the run, and optionally another to compare it with
    port : the port; 0 takes a free one
    on_ready : called with the address to open; the token follows "#", a part that browsers do not send
    limits : limits on connections

    Raises
    ------
    InputError : the port is taken
    KeyboardInterrupt, SystemExit : the signal that came (SIGINT, SIGTERM)
    """
    limits = limits or Limits()
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(LINE)  # so that a browser that is too early waits rather than being refused
    except OSError as error:
        remedy = "Choose another, or leave it out to use a free one."
        raise InputError("--port", "must be free", value=port, remedy=remedy) from error
    port = listening.getsockname()[1]
    token = new_token()
    app = build(opened, token, {f"127.0.0.1:{port}", f"localhost:{port}"}, limits)
    config = uvicorn.Config(
        app,
        http=Connection.within(limits),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        backlog=LINE,
        timeout_graceful_shutdown=limits.stop,
    )
    on_ready(f"http://127.0.0.1:{port}/#token={token}")
    try:
        with _ending_tidily():
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        for one in opened:
            one.log.close()


@contextmanager
def _ending_tidily() -> Iterator[None]:
    """Turn SIGTERM, which the server raises again once it has ended, into SystemExit, so that cleanup runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _which(opened: list[Opened], which: int) -> Opened:
    if not 0 <= which < len(opened):
        raise InputError("run", f"must be from 0 to {len(opened) - 1}", value=which)
    return opened[which]


async def _json(request: Request, keys: set[str] | None = None) -> dict[str, Any]:
    try:
        asked = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise InputError("body", "must be JSON") from error
    if not isinstance(asked, dict) or (keys is not None and asked.keys() != keys):
        raise InputError("body", f"must be an object with {', '.join(sorted(keys or {'what is asked for'}))}")
    return asked


async def _aside(work: Callable[..., T], *given: Any) -> T:
    """Run ``work`` in a thread that does not keep the process from ending, and return its result.

    Files that such a thread writes appear only when they are complete.
    """
    loop = asyncio.get_running_loop()
    made: asyncio.Future[T] = loop.create_future()

    def settle(found: T | None, error: BaseException | None) -> None:
        if made.done():  # the result is no longer awaited
            return
        if error is not None:
            made.set_exception(error)
        else:
            made.set_result(cast("T", found))

    def do() -> None:
        found, failed = None, None
        try:
            found = work(*given)
        except BaseException as error:
            failed = error
        with suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(settle, found, failed)

    threading.Thread(target=do, daemon=True).start()
    return await made


async def _whole_body(receive: Receive) -> bytes | None:
    """Return the body; None as soon as it is too long."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _say(send: Send, status: int, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status in (408, 411):  # it is unknown how much will arrive, or when, so none of it is read
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _sheet(images: Any) -> bytes:
    """Return images (n, C, H, W) as one PNG: up to nine side by side, more in lines of eight."""
    n, channels, height, width = images.shape
    columns = n if n <= 9 else 8
    lines = -(-n // columns)
    sheet = np.zeros((lines * columns, channels, height, width), np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(lines, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    return png(sheet.reshape(channels, lines * height, columns * width))


def _data_uri(png: bytes) -> str:
    import base64

    return "data:image/png;base64," + base64.b64encode(png).decode()
