"""The capacity proof: the plan fits at every moment of every order in which its steps may run.

The idea is that of a bank. What is free now are tokens; what a step gives back becomes tokens when it is done. Every step that takes
something is given tokens when the plan is made, free ones first, and where its tokens come from another step it waits for that step.
No token has two owners, so no order of the steps can use more than there is. Walking through the orders one by one proves the
same and takes for ever; a plain bound (everything taken before anything is given) would refuse plans that work.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NewType

from herocloud.kits.jsons import Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import ids, quantities
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.plans import Capacity, Level
from herocloud.model.steps import FETCH, NOTHING, Claim, Step
from herocloud.model.worlds import Observed, Recorded, Thing
from herocloud.plan import half_made
from herocloud.plan.claims import claim_of, claim_of_parts, claims_again, end_round

RESOURCES = Claim._fields
ORDINARY = "ordinary_memory"
"""Memory outside of huge pages. It is short before memory is where pages are set aside, because nothing else can use those."""
NAMES = {
    "slices": "slices", "memory": "RAM", "vcpus": "vCPUs", "disk": "disk", "network": "bandwidth", "disk_io": "disk bandwidth",
    "hugepages": "memory in huge pages", ORDINARY: "RAM outside of huge pages",
}  # fmt: skip


class Proof(NamedTuple):
    """The levels, what steps must wait for to stay within them, and what is wrong when they cannot."""

    capacity: Capacity
    waits: Mapping[StepId, set[StepId]]
    drawn: Mapping[str, int]
    """How much of what is free now the plan relies on, by resource."""
    found: tuple[Diagnostic, ...]


class _Token:
    """A quantity, and the step that gives it."""

    __slots__ = ("giver", "left")

    def __init__(self, left: int, giver: StepId) -> None:
        self.left, self.giver = left, giver


def limits(host: Host) -> dict[str, int | None]:
    """Return how much of each resource may be promised on this host; nothing where it is not known, and no ordinary memory where all is."""
    speed = host.uplink.speed if host.uplink else None
    network = host.limit_network if host.limit_network is not None else speed
    disk = min(host.disk_free, host.disk) if host.disk_free >= 0 else host.disk
    if host.limit_disk is not None:
        disk = min(disk, host.limit_disk)
    memory = max(0, host.memory - host.reserve_memory)
    bound = {
        "slices": len(host.slices),
        "memory": int(memory * host.ratios.memory),
        "vcpus": int(host.cpus * host.ratios.cpu),
        "disk": int(max(0, disk - host.reserve_disk) * host.ratios.disk),
        "network": None if network is None else int(network * host.ratios.network),
        "disk_io": None if host.limit_disk_io is None else int(host.limit_disk_io * host.ratios.disk_io),
        "hugepages": host.hugepages,
    }
    if host.hugepages:
        bound[ORDINARY] = int(max(0, memory - host.hugepages) * host.ratios.memory)
    return bound


def ratio_of(host: Host, resource: str) -> float:
    """Return how often what the host has of a resource may be promised."""
    ratios = host.ratios
    shares = {"vcpus": ratios.cpu, "memory": ratios.memory, "disk": ratios.disk, "network": ratios.network, "disk_io": ratios.disk_io}
    return shares.get(resource, 1.0)


def amount_of(claim: Claim, resource: str) -> int:
    """Return how much of a resource is claimed."""
    return claim.memory - claim.hugepages if resource == ORDINARY else getattr(claim, resource)


Counted = NewType("Counted", Recorded)
"""Records as they count against the host for the plan of one stack. `overpromised.as_counted` makes them, and nobody else."""


def used(recorded: Counted, observed: Observed | None) -> Claim:
    """Add up what is occupied: by all recorded resources of all stacks, by what was seen without a record, and by deleted data."""
    claims: list[Claim] = [NOTHING]
    for stack, records in recorded.records.items():
        seen = None if observed is None else observed.things.get(stack, {})
        if seen is None:
            claims += claims_again((record, None) for record in records.values())
        else:
            claims += claims_again((record, seen[at].parts if (at := record.address) in seen else _NO_PARTS) for record in records.values())
    end_round()
    if observed is not None:
        claims.extend(claim_of_orphan(thing, recorded) for thing in without_record(recorded, observed))
        claims += half_made.used(recorded, observed)
        claims.append(Claim(disk=observed.tombstones))
    return Claim(*map(sum, zip(*claims, strict=True)))


def with_stored(before: Claim, host: Host) -> Claim:
    """Return what is occupied with what belongs to no resource: images, and the state itself."""
    return before._replace(disk=before.disk + host.disk_stored) if host.disk_stored else before


_NO_PARTS: Mapping[str, Part] = {}


def without_record(recorded: Recorded, observed: Observed) -> Iterator[Thing]:
    """Find what carries our mark and no record owns: it fills the host all the same."""
    for stack, things in observed.things.items():
        records = recorded.records.get(stack, {})
        if len(records) < len(things) or records.keys() != things.keys():
            yield from (thing for address, thing in things.items() if address not in records and thing.parts)


def claim_of_orphan(thing: Thing, recorded: Recorded) -> Claim:
    """Return what an orphan occupies: as it was last recorded, else as its parts show."""
    record = recorded.lost.get(thing.stack, {}).get(thing.address)
    if record is not None:
        return claim_of(record, thing.parts)
    claim = claim_of_parts(thing.parts)
    return claim._replace(slices=len(thing.slices)) if thing.slices else claim


def prove(
    steps: Sequence[Step], needs: Mapping[StepId, Iterable[StepId]], before: Claim, host: Host, stack: StackName, free_slices: int
) -> Proof:
    """Hand out tokens; see the module's text. `steps` are sorted by what they need; `needs` is what they wait for in other changes.

    Slices have names and were handed out with them, waits included; of them only the levels are made here, from `free_slices`, the number
    of those taken that are free now.
    """
    bound = limits(host)
    waits: dict[StepId, set[StepId]] = {}
    drawn = dict.fromkeys(bound, 0)
    before = with_stored(before, host)
    held = {resource: amount_of(before, resource) for resource in bound}
    after = dict(held)
    short: dict[str, list[tuple[int, Step]]] = {}
    reach = _Reach(steps, needs)
    awaited = _awaited(steps, needs)
    for resource in bound:
        takers, givers = _moved(steps, resource)
        after[resource] += sum(amount for amount, _ in takers) - sum(amount for amount, _ in givers)
        limit = bound[resource]
        if resource == "slices":
            drawn[resource] = free_slices
            continue
        if limit is None:
            drawn[resource] = sum(amount for amount, _ in takers)
            continue
        free = max(0, limit - held[resource])
        tokens = deque(_Token(amount, step.id) for amount, step in givers)
        own: dict[str, list[_Token]] = {}
        for token, (_, step) in zip(tokens, givers, strict=True):
            own.setdefault(step.address, []).append(token)
        given = {token.giver: token for token, (_, step) in zip(tokens, givers, strict=True) if step.address in awaited}
        for amount, step in takers:
            missing = _draw(step, amount, own.get(step.address, ()), waits, reach)
            if missing and given:
                # What was given back before it can begin is free then, whatever the rest of the plan does.
                missing = _draw_from_earlier(missing, given, reach.before(step.id))
            # One that has to wait anyway lives on what it waited for, and leaves what is free now to the others.
            if missing > free:
                missing = _draw(step, missing, tokens, waits, reach)
            taken = min(missing, free)
            free -= taken
            drawn[resource] += taken
            missing -= taken
            while tokens and tokens[0].left == 0:
                tokens.popleft()
            if missing:
                short.setdefault(resource, []).append((missing, step))
    # What nobody has counts at the peak all the same: a plan that does not fit says how much it wants.
    wanted = {name: drawn[name] + sum(amount for amount, _ in short.get(name, ())) for name in bound}
    levels = {
        name: Level(held[name], max(held[name] + wanted[name], after[name]), after[name], limit, ratio_of(host, name))
        for name, limit in bound.items()
    }
    found = tuple(_too_small(resource, missing, steps, levels[resource], stack) for resource, missing in short.items())
    return Proof(Capacity(*(levels[resource] for resource in Capacity._fields)), waits, drawn, found)


def _moved(steps: Sequence[Step], resource: str) -> tuple[list[tuple[int, Step]], list[tuple[int, Step]]]:
    """Return the steps that take of a resource and those that give of it, with how much."""
    if resource == ORDINARY:
        # Memory that moves into huge pages gives ordinary memory back.
        moves = [(amount_of(step.takes, resource) - amount_of(step.gives, resource), step) for step in steps]
        return [(amount, step) for amount, step in moves if amount > 0], [(-amount, step) for amount, step in moves if amount < 0]
    number = RESOURCES.index(resource)
    takers = [(step.takes[number], step) for step in steps if step.takes[number]]
    return takers, [(step.gives[number], step) for step in steps if step.gives[number]]


def _draw(step: Step, amount: int, tokens: Iterable[_Token], waits: dict[StepId, set[StepId]], reach: "_Reach") -> int:
    """Let a step live on what others give back, and wait for them; returns what is still missing."""
    for token in tokens:
        if amount == 0:
            break
        if token.left == 0 or reach.leads(step.id, token.giver) or (step.kind == FETCH and token.giver == step.id):
            # What an image is converted from lies beside it until it is there; any other step only exchanges what it gives.
            continue
        taken = min(amount, token.left)
        token.left -= taken
        amount -= taken
        if token.giver != step.id:
            waits.setdefault(step.id, set()).add(token.giver)
            reach.add(token.giver, step.id)
    return amount


def _awaited(steps: Sequence[Step], needs: Mapping[StepId, Iterable[StepId]]) -> set[Address]:
    """Return the addresses whose changes are waited for by others: nothing else can come before a step of another change."""
    if not any(step.gives is not NOTHING for step in steps):
        return set()
    address_of = {step.id: step.address for step in steps}
    return {address for step in steps for need in needs.get(step.id, ()) if (address := address_of.get(need, step.address)) != step.address}


def _draw_from_earlier(amount: int, given: Mapping[StepId, _Token], earlier: set[StepId]) -> int:
    # There may be thousands of either, but few of both; a set has no order of its own, and the plan's bytes must not depend on one.
    for giver in sorted(earlier.intersection(given)) if earlier else ():
        taken = min(amount, given[giver].left)
        given[giver].left -= taken
        amount -= taken
    return amount


class _Reach:
    """Answers whether one step leads to another, over the needs known so far. Only asked when tokens of other steps are used."""

    _MOST = 50_000
    """After looking at so many steps no more of them are looked back from: levels are then told higher than they get, and never lower."""

    def __init__(self, steps: Sequence[Step], needs: Mapping[StepId, Iterable[StepId]]) -> None:
        self._steps, self._needs = steps, needs
        self._next: dict[StepId, list[StepId]] | None = None
        self._behind: dict[StepId, tuple[StepId, ...]] | None = None
        self._earlier: dict[StepId, set[StepId]] = {}
        self._looked = 0

    def before(self, last: StepId) -> set[StepId]:
        """Return the steps that a step waits for by what it needs, directly or not."""
        if self._behind is None:
            self._behind = {step.id: (*step.needs, *self._needs.get(step.id, ())) for step in self._steps}
        if last not in self._earlier and self._looked < self._MOST:
            seen: set[StepId] = set()
            stack = [last]
            while stack:
                new = [step_id for step_id in self._behind[stack.pop()] if step_id not in seen]
                seen.update(new)
                stack.extend(new)
            self._looked += len(seen)
            self._earlier[last] = seen
        return self._earlier.get(last, set())

    def add(self, first: StepId, then: StepId) -> None:
        self._edges().setdefault(first, []).append(then)

    def leads(self, first: StepId, then: StepId) -> bool:
        edges = self._edges()
        seen, stack = {first}, [first]
        while stack:
            for edge in edges.get(stack.pop(), ()):
                if edge == then:
                    return True
                if edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
        return False

    def _edges(self) -> dict[StepId, list[StepId]]:
        if self._next is None:
            self._next = {}
            for step in self._steps:
                for need in (*step.needs, *self._needs.get(step.id, ())):
                    self._next.setdefault(need, []).append(step.id)
        return self._next


_SHORT = "does-not-fit-"
"""How the codes of findings begin that say what there is not enough of."""


def fits(found: Iterable[Diagnostic]) -> bool:
    """Return whether none of these findings says that a plan does not fit its host."""
    return not any(diagnostic.code.startswith(_SHORT) for diagnostic in found)


_HINTS = {
    "disk": "; `herocloud state gc` frees the space of data that was deleted, `--purge` deletes it at once",
    "hugepages": "; `sysctl vm.nr_hugepages=N` sets more of them aside",
    ORDINARY: "; `sysctl vm.nr_hugepages=N` sets fewer huge pages aside",
}


def _too_small(resource: str, missing: Iterable[tuple[int, Step]], steps: Sequence[Step], level: Level, stack: StackName) -> Diagnostic:
    lacking = sum(amount for amount, _ in missing)
    asks: dict[str, int] = {}
    for step in steps:
        amount = amount_of(step.takes, resource) - amount_of(step.gives, resource)
        if amount:
            asks[step.address] = asks.get(step.address, 0) + amount

    def show(amount: int) -> str:
        return quantities.show(resource, amount)

    blamed = smallest_set(asks, lacking)
    found = Diagnostic(
        code=f"{_SHORT}{resource.replace('_', '-')}",
        summary="The plan does not fit this host",
        detail=f"{NAMES[resource]}: {show(level.before)} of {show(level.limit or 0)} in use, ",
        address=blamed[0] if blamed else None,
        hint="take out or shrink what is named above, or use a larger host" + _HINTS.get(resource, ""),
    )
    if level.after <= (level.limit or 0):
        return _too_small_on_the_way(found, missing, level, show, stack)
    wanted = level.before + sum(amount for amount in asks.values() if amount > 0)
    names = _name_all({address: asks[address] for address in blamed}, show)
    more = f"{show(wanted)} wanted, {show(lacking)} too much. The fewest to blame in stack `{stack}`: {names}."
    return found._replace(detail=found.detail + more)


def _too_small_on_the_way(
    found: Diagnostic, missing: Iterable[tuple[int, Step]], level: Level, show: Callable[[int], str], stack: StackName
) -> Diagnostic:
    """Blame those that take before anything is given back: each gives as much as it takes, or others do, only too late."""
    takers: dict[str, int] = {}
    for amount, step in missing:
        takers[step.address] = takers.get(step.address, 0) + amount
    names = _name_all(takers, show)
    return found._replace(
        detail=f"{found.detail}{show(level.after)} in the end, and {show(sum(takers.values()))} too much on the way. "
        f"What is given back comes too late for these of stack `{stack}`: {names}.",
        address=min(takers, key=ids.sort_key),
        hint="make the change in two applies: first what gives something back, then the rest",
    )


_MANY = 12
"""Above this many, addresses are named as ranges."""


def _name_all(amounts: Mapping[str, int], say: Callable[[int], str]) -> str:
    if len(amounts) <= _MANY:
        return ", ".join(f"`{address}` ({say(amounts[address])})" for address in sorted(amounts, key=ids.sort_key))
    alike: dict[int, list[str]] = {}
    for address in sorted(amounts, key=ids.sort_key):
        alike.setdefault(amounts[address], []).append(address)
    return ", ".join(
        ", ".join(f"`{entry}`" for entry in ids.fold_addresses(addresses)) + f" ({say(amount)} each)" for amount, addresses in alike.items()
    )


def smallest_set(asks: Mapping[str, int], lacking: int) -> list[str]:
    """Return the fewest addresses whose absence makes room: the largest first is the fewest, because only the sum counts."""
    blamed: list[str] = []
    for address, amount in sorted(asks.items(), key=lambda item: (-item[1], ids.sort_key(item[0]))):
        if lacking <= 0 or amount <= 0:
            break
        blamed.append(address)
        lacking -= amount
    return sorted(blamed, key=ids.sort_key)


def too_few_slices(host: Host, missing: Mapping[Address, int], before: int) -> Diagnostic:
    """Name the VMs for which no slice was left."""
    total = sum(missing.values())
    names = _name_all({str(address): number for address, number in missing.items()}, str)
    return Diagnostic(
        code="does-not-fit-slices",
        summary="The plan does not fit this host",
        detail=f"slices: {before} of {len(host.slices)} in use, {total} too few. The fewest to blame: {names}.",
        address=min(missing, key=ids.sort_key),
        hint="take out or shrink what is named above, or use a larger host",
    )
