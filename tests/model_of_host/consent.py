"""Random commands of a person who approves this and refuses that, on two stacks, with interrupts and kills: was every effect approved?

The commands go through the operations that the command line and the daemon call. What happens to the model is compared with what was
shown and approved at that time, by a table of its own: what each effect needs, in the words that `--approve` takes.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from herocloud.apply.inspection import Rest
from herocloud.apply.steering import Interrupts, Options
from herocloud.model.applies import Begun, Caller
from herocloud.model.errors import Blocked, Refused
from herocloud.model.outcomes import Event
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Approval
from herocloud.operations import apply, stack_plans, unfinished
from herocloud.operations.callers import Granted, How
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked, Planned
from herocloud.plan.scope import PlanOptions
from herocloud.providers import registry, simulator
from herocloud.providers.seam import ProviderContext
from herocloud.state import store as states
from tests.model_of_host import promises
from tests.model_of_host import stacks as inventing
from tests.model_of_host.cases import Told, Trouble
from tests.model_of_host.clock import HostClock, Killed
from tests.model_of_host.machines import Effect, Machines
from tests.model_of_host.provider import Fates, ModelProvider

HOST = "name: node1\nsimulated: {memory: 129 GiB, disk: 2 TiB, cpus: 16, uplink: 10 Gbit/s}\n"
NAMES = ("shop", "depot")
NEEDS: Mapping[str, Collection[str]] = {
    "comes": {"create", "replace"},
    "data made": {"create", "replace", "update", "reboot"},
    "data back": {"create", "replace"},
    "goes": {"destroy", "replace"},
    "data goes": {"destroy"},
    "purged": {"destroy"},
    "down": {"stop", "reboot", "replace", "destroy"},
}
"""Any of which classes must be approved for an effect; what is not named here needs one of any kind."""


class Shown(NamedTuple):
    """Something that was shown and approved."""

    plan: Plan
    classes: frozenset[str]
    back: bool
    addresses: frozenset[str]

    def covers(self, effect: Effect) -> bool:
        """Tell whether this effect is among what was approved."""
        if effect.stack != self.plan.stack or not NEEDS.get(effect.what, self.classes) & self.classes:
            return False
        changes = [change for change in self.plan.changing if effect.address in (change.address, change.previous_address)]
        return any(change.address in self.addresses and effect.what in self._may(change) for change in changes)

    def _may(self, change: Change) -> set[str]:
        may = promises.allowed(change, self.plan)
        return may | promises.taken_back(may) if self.back else may


class Person:
    """Somebody who approves some classes, everything, or says no at a terminal."""

    asks = True

    def __init__(self, answer: str, classes: Collection[Approval]) -> None:
        self._answer = answer
        self._granted = Granted(classes if answer == "some" else frozenset(Approval))
        self._classes = frozenset(one.value for one in (classes if answer == "some" else Approval))
        self.approved: list[Shown] = []

    def approve(self, planned: Planned) -> frozenset[Approval]:
        self._refuse()
        granted = self._granted.approve(planned)
        addresses = frozenset(change.address for change in planned.plan.changing)
        self.approved.append(Shown(planned.plan, self._classes, back=False, addresses=addresses))
        return granted

    def approve_rest(self, rest: Rest) -> frozenset[Approval]:
        self._refuse()
        granted = self._granted.approve_rest(rest)
        addresses = frozenset(one.change.address for one in rest.left)
        self.approved.append(Shown(rest.plan, self._classes, rest.rollback, addresses))
        return granted

    def _refuse(self) -> None:
        if self._answer == "no":
            raise Blocked([])


def play(seed: int, folder: Path, commands: int = 8) -> Told:
    """Play the case of this seed in an empty folder."""
    case = Case(seed, folder)
    with case.as_provider():
        if case.chance.random() < 0.5:
            case.settle()
        for _ in range(commands):
            case.command()
        case.settle()
    return Told(seed, tuple(case.deviations), case.counts, tuple(case.log))


class Case:
    """Two stacks in one data folder, and who does what to them."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.chance = seed, Random(f"consent {seed}")
        self.folder, self._files = folder / "data", folder
        self.folder.mkdir(mode=0o700)
        (self.folder / "host.yaml").write_text(HOST, encoding="utf-8")
        self.machines, self.clock = Machines(), HostClock()
        self.provider = ModelProvider(self.machines, self.clock)
        self.stacks = {name: {**inventing.first(self.chance), "stack": name} for name in NAMES}
        for network in self.stacks["depot"]["networks"].values():
            network["cidr"] = network["cidr"].replace("10.", "10.1", 1)
        self._born: dict[str, set[str]] = {name: set() for name in NAMES}
        """What an apply that did not end has made by now, by stack: taking it back at a failure is part of that apply."""
        self.deviations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.log: list[str] = []

    @contextlib.contextmanager
    def as_provider(self) -> Iterator[None]:
        """Let the model stand where the simulator does."""

        def opened(_context: ProviderContext) -> Any:
            return self.provider

        original = simulator.DECLARATION
        assert original.images is not None
        images = original.images._replace(keeper=opened)
        simulator.DECLARATION = original._replace(driver=opened, observer=opened, images=images)
        registry._load.cache_clear()
        try:
            yield
        finally:
            simulator.DECLARATION = original
            registry._load.cache_clear()

    # Commands.

    def command(self) -> None:
        """Run a random command in a process of its own."""
        name = self.chance.choice(NAMES)
        if self.chance.random() < 0.7:
            self.stacks[name] = {**inventing.edited(self.stacks[name], self.chance, boldly=True), "stack": name}
        sources = self.write(name)
        usual = ("apply", "apply", "apply", "apply", "destroy", "undo", "plan", "resume")
        left = unfinished.list_unfinished(self.folder)
        what = self.chance.choice(("resume", "rollback", "rollback", "apply", "destroy", "undo", "plan") if left else usual)
        answer = self.chance.choice(("all", "some", "some", "some", "no"))
        refused = self.chance.sample([*Approval, Approval.DESTROY, Approval.STOP], self.chance.choice((1, 1, 2, 3)))
        classes = [one for one in Approval if one not in refused]
        person = Person(answer, classes)
        options = Options(on_failure=self.chance.choice(("stop", "stop", "continue", "rollback")), grace=self.chance.choice((3.0, 30.0)))
        stop = Interrupts()
        how = How(options, _watch, caller=Caller("tester", what), interrupts=stop, clock=self.clock)
        destroy = Asked(PlanOptions(destroy=True, purge=self.chance.random() < 0.3))
        acts: dict[str, Callable[[], object]] = {
            "apply": lambda: apply.plan_and_apply(self.folder, sources, Asked(), how, person),
            "destroy": lambda: apply.plan_and_apply(self.folder, sources, destroy, how, person),
            "resume": lambda: apply.resume(self.folder, how, person),
            "rollback": lambda: apply.resume(self.folder, how, person, rollback=True),
            "undo": lambda: apply.undo(self.folder, None, how, person),
            "plan": lambda: stack_plans.make_plan(self.folder, sources, Asked()),
        }
        trouble = self.trouble()
        first = len(self.machines.effects)
        ended = self.run(acts[what], trouble, stop)
        effects = self.machines.effects[first:]
        self.log.append(
            f"{what} {name}, {answer} {[one.value for one in classes] if answer == 'some' else ''}, {options.on_failure}: {ended}"
        )
        self.counts.update([what, f"answered {answer}", ended.partition(" ")[0]])
        self.counts["effects"] += len(effects)
        self.judge(person, effects, by_itself=options.on_failure == "rollback")

    def write(self, name: str) -> Sources:
        path = self._files / f"{name}.yaml"
        path.write_text(inventing.text_of(self.stacks[name]), encoding="utf-8")
        return Sources((str(path),))

    def trouble(self) -> Trouble:
        kind = self.chance.choice(("none", "failures", "interrupt", "interrupt twice", "kill", "kill at commit", "kill at commit"))
        share = 0.1 if kind == "failures" or self.chance.random() < 0.15 else 0.0
        return Trouble(kind, share, self.chance.uniform(0, 30), self.chance.randint(1, 12), self.chance.random() < 0.5)

    def run(self, act: Callable[[], object], trouble: Trouble, stop: Interrupts) -> str:
        """Run one process to its end, and say how it ended."""
        self.provider.fates = Fates(f"{self.seed} {self.clock.time}", trouble.share)
        moment = self.clock.time + trouble.moment
        try:
            with self.clock.process(), self._dying_at(trouble):
                if trouble.kind.startswith("interrupt"):
                    self.clock.at(moment, stop.stop)
                if trouble.kind == "interrupt twice":
                    self.clock.at(moment + 0.7, stop.stop)
                if trouble.kind == "kill":
                    self.clock.at(moment, self.clock.kill)
                act()
        except Killed:
            return "killed"
        except Blocked as blocked:
            return f"blocked {[found.code for found in blocked.diagnostics]}"
        except Refused as refused:
            return f"refused {[found.code for found in refused.diagnostics]}"
        return "ran"

    @contextlib.contextmanager
    def _dying_at(self, trouble: Trouble) -> Iterator[None]:
        """Let the process die around one of its transactions, if that is its trouble."""
        names = ("begin", "commit", "finish", "take_over")
        originals = {name: getattr(states.Store, name) for name in names}
        count = 0

        def dying(original: Callable[..., Any]) -> Callable[..., Any]:
            def write(*arguments: Any, **more: Any) -> Any:
                nonlocal count
                count += 1
                dies = trouble.kind == "kill at commit" and count == trouble.commit
                if dies and not trouble.after:
                    self.clock.kill()
                result = original(*arguments, **more)
                if dies:
                    self.clock.kill()
                return result

            return write

        for name, original in originals.items():
            setattr(states.Store, name, dying(original))
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(states.Store, name, original)

    # Judging.

    def judge(self, person: Person, effects: list[Effect], *, by_itself: bool) -> None:
        """Find effects that nobody has approved; `by_itself` tells that the person asked for a rollback at the first failure."""
        for effect in effects:
            if any(one.covers(effect) for one in person.approved) or (by_itself and self._takes_back(effect, person)):
                self._born[effect.stack].add(effect.identity or effect.address)
                self._born[effect.stack].add(effect.address)
                continue
            told = [(sorted(one.classes), one.back, one.plan.operation) for one in person.approved]
            self.deviations.append(f"{effect.what} at {effect.stack}/{effect.address} ({effect.part}), approved: {told}; {self.log[-1]}")
        left = {one.stack for one in unfinished.list_unfinished(self.folder)}
        for name in NAMES:
            if name not in left:
                self._born[name] = set()

    def _takes_back(self, effect: Effect, person: Person) -> bool:
        """Tell whether an effect only undoes what this very apply has done before, as it was asked to do at a failure."""
        if not any(one.plan.stack == effect.stack for one in person.approved):
            return False
        # A paused machine that was to be stopped runs for a moment, of which the host notes nothing.
        changed = effect.address in self._born[effect.stack] or effect.what == "paused"
        return changed and (effect.what not in {"data goes", "purged", "goes"} or effect.identity in self._born[effect.stack])

    def settle(self) -> None:
        """Finish what is left and apply both stacks, all of it approved; then nothing is left to do."""
        for _ in range(6):
            for pending in unfinished.list_unfinished(self.folder):
                person = Person("all", ())
                self.run(lambda pending=pending, person=person: self._go_on(pending.id, person), Trouble(), Interrupts())  # type: ignore[misc]
        if unfinished.list_unfinished(self.folder):
            self.deviations.append("an apply never ends")
        for name in NAMES:
            sources = self.write(name)
            how = How(Options(), _watch, caller=Caller("tester", "apply"), interrupts=Interrupts(), clock=self.clock)
            act = lambda sources=sources, how=how: apply.plan_and_apply(self.folder, sources, Asked(), how, Person("all", ()))  # noqa: E731
            ended = self.run(act, Trouble(), Interrupts())
            self.log.append(f"settle {name}: {ended}")
            if ended == "ran":
                plan = stack_plans.make_plan(self.folder, sources, Asked()).plan
                if plan.changing:
                    self.deviations.append(f"{name} never rests: {[(one.address, one.action.value) for one in plan.changing]}")

    def _go_on(self, which: str, person: Person) -> object:
        how = How(Options(), _watch, caller=Caller("tester", "resume"), interrupts=Interrupts(), clock=self.clock)
        return apply.resume(self.folder, how, person, which=which)


@contextlib.contextmanager
def _watch(_plan: Plan, _finished: Collection[str], _begun: Begun) -> Iterator[Callable[[Event], None]]:
    yield lambda _event: None
