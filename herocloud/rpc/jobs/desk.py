"""What methods work with: the data folder, its records and the world as last seen, jobs, events, and the caller."""

import hmac
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.kept_open import KeptOpen
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.operations.inputs import Hosting, Known
from herocloud.operations.recorded_machines import RecordedMachines
from herocloud.operations.state_reader import StateReader
from herocloud.plan import orphans
from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.jobs.job_marks import SECRET_LABEL, secret_in
from herocloud.rpc.jobs.job_runs import Request
from herocloud.rpc.jobs.jobs import Jobs
from herocloud.rpc.jobs.repetitions import Keyed
from herocloud.rpc.jobs.shelf import Shelf
from herocloud.rpc.store.daemon_store import DaemonStore, StoredJob
from herocloud.rpc.store.event_log import EventLog
from herocloud.rpc.wire.peer_identity import Caller
from herocloud.state.kept_store import KeptStore

_HOST_SECONDS = 5.0
_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 0.2
"""Between two looks for readers, however often the world is changed meanwhile."""


class SecretKey:
    """The key of this data folder, with which secrets become digests."""

    def __init__(self, folder: Path) -> None:
        """Read it, or make it."""
        from herocloud.operations import secret_key

        self._key = secret_key.secret_key(folder)

    def digest(self, secret: str) -> str:
        """Return the digest of a secret; two are compared by their digests."""
        return hmac.digest(self._key, b"vm-secret\0" + secret.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


class Unrecorded(NamedTuple):
    """What is there without a record."""

    lost: Mapping[StackName, Mapping[Address, Record]] = {}
    """The last record of each, where there ever was one here."""
    held: Mapping[Sid, tuple[StackName, Address]] = {}
    """Slices that marks tell of."""
    orphans: tuple[Thing, ...] = ()
    """What carries the mark of this state."""
    serial: int = 0
    """Of the records that it was compared with."""

    def secret_of(self, thing: Thing) -> str | None:
        """Return the digest of the secret of something: by its last record, or by the labels on its machine."""
        last = self.lost.get(thing.stack, {}).get(thing.address)
        return secret_of(last) if last is not None else secret_in(thing.parts.get("machine"))


def _find_unrecorded(recorded: Recorded, observed: Observed, host: Hosting) -> Unrecorded:
    remembered = stack_plans.remember(recorded, observed, host)
    found = tuple(orphan.thing for orphan in orphans.find_orphans(recorded, observed) if not orphan.foreign)
    return Unrecorded(remembered.lost, remembered.held, found, recorded.serial)


class Sight:
    """The world as it was last looked at. Reads never wait for a look: an old one is shown while a thread takes the next."""

    def __init__(self, folder: Path, reader: StateReader, finder: StateReader) -> None:
        """Start without a look; `finder` is never busy with reading everything."""
        self._folder = folder
        self._reader = reader
        self._finder = finder
        self._turn = threading.Lock()
        self._looking = threading.Lock()
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="look")
        self._lasting = KeptOpen()
        self._hosting: tuple[float, tuple[object, ...], Hosting] | None = None
        self._things: Mapping[tuple[str, Address], Thing] = {}
        self._records: Mapping[tuple[str, Address], Record] = {}
        """What was recorded of each when it was looked at; nothing once somebody worked on the host."""
        self._unrecorded = Unrecorded()
        self._version = -1
        self._at = float("-inf")
        self._began = float("-inf")
        self._forgotten = float("-inf")

    def hosting(self, recorded: Recorded | None = None) -> Hosting:
        """Return the machine; detected again every few seconds, and whenever its slices or the host file change.

        Who has just read what is `recorded` need not read it again.
        """
        recorded = self._reader.recorded() if recorded is None else recorded
        sign = (recorded.slices, inputs.sign_of_host_file(self._folder))
        with self._turn:
            kept = self._hosting
        if kept is not None and time.monotonic() - kept[0] < _HOST_SECONDS and kept[1] == sign:
            return kept[2]._replace(context=kept[2].context._replace(memory=RecordedMachines(recorded)))
        host = inputs.find_host(self._folder, recorded)
        host = host._replace(context=host.context._replace(lasting=self._lasting))
        with self._turn:
            self._hosting = (time.monotonic(), sign, host)
        return host

    def forget(self, *, machine: bool = False) -> None:
        """Look again at the next question; at a machine that exists too, whose free room has changed."""
        with self._turn:
            if machine or self._hosting is None or not self._hosting[2].host.simulated:
                self._hosting = None
            self._at, self._forgotten = float("-inf"), time.monotonic()
            self._records = {}

    def thing(self, record: Record) -> tuple[bool, Thing | None]:
        """Return whether the last look is as new as the records, and what it saw of one of them."""
        version = self._finder.version()
        self._refresh_if_old()
        key = (record.stack, record.address)
        with self._turn:
            at_version, looked_at, thing = self._version, self._records.get(key), self._things.get(key)
        # What others write says nothing against a look at this one.
        return at_version == version or looked_at == record, thing

    def last_unrecorded(self) -> Unrecorded:
        """Return what the last look saw without a record, and read nothing."""
        with self._turn:
            return self._unrecorded

    def unrecorded(self) -> Unrecorded:
        """Return what is there without a record: as the last look saw it, with what was taken out of the records by hand since."""
        self._refresh_if_old()
        with self._turn:
            known, version = self._unrecorded, self._version
        if self._finder.version() == version:
            return known
        lost = {stack: dict(records) for stack, records in known.lost.items()}
        for record in self._finder.forgotten_since(known.serial):
            lost.setdefault(record.stack, {})[record.address] = record
        return known._replace(lost=lost)

    def _refresh_if_old(self) -> None:
        now = time.monotonic()
        if now - self._at < _LOOK_SECONDS or now - self._began < _PAUSE_SECONDS or not self._looking.acquire(blocking=False):
            return
        # A thread that is there already: to start one is to wait for it, and a reader waits for nothing.
        self._looks.submit(self._look)

    def _look(self) -> None:
        try:
            self.look_now()
        except Exception:  # noqa: BLE001  (the next look may succeed; until then the last one counts)
            with self._turn:
                self._at = time.monotonic()
        finally:
            self._looking.release()

    def look_now(self) -> Mapping[tuple[str, Address], Thing]:
        """Look at everything that carries our mark."""
        began = time.monotonic()
        version = self._finder.version()
        recorded = self._reader.recorded()
        host = self.hosting(recorded)
        observed = stack_plans.look(host, None)
        things, unrecorded = lookups.things_by_key(observed), _find_unrecorded(recorded, observed, host)
        if self._finder.version() != version:
            # What was made meanwhile has a record that was not read.
            unrecorded = self._unrecorded
        with self._turn:
            # Of two looks at once, the one that began first may end last, and knows less.
            if began >= self._began:
                self._things, self._unrecorded = things, unrecorded
                self._version, self._at, self._began = version, time.monotonic(), began
                self._records = {
                    (stack, address): record for stack, inside in recorded.records.items() for address, record in inside.items()
                }
                if began <= self._forgotten:
                    # Somebody worked on the host meanwhile: this look saw some of it.
                    self._records, self._at = {}, float("-inf")
        return things

    def close(self) -> None:
        """Let go of what providers keep open."""
        self._looks.shutdown(wait=False, cancel_futures=True)
        self._lasting.close()


class Desk(NamedTuple):
    """What a method gets."""

    folder: Path
    kept: KeptStore
    """Writes to the state."""
    reader: StateReader
    finder: StateReader
    """Reads single records, and never waits for somebody who reads them all."""
    sight: Sight
    jobs: Jobs
    events: EventLog
    store: DaemonStore
    secrets: SecretKey
    shelf: Shelf
    runtime: Path
    """The folder of the daemon's own, which a reboot empties."""
    clock: Callable[[], float]
    started: float
    """When the daemon began, by the clock on the wall."""
    began: float
    """The same by a clock that nobody sets."""
    document: Callable[[], Mapping[str, object]]
    warnings: Callable[[], list[str]]
    """What needs a look by somebody while the daemon works, without a word of VMs behind a secret."""
    caller: Caller
    keyed: Keyed | None = None
    """What the call is known by, if it has an idempotency key."""

    def submit(self, request: Request, key: str | None, *, wait: float) -> StoredJob:
        """Begin a job for the caller, found again by the key of the call."""
        return self.jobs.submit(request, self.caller, self.keyed if key is not None else None, wait=wait)

    @property
    def recorded(self) -> Recorded:
        """Return everything that is recorded."""
        return self.reader.recorded()

    @property
    def known(self) -> Known:
        """Return what a plan starts from."""
        recorded = self.recorded
        return Known(recorded, self.sight.hosting(recorded))

    @property
    def host(self) -> Host:
        """Return the machine."""
        return self.sight.hosting().host

    def digest(self, secret: str) -> str | None:
        """Return the digest of a secret; an empty one is none."""
        return self.secrets.digest(secret) if secret else None

    def sees(self, record: Record, digest: str | None) -> bool:
        """Return whether a caller with this secret may know of a record."""
        kept = secret_of(record)
        return kept is None or kept == digest

    def find_vm(self, sid: str, secret: str) -> Record:
        """Return a VM that the caller may know of; whatever else is the same as not there."""
        record = self.finder.record_of(sid)
        if record is None or record.kind != "vm" or not self.sees(record, self.digest(secret)):
            raise no_such_vm(sid)
        return record

    def owners(self) -> Mapping[Sid, tuple[StackName, Address]]:
        """Return who holds each slice."""
        return inputs.slice_owners(self.with_unrecorded())

    def with_unrecorded(self) -> Recorded:
        """Return everything that is recorded, with what is held without a record."""
        recorded, unrecorded = self.recorded, self.sight.unrecorded()

        def has_one(stack: StackName, address: Address) -> bool:
            return address in recorded.records.get(stack, {})

        # What was recorded again since the last look holds what its record says.
        lost = {
            stack: {address: record for address, record in records.items() if not has_one(stack, address)}
            for stack, records in unrecorded.lost.items()
        }
        held = {sid: owner for sid, owner in unrecorded.held.items() if not has_one(*owner)}
        return recorded._replace(lost=lost, held={**held, **recorded.held})


def secret_of(record: Record) -> str | None:
    """Return the digest of the secret of a record; nothing for one that everybody may know of."""
    labels = record.spec.get("labels") or {}
    found = labels.get(SECRET_LABEL)
    return str(found) if found else None


def no_such_vm(sid: str) -> RpcError:
    """Say that there is no such VM."""
    return error_answers.not_found("no-such-vm", "No such VM", f"There is no VM `{sid}` here.", "`list_vms` lists them")
