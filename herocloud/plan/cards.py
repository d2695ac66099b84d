"""The network cards of a VM: in which order its taps are made, changed and removed, so that a rate can move from one to another."""

from collections.abc import Mapping

from herocloud.kits.jsons import Part
from herocloud.model.ids import StepId
from herocloud.plan import bandwidth
from herocloud.plan.step_sequence import StepSequence

Parts = Mapping[str, Part]
_CARD = "nic."


def keys_of(parts: Parts) -> list[str]:
    """Return the cards among these parts."""
    return sorted(key for key in parts if key.startswith(_CARD))


def in_order(present: Parts, target: Parts) -> list[str]:
    """Return the cards that are wanted, those that give bandwidth back first."""
    keys = keys_of(target)
    return sorted(keys, key=lambda key: bandwidth.grows_late(key, present, target)) if len(keys) > 1 else keys


def is_other(before: Part, after: Part) -> bool:
    """Return whether a card has to be unplugged to become the other one; for a new rate or address it stays plugged in."""
    return any(before[field] != after[field] for field in ("network", "mac", "tap"))


def unplugged(present: Parts, target: Parts) -> list[str]:
    """Return the cards of a running machine that are unplugged on the way to the target."""
    plugged = present["machine"]["nics"]
    return [key for key in plugged if key not in target or key not in present or is_other(present[key], target[key])]


def bring(seq: StepSequence, present: Parts, target: Parts, after: StepId | None) -> list[StepId]:
    """Make or change the taps of a machine that is not running."""
    made: list[StepId] = []
    slower: list[StepId] = []
    for key in in_order(present, target):
        old, new = present.get(key), target[key]
        if old == new:
            continue
        grown = bandwidth.of_card(new) - bandwidth.of_card(old)
        # A card that gets faster may live on what another one gives back.
        made.append(seq.add("tap.create" if old is None else "tap.update", key, old, new, [after, *(slower if grown > 0 else ())]))
        slower += made[-1:] if grown < 0 else []
    return made


def remove(seq: StepSequence, present: Parts, target: Parts, after: StepId | None) -> StepId | None:
    """Remove the taps that are not wanted any more; returns the last step."""
    for key in keys_of(present):
        if key not in target:
            after = seq.add("tap.delete", key, present[key], None, [after])
    return after


def unplug_early(seq: StepSequence, present: Parts, target: Parts, after: StepId | None) -> tuple[Parts, StepId | None]:
    """Take cards out of a machine that is not running before its others change, where those may live on what these give back.

    Returns the parts that are left and the last step. Everywhere else one step takes cards out and puts others in.
    """
    leaving = [key for key in keys_of(present) if key not in target]
    gives = any(bandwidth.of_card(present[key]) for key in leaving)
    if not gives or not any(bandwidth.of_card(target[key]) > bandwidth.of_card(present.get(key, {})) for key in keys_of(target)):
        return present, after
    machine = present["machine"]
    unplugged = {**machine, "nics": [key for key in machine["nics"] if key not in leaving]}
    if unplugged != machine:
        after = seq.add("vm.configure", "machine", machine, unplugged, [after])
    after = remove(seq, present, target, after)
    return {**{part: body for part, body in present.items() if part not in leaving}, "machine": unplugged}, after
