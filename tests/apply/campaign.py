"""The engine of the crash campaign: kill an apply where it hurts, let the next command go on, and look at everything.

Each blow happens in a process of its own, forked from one that has everything imported already, because a fresh interpreter would take
longer than the apply. The child dies by SIGKILL at a named point, or by a timer at a random instant; a second child resumes, and
reports what it finds. The parent itself never runs a step: a process with threads must not fork.

Used by `test_crash_campaign.py` and by `bench/crash.py`.
"""

import itertools
import os
import pickle
import random
import shutil
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.apply import directions
from herocloud.kits import faults
from herocloud.model.plans import Plan
from herocloud.plan import snapshots
from herocloud.providers.simulator import driving, world

EMPTY = "stack: shop\n"

BEFORE = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
  spare: {source: "https://example.org/s.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24}
  side: {cidr: 10.43.0.0/24}
mycelium:
  peers: ["tcp://192.0.2.1:9651", "tcp://192.0.2.2:9651"]
  addresses: true
volumes:
  data: {size: 20 GiB}
  logs: {size: 5 GiB}
vms:
  web: {count: 2, image: debian, networks: [lan], memory: 2 GiB}
  db: {image: debian, networks: [lan], volumes: [{volume: data}], memory: 4 GiB, vcpus: 2, cpu: {max: 4}, mycelium: true}
  cold: {image: debian, networks: [lan], memory: 2 GiB}
  idle: {image: debian, memory: 1 GiB, state: paused}
  off: {image: debian, memory: 1 GiB, state: stopped}
  old: {image: debian, memory: 1 GiB}
  swap: {image: spare, memory: 1 GiB}
"""

AFTER = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
  new: {source: "https://example.org/n.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24, forward: [{host_port: 8080, vm: "web[0]", port: 80}]}
  more: {cidr: 10.44.0.0/24}
mycelium:
  peers: ["tcp://192.0.2.1:9651", "tcp://192.0.2.3:9651"]
  addresses: true
moved:
  - {from: vm.old, to: vm.renamed}
volumes:
  data: {size: 30 GiB, protect: true}
  logs: {size: 5 GiB, protect: true}
vms:
  web: {count: 1, image: debian, networks: [{network: lan, rate: {download: 100 Mbit/s, upload: 50 Mbit/s}}, more], memory: 2 GiB}
  db:
    {image: debian, networks: [lan], volumes: [{volume: logs}], memory: 4 GiB, vcpus: 4, cpu: {max: 4}, mycelium: true,
     labels: {tier: data}, root_disk: {size: 20 GiB}}
  cold: {image: debian, networks: [], memory: 2 GiB, cpu: {max: 8}}
  idle: {image: debian, memory: 1 GiB}
  off: {image: debian, memory: 1 GiB, state: stopped, root_disk: {size: 20 GiB}}
  renamed: {image: debian, memory: 1 GiB}
  swap: {image: new, memory: 1 GiB}
  fresh: {image: new, memory: 1 GiB, state: paused}
"""


class Scenario(NamedTuple):
    """An apply to be killed: from the world that one stack text made to what another asks for."""

    name: str
    start: str
    goal: str
    destroy: bool = False
    rollback: bool = False
    """The last steps fail and everything is taken back: then the goal is the start."""
    snapshots: str = ""
    """What is done with snapshots instead of planning the goal: `take`, `restore` or `delete`; all but the first begin with one taken."""


SCENARIOS = (
    Scenario("create", EMPTY, BEFORE),
    Scenario("change", BEFORE, AFTER),
    Scenario("destroy", BEFORE, EMPTY, destroy=True),
    Scenario("take back a creation", EMPTY, BEFORE, rollback=True),
    Scenario("take back a change", BEFORE, AFTER, rollback=True),
    Scenario("take snapshots", BEFORE, BEFORE, snapshots="take"),
    Scenario("restore a snapshot", BEFORE, BEFORE, snapshots="restore"),
    Scenario("delete a snapshot", BEFORE, BEFORE, snapshots="delete"),
    Scenario("take back a restoring", BEFORE, BEFORE, rollback=True, snapshots="restore"),
)


def plan_snapshots(site: Any, what: str) -> Plan:
    """Plan to take snapshots of two VMs at one moment with their memory, or to restore or delete one of them."""
    recorded, observed, host = site.recorded(), site.look(), site.host
    records = recorded.records["shop"]
    if what == "take":
        versions = {"vm.db": "1", "vm.web[0]": "1"}
        taking = snapshots.Taking("one", 1_700_000_000, memory=True, together=True, versions=versions)
        return snapshots.plan_taking([records["vm.db"], records["vm.web[0]"]], taking, recorded, observed, host)
    if what == "restore":
        return snapshots.plan_restoring(records["vm.db"], snapshots.Restoring("one", 1, True, "1"), recorded, observed, host)
    return snapshots.plan_deletion(records["vm.db"], ["one"], recorded, observed, host, purge=False)


class Blow(NamedTuple):
    """Where the process dies: the nth time that a point is reached, or after some seconds."""

    point: str | None = None
    nth: int = 1
    after: float = 0.0
    again: str | None = None
    """A point of the resume at which that dies too."""


class Struck(NamedTuple):
    """What came of a blow."""

    blow: Blow
    kills: int
    problems: tuple[str, ...]


class Campaign:
    """One scenario with its starting world, its plan, and what an apply that nobody disturbs comes to."""

    def __init__(self, scenario: Scenario, folder: Path, site: Callable[[Path], Any]) -> None:
        """Make the starting world; `site` is the class that puts state and simulator together."""
        self.scenario = scenario
        self._folder = folder
        self._site = site
        self._start = folder / "start"
        self._start.mkdir(parents=True)
        first = site(self._start)
        if scenario.start != EMPTY:
            require(in_child(lambda: first.apply(scenario.start) and None))
        if scenario.snapshots not in ("", "take"):
            require(in_child(lambda: first.run(plan_snapshots(first, "take")) and None))
        self.plan: Plan = (
            plan_snapshots(first, scenario.snapshots) if scenario.snapshots else first.plan(scenario.goal, destroy=scenario.destroy)
        )
        self._data = tokens(first)
        if scenario.rollback:
            first.misbehave(*self._failing_rules())
        done = folder / "done"
        shutil.copytree(self._start, done)
        self.expected = require(in_child(lambda: self._undisturbed(done)))

    def _failing_rules(self) -> list[str]:
        """Let the last steps fail, so that everything else has to be taken back."""
        needed = {need for step in self.plan.steps for need in step.needs}
        last = next(step for step in reversed(self.plan.steps) if step.id not in needed and step.provider == "simulator")
        return [f'{{address: "{last.address}", step: "{last.kind}", fail: "out of order"}}']

    def _options(self) -> dict[str, str]:
        return {"on_failure": "rollback"} if self.scenario.rollback else {}

    def _undisturbed(self, folder: Path) -> "Everything":
        site = self._site(folder)
        before = look(site, self._data) if self.scenario.rollback else None
        result = site.run(self.plan, **self._options())
        assert result.rolled_back if self.scenario.rollback else not result.failed, result
        found = look(site, self._data)
        assert before is None or not differences(found._replace(files=before.files), before), differences(found, before)
        return found

    def strike(self, blow: Blow, number: int = 0) -> Struck:
        """Kill one apply and everything after it that the blow names, then let it be finished and look."""
        folder = self._folder / f"blow-{number}"
        shutil.copytree(self._start, folder)
        try:
            kills = 0
            ended = in_child(lambda: self._site(folder).run(self.plan, **self._options()) and None, blow)
            if not ended.killed and ended.error:
                return Struck(blow, 0, (f"before any kill: {ended.error}",))
            kills += ended.killed
            if ended.killed and blow.again is not None:
                kills += in_child(lambda: self._go_on(folder) and None, Blow(blow.again)).killed
            found = in_child(lambda: self._go_on(folder))
            problems = found.value if found.error is None else [f"going on failed: {found.error}"]
            return Struck(blow, kills, tuple(problems))
        finally:
            shutil.rmtree(folder)

    def _go_on(self, folder: Path) -> list[str]:
        """Do what the next command does, and say everything that is not as it should be then."""
        site = self._site(folder)
        unfinished = bool(site.recorded().unfinished)
        if unfinished:
            result = site.resume(rollback=self.scenario.rollback)
            if result.failed or result.interrupted:
                return [f"the resume did not succeed: {result.outcomes}"]
        # Killed before the apply had begun: then nothing may have changed, and the same plan still runs.
        elif not self.scenario.rollback and not self._was_run(site) and site.run(self.plan).failed:
            return ["the plan did not run although nothing had begun"]
        problems = differences(look(site, self._data), self.expected)
        if not self.scenario.rollback:
            changes = [one.address for one in site.plan(self.scenario.goal, destroy=self.scenario.destroy).changing]
            problems += [f"the plan afterwards wants to change {changes}"] if changes else []
        return problems

    def _was_run(self, site: Any) -> bool:
        if self.scenario.snapshots != "restore":
            return bool(look(site, self._data).records == self.expected.records)
        # The records are the same before and after; only the state knows whether it ran.
        with site.store() as store:
            return bool(store.load_plan(self.plan.id))

    def blows(self, *, thorough: bool = False) -> list[Blow]:
        """Name every fault point of every kind of step that this plan has, and some at which the resume dies as well."""
        kinds = list(dict.fromkeys(step.kind for step in self.plan.steps))
        names = [f"{point}:{kind}" for point in directions.STEP_POINTS for kind in kinds]
        names += [point for point in driving.FAULT_POINTS if point.removeprefix("simulator.").rpartition(".")[0] in kinds]
        if self.scenario.rollback:
            names = [f"{point}:{kind}" for point in directions.BACK_POINTS for kind in kinds]
            undone = {f"simulator.undo.{kind}" for kind in kinds}
            names += [point for point in driving.FAULT_POINTS if point.rpartition(".")[0] in undone]
        names += list(directions.WHOLE_POINTS)
        blows = [Blow(name) for name in names]
        writes = [f"state.{what}.{when}" for what in ("begin", "commit", "finish") for when in ("before", "written", "after")]
        blows += [Blow(name, nth) for name in writes for nth in ((1, 4, 9) if "commit" in name else (1,))]
        later = [f"resume.probe.{when}" for when in ("before", "after")]
        later += ["apply.perform.after", "apply.outcome.before", "back.undo.after", "back.outcome.before", "resume.finish.before"]
        twice = itertools.product(kinds, later) if thorough else zip(itertools.cycle(kinds), later, strict=False)
        return blows + [Blow(f"simulator.{kind}.after", again=again) for kind, again in twice]

    def random_blows(self, count: int, seed: int, longest: float) -> list[Blow]:
        """Choose instants at random within the time that the apply takes."""
        chance = random.Random(seed)
        return [Blow(after=chance.uniform(0.0005, longest)) for _ in range(count)]


class Everything(NamedTuple):
    """What there is, without what may differ between two runs that did the same."""

    things: Mapping[str, Any]
    claims: Mapping[str, str]
    uses: Sequence[Any]
    totals: Mapping[str, int]
    tombstones: Mapping[str, int]
    records: Mapping[str, Any]
    assignments: Mapping[str, Any]
    files: frozenset[str]


def tokens(site: Any) -> frozenset[str]:
    """Name the data that is on the disks."""
    return frozenset(token for thing in world.snapshot(site.folder).things.values() for token in thing[4].values())


def look(site: Any, data: frozenset[str]) -> Everything:
    """Look at world, records, slices and files; `data` is what was on the disks at the start, which may move and must not change."""
    seen = world.snapshot(site.folder)
    recorded = site.recorded()
    with site.store() as store:
        assignments = dict(store.assignments())

    def name(token: str) -> str:
        # Two runs that did the same give new data different tokens.
        return token if token in data else "new"

    things = {
        key: (provider, parts, halves, {part: name(token) for part, token in contents.items()})
        for key, (_lineage, provider, parts, halves, contents) in seen.things.items()
    }
    buried = Counter(key.rpartition("/")[0] + "/" + name(key.rpartition("/")[2]) for key in seen.tombstones)
    # The files beside a database are SQLite's own; after a kill it may leave an empty one for the next transaction to use.
    names = frozenset(path.name for path in site.folder.rglob("*") if not path.name.endswith(("-wal", "-shm", "-journal")))
    return Everything(things, seen.claims, seen.uses, seen.totals, buried, recorded.records, assignments, names)


def differences(found: Everything, expected: Everything) -> list[str]:
    """Say in which respects two worlds differ."""
    problems = [
        f"{name} differ: {_first_difference(one, other)}"
        for name, one, other in zip(Everything._fields, found, expected, strict=True)
        if one != other and name != "files"
    ]
    strangers = found.files - expected.files
    problems += [f"files are left over: {sorted(strangers)}"] if strangers else []
    halves = [key for key, (_, _, half, _) in found.things.items() if half]
    problems += [f"half-made: {halves}"] if halves else []
    held = Counter(sid for records in found.records.values() for one in records.values() for sid in one.spec.get("slices") or ())
    if dict(held) != dict.fromkeys(found.assignments, 1):
        problems.append("slices leaked: the assignments are not what the records hold")
    return problems


def _first_difference(one: Any, other: Any) -> str:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return f"{key}: {one.get(key)!r} in place of {other.get(key)!r}"
    return f"{one!r} in place of {other!r}"


class Ended(NamedTuple):
    """How a child ended."""

    killed: bool
    value: Any = None
    error: str | None = None


class Started(NamedTuple):
    """A forked process, and the end of the pipe at which its answer will come."""

    pid: int
    answer: int


def in_child(work: Callable[[], Any], blow: Blow | None = None) -> Ended:
    """Run something in a forked process, which the blow may kill, and bring back what it returned."""
    return collect(start(work, blow))


def start(work: Callable[[], Any], blow: Blow | None = None) -> Started:
    """Start something in a forked process."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on a fork beside threads warns; the only threads here are those that a finished apply has just sent home.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_child(work, blow, writing)
    os.close(writing)
    return Started(pid, reading)


def collect(started: Started) -> Ended:
    """Wait for a forked process."""
    with os.fdopen(started.answer, "rb") as stream:
        content = stream.read()
    _, status = os.waitpid(started.pid, 0)
    if os.WIFSIGNALED(status):
        return Ended(killed=True)
    value, error = pickle.loads(content)  # noqa: S301  (our own child wrote it)
    return Ended(False, value, error)


def _be_child(work: Callable[[], Any], blow: Blow | None, writing: int) -> None:
    try:
        if blow is not None and blow.point is not None:
            faults._rules[blow.point] = (blow.nth, "kill")
        elif blow is not None:
            # The default action of SIGALRM ends a process on the spot, as SIGKILL does, and needs nobody who waits.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, blow.after)
        answer: tuple[Any, str | None] = (work(), None)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException:  # noqa: BLE001  (whatever it was, the parent has to hear of it)
        answer = (None, traceback.format_exc())
    with os.fdopen(writing, "wb") as stream:
        pickle.dump(answer, stream)
    os._exit(0)


def require(ended: Ended) -> Any:
    """Return what a child that must succeed returned."""
    assert not ended.killed, "killed without a blow"
    assert ended.error is None, ended.error
    return ended.value


def prepare_all(folder: Path, site: Callable[[Path], Any]) -> dict[str, Campaign]:
    """Prepare every scenario."""
    return {one.name: Campaign(one, folder / str(number), site) for number, one in enumerate(SCENARIOS)}


def share(campaigns: Mapping[str, Campaign]) -> dict[str, list[Blow]]:
    """Give every blow to one scenario only: the fewest kills that strike every point of every kind of step."""
    given: set[tuple[bool, Blow]] = set()
    shared: dict[str, list[Blow]] = {}
    # Creation and destruction first: their plans are small, so what they can take costs least there.
    for campaign in sorted(campaigns.values(), key=lambda one: len(one.plan.steps)):
        mine = shared.setdefault(campaign.scenario.name, [])
        for blow in campaign.blows():
            key = (campaign.scenario.rollback, blow)
            if key not in given:
                given.add(key)
                mine.append(blow)
    return shared
