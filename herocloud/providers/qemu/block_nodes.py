"""What a running machine reads and writes its disks through, and where that is not what it was given. Pure.

Each disk is a node `raw` over one `file`, the root disk with one more for its limits. An overlay in front of a disk takes all that
the guest writes from then on; another file in its place does the same.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.qemu import command_line
from herocloud.providers.qemu.qmp import Question
from herocloud.providers.vmm import device_names
from herocloud.providers.vmm.answer_shapes import ListOf

QUESTION = Question("query-named-block-nodes", {"flat": True})
SHAPE = ListOf({"node-name": str, "drv": str})
"""The name of a file is read without its shape: that of a long chain has no limit."""
Nodes = Sequence[Mapping[str, Json]]
Disks = Mapping[str, Mapping[str, Json]]
"""By the name of their device."""
_FIRMWARE = "firmware-"
ANONYMOUS = "#block"
"""How QEMU names nodes that nobody named."""
_ROOT, _SEED = "root", "seed"
_OF_A_SEED = re.compile(r"n-seed(-[0-9a-f]+)?")
_MOST_SHOWN, _LONGEST = 3, 200


class Stray(NamedTuple):
    """A node that a machine was not given, or one that it was given and that leads elsewhere."""

    node: str
    driver: str
    file: str
    holds: bool
    """Whether a guest may write through it into a file of its own."""

    @property
    def word(self) -> str:
        """Say what it is."""
        place = self.node if self.file.startswith("json:") or not self.file else self.file
        return f"{place[:_LONGEST]} ({self.driver})"


def strays(nodes: Nodes, disks: Disks) -> list[Stray]:
    """Return the nodes that are too much, or lead elsewhere; `disks` are those that the guest has, by the name of their device."""
    given = {command_line.node_of(device): device for device in disks}
    own = {str(node.get("file")) for node in nodes if _is_given(str(node["node-name"]), given)}
    found: list[Stray] = []
    for node in nodes:
        name, driver, file = str(node["node-name"]), str(node["drv"]), str(node.get("file") or "")
        if not _fits(name, driver, file, given, own):
            found.append(Stray(name, driver, file, driver != "throttle"))
    return found


def flaw(nodes: Nodes, disks: Disks) -> str:
    """Say what disks are read and written through that they should not be; nothing where all is as it was given."""
    found = strays(nodes, disks)
    words = sorted({stray.word for stray in found if stray.driver != "file"} or {stray.word for stray in found})
    words += [f"{device} behind {name}" for device, name in sorted(diverted(disks).items()) if not words]
    more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
    return ", ".join(words[:_MOST_SHOWN]) + more


def _fits(name: str, driver: str, file: str, given: Mapping[str, str], own: set[str]) -> bool:
    if name == command_line.LIMITED:
        return driver == "throttle" and _ROOT in given.values()
    if name.startswith(_FIRMWARE):
        return driver == "file"
    if name.startswith(ANONYMOUS):
        return driver == "file" and file in own
    return _is_given(name, given) and driver == "raw" and _is_own(_SEED if _OF_A_SEED.fullmatch(name) else given[name], file)


def _is_given(name: str, given: Mapping[str, str]) -> bool:
    return name in given or (_SEED in given.values() and _OF_A_SEED.fullmatch(name) is not None)


def _is_own(device: str, file: str) -> bool:
    """Return whether a file is one of the data folder: a name of it may lead there by another way, and a volume have a new name."""
    path = PurePath(file)
    return path.parts[-3:-2] == (("vms",) if device in (_ROOT, _SEED) else ("volumes",))


def diverted(disks: Disks) -> dict[str, str]:
    """Return what disks are read and written through instead of what they should be."""
    found = {}
    for device, seen in disks.items():
        name = seen.get("node-name")
        right = name == command_line.top_node_of(device) or (device == _SEED and _OF_A_SEED.fullmatch(str(name)))
        if name is not None and not right and (device in (_ROOT, _SEED) or device_names.is_volume(device)):
            found[device] = str(name)
    return found
