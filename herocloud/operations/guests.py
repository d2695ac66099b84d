"""What goes on inside of VMs: whether their guests are ready, programs, console, log.

A simulated VM has no guest inside, and commands that need one report that. Waiting is the exception, because it asks for a state and not
for a guest: a simulated VM is ready when its state machine says that it runs.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from herocloud.model import powers
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import HerocloudError, Permanent, Refused
from herocloud.model.guest_access import GuestAccess, Said
from herocloud.model.worlds import Record
from herocloud.operations import inputs, lookups
from herocloud.providers import registry

if TYPE_CHECKING:
    from herocloud.model.guest_access import Signs
    from herocloud.providers.guests.agents import Agent
    from herocloud.providers.guests.programs import Ended, Heard, Program
    from herocloud.providers.seam import ProviderContext

_WHAT = {"logs": "writes no console output", "exec": "runs no programs", "console": "has no console"}
_AT_ONCE = 32
_NOW_AND_THEN = 10.0
"""Seconds between two reports on guests that have not answered."""
_MOST_READ = 1024 * 1024


class Ready(NamedTuple):
    """How waiting for one VM ended."""

    record: Record
    seconds: float | None
    """After how long its guest answered; nothing when it did not in time."""
    hopeless: str = ""
    """Why it never will, when that is known."""
    way_out: str = ""
    """What it would boot on next."""


def find(folder: Path, name: str, stack: str | None) -> Record:
    """Return the record of a VM."""
    return lookups.find_vm(lookups.read_recorded(folder), name, stack)


def find_all(folder: Path, names: Sequence[str], stack: str | None) -> list[Record]:
    """Return the records of VMs; one name stands for all instances of a counted VM, and no name for all VMs."""
    recorded = lookups.read_recorded(folder)
    known = [record for record in lookups.records_of(recorded, stack) if record.kind == "vm"]
    if not names:
        if not known:
            raise Refused([Diagnostic("nothing-recorded", "Nothing is recorded", f"There are no VMs in `{folder}`.")])
        return known
    found: dict[tuple[str, str], Record] = {}
    for name in names:
        instances = [record for record in known if record.address.partition("[")[0] in (name, f"vm.{name}") and "[" in record.address]
        for record in instances or [lookups.find_vm(recorded, name, stack)]:
            found[record.stack, record.address] = record
    return list(found.values())


def has_inside(record: Record) -> bool:
    """Return whether programs, a console and a log are to be had of a VM, as its hypervisor declares."""
    return registry.hypervisor(record.provider).guest is not None


def require_inside(record: Record, what: str) -> None:
    """Raise when there is nothing inside of a VM."""
    if not has_inside(record):
        hollow = registry.hypervisor(record.provider).hollow
        detail = f"`{record.address}` runs on `{record.provider}`: {hollow}, so it {_WHAT[what]}."
        raise Refused([Diagnostic("no-guest", "Nothing runs inside of this VM", detail, address=record.address)])


def run_program(folder: Path, record: Record, program: "Program", heard: "Heard", *, timeout: float | None = None) -> "Ended":
    """Run a program in the guest of a VM, and return how it ended."""
    from herocloud.providers.guests import programs
    from herocloud.providers.guests.channels import Off, Silent

    require_inside(record, "exec")
    _require_running(folder, record)
    try:
        return programs.run(_agent(folder, record), program, heard, timeout=timeout)
    except (Off, Silent, Permanent) as error:
        _refuse(record, error)


def run_stand_in(folder: Path, record: Record, command: Sequence[str], stdin: bytes | None) -> Said:
    """Run a program in what a hypervisor without guests offers in place of one; raises Refused where it offers nothing."""
    stand_in = registry.hypervisor(record.provider).stand_in
    if stand_in is None:
        require_inside(record, "exec")
        msg = f"`{record.provider}` has guests, and programs run in them"
        raise AssertionError(msg)
    _require_running(folder, record)
    return stand_in(command, stdin)


def last_lines(folder: Path, record: Record, count: int) -> tuple[list[str], int]:
    """Return the last lines of a VM's log, and where it ends now."""
    from herocloud.providers.guests import logs

    require_inside(record, "logs")
    path = _log(folder, record)
    try:
        # Measured first: what is written in between is shown twice to a follower, and not lost.
        size = path.stat().st_size
        return logs.last_lines(path, count), size
    except FileNotFoundError:
        detail = f"`{record.address}` has written nothing to its console yet: there is no `{path}`."
        raise Refused([Diagnostic("no-log", "There is no log", detail, address=record.address)]) from None


def lines_after(folder: Path, record: Record, place: int) -> tuple[list[str], int]:
    """Return what a VM wrote to its console after `place`, and where it ends now; a log that was cut begins again."""
    from herocloud.providers.guests import logs

    require_inside(record, "logs")
    path = _log(folder, record)
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(place if place <= size else 0)
            said = stream.read(_MOST_READ)
            return logs.clean(said).splitlines(), stream.tell()
    except FileNotFoundError:
        return [], 0


def follow(folder: Path, record: Record, place: int) -> Iterator[str]:
    """Yield what a VM writes to its console after `place`, until it is deleted."""
    from herocloud.providers.guests import logs

    return logs.follow(_log(folder, record), place)


def attach(folder: Path, record: Record, keyboard: int, screen: int, *, attached: Callable[[], None]) -> str:
    """Sit at the console of a VM; returns how that ended."""
    from herocloud.providers.guests import consoles
    from herocloud.providers.guests.channels import Off

    require_inside(record, "console")
    _require_running(folder, record)
    try:
        return consoles.attach(_access(folder, record).console, keyboard, screen, attached=attached)
    except (Off, Permanent) as error:
        _refuse(record, error)


Watched = Callable[[Record, "Signs"], None]


def wait(
    folder: Path,
    records: Sequence[Record],
    seconds: float,
    told: Callable[[Ready], None],
    watched: Watched = lambda _record, _signs: None,
) -> list[Ready]:
    """Wait until the guests of these VMs answer; each is reported when it does, does not, or never will.

    Now and then `watched` hears of those that have not answered yet.
    """
    for record in records:
        _require_running(folder, record)
    began = time.monotonic()
    left, answers = queue.SimpleQueue[Record](), queue.SimpleQueue[Ready | Exception]()
    for record in records:
        left.put(record)

    watch = _Watch(folder, records, watched)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                record = left.get_nowait()
                try:
                    answers.put(_wait_for(folder, record, began, seconds, stopped=lambda record=record: not watch.waits_for(record)))  # type: ignore[misc]
                except Exception as error:  # noqa: BLE001  (raised again where the answer is awaited)
                    answers.put(error)

    for _ in range(min(_AT_ONCE, len(records))):
        # Daemons, because ^C must not wait for guests that do not answer; they hold nothing that would have to be put back.
        threading.Thread(target=work, daemon=True).start()
    heard: list[Ready] = []
    while len(heard) < len(records):
        try:
            answer = answers.get(timeout=watch.pause)
        except queue.Empty:
            over = watch.look()
        else:
            if isinstance(answer, Exception):
                raise answer
            over = [answer] if watch.forget(answer.record) else []
        for one in over:
            heard.append(one)
            told(one)
    return heard


class _Watch:
    """Looks at the VMs whose guests have not answered, so that nobody waits for one that never will."""

    def __init__(self, folder: Path, records: Sequence[Record], watched: Watched) -> None:
        self._folder = folder
        self._left = {(record.stack, record.address): record for record in records}
        self._watched = watched
        self._due = time.monotonic() + _NOW_AND_THEN
        self._context: ProviderContext | None = None
        self.pause = 0.2
        """Seconds until the next look; soon at first, for what went wrong before anybody waited."""

    def forget(self, record: Record) -> bool:
        """Stop looking at a VM; tells whether it was still looked at."""
        return self._left.pop((record.stack, record.address), None) is not None

    def waits_for(self, record: Record) -> bool:
        """Return whether anybody still waits for a VM."""
        return (record.stack, record.address) in self._left

    def look(self) -> list[Ready]:
        """Look at all that are left, and return those that are hopeless."""
        self.pause = max(1.0, len(self._left) / 50)
        reporting = time.monotonic() >= self._due
        if reporting:
            self._due = time.monotonic() + _NOW_AND_THEN
        over = []
        for record in list(self._left.values()):
            look = registry.hypervisor(record.provider).signs
            if look is None or record.sid is None:
                continue
            signs = look(self._find_context(), record.sid, record.address)
            if signs is not None and signs.hopeless:
                self.forget(record)
                over.append(Ready(record, None, signs.hopeless, signs.way_out))
            elif signs is not None and reporting:
                self._watched(record, signs)
        return over

    def _find_context(self) -> "ProviderContext":
        if self._context is None:
            self._context = inputs.find_host(self._folder, lookups.read_recorded(self._folder)).context
        return self._context


def _wait_for(folder: Path, record: Record, began: float, seconds: float, *, stopped: Callable[[], bool]) -> Ready:
    if not has_inside(record):
        ready = _is_seen_running(folder, record)
    else:
        ready = _agent(folder, record).wait(max(0.2, began + seconds - time.monotonic()), stopped=stopped)
        note = registry.hypervisor(record.provider).note_answer
        if ready and note is not None:
            note(folder, _sid(record))
    return Ready(record, time.monotonic() - began if ready else None)


def _is_seen_running(folder: Path, record: Record) -> bool:
    thing = lookups.see(folder, lookups.read_recorded(folder), record.stack).things.get((record.stack, record.address))
    return thing is not None and thing.parts.get("power") == "running"


def _agent(folder: Path, record: Record) -> "Agent":
    from herocloud.providers.guests.agents import Agent
    from herocloud.providers.guests.channels import Endpoint

    access = _access(folder, record)
    return Agent(Endpoint(access.agent, access.port))


def _log(folder: Path, record: Record) -> Path:
    return _access(folder, record).log


def _access(folder: Path, record: Record) -> GuestAccess:
    """Ask the hypervisor where the guest of a VM is reached."""
    guest = registry.hypervisor(record.provider).guest
    assert guest is not None  # noqa: S101  (`require_inside` went before)
    return guest(folder, _sid(record))


def _sid(record: Record) -> str:
    if record.sid is None:
        raise Refused(
            [Diagnostic("vm-unfinished", "The VM is not finished", f"`{record.address}` was not made yet.", address=record.address)]
        )
    return record.sid


def _require_running(folder: Path, record: Record) -> None:
    from herocloud.model.applies import Scope
    from herocloud.operations import unfinished

    power = record.parts.get("power")
    if power == "running":
        return
    way = "restart" if power in powers.GIVEN_UP else "resume" if power == "paused" or power in powers.HELD else "start"
    detail = f"`{record.address}` is {power or 'not made yet'}; a guest answers only while its VM runs."
    hint = f"`herocloud vm {way} {record.address}`" if power else "`herocloud apply` makes it"
    left = unfinished.in_the_way(folder, lookups.read_recorded(folder).unfinished, Scope(record.stack, record.address))
    if left:
        hint = f"`herocloud resume {left[0].id}` finishes what left it so, `herocloud resume {left[0].id} --rollback` takes it back"
    raise Refused([Diagnostic("wrong-state", "Wrong state", detail, address=record.address, hint=hint)])


def _refuse(record: Record, error: HerocloudError) -> NoReturn:
    from herocloud.providers.guests.agent_answers import BadAnswer
    from herocloud.providers.guests.programs import NotEnded

    if isinstance(error, NotEnded):
        hint = "give it longer, or end it inside the guest"
        found = Diagnostic(
            "program-still-runs", "The program has not ended", f"`{record.address}`: {error}.", address=record.address, hint=hint
        )
        raise Refused([found]) from error
    if isinstance(error, BadAnswer):
        hint = f"a guest answers for itself: `herocloud vm console {record.address}` shows who is in there"
        found = Diagnostic(
            "guest-bad-answer", "The guest's agent misbehaves", f"`{record.address}`: {error}.", address=record.address, hint=hint
        )
        raise Refused([found]) from error
    hint = f"`herocloud vm logs {record.address}` shows what it said; `herocloud drift` whether it still runs"
    raise Refused(
        [Diagnostic("guest-unreachable", "The guest was not reached", f"`{record.address}`: {error}.", address=record.address, hint=hint)]
    ) from error
