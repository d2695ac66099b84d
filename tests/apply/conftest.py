"""A world, a store and a clock in memory, so that the executor is tested against exactly what a test says and nothing else.

The real store and the simulator have their turn in the scenario tests and in the crash campaign.
"""

import collections
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from herocloud.apply import executor
from herocloud.apply.steering import Interrupts, Options
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Capacity, Change, Level, Plan
from herocloud.model.steps import Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Record, Recorded
from herocloud.providers.seam import Found, Probe, Work
from herocloud.state.store import AppliedPlan, Entry, Unfinished
from tests.apply import campaign, sites
from tests.apply import pairs as apply_pairs

STACK = StackName("shop")
_LEVEL = Level(0, 0, 0, None)
CAPACITY = Capacity(*[_LEVEL] * 7)


class World:
    """Parts by address and name, and a script of what goes wrong; a driver for every role."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], Any] = {}
        self.script: dict[str, list[Callable[[Work], None]]] = {}
        self.halves: set[str] = set()
        self.foreign: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.most_at_once = 0
        self.by_lane: dict[str, int] = {}
        self.works: dict[str, Work] = {}
        self.hung = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()

    def on(self, step: str, *what: Callable[[Work], None]) -> None:
        """Do these one after the other at the calls of a step; afterwards it works."""
        self.script.setdefault(step, []).extend(what)

    def fail(self, step: str, why: str = "kernel panicked") -> None:
        self.on(step, raising(Permanent(why)))

    def _enter(self, verb: str, work: Work) -> None:
        with self._lock:
            self.calls.append((verb, work.step.id))
            self.works[work.step.id] = work
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def _leave(self) -> None:
        with self._lock:
            self._at_once -= 1

    def perform(self, work: Work) -> Any:
        self._enter("perform", work)
        try:
            scripted = self.script.get(work.step.id)
            if scripted:
                scripted.pop(0)(work)
            self._put(work.step, work.step.after)
            return work.step.after
        finally:
            self._leave()

    def probe(self, work: Work) -> Probe:
        self.calls.append(("probe", work.step.id))
        if work.step.id in self.foreign:
            return Probe(Found.CONTRADICTED, self.foreign[work.step.id])
        if work.step.id in self.halves:
            return Probe(Found.PARTIAL)
        now = self.parts.get((work.step.address, work.step.part))
        if now == work.step.after:
            return Probe(Found.DONE)
        return Probe(Found.NOT_STARTED if now == work.step.before else Found.CONTRADICTED, repr(now))

    def undo(self, work: Work) -> None:
        self._enter("undo", work)
        try:
            scripted = self.script.get(f"undo {work.step.id}")
            if scripted:
                scripted.pop(0)(work)
            self._put(work.step, work.step.before)
        finally:
            self._leave()

    def close(self) -> None:
        """Whoever gives a driver closes it; the executor must not."""
        raise AssertionError

    def _put(self, step: Step, value: Any) -> None:
        self.halves.discard(step.id)
        key = (step.address, step.part)
        with self._lock:
            if value is None:
                self.parts.pop(key, None)
            else:
                self.parts[key] = value
            if step.part == "machine" and "vm." in step.kind:
                power = (step.address, "power")
                if value is None:
                    self.parts.pop(power, None)
                else:
                    self.parts.setdefault(power, "stopped")

    def performed(self) -> list[str]:
        return [step for verb, step in self.calls if verb == "perform"]

    def undone(self) -> list[str]:
        return [step for verb, step in self.calls if verb == "undo"]


class MemoryStore:
    """The store as its contract says, without a disk. Copies of it are what a crash would leave at that instant."""

    lineage = "l1"
    folder = Path("/nowhere")

    def __init__(self) -> None:
        self.records: dict[Address, Record] = {}
        self.serial = 0
        self.applies: list[dict[str, Any]] = []
        self.commits: list[list[Entry]] = []
        self.before_commit: list[Callable[[Sequence[Entry]], None]] = []
        self.versions: dict[int, dict[Address, Record]] = {0: {}}

    def recorded(self) -> Recorded:
        return Recorded(self.lineage, self.serial, {STACK: dict(self.records)})

    def records_at(self, serial: int) -> Mapping[StackName, Mapping[Address, Record]]:
        return {STACK: dict(self.versions[serial])}

    def records_around(
        self, serial: int
    ) -> tuple[Mapping[StackName, Mapping[Address, Record]], Mapping[StackName, Mapping[Address, Record]]]:
        return self.records_at(serial - 1), {STACK: dict(self.records)}

    def begin(self, plan: Plan, started: float, rollback_of: PlanId | None = None) -> int:
        self.versions[self.serial] = dict(self.records)
        self.serial += 1
        self.applies.append({"plan": plan, "status": "running", "states": {}, "serial": self.serial, "started": started, "ended": None})
        self.applies[-1]["rollback_of"] = rollback_of
        return len(self.applies)

    def commit(self, apply: int, entries: Sequence[Entry]) -> None:
        for hook in self.before_commit:
            hook(entries)
        self.commits.append(list(entries))
        for entry in entries:
            self.applies[apply - 1]["states"][entry.step] = entry.event
            if entry.remove:
                del self.records[entry.remove[1]]
            if entry.rename:
                old = self.records.pop(entry.rename[1])
                self.records[entry.rename[2]] = old._replace(address=entry.rename[2])
            if entry.record:
                self.records[entry.record.address] = entry.record
                self._check_slices()
            self.records.update((record.address, record) for record in entry.followers)

    def _check_slices(self) -> None:
        taken = [sid for record in self.records.values() for sid in record.spec.get("slices", ())]
        assert len(taken) == len(set(taken)), "a slice was given twice"

    def finish(self, apply: int, status: str, ended: float, did: Any = None, providers: Any = None, own: float = 0.0) -> None:
        self.applies[apply - 1].update(status=status, ended=ended, did=did, providers=providers, own=own)

    def unfinished(self) -> Unfinished | None:
        if not self.applies or self.applies[-1]["status"] not in ("running", "interrupted"):
            return None
        return Unfinished(len(self.applies), self.applies[-1]["plan"], dict(self.applies[-1]["states"]))

    def load_plan(self, plan: PlanId) -> list[AppliedPlan]:
        found = [
            AppliedPlan(number, one["plan"], one["status"], one["started"], one["ended"], one["states"], one["serial"])
            for number, one in enumerate(self.applies, 1)
            if one["plan"].id == plan
        ]
        return found[::-1]

    @property
    def status(self) -> str:
        return str(self.applies[-1]["status"])

    @property
    def states(self) -> dict[str, str]:
        return dict(self.applies[-1]["states"])


class LeapingClock:
    """Waits a moment for real; when nothing came, the time it should have waited has passed."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def elapsed(self) -> float:
        return self.time

    def wait(self, messages: "queue.SimpleQueue[Any]", timeout: float | None) -> Any:
        try:
            return messages.get(timeout=0.05)
        except queue.Empty:
            self.time += timeout or 0.0
            return None


def raising(error: BaseException) -> Callable[[Work], None]:
    def act(_work: Work) -> None:
        raise error

    return act


def make_step(step: str, *, needs: Sequence[str] = (), before: Any = None, after: Any = "made", last: bool = False, **more: Any) -> Step:
    """A step from its id: `vm.a/disk.create` is of the kind `disk.create` and changes the part `disk`."""
    address, kind = step.split("/")
    part = {"vm.create": "machine", "vm.delete": "machine", "vm.boot": "power", "vm.stop": "power"}.get(kind, kind.split(".")[0])
    ids = tuple(StepId(need) for need in needs)
    base = Step(StepId(step), Address(address), kind, more.pop("provider", "fake"), part, before, after, ids, last=last)
    return base._replace(**more)


def make_change(address: str, action: Action = Action.CREATE, **more: Any) -> Change:
    before = more.pop("before", None if action is Action.CREATE else {"size": 1})
    after = more.pop("after", None if action in (Action.DELETE, Action.FORGET) else {"size": 2})
    base = Change(Address(address), address.split(".", maxsplit=1)[0], action, Reason.NONE, Impact.NONE, "fake", before, after)
    return base._replace(**more)


def make_plan(steps: Sequence[Step], changes: Sequence[Change] | None = None, **more: Any) -> Plan:
    """A plan of these steps; changes that are not given are creations."""
    if changes is None:
        changes = [make_change(address) for address in dict.fromkeys(step.address for step in steps)]
    return Plan(PlanId("p1"), STACK, "apply", None, "node1", tuple(changes), tuple(steps), CAPACITY, (), ())._replace(**more)


def make_vm(name: str, after: Sequence[str] = (), slices: Sequence[str] = ()) -> tuple[Change, list[Step]]:
    """The creation of a VM in three steps."""
    address = f"vm.{name}"
    steps = [
        make_step(f"{address}/disk.create", needs=after, after={"size": 1}),
        make_step(f"{address}/vm.create", needs=[f"{address}/disk.create"], after={"vcpus": 1}),
        make_step(f"{address}/vm.boot", needs=[f"{address}/vm.create"], before="stopped", after="running", last=True),
    ]
    return make_change(address, after={"slices": list(slices)}), steps


class Bench:
    """World, store and clock together, and the shortest way to run a plan on them."""

    def __init__(self) -> None:
        self.world = World()
        self.store = MemoryStore()
        self.clock = LeapingClock()
        self.events: list[Event] = []
        self.interrupts = Interrupts()
        self.tell: Callable[[Event], None] = self.events.append

    def drivers(self, _provider: str, _role: str) -> World:
        return self.world

    def execute(self, plan: Plan, **options: Any) -> Result:
        return executor.execute(
            plan,
            self.store,  # type: ignore[arg-type]
            self.drivers,
            options=Options(**options),
            tell=self.tell,
            clock=self.clock,
            interrupts=self.interrupts,
        )

    def resume(self, *, rollback: bool = False, facts: Any = None, **options: Any) -> Result:
        return executor.resume(
            self.store,  # type: ignore[arg-type]
            self.drivers,
            options=Options(**options),
            tell=self.tell,
            clock=self.clock,
            interrupts=self.interrupts,
            rollback=rollback,
            facts=facts,
        )

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.type == kind]

    def power_of(self) -> Mapping[Address, Any]:
        return {address: record.parts.get("power") for address, record in self.store.records.items()}


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def step() -> Callable[..., Step]:
    return make_step


@pytest.fixture
def change() -> Callable[..., Change]:
    return make_change


@pytest.fixture
def plan() -> Callable[..., Plan]:
    return make_plan


@pytest.fixture
def vm() -> Callable[..., tuple[Change, list[Step]]]:
    return make_vm


@pytest.fixture
def fault() -> Callable[[BaseException], Callable[[Work], None]]:
    return raising


@pytest.fixture
def site(tmp_path: Path) -> Any:
    """A data folder with the real state and the simulator."""
    return sites.Site(tmp_path)


@pytest.fixture
def shop() -> str:
    """A stack with something of every kind that two VMs and a database need."""
    return str(sites.SHOP)


@pytest.fixture(scope="session")
def pairs() -> ModuleType:
    """The engine for two applies at once."""
    return apply_pairs


@pytest.fixture(scope="session")
def crashing() -> ModuleType:
    """The engine of the crash campaign."""
    return campaign


@pytest.fixture(scope="session")
def campaigns(crashing: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every scenario of the campaign, prepared once."""
    prepared: dict[str, Any] = crashing.prepare_all(tmp_path_factory.mktemp("campaign"), sites.Site)
    return prepared


@pytest.fixture(scope="session")
def tally() -> collections.Counter[str]:
    """Count over all cases of the model of the host."""
    return collections.Counter()


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: what these cases prove does not hang on a disk, and their syncs would take minutes."""
    shared = Path("/dev/shm")  # noqa: S108
    if not (shared.is_dir() and os.access(shared, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="herocloud-model-", dir=shared) as folder:
        yield Path(folder)
