"""From targets to steps: what has to be done so that the parts that exist become the parts that are wanted.

One routine serves first creation, completion of a half-made VM, changes and drift. It looks at the parts that are present and the parts
that are wanted, never at how the difference came about. That makes a plan after a crash as good as any other.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from herocloud.kits.jsons import Json, Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import guest_agreement
from herocloud.model.ids import StepId
from herocloud.model.parts import SNAPSHOT
from herocloud.model.powers import (
    ADDED,
    ALIVE,
    ATTENDANT,
    BOOTS,
    CONNECTIONS,
    DISKS,
    FILES,
    GIVEN_UP,
    HELD,
    HOST,
    KEEPER,
    LEAVING,
    LIMITS,
    LOG,
    LOST_SHARES,
    MARK,
    ONLY_SEEN,
    OWNER,
    RECORD,
    SHARING,
    USER,
)
from herocloud.model.specs import plugged
from herocloud.model.steps import KINDS, NOTHING, RECORD_WRITE, Claim, Step
from herocloud.model.words import Impact
from herocloud.plan import beside, cards, half_made
from herocloud.plan.step_sequence import StepSequence

CREATE, CHANGE, REMOVE = 0, 1, 2
_KINDS = {
    "image": ("image.fetch", "image.fetch", "image.delete"),
    "network": ("network.create", "network.update", "network.delete"),
    "mycelium": ("overlay.enable", "overlay.enable", "overlay.disable"),
    "peer": ("peer.add", "peer.add", "peer.remove"),
    "volume": ("volume.create", "volume.grow", "volume.delete"),
}


def compile_plain(
    seq: StepSequence, kind: str, present: Mapping[str, Part], target: Mapping[str, Part] | None, halves: Mapping[str, Part] = beside.NONE
) -> None:
    """Bring the single part of a resource from what is present to its target (nothing: it goes)."""
    for half in halves if target is None else ():
        half_made.discard(seq, halves, half)
    part = next(iter(target or present), None)
    if part is None:
        return
    before, after = present.get(part), (target or {}).get(part)
    if before == after:
        return
    which = CREATE if before is None else REMOVE if after is None else CHANGE
    takes, gives = _claims(kind, before, after)
    seq.add(_KINDS[kind][which], part, before, after, takes=takes, gives=gives)


def _claims(kind: str, before: Part, after: Part) -> tuple[Claim, Claim]:
    if kind != "volume":
        return NOTHING, NOTHING
    grown = _size_of(after) - _size_of(before)
    return (Claim(disk=grown), NOTHING) if grown > 0 else (NOTHING, Claim(disk=-grown))


Parts = Mapping[str, Part]
Judge = Callable[[str, Json, Json], Impact]

MACHINE_PATHS = {
    "vcpus": "vcpus", "max_vcpus": "cpu.max", "affinity": "cpu.affinity", "topology": "cpu.topology",
    "memory": "memory", "boot_memory": "memory_options.boot", "hotplug": "memory_options.hotplug",
    "hugepages": "memory_options.hugepages", "mergeable": "memory_options.mergeable",
    "balloon": "memory_options.balloon", "thp": "memory_options.thp", BOOTS: "restart",
    "root": "root_disk.direct", "payload": "image_id.payload", "seed": "user_data", KEEPER: "restart", LOG: "restart",
    HOST: "restart", CONNECTIONS: CONNECTIONS, USER: "restart", RECORD: "restart", FILES: "restart", LIMITS: "restart", LEAVING: LEAVING,
    ATTENDANT: "restart", SHARING: "restart", LOST_SHARES: LOST_SHARES, DISKS: "restart",
    ADDED: "restart", MARK: "restart", OWNER: "restart",
    "volumes": "volumes", "shares": "shares", "nics": "networks", "labels": "labels", "restart": "restart", "sid": "hypervisor",
}  # fmt: skip
"""Which field of the stack file each value of a machine comes from, so that drift is judged by the same table."""


_RESIZED = ("vcpus", "memory", "balloon")
"""What of a machine a resize changes while it runs."""


class Use(NamedTuple):
    """What a VM occupies besides its root disk."""

    slices: int = 0
    memory: int = 0
    vcpus: int = 0
    network: int = 0
    disk_io: int = 0
    hugepages: int = 0
    disk: int = 0
    """Of its own files: the seed and logs. The root disk is counted by itself."""

    def claim(self) -> Claim:
        """Return what its machine claims; the steps of its cards claim their bandwidth."""
        return Claim(**self._replace(network=0)._asdict())


def needs_power_cycle(present: Parts, target: Parts, judge: Judge) -> bool:
    """Return whether a running machine has to be stopped to become what is wanted."""
    before, after = present.get("machine"), target["machine"]
    if before is None or present.get("power") == "stopped":
        return False
    if present.get("power") in GIVEN_UP:
        return bool(target["power"] != "stopped")
    before = _as_plugged(before, target["machine"])
    # A value that is left at its default may be absent on either side.
    differing = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if any(judge(MACHINE_PATHS[key], before.get(key), after.get(key)) >= Impact.REBOOT for key in differing):
        return True
    old_disk, new_disk = present.get("disk"), target.get("disk")
    if (old_disk is None) != (new_disk is None):
        return True
    if stays_paused(present, target) and asks_guest(present, target):
        return True
    return any(
        key in present and present[key]["address"] != part["address"] and present[key]["network"] == part["network"]
        for key, part in target.items()
        if key.startswith("nic.")
    )


def stays_paused(present: Parts, target: Parts) -> bool:
    """Return whether a guest is paused now and afterwards: it takes part in nothing meanwhile."""
    return bool(present.get("power") == target["power"] == "paused")


def asks_guest(present: Parts, target: Parts) -> bool:
    """Return whether a guest has to take part in the changes of its machine; the tap of a card may be another one, or gone."""
    machine = present.get("machine")
    if machine is None:
        return False
    return guest_agreement.is_asked_in(machine, target["machine"]) or bool(cards.unplugged(present, target))


def compile_vm(
    seq: StepSequence,
    present: Parts,
    target: Parts,
    use: Use,
    *,
    cold: bool,
    old: Use,
    placed: Collection[str] = (),
    halves: Parts = beside.NONE,
) -> None:
    """Bring a VM from the parts that are present to its target; `old` is what its record is counted for already.

    `placed` are the parts that lie prepared beside the old ones by the time that this begins.
    """
    power = present.get("power") if "machine" in present else None
    # One that is to be down anyway changes once it is down: its guest need not take part then.
    stops = power in GIVEN_UP or (power in ALIVE and (cold or target["power"] == "stopped"))
    wanted = {part: target[part] for part in ("disk", "seed") if stops and part in target and present.get(part) != target[part]}
    if "disk" in present:
        # A root disk that stays only grows.
        wanted.pop("disk", None)
    ready = beside.prepare(seq, present, wanted, placed, halves)
    placed = {*placed, *wanted}
    stop: StepId | None = None
    if stops:
        stop = seq.add("vm.stop", "power", _before_ending(power), "stopped", ready)
        power = "stopped"
    elif power in HELD or (power == "paused" and target["power"] == "running"):
        # Its guest takes part in nothing until it goes on.
        stop = seq.add("vm.resume", "power", power, "running")
        power = "running"
    running = power in ("running", "paused")
    disk = _disk(seq, present, target, stop, live=running, placed="disk" in placed)
    seed = _seed(seq, present, target, stop, placed="seed" in placed)
    if "machine" not in present:
        # A half-made VM may have taps and a seed that its target no longer knows.
        unused = [_remove_seed(seq, present, target, stop), cards.remove(seq, present, target, stop)]
        roots = [disk, seed, *unused, *cards.bring(seq, present, target, stop)]
        takes, gives = _delta(use, old)
        made = seq.add("vm.create", "machine", None, target["machine"], [*roots, stop], takes=takes, gives=gives)
        _power(seq, "stopped", target["power"], made)
    elif running:
        last = _live(seq, present, target, [disk, seed, stop], use, old)
        _power(seq, power, target["power"], last)
    else:
        present, after = cards.unplug_early(seq, present, target, stop)
        roots = [disk, seed, *cards.bring(seq, present, target, after)]
        takes, gives = _delta(use, old)
        if present["machine"] != target["machine"]:
            after = seq.add("vm.configure", "machine", present["machine"], target["machine"], [*roots, after], takes=takes, gives=gives)
            roots = []
        else:
            claim(seq, takes, gives)
        after = cards.remove(seq, present, target, after)
        _power(seq, "stopped", target["power"], after, *roots)
    if "machine" in present:
        _remove_seed(seq, present, target, seq.steps[-1].id if seq.steps else None)
    for part in ("seed", "disk", *half_made.cards(halves)):
        if part not in target:
            half_made.discard(seq, halves, part, [seq.steps[-1].id if seq.steps else None])


def _remove_seed(seq: StepSequence, present: Parts, target: Parts, after: StepId | None) -> StepId | None:
    """Remove a seed that is not wanted any more."""
    return seq.add("seed.delete", "seed", present["seed"], None, [after]) if "seed" in present and "seed" not in target else None


def leaves_it_down(steps: Iterable[Step]) -> bool:
    """Return whether a machine that runs is stopped or paused by these steps, and not because it has to be down for a moment.

    A step that takes back a boot which never came about finds the machine stopped, and does not stop it.
    """
    kinds = [KINDS[step.kind] for step in steps if step.part == "power" and step.before != step.after]
    return any(kind.interrupts for kind in kinds) and not any(kind.boots for kind in kinds)


def compile_removal(
    seq: StepSequence,
    present: Parts,
    use: Use,
    *,
    keep_disk: bool = False,
    provider: str | None = None,
    gives_disk: bool = False,
    ready: Iterable[StepId] = (),
    keep_snapshots: bool = False,
    halves: Mapping[str, Part] = beside.NONE,
) -> StepId | None:
    """Take a VM apart; returns its last step. With `keep_disk` only the machine goes, for a move to another hypervisor.

    `ready` are the steps that have to be done before it is interrupted.
    """
    stop: StepId | None = None
    gone: StepId | None = None
    if present.get("power") in ALIVE:
        stop = seq.add("vm.stop", "power", _before_ending(present["power"]), "stopped", ready, provider=provider)
    if "machine" in present:
        needs = ready if stop is None else [stop]
        gone = seq.add("vm.delete", "machine", present["machine"], None, needs, gives=use.claim(), provider=provider)
    else:
        # One that is half made may hold on to what it was to be made from.
        gone = half_made.discard(seq, halves, "machine", ready, provider)
    if keep_disk:
        return gone
    ends = [seq.add("tap.delete", key, present[key], None, [gone]) for key in sorted(present) if key.startswith("nic.")]
    ends += [step for key in half_made.cards(halves) if (step := half_made.discard(seq, halves, key, [gone]))]
    if "seed" in present:
        ends.append(seq.add("seed.delete", "seed", present["seed"], None, [gone]))
    ends += [step for part in ("seed", "disk") if (step := half_made.discard(seq, halves, part, [gone]))]
    for key in sorted(key for key in present if key.startswith(SNAPSHOT) and not keep_snapshots):
        size = present[key]["size"] if gives_disk else 0
        ends.append(seq.add("snapshot.delete", key, present[key], None, [gone], gives=Claim(disk=size)))
    if "disk" in present:
        size = present["disk"]["size"] if gives_disk else 0
        return seq.add("disk.delete", "disk", present["disk"], None, [gone, *ends], gives=Claim(disk=size))
    return ends[-1] if ends else gone


def _before_ending(power: Json) -> str:
    """Return what a VM that is ended was: one that cannot go on by itself ran, and taking this back means running it again."""
    return "paused" if power == "paused" else "running"


def _disk(seq: StepSequence, present: Parts, target: Parts, stop: StepId | None, *, live: bool, placed: bool) -> StepId | None:
    before, after = present.get("disk"), target.get("disk")
    if after is None or before == after:
        return None
    if placed and before is None:
        return seq.add("disk.place", "disk", None, after, [stop])
    takes = Claim(disk=max(0, after["size"] - _size_of(before)))
    kind = "disk.create" if before is None else "vm.grow" if live and before["size"] != after["size"] else "disk.grow"
    return seq.add(kind, "disk", before, after, [stop], takes=takes)


def _seed(seq: StepSequence, present: Parts, target: Parts, stop: StepId | None, *, placed: bool) -> StepId | None:
    if "seed" not in target or present.get("seed") == target["seed"]:
        return None
    return seq.add("seed.place" if placed else "seed.write", "seed", present.get("seed"), target["seed"], [stop])


def _live(seq: StepSequence, present: Parts, target: Parts, roots: list[StepId | None], use: Use, old: Use) -> StepId | None:
    """Change a running machine, one call at a time: hypervisors take such calls strictly one after another anyway."""
    machine, goal = dict(present["machine"]), target["machine"]
    last: StepId | None = None
    waits = roots

    def change(kind: str, takes: Claim = NOTHING, gives: Claim = NOTHING, **fields: Json) -> StepId:
        nonlocal machine, last, waits
        # What is wrong about the machine is in no target, and a field that comes to its default is in none either.
        after = {key: value for key, value in {**machine, **fields}.items() if key not in ONLY_SEEN and (key in goal or key not in fields)}
        last = seq.add(kind, "machine", machine, after, [*waits, last], takes=takes, gives=gives)
        machine, waits = after, []
        return last

    for key in sorted(key for key in present if key.startswith("nic.")):
        if key in target and not cards.is_other(present[key], target[key]):
            continue
        if key in machine["nics"]:
            change("vm.detach", nics=[nic for nic in machine["nics"] if nic != key])
        last = seq.add("tap.delete", key, present[key], None, [last, *waits])
    for key in cards.in_order(present, target):
        before, after = present.get(key), target[key]
        if before is not None and cards.is_other(before, after):
            before = None
        if before is None and key in machine["nics"]:
            # The tap vanished under a running machine: its NIC hangs on a device that no longer exists.
            change("vm.detach", nics=[nic for nic in machine["nics"] if nic != key])
        if before != after:
            last = seq.add("tap.create" if before is None else "tap.update", key, before, after, [last, *waits])
        if key not in machine["nics"]:
            change("vm.attach", nics=sorted([*machine["nics"], key]))
    for field in ("volumes", "shares"):
        there, wanted = [_plugged(one) for one in machine[field]], [_plugged(one) for one in goal[field]]
        for one in [one for one in machine[field] if _plugged(one) not in wanted]:
            change("vm.detach", NOTHING, NOTHING, **{field: [other for other in machine[field] if other != one]})
        for one in [one for one in goal[field] if _plugged(one) not in there]:
            change("vm.attach", NOTHING, NOTHING, **{field: [*machine[field], one]})
    takes, gives = _delta(use, old)
    if any(machine.get(field) != goal.get(field) for field in _RESIZED):
        change("vm.resize", takes, gives, **{field: goal.get(field) for field in _RESIZED if field in machine or field in goal})
        takes = gives = NOTHING
    if machine != goal:
        last = seq.add("vm.update", "machine", machine, {**goal}, [*waits, last], takes=takes, gives=gives)
    else:
        claim(seq, takes, gives)
    return last


def _plugged(one: Mapping[str, Json]) -> Mapping[str, Json]:
    """Reduce a volume or share to what has to be unplugged to change; a volume that grew or was renamed is only told."""
    if "volume" not in one:
        return one
    return {"plugged": plugged(one), **{key: value for key, value in one.items() if key not in ("size", "volume", "plugged")}}


def _as_plugged(before: Part, after: Part) -> Part:
    """Return a machine with its volumes under the names of `after`: another name of a volume is nothing to a machine."""
    names = {plugged(one): {key: one[key] for key in ("volume", "plugged") if key in one} for one in after.get("volumes") or ()}
    renamed = [{**one, **names.get(plugged(one), {})} for one in before.get("volumes") or ()]
    return {**before, "volumes": renamed} if renamed else before


def claim(seq: StepSequence, takes: Claim, gives: Claim) -> None:
    """Account for what a VM takes or gives although its machine stays the same: a slice more, a rate less."""
    if takes == NOTHING == gives:
        return
    if not seq.steps:
        seq.add(RECORD_WRITE, "record", None, None)
    step = seq.steps[-1]
    both = [Claim(*map(sum, zip(*pair, strict=True))) for pair in ((step.takes, takes), (step.gives, gives))]
    seq.steps[-1] = step._replace(takes=both[0], gives=both[1])


def _size_of(part: Part) -> int:
    return int(part["size"]) if part else 0


def _power(seq: StepSequence, before: str | None, after: str, *needs: StepId | None) -> None:
    if before == after or before is None:
        return
    if before == "stopped":
        booted = seq.add("vm.boot", "power", "stopped", "running", needs)
        if after == "paused":
            seq.add("vm.pause", "power", "running", "paused", [booted])
    elif after == "stopped":
        seq.add("vm.stop", "power", before, "stopped", needs)
    else:
        seq.add("vm.pause" if after == "paused" else "vm.resume", "power", before, after, needs)


def _delta(use: Use, old: Use) -> tuple[Claim, Claim]:
    grown = [new - before for new, before in zip(use.claim(), old.claim(), strict=True)]
    return Claim(*(max(0, more) for more in grown)), Claim(*(max(0, -more) for more in grown))
