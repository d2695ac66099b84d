"""The room that images take of the disk, in the steps that fetch them."""

from herocloud.kits.jsons import Spec
from herocloud.model.hosts import Host
from herocloud.model.steps import Claim
from herocloud.plan import step_compiler
from herocloud.plan.step_sequence import StepSequence


class ImageRoom:
    """What is known of the sizes of images while one plan is made; a file that several images name is stored once."""

    def __init__(self, host: Host) -> None:
        """Take what was measured before."""
        self._needs = dict(host.image_needs)

    def claim(self, seq: StepSequence, spec: Spec) -> None:
        """Account for the room of an image that is fetched, the first time that each of its files comes by."""
        for field in _FILES if seq.steps else ():
            need = self._needs.pop(spec.get(field) or "", None)
            if need is not None:
                step_compiler.claim(seq, Claim(disk=need.most), Claim(disk=need.most - need.kept))


_FILES = ("source", "kernel", "initramfs")
