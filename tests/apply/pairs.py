"""Pairs of applies at once, killed at random: the engine of `test_pairs_at_once.py` and of the benches of crashes.

Two processes apply two stacks of one data folder at the same instant, through the operations that the command line uses. Some of them are
killed on the way. Then every apply that did not end is finished or taken back on its own, both stacks are applied again, and nothing may
be lost, doubled or left over.
"""

import contextlib
import functools
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.apply.steering import Options
from herocloud.model.applies import Begun, Caller
from herocloud.model.outcomes import Event
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import apply, leftovers, stack_plans, unfinished
from herocloud.operations.callers import Granted, How
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked
from herocloud.plan.scope import PlanOptions
from herocloud.state import locking
from herocloud.state import store as states
from tests.apply import campaign
from tests.apply.campaign import Blow

HOST = "name: node1\nsimulated: {memory: 256 GiB, disk: 8 TiB, cpus: 64, uplink: 10 Gbit/s}\nsimulator: {step_time: 3 ms}\n"
STACK = """\
stack: {name}
images:
  img: {{source: "https://example.org/{name}.qcow2", unpinned: true, format: qcow2}}
networks:
  lan: {{cidr: 10.{number}.0.0/24}}
volumes:
  data: {{size: {size} GiB}}
vms:
  web: {{count: {count}, image: img, networks: [lan], memory: {memory} GiB}}
  db: {{image: img, networks: [lan], volumes: [data], memory: 2 GiB}}
"""
NAMES = ("one", "two")
POINTS: Mapping[str, int] = dict.fromkeys(
    ("apply.perform.after", "apply.outcome.before", "apply.intent.after", "state.begin.written", "state.commit.after"), 14
)
"""Where a process dies, each with how often it may have come by there before."""


@contextlib.contextmanager
def _watch(_plan: Plan, _finished: Collection[str], _begun: Begun) -> Iterator[Callable[[Event], None]]:
    yield lambda _event: None


def how() -> How:
    """Run as the command line does, without a screen."""
    return How(Options(), _watch, 60.0, caller=Caller("tester", "pair"))


EVERYTHING = Granted(frozenset(Approval))


class Lived(NamedTuple):
    """What came of a pair."""

    kills: int
    problems: tuple[str, ...]


class Pair:
    """Two stacks in a data folder, and what chance asks of them."""

    host, stack = HOST, STACK
    points: Mapping[str, int] = POINTS
    longest = 0.25
    """Seconds within which an apply is killed at a random instant."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Make the folder."""
        self.folder = folder / "data"
        self.folder.mkdir()
        (self.folder / "host.yaml").write_text(self.host, encoding="utf-8")
        self._files = folder
        self.chance = random.Random(seed)

    def live(self) -> "Lived":
        """Change both twice at once, strike, go on, and apply both again; returns how many died and what is not as it should be."""
        kills = 0
        for _round in range(2):
            self.write()
            ends = self.at_once(self.apply, [self._blow() for _ in NAMES])
            kills += sum(end.killed for end in ends)
            wrong = [end.error or f"it {end.value}" for end in ends if not end.killed and end.value not in ("done", "nothing")]
            if wrong:
                return Lived(kills, tuple(wrong))
            rollback = self.chance.random() < 0.5
            campaign.require(self._alone(functools.partial(self.go_on, rollback)))
        again = {campaign.require(end) for end in self.at_once(self.apply, [None, None])}
        problems = campaign.require(self._alone(self.problems))
        return Lived(kills, (*problems, *sorted(again - {"done", "nothing"})))

    def at_once(self, work: Callable[[str], Any], blows: Sequence[Blow | None]) -> list[campaign.Ended]:
        """Do something for both stacks, each in a process of its own that a blow may kill."""
        works = [functools.partial(self.inside, functools.partial(work, name)) for name in NAMES]
        started = [campaign.start(work, blow) for work, blow in zip(works, blows, strict=True)]
        return [campaign.collect(child) for child in started]

    def _alone(self, work: Callable[[], Any]) -> campaign.Ended:
        return campaign.in_child(functools.partial(self.inside, work))

    def inside(self, work: Callable[[], Any]) -> Any:
        """Do something in a child, as a process of the host of this pair."""
        return work()

    def _blow(self) -> Blow | None:
        if self.chance.random() < 0.35:
            return None
        if self.chance.random() < 0.5:
            return Blow(after=self.chance.uniform(0.02, self.longest))
        point = self.chance.choice([*self.points])
        return Blow(point, nth=self.chance.randint(1, self.points[point]))

    def write(self) -> None:
        """Ask for something new of both."""
        for number, name in enumerate(NAMES, 61):
            wanted = {"size": self.chance.choice((5, 10)), "count": self.chance.randint(1, 3), "memory": self.chance.choice((1, 2))}
            # A volume that shrinks is refused, whoever asks.
            wanted["size"] = max(wanted["size"], getattr(self, f"_size_{name}", 0))
            setattr(self, f"_size_{name}", wanted["size"])
            (self._files / f"{name}.yaml").write_text(self.stack.format(name=name, number=number, **wanted), encoding="utf-8")

    def sources(self, name: str) -> Sources:
        return Sources((str(self._files / f"{name}.yaml"),))

    def apply(self, name: str, *, destroy: bool = False) -> str:
        """Apply one stack; returns how it ended."""
        asked = Asked(PlanOptions(destroy=destroy))
        applied = apply.plan_and_apply(self.folder, self.sources(name), asked, how(), EVERYTHING)
        return "nothing" if applied.result is None else "failed" if applied.result.failed else "done"

    def go_on(self, rollback: bool) -> int:  # noqa: FBT001  (chance decides)
        """Finish or take back everything that did not end, each on its own; returns how many there were."""
        pending = unfinished.list_unfinished(self.folder)
        for one in pending:
            assert not one.alive, one
            recovered = apply.resume(self.folder, how(), EVERYTHING, rollback=rollback, which=one.id)
            assert recovered is not None
            assert not recovered.result.failed, recovered.result.outcomes
        return len(pending)

    def problems(self) -> list[str]:
        """Say everything that is not as it should be when all is applied."""
        found = []
        for name in NAMES:
            plan = stack_plans.make_plan(self.folder, self.sources(name), Asked()).plan
            if plan.errored or plan.changing:
                found.append(f"{name}: {[change.address for change in plan.changing]} {plan.diagnostics}")
        recorded = states.read_recorded(self.folder)
        vms = [record for records in recorded.records.values() for record in records.values() if record.kind == "vm"]
        held = [sid for record in vms for sid in record.spec["slices"]]
        if len(held) != len(set(held)):
            found.append(f"slices were given twice: {held}")
        if recorded.unfinished or recorded.reserved:
            found.append(f"not ended: {recorded.unfinished}")
        orphans = leftovers.find_orphans(self.folder)
        if orphans:
            found.append(f"orphans: {orphans}")
        if locking.read_holders(self.folder):
            found.append("somebody still holds a lock")
        with states.open_state(self.folder, write=True) as store:  # type: ignore[union-attr]
            check: Any = store._connection.execute("PRAGMA integrity_check").fetchall()
            if check != [("ok",)]:
                found.append(str(check))
            assigned = dict(store.assignments())
            if assigned != {sid: (record.stack, record.address) for record in vms for sid in record.spec["slices"]}:
                found.append("records and slices disagree")
        return found
