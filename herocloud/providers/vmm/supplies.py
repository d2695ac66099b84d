"""What other providers made for a VM, as the step of a hypervisor brings it along: network cards and disks, required to be there."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent
from herocloud.providers.seam import Attachment, Disk, Tap, UserNetwork, Work
from herocloud.providers.vmm import files
from herocloud.providers.vmm.grants import Needs

_DEVICES = Path("/sys/class/net")


class Supplies(NamedTuple):
    """Cards, disks, and what boots, of one VM."""

    address: str
    attachments: Mapping[str, Attachment]
    disks: Mapping[str, Disk]
    boots: Mapping[str, str] = {}
    """The digests of what its image says that it boots."""

    def disk(self, name: str, what: str) -> Disk:
        """Return a disk that has to be there and readable."""
        disk = self.disks.get(name)
        if disk is None:
            raise Permanent(f"{what} of `{self.address}` does not exist; `herocloud plan` shows what became of it")
        if disk.path.is_symlink():
            # What it leads to would be given to the user of the VM.
            raise Permanent(f"{what} `{disk.path}` is a symbolic link; `herocloud plan` shows what became of it")
        files.require(disk.path, what, "`herocloud plan` shows what became of it")
        return disk

    def volume(self, name: str) -> Disk:
        """Return the disk of a volume."""
        return self.disk(f"volume.{name}", f"the file of `volume.{name}`")

    def attachment(self, key: str) -> Attachment:
        """Return a network card, whose tap has to be there: one that a VMM makes by itself belongs to no network."""
        attachment = self.attachments.get(key)
        if attachment is None:
            raise Permanent(f"`{self.address}` has no network card `{key}`; `herocloud plan` shows what became of it")
        if isinstance(attachment.link, Tap) and not (_DEVICES / attachment.link.name).exists():
            raise Permanent(
                f"the tap `{attachment.link.name}` of `{attachment.owner}` does not exist; `herocloud plan` shows what became of it"
            )
        return attachment

    def tap(self, key: str) -> tuple[Attachment, Tap]:
        """Return a network card that can only be a tap."""
        attachment = self.attachment(key)
        if isinstance(attachment.link, UserNetwork):
            raise Permanent(f"`{key}` of `{self.address}` is on a network in user mode, which this hypervisor does not carry")
        return attachment, attachment.link

    def is_complete(self, part: Part) -> bool:
        """Return whether all volumes of a machine came along."""
        return all(f"volume.{use['volume']}" in self.disks for use in part["volumes"])

    def needs_of(self, part: Part) -> Needs:
        """Say what a machine opens: disks and taps that are there."""
        used = [(use["volume"], bool(use["readonly"])) for use in part["volumes"]]
        volumes = [(self.disks[f"volume.{name}"].path, readonly) for name, readonly in used if f"volume.{name}" in self.disks]
        payload = part["payload"] or {}
        named = [Path(payload[field]) for field in ("kernel", "initramfs") if payload.get(field)]
        links = [self.attachments[key].link for key in part["nics"] if key in self.attachments]
        writes = [path for path, readonly in volumes if not readonly]
        writes += [self.disks["disk"].path] if part["root"] is not None and "disk" in self.disks else []
        reads = [*named, *(path for path, readonly in volumes if readonly)]
        private = [self.disks["seed"].path] if part["seed"] and "seed" in self.disks else []
        return Needs(
            writes=frozenset(path for path in writes if path.exists()),
            reads=frozenset(path for path in reads if path.exists()),
            taps=frozenset(link.name for link in links if isinstance(link, Tap)),
            private=frozenset(path for path in private if path.exists()),
        )


def of_work(work: Work) -> Supplies:
    """Take what a step brings along."""
    return Supplies(work.step.address, work.attachments, work.disks, work.boots)
