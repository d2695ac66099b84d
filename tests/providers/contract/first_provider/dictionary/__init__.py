"""A hypervisor that keeps its machines in a dictionary: all that it takes to be one, and nothing that runs."""

import os

from herocloud.model.words import Impact
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import ownership
from herocloud.providers.parts import Parts, PartsDriver, Seen
from herocloud.providers.seam import AttachmentKind, Declaration, HypervisorRole, Live, Standing, Verdict

MACHINES = {}


class Machines(Parts):
    def look(self, work):
        there = MACHINES.get((work.stack, work.step.address), {})
        return Seen(there.get(work.step.part), there.get("lineage"))

    def make(self, work, half):
        there = MACHINES.setdefault((work.stack, work.step.address), {"lineage": work.lineage, "power": "stopped"})
        there[work.step.part] = work.step.after

    def change(self, work, before, half):
        self.make(work, half)

    def drop(self, work, half):
        MACHINES.pop((work.stack, work.step.address))


class Names(Parts):
    def __init__(self, folder):
        self.folder = folder

    def look(self, work):
        names = [part["address"] for part in (work.step.before, work.step.after) if (work.stack, part["address"]) in MACHINES]
        return Seen({"address": names[0]} if names else None)

    def change(self, work, before, half):
        ownership.rename(self.folder / "vms" / work.spec["sid"], work.step.after["address"])
        MACHINES[work.stack, work.step.after["address"]] = MACHINES.pop((work.stack, before["address"]))

    make = drop = change


class Disks(Parts):
    def look(self, work):
        return Seen({**work.step.after, "size": work.disks["disk"].path.stat().st_size})

    def change(self, work, before, half):
        os.truncate(work.disks["disk"].path, work.step.after["size"])

    make = drop = change


class Planning:
    def judge(self, path, before, after, spec, machine, *, accelerated=True):
        return Verdict(Impact.LIVE)

    def unsupported(self, spec):
        return []


class Observer:
    def observe(self, stacks):
        things = {}
        for (stack, address), parts in MACHINES.items():
            if stacks is None or stack in stacks:
                seen = {part: parts[part] for part in ("machine", "power") if part in parts}
                things.setdefault(stack, {})[address] = Thing(stack, address, "dictionary", seen, parts["lineage"])
        return Observed(things)


DECLARATION = Declaration(
    name="dictionary",
    observer=lambda context: Observer(),
    driver=lambda context: PartsDriver(
        "dictionary", {"machine": Machines(), "power": Machines(), "mark": Names(context.folder), "disk": Disks()}
    ),
    survey=lambda context, *, thorough: Standing(True, "ready"),
    hypervisor=HypervisorRole(planning=Planning, attaches=frozenset(AttachmentKind), live=frozenset(Live), emulates=True),
)
