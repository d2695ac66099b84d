"""The paths of the daemon over HTTP: calls, document, health, discovery, events, metrics."""

import asyncio
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from herocloud.kits.jsons import Json
from herocloud.rpc.calls import error_answers, framing
from herocloud.rpc.calls.error_codes import INVALID_REQUEST, PARSE_ERROR
from herocloud.rpc.store.event_log import EventLog, Subscription
from herocloud.rpc.wire.peer_identity import Caller
from herocloud.rpc.wire.wrong_tokens import WrongTokens

BODY_SECONDS = 30.0
"""For how long a body may take to arrive."""
_MOST_DRAINED = 8 * framing.MOST_BYTES
_DRAIN_SECONDS = 5.0
HEARTBEAT_SECONDS = 15.0
SECRET_HEADER = "x-hero-secret"  # noqa: S105  (the name of a header)


class Health(NamedTuple):
    """Whether the daemon lives, and whether it can work."""

    ready: bool
    reasons: tuple[str, ...]
    document: Mapping[str, Json]


class Handlers(NamedTuple):
    """What the paths need from the daemon."""

    answer: Callable[[bytes, Caller], bytes | None]
    """Answers a request; called in a thread, unless it is a quick one."""
    is_quick: Callable[[bytes], bool]
    openrpc: bytes
    health: Callable[[], Health]
    metrics: Callable[[], str]
    discovery: Mapping[str, Json]
    events: EventLog
    digest: Callable[[str], str]
    """The keyed digest of a secret, by which events are shown."""
    pool: Executor
    ending: Callable[[], bool]
    """Tells whether the daemon is about to end, so that streams do."""
    heartbeat: float = HEARTBEAT_SECONDS


class Access(NamedTuple):
    """Who may come in over TCP; the socket has its mode and group instead."""

    token: str
    hosts: Callable[[str], frozenset[str]]
    """The `Host` values that are ours, by the address reached: a page of another origin that resolves its name to us is not served."""


def make(handlers: Handlers, access: Access | None = None) -> Callable[..., Awaitable[None]]:
    """Return the application for one listener."""
    app = Starlette(
        routes=[
            Route("/rpc", _Calls(handlers), methods=["POST"]),
            Route("/openrpc.json", lambda _request: Response(handlers.openrpc, media_type="application/json")),
            Route("/health", lambda _request: _health(handlers)),
            Route("/.well-known/heroservice.json", lambda _request: JSONResponse(dict(handlers.discovery))),
            Route("/events", _Events(handlers)),
            Route("/metrics", _Metrics(handlers)),
        ]
    )
    return app if access is None else _Guard(app, access)


def _health(handlers: Handlers) -> Response:
    found = handlers.health()
    # A daemon that answers lives; whether callers should be sent to it is the status code.
    return JSONResponse(dict(found.document), 200 if found.ready else 503)


class _Calls:
    """`POST /rpc`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        if _is_announced_too_long(request):
            await _refuse_at_once(request, send)
            return
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            # A task for each request, as `wait_for` makes one, would wait for its turn once more.
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_body(request)
        except TimeoutError:
            data = error_answers.bad_request(f"The body took longer than {BODY_SECONDS:.0f} s to arrive.")
            return _answer(framing.write_error("null", INVALID_REQUEST, data), 408, closes=True)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return _too_long()
        if not body.strip():
            return _answer(framing.write_error("null", PARSE_ERROR, error_answers.bad_request("The body is empty.")), 200)
        caller: Caller = request.scope["caller"]
        if self._handlers.is_quick(body):
            # Each thread that an answer goes through waits for its turn among those that plan.
            answer = self._handlers.answer(body, caller)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(self._handlers.pool, self._handlers.answer, body, caller)
        return Response(status_code=204) if answer is None else _answer(answer, 200)


async def _read_body(request: Request) -> bytes | None:
    """Read a body as far as it may go; nothing when it is too long.

    Some of what is too much is read all the same, because a client that is still writing would see a broken pipe and never the answer.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > _MOST_DRAINED:
            return None
        if size <= framing.MOST_BYTES:
            pieces.append(piece)
    return b"".join(pieces) if size <= framing.MOST_BYTES else None


def _is_announced_too_long(request: Request) -> bool:
    announced = request.headers.get("content-length", "")
    return announced.isdecimal() and (len(announced) > 18 or int(announced) > framing.MOST_BYTES)


async def _refuse_at_once(request: Request, send: Any) -> None:
    """Answer a request that announces too long a body before any of it comes, and read on for a while, as `_read_body` does."""
    response = _too_long()
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_SECONDS):
            await _read_body(request)
    await send({"type": "http.response.body", "body": b""})


def _too_long() -> Response:
    data = error_answers.bad_request(f"A request has at most {framing.MOST_BYTES} bytes.")
    return _answer(framing.write_error("null", INVALID_REQUEST, data), 413, closes=True)


def _answer(content: bytes, status: int, *, closes: bool = False) -> Response:
    headers = {"connection": "close"} if closes else None
    return Response(content, status, media_type="application/json", headers=headers)


class _Events:
    """`GET /events`: server-sent events."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        first = self._first(request)
        if first is None:
            problem = JSONResponse(error_answers.bad_request("`from` and `Last-Event-ID` are numbers from 0."), 400)
            await problem(scope, receive, send)
            return
        secret = request.headers.get(SECRET_HEADER, "") or request.query_params.get("secret", "")
        digest = self._handlers.digest(secret) if secret else None
        stream = StreamingResponse(
            self._frames(first, digest),
            media_type="text/event-stream",
            # Proxies that gather answers would hold events back.
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
        await stream(scope, receive, send)

    def _first(self, request: Request) -> int | None:
        """Return where to begin: behind what a returning client has seen, at `from`, or with the next event."""
        seen = request.headers.get("last-event-id")
        asked = request.query_params.get("from")
        text = seen if seen is not None else asked
        if text is None:
            return self._handlers.events.last + 1
        if not text.isdecimal() or len(text) > 18 or not text.isascii():
            return None
        return int(text) + 1 if seen is not None else int(text)

    async def _frames(self, first: int, digest: str | None) -> AsyncIterator[bytes]:
        subscription = Subscription(self._handlers.events, first)
        try:
            # With a number at once, so that a reader who has seen no event yet goes on here after a broken connection.
            yield b": herocloud events\nretry: 1000\nid: %d\n\n" % max(0, first - 1)
            silent_since = time.monotonic()
            while not self._handlers.ending():
                # Short waits, so that an ending daemon does not hang on its streams.
                published_events = await subscription.more(min(1.0, self._handlers.heartbeat))
                shown = b"".join(event.frame for event in published_events if event.secret is None or event.secret == digest)
                if shown:
                    yield shown
                elif time.monotonic() - silent_since < self._handlers.heartbeat:
                    continue
                else:
                    yield b": heartbeat\n\n"
                silent_since = time.monotonic()
        finally:
            subscription.close()


class _Metrics:
    """`GET /metrics`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._handlers.pool, self._handlers.metrics)
        await Response(text, media_type="text/plain; version=0.0.4")(scope, receive, send)


class _Guard:
    """What stands in front of a TCP listener: the token, the host, the origin, and patience with failures."""

    def __init__(self, app: Callable[..., Awaitable[None]], access: Access) -> None:
        self._app = app
        self._access = access
        self._wrong_tokens = WrongTokens()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(Request(scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        reached, _ = request.scope.get("server") or ("", None)
        hosts = self._access.hosts(reached)
        if request.headers.get("host", "").lower() not in hosts:
            return JSONResponse(error_answers.bad_request("`Host` does not name this daemon."), 421)
        origin = request.headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] not in hosts:
            return JSONResponse(error_answers.bad_request("Pages of another origin are not served."), 403)
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._access.token.encode()):
            return None
        if self._wrong_tokens.is_too_many(request.client.host if request.client else ""):
            return JSONResponse(
                error_answers.bad_request("Too many wrong tokens; try again in a minute."), 429, headers={"retry-after": "60"}
            )
        return JSONResponse(error_answers.bad_request("The token is missing or wrong."), 401, headers={"www-authenticate": "Bearer"})


def dump(document: Json) -> bytes:
    """Write the document the way the checked-in file has it."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
