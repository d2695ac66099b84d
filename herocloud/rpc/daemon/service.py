"""The daemon put together: its files, its methods, its listeners, and one loop around them."""

import asyncio
import contextlib
import functools
import gc
import importlib
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.errors import HerocloudError
from herocloud.model.worlds import Recorded
from herocloud.operations import damage
from herocloud.operations.state_reader import StateReader
from herocloud.rpc.calls import advice, error_answers, method_table
from herocloud.rpc.calls.call_counts import CallCounts
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.calls.method_table import Method
from herocloud.rpc.daemon import allocator, own_processor
from herocloud.rpc.jobs import stale_uploads
from herocloud.rpc.jobs.desk import Desk, SecretKey, Sight, secret_of
from herocloud.rpc.jobs.jobs import Jobs
from herocloud.rpc.jobs.shelf import Shelf
from herocloud.rpc.methods import all_methods, concealment, dispatch, own_methods, service_methods
from herocloud.rpc.store.daemon_store import DaemonStore
from herocloud.rpc.store.event_log import EventLog
from herocloud.rpc.supervision import metrics, recovery
from herocloud.rpc.supervision.chores import Intervals
from herocloud.rpc.supervision.upkeep import LOOK_SECONDS, Upkeep
from herocloud.rpc.wire import connection_places, daemon_sockets, endpoints, systemd, tcp, unix_socket
from herocloud.rpc.wire.connection_places import Places
from herocloud.rpc.wire.daemon_sockets import Listeners
from herocloud.rpc.wire.endpoints import Handlers, Health
from herocloud.rpc.wire.peer_identity import Caller, Protocol
from herocloud.rpc.wire.tcp import Tcp
from herocloud.state.kept_store import KeptStore

log = logging.getLogger(__name__)

STOP_SECONDS = 30.0
"""What jobs get to finish the steps that they are in."""
_THREADS = 256
"""Calls that wait, for a job mostly, sit in a thread each; idle ones cost little."""
_NOBODY = Caller(None, None, "daemon")
_MOST_NAMED = 5
"""Things that a warning names."""


class Settings(NamedTuple):
    """How a daemon is to run."""

    folder: Path
    socket: Path
    group: str | None = None
    clock: Callable[[], float] = time.time
    heartbeat: float = endpoints.HEARTBEAT_SECONDS
    upkeep: bool = True
    """Whether it looks after the VMs; off for tests that look at everything themselves."""
    look_seconds: float = LOOK_SECONDS
    intervals: Intervals = Intervals()
    """How often it does its chores."""
    tcp: Tcp | None = None
    """The listener over TCP beside the socket."""


def settings_for(folder: Path, socket: Path, listener: Tcp | None = None) -> Settings:
    """Return the settings that the host file of a data folder makes."""
    from herocloud.operations import inputs

    return Settings(folder, socket, group=inputs.read_daemon_settings(folder).group, tcp=listener)


class Service:
    """One daemon, from its first file to its last answer."""

    def __init__(self, settings: Settings) -> None:
        """Open everything; nothing listens yet."""
        self.settings = settings
        self.store = DaemonStore(settings.folder)
        self.kept = KeptStore(settings.folder)
        self.reader = StateReader(settings.folder)
        self.finder = StateReader(settings.folder)
        self.sight = Sight(settings.folder, self.reader, self.finder)
        self.events = EventLog(self.store, settings.clock)
        self.jobs = Jobs(self.store, self.events, settings.clock)
        self.table = method_table.collect(all_methods.methods())
        self.calls = CallCounts()
        self.document = all_methods.openrpc()
        self.desk = Desk(
            folder=settings.folder,
            kept=self.kept,
            reader=self.reader,
            finder=self.finder,
            sight=self.sight,
            jobs=self.jobs,
            events=self.events,
            store=self.store,
            secrets=SecretKey(settings.folder),
            shelf=Shelf(),
            runtime=settings.socket.parent,
            clock=settings.clock,
            started=settings.clock(),
            began=time.monotonic(),
            document=lambda: self.document,
            warnings=self._warn,
            caller=_NOBODY,
        )
        self._recorded = Recorded()
        """The state when it could be read last."""
        self.jobs.conceal = self._conceal
        recovery.take_over(self.desk)
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        self.upkeep = Upkeep(self.desk, look_seconds=settings.look_seconds, intervals=settings.intervals)
        if settings.upkeep:
            self.upkeep.start()
        self._ending = False

    def answer(self, body: bytes, caller: Caller) -> bytes | None:
        """Answer one request."""
        return dispatch.answer(body, self.desk._replace(caller=caller), dispatch.Answering(self.table, self._translate, self.calls))

    def _translate(self, error: Exception, method: Method[Any], given: Mapping[str, Json]) -> RpcError | None:
        known = error if isinstance(error, RpcError) else error_answers.translate(error)
        if known is None:
            return None
        secret = given.get("secret")
        digest = self.desk.digest(secret) if isinstance(secret, str) else None
        # Names are taken out first: what is translated names a VM in other ways.
        data = self._conceal(known.data, digest)
        # What the command line asks for, it shows in its own words.
        return RpcError(known.kind, data if method in own_methods.METHODS else advice.of_error(data, method.name))

    def _conceal(self, data: Json, digest: str | None) -> Json:
        """Take out of an error what its caller may not know.

        The error may be that the state cannot be read; what was hidden when it last could be stays hidden then.
        """
        unrecorded = self.desk.sight.last_unrecorded()
        with contextlib.suppress(HerocloudError, OSError, sqlite3.Error):
            self._recorded = self.desk.recorded
        hidden = [(thing.stack, thing.address) for thing in unrecorded.orphans if unrecorded.secret_of(thing) not in (None, digest)]
        return concealment.without_folders(concealment.conceal(data, self._recorded, digest, hidden), self.desk.runtime)

    def _warn(self) -> list[str]:
        failing = self.upkeep.chores.schedules.failing()
        recorded = self.desk.recorded
        behind = [damage.say_behind(recorded)] if recorded.behind else []
        return [
            *(f"{found.summary}: {found.detail}" for found in behind),
            *self._say_orphans(),
            *(
                f"the scheduled snapshot of {known_vm.record.address} of stack {known_vm.record.stack} fails: {known_vm.schedule.reason}"
                for known_vm in failing
                if secret_of(known_vm.record) is None
            ),
        ]

    def _say_orphans(self) -> list[str]:
        """Say what is there without a record; of what is behind a secret only how much."""
        unrecorded, records = self.desk.sight.unrecorded(), self.desk.recorded.records
        found = [thing for thing in unrecorded.orphans if thing.address not in records.get(thing.stack, {})]
        if not found:
            return []
        shown = [f"{thing.address} of stack {thing.stack}" for thing in found if unrecorded.secret_of(thing) is None]
        named = f": {', '.join(shown[:_MOST_NAMED])}{' and others' if len(found) > len(shown[:_MOST_NAMED]) else ''}" if shown else ""
        what = "1 thing is" if len(found) == 1 else f"{len(found)} things are"
        return [f"{what} here without a record{named}; `list_orphans` lists them"]

    def handlers(self) -> Handlers:
        """Return what the paths need."""
        return Handlers(
            answer=self.answer,
            is_quick=lambda body: dispatch.is_quick(body, self.table),
            openrpc=endpoints.dump(self.document),
            health=self._health,
            metrics=self._metrics,
            discovery=discovery(),
            events=self.events,
            digest=self.desk.secrets.digest,
            pool=self.pool,
            ending=lambda: self._ending,
            heartbeat=self.settings.heartbeat,
        )

    def _metrics(self) -> str:
        chores = self.upkeep.chores
        return metrics.write(self.desk, self.upkeep.restarts.counts, chores.drifted, chores.schedules, self.calls)

    def _health(self) -> Health:
        health_info = service_methods.health(self.desk)
        return Health(health_info.ready, tuple(health_info.reasons), health_info.model_dump(mode="json"))

    async def serve(self, listeners: Listeners, stop: asyncio.Event, ready: Callable[[], object] = lambda: None) -> None:
        """Answer until `stop` is set."""
        handlers, places = self.handlers(), connection_places.of_this_process()
        servers = [(_Server(_configure(endpoints.make(handlers), places)), list(listeners.local))]
        if (public := listeners.public) is not None:
            access = endpoints.Access(public.token, functools.partial(tcp.hosts, public.settings))
            config = _configure(endpoints.make(handlers, access), places, public.settings)
            servers.append((_Server(config), [public.socket]))
        running = [asyncio.create_task(server.serve(sockets=given)) for server, given in servers]
        ready()
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({*running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        self._ending = True
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*running)
        waiting.cancel()

    def close(self) -> None:
        """End the jobs and let go of the files."""
        self._ending = True
        self.upkeep.close()
        self.jobs.close(STOP_SECONDS)
        # No plan outlives the daemon that showed it.
        with contextlib.suppress(HerocloudError, OSError, sqlite3.Error):
            stale_uploads.remove(self.desk)
        self.events.close()
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.sight.close()
        self.kept.close()
        self.reader.close()
        self.finder.close()
        self.store.close()


def _configure(app: Any, places: Places, listener: Tcp | None = None) -> Any:
    import uvicorn

    protocol: Any = functools.partial(Protocol, places=places)
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        ssl_certfile=None if listener is None or listener.certificate is None else str(listener.certificate),
        ssl_keyfile=None if listener is None or listener.key is None else str(listener.key),
    )


def _make_server() -> Any:
    import uvicorn

    class Quiet(uvicorn.Server):
        """A server that leaves the signals of the process alone: they are ours."""

        def capture_signals(self) -> Any:
            return contextlib.nullcontext()

    return Quiet


_Server = _make_server()


def discovery() -> dict[str, Json]:
    """Return what Hero's routers want to know of a service."""
    import herocloud

    return {
        "name": "herocloud",
        "title": "herocloud",
        "version": herocloud.__version__,
        "description": "Virtual machines on this host, by slices, stacks and jobs.",
        "protocol": "openrpc",
        "openrpc": "/openrpc.json",
        "rpc": "/rpc",
        "health": "/health",
        "events": "/events",
        "metrics": "/metrics",
        "socket": unix_socket.NAME,
    }


def run(settings: Settings, environment: Mapping[str, str], listening: Callable[[Path], None]) -> None:
    """Run a daemon in this process until SIGTERM or SIGINT; `listening` hears where, as soon as callers may connect there."""
    with daemon_sockets.bind(settings.socket, settings.group, settings.tcp, environment) as bound:
        listening(bound.path)
        service = Service(settings)
        try:
            asyncio.run(_run(service, bound, environment))
        finally:
            service.close()


_SWITCH_SECONDS = 0.0005
"""How long one thread computes before another may: a call of a millisecond should not wait five for each plan in the making."""


_WORKS_WITH = ("plan.imperative_vms", "plan.vm_power", "apply.executor", "stack.load", "operations.apply")
"""What jobs load when there is a first one."""


def _set_apart_what_stays() -> None:
    """Have garbage collected, which a command that ends does without, and what is there for good set apart from it.

    To walk that as well takes 50 ms each time, in which nobody else computes.
    """
    for name in _WORKS_WITH:
        importlib.import_module(f"herocloud.{name}")
    gc.collect()
    gc.freeze()
    gc.enable()


async def _run(service: Service, bound: Listeners, environment: Mapping[str, str]) -> None:
    sys.setswitchinterval(_SWITCH_SECONDS)
    allocator.share_memory_of_threads()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    _set_apart_what_stays()
    tasks = [asyncio.create_task(_feed_watchdog(environment)), asyncio.create_task(own_processor.stay_on_one())]
    try:
        await service.serve(bound, stop, lambda: systemd.notify("READY=1", environment))
    finally:
        systemd.notify("STOPPING=1", environment)
        for task in tasks:
            task.cancel()


async def _feed_watchdog(environment: Mapping[str, str]) -> None:
    interval = systemd.watchdog_seconds(environment, os.getpid())
    while interval is not None:
        systemd.notify("WATCHDOG=1", environment)
        await asyncio.sleep(interval)
