"""One random case: a stack, edits, applies with failures, interrupts, kills and resumes, and everything that broke a promise."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from herocloud.apply import executor
from herocloud.apply.steering import Interrupts, Options
from herocloud.model import ids
from herocloud.model.hosts import Host, Slice, Uplink
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS
from herocloud.model.worlds import Record
from herocloud.plan import lost_data, planner
from herocloud.plan import undo as undoing
from herocloud.plan.scope import PlanOptions
from herocloud.stack import load as stacks
from herocloud.state import store as states
from herocloud.state.store import Store
from tests.model_of_host import promises
from tests.model_of_host import stacks as inventing
from tests.model_of_host.clock import HostClock, Killed
from tests.model_of_host.machines import GIB, Machines, Usage
from tests.model_of_host.promises import Before, Course
from tests.model_of_host.provider import Fates, ModelProvider, seconds_of

STACK = "shop"
LEARNT = {(kind, "simulator"): seconds_of(kind) for kind in KINDS}
"""What plans have learnt about this host: how long its steps take."""


class Told(NamedTuple):
    """What came of a case."""

    seed: int
    deviations: tuple[str, ...]
    counts: Counter[str]
    log: tuple[str, ...]


class Trouble(NamedTuple):
    """What goes wrong in one run."""

    kind: str = "none"
    share: float = 0.0
    """How many of the calls fail."""
    moment: float = 0.0
    """When the blow falls, as a share of the expected time."""
    commit: int = 0
    """At which transaction the process dies, and whether before or after it."""
    after: bool = False


CALM = Trouble()


def play(seed: int, folder: Path, *, hasty: bool = False, tight: bool | None = None) -> Told:
    """Play the case of this seed in an empty folder; `hasty` people do not always wait for a stack to rest before they edit it.

    `tight` says whether rates have to move between cards on an uplink with no room for both; by itself a third of the cases is so.
    """
    case = Case(seed, folder, tight=tight)
    case.hasty = hasty
    try:
        case.play()
    except AssertionError as error:
        case.deviations.append(f"assertion: {error}")
    return Told(seed, tuple(case.deviations), case.counts, tuple(case.log))


class Case:
    """A host, a state and a stack that changes."""

    def __init__(self, seed: int, folder: Path, *, tight: bool | None = None) -> None:
        self.seed, self.folder, self.chance = seed, folder, Random(seed)
        self.rates = Random(f"{seed} rates")
        """Draws nothing for any other purpose: a case without a tight uplink is the same whatever this draws."""
        self.tight = self.rates.random() < 1 / 3 if tight is None else tight
        self.uplink = 62_500_000 if self.tight else 1_250_000_000
        self.machines, self.clock = Machines(), HostClock()
        self.provider = ModelProvider(self.machines, self.clock)
        slices = self.chance.choice((8, 14, 14))
        sids = (ids.slice_sid(number) for number in range(1, slices + 1))
        disk = self.chance.choice((60, 120, 2000)) * GIB
        self.host = Host(
            "node1", (4 * slices + 1) * GIB, disk, disk, self.chance.choice((4, 8)),
            tuple(Slice(sid, 4 * GIB, disk // slices) for sid in sids), uplink=Uplink("eth0", self.uplink), simulated=True,
        )  # fmt: skip
        self.deviations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.hasty = False
        self.log: list[str] = []
        """What was done, for whoever looks into a case."""
        self._commits = 0
        self._slices: list[int] = []
        self._held: Counter[str] = Counter()
        """How many slices each address holds, as of the last transaction."""

    # Planning.

    def plan(self, stack: inventing.Stack, **options: Any) -> Plan:
        """Plan a stack as the command line does."""
        path = self.folder / "stack.yaml"
        path.write_text(inventing.text_of(stack), encoding="utf-8")
        loaded = stacks.load([str(path)], host=self.host)
        assert loaded.desired is not None, [found.detail for found in loaded.diagnostics]
        recorded = states.read_recorded(self.folder)._replace(durations=LEARNT)
        return planner.plan(loaded.desired, recorded, self.provider.observe(None), self.host, PlanOptions(**options))

    def play(self) -> None:
        """Apply a stack, edit it, apply it again, and take everything down at the end."""
        stack = self.linked(inventing.first(self.chance))
        if not self.bring(stack, self.plan(stack), CALM if self.chance.random() < 0.7 else self.trouble()):
            return
        for _ in range(self.chance.randint(1, 2)):
            stack = self.linked(inventing.edited(stack, self.chance))
            purge = self.chance.random() < 0.2
            forced = tuple(f"vm.{name}" for name in stack["vms"] if self.chance.random() < 0.08)
            if not self.bring(stack, self.plan(stack, purge=purge, replace=forced), self.trouble()):
                return
        if self.chance.random() < 0.3:
            self.undo_newest()
        self.take_down(stack)

    def linked(self, stack: inventing.Stack) -> inventing.Stack:
        return inventing.with_moved_rates(stack, self.rates) if self.tight else stack

    def take_down(self, stack: inventing.Stack) -> None:
        plan = self.plan(stack, destroy=True, purge=self.chance.random() < 0.5)
        if not plan.applyable:
            return
        self.bring(stack, plan, self.trouble(), again={"destroy": True})
        left = [f"{thing.address} {sorted(thing.parts)} {sorted(thing.halves)}" for thing in self.machines.of(STACK)]
        self.deviations += [f"left over after destroy: {one}" for one in left if not one.endswith(" [] []")]

    def trouble(self) -> Trouble:
        kind = self.chance.choice(("none", "none", "failures", "failures", "interrupt", "interrupt twice", "kill", "kill at commit"))
        share = self.chance.choice((0.03, 0.1, 0.3)) if kind == "failures" or self.chance.random() < 0.15 else 0.0
        commit = self.chance.randint(1, 30)
        return Trouble(kind, share if kind != "none" else 0.0, self.chance.random(), commit, self.chance.random() < 0.5)

    # Applying.

    def bring(self, stack: inventing.Stack, plan: Plan, trouble: Trouble, *, again: dict[str, Any] | None = None) -> bool:
        """Apply a plan whatever happens on the way, and then bring the stack to rest; tells whether it could be applied at all."""
        self.log.append(f"{plan.operation}: {[(change.address, change.action.value) for change in plan.changing]} with {trouble}")
        if plan.errored or plan.blocked:
            self.counts["refused plans"] += 1
            short = [found for found in plan.diagnostics if found.code == "does-not-fit-network"]
            if self._uplink_suffices(stack) and not all(self._is_waited_for(stack, str(found.address)) for found in short):
                self.deviations.append(f"refused although the uplink suffices: {[found.detail for found in plan.diagnostics]}")
            return False
        if not plan.changing:
            self.counts["nothing to do"] += 1
            return True
        self.counts["plans"] += 1
        self.apply(plan, trouble)
        options = again or {}
        if self.hasty and again is None and self.chance.random() < 0.5:
            self.counts["edited before it was at rest"] += 1
            return True
        rest = self.plan(stack, **options)
        if rest.changing and rest.applyable:
            # What failed or was taken back is done now, by a plan that starts from whatever is there.
            self.counts["plans over what was left"] += 1
            self.apply(rest, CALM)
            rest = self.plan(stack, **options)
        if rest.applyable and rest.changing:
            self.deviations.append(f"it never rests: {[(change.address, change.action.value, change.fields) for change in rest.changing]}")
        return not rest.errored

    def _uplink_suffices(self, stack: inventing.Stack) -> bool:
        """Tell whether the rates of all cards fit, those that are there now and those of a stack."""
        return self.machines.usage().network <= 2 * self.uplink >= inventing.bandwidth_of(stack)

    def _is_waited_for(self, stack: inventing.Stack, taker: str) -> bool:
        """Tell whether a VM depends on the one that takes a rate too early: what it gives back comes after that, and takes two applies."""
        name = taker.partition("[")[0]
        return any(name in vm.get("depends_on", ()) for vm in stack["vms"].values())

    def undo_newest(self) -> None:
        """Take back the newest apply as `undo` does, if it is still possible."""
        with self.store() as store:
            newest = store.applies()[0]
            applied = next(past for past in store.load_plan(newest.plan) if past.apply == newest.apply)
            before, after = (store.records_at(serial).get(applied.plan.stack, {}) for serial in (applied.serial - 1, applied.serial))
            recorded = store.recorded()._replace(durations=LEARNT)
        if newest.status != "done":
            return
        past = undoing.Past(applied.apply, applied.plan, applied.states, before, after, recorded.records.get(applied.plan.stack, {}))
        kept = [lost_data.Kept(ids.Address(grave.address), grave.maker) for grave in self.machines.graves]
        plan = undoing.plan_undo(past, recorded, self.provider.observe(None), self.host, kept)
        self.log.append(f"undo: {[(change.address, change.action.value) for change in plan.changing]}")
        if plan.applyable:
            self.counts["undos"] += 1
            self.apply(plan, self.trouble())

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        opened = states.open_state(self.folder, write=True)
        assert opened is not None
        with opened:
            yield opened

    def apply(self, plan: Plan, trouble: Trouble) -> None:
        """Run a plan to whatever end, going on with it as often as it is cut off."""
        with self.store() as store:
            self._held = Counter(address for _, address in store.assignments().values())
            records = dict(store.recorded().records.get(plan.stack, {}))
        whole = self._is_whole(plan.stack)
        self.machines.peak = self.machines.usage()
        held = sum(self._held.values())
        self._slices = [held]
        before = promises.look(self.machines, plan.stack, self.clock.time, held, whole=whole)
        on_failure = self.chance.choice(("stop", "stop", "continue", "rollback"))
        options = Options(on_failure=on_failure, grace=self.chance.choice((3.0, 30.0)))
        result = self.run(
            plan, trouble, lambda store, stop: executor.execute(plan, store, self.provider, options=options, **self.steer(stop))
        )
        back = self._went_back(result)
        if result is not None and on_failure == "stop":
            self.deviations += promises.begun_too_late(plan, result)
        self.judge(plan, before, result, back=back, calm=trouble.kind == "none")
        for attempt in range(6):
            with self.store() as store:
                left = store.unfinished()
            if left is None:
                break
            rollback = self.chance.random() < 0.4
            back = back or rollback
            next_trouble = self.trouble() if attempt < 3 else CALM
            result = self.run(
                plan, next_trouble,
                lambda store, stop, rollback=rollback: executor.resume(  # type: ignore[misc]
                    store, self.provider, options=options, rollback=rollback, **self.steer(stop)
                ),
            )  # fmt: skip
            self.counts["rollbacks" if rollback else "resumes"] += 1
            back = back or self._went_back(result)
            self.judge(plan, before, result, back=back, calm=False)
        else:
            self.deviations.append("an apply never ends")
        if result is not None and result.rolled_back:
            self._check_records(plan, records)

    def _went_back(self, result: Result | None) -> bool:
        """Tell whether anything was taken back. A process that was killed on the way back has told nobody but the journal."""
        if result is not None:
            return result.went_back
        with self.store() as store:
            newest = store.applies()[0]
            states = next(past.states for past in store.load_plan(newest.plan) if past.apply == newest.apply)
        return bool({"undoing", "undone"} & set(states.values()))

    def _check_records(self, plan: Plan, before: dict[Any, Any]) -> None:
        now = dict(states.read_recorded(self.folder).records.get(plan.stack, {}))
        if now != before:
            different = [address for address in {*now, *before} if now.get(address) != before.get(address)]
            self.deviations.append(f"records are not as before after it was taken back: {different}")

    def _is_whole(self, stack: str) -> bool:
        """Tell whether everything that is recorded is there, and nothing half made."""
        records = states.read_recorded(self.folder).records.get(ids.StackName(stack), {})
        if any(thing.halves for thing in self.machines.of(stack)):
            return False
        return all(record.complete and self._has_what_is_promised(record) for record in records.values())

    def _has_what_is_promised(self, record: Record) -> bool:
        """Tell whether as much of a record is there as it promises; what is not there, or not any more, is kept for it."""
        there, spec = self.machines.thing(record.stack, record.address).parts, record.spec
        if record.kind == "volume":
            return bool(there.get("volume", {}).get("size") == spec["size"])
        if record.kind != "vm":
            return True
        machine, disk = there.get("machine", {}), spec["root_disk"]
        return (
            (machine.get("memory"), machine.get("vcpus")) == (spec["memory"], spec["vcpus"])
            and (not disk or there.get("disk", {}).get("size") == disk["size"])
            and all(there.get(f"nic.{nic['slot']}", {}).get("rate") == nic["rate"] for nic in spec["networks"])
        )

    def steer(self, stop: Interrupts) -> dict[str, Any]:
        return {"tell": lambda _event: None, "clock": self.clock, "interrupts": stop}

    def run(self, plan: Plan, trouble: Trouble, act: Callable[[Store, Interrupts], Result]) -> Result | None:
        """Let one process run; nothing when it was killed."""
        self.log.append(f"  run with {trouble}")
        self.counts[trouble.kind] += trouble.kind != "none"
        self.provider.ranks = {step.id: number for number, step in enumerate(plan.steps)}
        self.provider.fates = Fates(f"{self.seed} {self.clock.time}", trouble.share)
        stop = Interrupts()
        moment = self.clock.time + trouble.moment * max(plan.critical_seconds, 1.0)
        self._commits = 0
        try:
            with self.clock.process(), self.store() as store:
                self._watch(store, trouble)
                if trouble.kind.startswith("interrupt"):
                    self.clock.at(moment, stop.stop)
                if trouble.kind == "interrupt twice":
                    self.clock.at(moment + 0.7, stop.stop)
                if trouble.kind == "kill":
                    self.clock.at(moment, self.clock.kill)
                result = act(store, stop)
        except Killed:
            self.log.append("    killed")
            return None
        finally:
            self.counts["failed calls"] += len(self.provider.fates.struck)
        ended = Counter(outcome.status.value for outcome in result.outcomes)
        self.log.append(f"    ended: {dict(ended)} interrupted={result.interrupted} back={result.went_back}/{result.rolled_back}")
        return result

    def _watch(self, store: Store, trouble: Trouble) -> None:
        """Count slices after each transaction, and die at the one that the trouble names."""
        commit = store.commit

        def committing(apply: int, entries: Sequence[Any]) -> None:
            self._commits += 1
            dies = trouble.kind == "kill at commit" and self._commits == trouble.commit
            if dies and not trouble.after:
                self.clock.kill()
            commit(apply, entries)
            for entry in entries:
                for old in (entry.remove, entry.rename):
                    if old is not None:
                        self._held.pop(old[1], None)
                if entry.record is not None:
                    self._held[entry.record.address] = len(entry.record.spec.get("slices") or ())
            self._slices.append(sum(self._held.values()))
            if dies:
                self.clock.kill()

        store.commit = committing  # type: ignore[method-assign]

    # Judging.

    def judge(self, plan: Plan, before: Before, result: Result | None, *, back: bool, calm: bool) -> None:
        """Hold what happened so far against what the plan said."""
        course = Course(plan, before, self.machines, tuple(self._slices), back)
        found = list(promises.broken_always(course))
        found += [f"the host has no room: {name}" for name in self._exceeded()]
        if result is not None:
            found += self._impossible(result)
            if not result.failed and not result.interrupted and not back:
                found += promises.broken_when_done(course, whole=self._is_whole(plan.stack))
            if calm and not result.failed:
                found += promises.broken_undisturbed(course, self.clock.time - before.moment)
            if calm and result.failed:
                found.append(f"it failed although nothing went wrong: {[one.error for one in result.outcomes if one.error]}")
            if result.rolled_back:
                found += promises.broken_when_taken_back(course)
            if not result.interrupted and not result.went_back:
                found += promises.half_made(plan, result)
            self.counts["ended well" if not result.failed and not result.interrupted else "ended badly"] += 1
        else:
            self.counts["killed"] += 1
        self.deviations += found

    def _exceeded(self) -> Iterator[str]:
        most = Usage(self.host.memory, self.host.cpus * 4, self.host.disk, 2 * self.uplink, 1 << 60, self.host.memory)
        for name, used, limit in zip(Usage._fields, self.machines.peak, most, strict=True):
            if used > limit:
                yield f"{used} of {limit} {name}"

    @staticmethod
    def _impossible(result: Result) -> list[str]:
        """Find what the executor asked of the host that no host can do, which is never the host's fault."""
        return [f"{one.step}: {one.error}" for one in result.outcomes if one.error and "impossible:" in one.error]
