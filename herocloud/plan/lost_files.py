"""Disks and volumes whose file was taken away, replaced or cut behind our back.

A running VM goes on with the file that it has open, which has no name any more: whatever would stop the VM would destroy its data. So no
plan does that unasked. Where another plain file took the place and nobody has the old one open, that file is the disk from now on, and a
plan takes it up like any other drift.

Where the file was cut under a running VM, what lay beyond is lost already. To make it as large again would only hide that.
"""

from collections.abc import Iterator, Mapping

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.parts import ANOTHER, LOST, REPLACED
from herocloud.model.words import Action
from herocloud.model.worlds import Record, Thing
from herocloud.plan import diagnostics, snapshot_checks
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


def find_cut(
    things: Mapping[Address, Thing], records: Mapping[Address, Record], decisions: Mapping[Address, Decision]
) -> Iterator[Diagnostic]:
    """Report every disk and volume that a plan would make as large again, and that was cut while a VM had it open."""
    for address, decision in decisions.items():
        record, thing = records.get(address), things.get(address)
        if record is None or thing is None or not record.complete or decision.change.action not in _KEEPING:
            continue
        for name in ("disk", "volume"):
            now, before = thing.parts.get(name), record.parts.get(name)
            users = [user for user in ([address] if name == "disk" else _users(address, things)) if _is_alive(things[user])]
            if now is None or before is None or not users or "file" in now or now["size"] >= before["size"]:
                continue
            # Where only the record was changed there is nothing to make larger.
            if any(step.part == name and step.after and step.after["size"] > now["size"] for step in decision.steps):
                yield diagnostics.data_cut_off(address, now, before["size"], users, snapshot_checks.names_of(things[users[0]].parts))


_KEEPING = (Action.UPDATE, Action.REBOOT)


def _is_alive(vm: Thing) -> bool:
    return vm.parts.get("power") in powers.ALIVE


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
