"""What the drivers of all VMMs ask alike: which VM a step is about, whose it is, and how far its rename or its machine got."""

from collections.abc import Callable
from pathlib import Path

from herocloud.kits import jsons
from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.providers import ownership
from herocloud.providers.ownership import Owner
from herocloud.providers.parts import same
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.vmm import marks
from herocloud.providers.vmm.marks import Mark


def sid_of(data: Path, provider: str, work: Work) -> str:
    """Say which VM a step is about: its part tells, or the target, or what is there under that name."""
    for part in (work.step.after, work.step.before):
        if isinstance(part, dict) and "sid" in part:
            return str(part["sid"])
    found = work.spec.get("sid") or marks.find(data, provider, work.stack, work.step.address)
    if found is None:
        raise Permanent(f"`{work.step.address}` has no machine here")
    return str(found)


def owner_of(work: Work) -> Owner:
    """Return who is to own what a step makes."""
    return Owner(work.stack, work.step.address, work.lineage)


def lost_of(work: Work) -> frozenset[str]:
    """Return what a step on a machine finds lost of the files that say what and whose it is (`powers.LOST`)."""
    step = work.step
    if step.part != "machine" or not isinstance(step.before, dict) or step.after is None:
        return frozenset()
    return powers.LOST.intersection(step.before)


def probe_name(data: Path, sid: str, work: Work) -> Probe:
    """Say how far a rename got: the name is in the VM's folder."""
    owner = ownership.read_owner(data / "vms" / sid)
    if owner is None:
        return Probe(Found.CONTRADICTED, f"nothing of `{work.step.before['address']}` is there")
    if owner.address == work.step.after["address"]:
        return Probe(Found.DONE)
    if owner.address == work.step.before["address"]:
        return Probe(Found.NOT_STARTED)
    return Probe(Found.CONTRADICTED, f"its folder belongs to `{owner.address}`")


def probe_machine(data: Path, sid: str, work: Work, mark: Mark | None, real_of: Callable[[Mark], Part]) -> Probe:
    """Say how far a step on a machine got; `real_of` gives the part of a marked machine as it really is, running or not."""
    step = work.step
    if lost_of(work) and _is_lost(data, sid, work, mark):
        return Probe(Found.NOT_STARTED)
    if mark is None:
        if marks.is_litter(data, sid):
            return Probe(Found.PARTIAL, f"`{step.address}` is half-way: its folder has no mark")
        if step.after is None:
            return Probe(Found.DONE)
        if step.before is None:
            return Probe(Found.NOT_STARTED)
        return Probe(Found.CONTRADICTED, f"the machine of `{step.address}` is gone")
    owner = ownership.read_owner(data / "vms" / sid)
    if owner is not None and owner.lineage != work.lineage:
        return Probe(Found.CONTRADICTED, f"`{step.address}` carries the mark of another state, {owner.lineage}")
    real = real_of(mark)
    if step.after is not None and same(real, step.after):
        return Probe(Found.DONE) if same(mark.machine, step.after) else Probe(Found.PARTIAL, "changed, and not yet noted")
    if step.before is not None and same(real, step.before):
        return Probe(Found.NOT_STARTED)
    if step.after is None or any(same(mark.machine, part) for part in (step.before, step.after)):
        return Probe(Found.PARTIAL if step.after else Found.NOT_STARTED, f"`{step.address}` is between before and after `{step.kind}`")
    found = jsons.dumps(real)
    return Probe(Found.CONTRADICTED, f"the machine of `{step.address}` is neither as before nor as after `{step.kind}`; found: {found}")


def _is_lost(data: Path, sid: str, work: Work, mark: Mark | None) -> bool:
    """Return whether what a step writes again is not there yet."""
    try:
        return mark is None or (powers.OWNER in lost_of(work) and ownership.read_owner(data / "vms" / sid) != owner_of(work))
    except ownership.Damaged:
        return True
