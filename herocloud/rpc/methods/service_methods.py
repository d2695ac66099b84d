"""The service itself: its document, its health, its events."""

import time
from typing import Annotated, Any

from pydantic import Field

import herocloud
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import EventPage, HealthInfo, JsonObject, Secret
from herocloud.state import failures

MOST_EVENTS = 1000


@declare("service", example=Example({}, {"openrpc": "1.3.2"}))
def rpc_discover(desk: Desk) -> JsonObject:
    """Return the OpenRPC document of this service.

    The same as `GET /openrpc.json`.
    """
    return dict(desk.document())


@declare(
    "service",
    example=Example(
        {},
        {
            "status": "ok",
            "ready": True,
            "reasons": [],
            "warnings": [],
            "version": herocloud.__version__,
            "uptime_seconds": 1.0,
            "jobs_open": 0,
            "last_event": 0,
        },
    ),
)
def rpc_health(desk: Desk) -> HealthInfo:
    """Return whether the daemon can work, and if not, why.

    The same as `GET /health`, whose status code is 503 while the daemon is not ready.
    """
    return health(desk)


def health(desk: Desk) -> HealthInfo:
    """Look at what every call needs."""
    reasons: list[str] = []
    if desk.jobs.closing:
        reasons.append("the daemon is about to end")
    for name, question in (("state", lambda: desk.recorded), ("host", lambda: desk.host)):
        try:
            question()
        except Exception as error:  # noqa: BLE001  (a health check reports; it does not fail)
            reasons.append(f"the {name} cannot be read: {_words(error)}")
    reasons += _against_writing(desk)
    warnings = [] if reasons else desk.warnings()
    return HealthInfo(
        status="degraded" if reasons or warnings else "ok",
        ready=not reasons,
        reasons=reasons,
        warnings=warnings,
        version=herocloud.__version__,
        uptime_seconds=round(time.monotonic() - desk.began, 3),
        jobs_open=len(desk.jobs.open()),
        last_event=desk.events.last,
    )


def _against_writing(desk: Desk) -> list[str]:
    """Say why nothing can be written down, without which nothing is changed either."""
    if failures.is_full(desk.folder):
        return ["nothing can be written down: The disk is full"]
    refused = desk.store.find_failure()
    return [] if refused is None else [f"nothing can be written down: {_words(refused)}"]


def _words(error: Exception) -> str:
    diagnostics = getattr(error, "diagnostics", ())
    return "; ".join(diagnostic.summary for diagnostic in diagnostics) or type(error).__name__


@declare("resources", example=Example({"from": 0, "limit": 1}, {"events": [], "next": 1, "last": 1}))
def events(
    desk: Desk,
    from_: Annotated[int, Field(ge=0, le=10**15, description="The number of the first event to return.")] = 0,
    limit: Annotated[int, Field(ge=1, le=MOST_EVENTS, description="How many events to return at most.")] = 100,
    secret: Secret = "",
) -> EventPage:
    """Return events from a number on, oldest first.

    Ask again with `next` to go on. `GET /events` streams the same events as they happen.
    """
    digest = desk.digest(secret)
    last = desk.events.last
    stored_events = desk.store.events_from(from_, limit)
    shown = [infos.event_info(event) for event in stored_events if event.secret is None or event.secret == digest]
    return EventPage(events=shown, next=stored_events[-1].seq + 1 if stored_events else min(from_, last + 1), last=last)


def named(method: Method[Any], name: str) -> Method[Any]:
    """Give a method a name that no function of Python can have."""
    import dataclasses

    return dataclasses.replace(method, name=name)


METHODS: tuple[Method[Any], ...] = (named(rpc_discover, "rpc.discover"), named(rpc_health, "rpc.health"), events)
