"""Disks and volumes whose file was taken away or replaced behind our back.

A running VM goes on with the file that it has open, which has no name any more: whatever would stop the VM would destroy its data. So no
plan does that unasked. Where another plain file took the place and nobody has the old one open, that file is the disk from now on, and a
plan takes it up like any other drift.
"""

from collections.abc import Iterator, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.parts import ANOTHER, LOST, REPLACED
from herocloud.model.worlds import Thing
from herocloud.plan import diagnostics
from herocloud.plan.changes import Decision
from herocloud.plan.scope import PlanOptions


def find(things: Mapping[Address, Thing], decisions: Mapping[Address, Decision], options: PlanOptions) -> Iterator[Diagnostic]:
    """Report every disk and volume of a stack whose data has no name, as far as the plan is about it or about a VM that has it open."""
    for address, thing in things.items():
        for name, part in thing.parts.items():
            word = part.get("file") if name in ("disk", "volume") and isinstance(part, dict) else None
            if word is None or word == ANOTHER:
                continue
            users = [address] if name == "disk" else _users(address, things)
            if (address in decisions or any(user in decisions for user in users)) and not options.purge:
                yield _report(address, part, str(word), users, options)


def _report(address: Address, part: Part, word: str, users: list[Address], options: PlanOptions) -> Diagnostic:
    for beginning in (LOST, REPLACED):
        if word.startswith(beginning):
            stands = beginning == REPLACED
            # Somebody who asks for this one VM to stop once a copy is in the place has seen to it.
            asked = stands and options.operation.startswith("vm ")
            source = word.removeprefix(beginning)
            return diagnostics.data_without_name(address, part, source, users=users, stands=stands, asked=asked)
    return diagnostics.not_a_disk(address, part)


def _users(volume: Address, things: Mapping[Address, Thing]) -> list[Address]:
    """Return the VMs that have a volume."""
    name = volume.partition(".")[2]
    return [
        address
        for address, thing in things.items()
        if isinstance(machine := thing.parts.get("machine"), dict) and name in [use.get("volume") for use in machine.get("volumes") or ()]
    ]
