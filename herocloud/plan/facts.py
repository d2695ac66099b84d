"""Facts: what a plan relies on, with digests, so that apply can tell whether it still holds.

Only what the steps read becomes a fact. A VM that another stack starts changes nothing here; a slice that it takes does, when this plan
wanted that slice.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from herocloud.kits import jsons
from herocloud.model import quantities
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Change, Fact
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.plan import capacity, data_facts, kept_facts, overpromised
from herocloud.plan.lost_data import Kept

_NOTHING = "nothing"


def record_fact(stack: StackName, address: Address, record: Record | None) -> Fact:
    """Tell what the state says of an address."""
    key = f"record:{stack}/{address}"
    if record is None:
        return Fact(key, _NOTHING, "not recorded")
    content = [record.spec, record.parts, record.complete, record.protect]
    says = f"recorded as {jsons.digest(content)}" + ("" if record.complete else ", unfinished")
    return Fact(key, jsons.digest(content), says)


def observed_fact(stack: StackName, address: Address, thing: Thing | None) -> Fact:
    """Tell what the providers see of an address."""
    key = f"observed:{stack}/{address}"
    if thing is None or not thing.parts:
        return Fact(key, _NOTHING, "nothing is there")
    power = thing.parts.get("power")
    says = f"{', '.join(sorted(thing.parts))} as {jsons.digest(thing.parts)}" + (f", {power}" if power else "")
    return Fact(key, jsons.digest(thing.parts), says)


_NO_SLICE = "nobody: this host has no such slice any more"


def _slice_fact(sid: str, holder: str | None) -> Fact:
    return Fact(f"slice:{sid}", holder or "free", "free" if holder is None else f"held by {holder}")


def _sid_fact(sid: str, holder: str | None) -> Fact:
    return Fact(f"vm-sid:{sid}", holder or "free", "free" if holder is None else f"held by {holder}")


def capacity_fact(drawn: Mapping[str, int], recorded: Recorded, host: Host, observed: Observed | None, stack: StackName | None) -> Fact:
    """Return whether as much is free as the plan draws; more or less of it does not matter."""
    wanted = {name: amount for name, amount in drawn.items() if amount and name != "slices"}
    key = "capacity:" + ",".join(f"{name}={amount}" for name, amount in wanted.items())
    counted = overpromised.as_counted(recorded, observed, host, stack)
    bound, before = capacity.limits(host), capacity.with_stored(capacity.used(counted, observed), host)
    free = {name: limit - capacity.amount_of(before, name) for name in wanted if (limit := bound.get(name)) is not None}
    short = {name for name, amount in free.items() if wanted[name] > amount}
    if not short:
        return Fact(key, "enough", "enough is free")
    says = "; ".join(f"only {quantities.show(name, max(0, free[name]))} of {capacity.NAMES[name]} is free" for name in sorted(short))
    return Fact(key, "short", says)


def overlay_key_fact(reference: str, public: str | None) -> Fact:
    """Tell which node a key makes."""
    return Fact(f"overlay-key:{reference}", public or _NOTHING, f"the public key {public}" if public else "no key")


def gather(
    stack: StackName,
    changes: Iterable[Change],
    new_slices: Collection[str],
    drawn: Mapping[str, int],
    recorded: Recorded,
    observed: Observed | None,
    host: Host,
) -> tuple[Fact, ...]:
    """Collect the facts of a plan."""
    records = recorded.records.get(stack, {})
    things = observed.things.get(stack, {}) if observed else {}
    facts: list[Fact] = []
    changes = list(changes)
    vacated = {change.previous_address for change in changes}
    for change in changes:
        for address in filter(None, (change.address, change.previous_address)):
            if address == change.address and address in vacated:
                # What is there now is somebody else's, who has these facts.
                continue
            facts.append(record_fact(stack, address, records.get(address)))
            if observed is not None:
                facts.append(observed_fact(stack, address, things.get(address)))
        if change.kind == "vm" and change.before is None and change.sid:
            facts.append(
                _sid_fact(change.sid, None)
                if change.address not in records or change.address in vacated
                else _sid_fact(change.sid, f"{stack}/{change.address}")
            )
        if change.after and (change.after.get("mycelium") or change.kind == "mycelium"):
            # What addresses on the overlay follow from.
            facts.extend(overlay_key_fact(reference, key.public) for reference, key in host.overlay_keys)
    if new_slices:
        holders = held_slices(recorded)
        facts.extend(_slice_fact(sid, holders.get(sid)) for sid in new_slices)
    if any(amount for name, amount in drawn.items() if name != "slices"):
        facts.append(capacity_fact(drawn, recorded, host, observed, stack))
    facts.extend(data_facts.gather(stack, changes, recorded.data_makers))
    return tuple(dict.fromkeys(facts))


def current_facts(
    keys: Iterable[str],
    recorded: Recorded,
    observed: Observed | None,
    host: Host,
    kept: Collection[Kept] | None = None,
    plan_of: StackName | None = None,
) -> Mapping[str, Fact]:
    """Look at the same facts again. What was not observed now is left out.

    `kept` is the deleted data of the stack of the plan, and `plan_of` is that stack.
    """
    keys = list(keys)
    kinds = {key.partition(":")[0] for key in keys}
    slices = held_slices(recorded) if "slice" in kinds else {}
    sids = sid_holders(recorded) if "vm-sid" in kinds else {}
    known_slices = {host_slice.sid for host_slice in host.slices} if "slice" in kinds else set()
    facts = dict(data_facts.look_again(keys, recorded.data_makers))
    for key in keys:
        kind, _, rest = key.partition(":")
        if kind in ("record", "observed"):
            stack_text, _, address_text = rest.partition("/")
            stack, address = StackName(stack_text), Address(address_text)
            if kind == "record":
                facts[key] = record_fact(stack, address, recorded.records.get(stack, {}).get(address))
            elif observed is not None:
                facts[key] = observed_fact(stack, address, observed.things.get(stack, {}).get(address))
        elif kind == "slice":
            facts[key] = _slice_fact(rest, slices.get(rest) or (None if rest in known_slices else _NO_SLICE))
        elif kind == "vm-sid":
            facts[key] = _sid_fact(rest, sids.get(rest))
        elif kind == "capacity":
            drawn = {name: int(amount) for name, _, amount in (pair.partition("=") for pair in rest.split(","))}
            facts[key] = capacity_fact(drawn, recorded, host, observed, plan_of)
        elif kind == "overlay-key":
            known = dict(host.overlay_keys).get(rest)
            if known is not None:
                facts[key] = overlay_key_fact(rest, known.public)
        elif key.startswith(kept_facts.PREFIX) and kept is not None:
            facts[key] = kept_facts.look_again(key, kept)
    return facts


def held_slices(recorded: Recorded) -> dict[str, str]:
    """Tell who holds each slice, orphans included: what they were given is theirs until they are gone."""
    lost = {
        sid: f"{stack}/{address}"
        for stack, records in recorded.lost.items()
        for address, record in records.items()
        for sid in record.spec.get("slices") or ()
    }
    return {**{sid: f"{stack}/{address}" for sid, (stack, address) in recorded.held.items()}, **lost, **slice_holders(recorded)}


def slice_holders(recorded: Recorded) -> dict[str, str]:
    """Tell who holds each slice that is in use or reserved, as `stack/address`."""
    return {sid: f"{stack}/{record.address}" for stack, record in _vms(recorded) for sid in record.spec["slices"]}


def sid_holders(recorded: Recorded) -> dict[str, str]:
    """Tell which VM has each sid, as `stack/address`."""
    return {record.sid: f"{stack}/{record.address}" for stack, record in _vms(recorded) if record.sid}


def _vms(recorded: Recorded) -> Iterator[tuple[StackName, Record]]:
    """Yield each recorded VM with the stack under which it is kept, and last those that applies beside this plan are about to record."""
    for stack, records in recorded.records.items():
        for record in records.values():
            if record.kind == "vm":
                yield stack, record
    yield from ((record.stack, record) for record in recorded.beside.values() if record.kind == "vm")
