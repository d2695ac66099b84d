"""Which place on the PCI bus each device has. Pure.

Guests name cards and disks after their places, so every place is ours: what a VM has from its boot sits below, in places that never change,
and what can be plugged has sixteen of its own. The program puts a few devices where it likes (memory that is plugged, its watchdog, the
panic device); they find the first places free. One segment of the bus has 32 places, and the first is the bridge itself.
"""

import re
from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Part
from herocloud.providers.vmm import device_names

RNG, BALLOON, VSOCK, ROOT, SEED = 8, 9, 10, 11, 12
_SHARES = range(13, 16)
_CARDS, _VOLUMES = range(16, 24), range(24, 32)
PLUGGABLE = range(16, 32)
"""Places for what comes and goes while a machine runs: cards in the lower half, volumes in the upper, and either where it is full."""
MOST_PLUGGED = len(PLUGGABLE)
MOST_SHARES = len(_SHARES)


def assign(machine: Part) -> dict[str, int]:
    """Give every device of a machine that boots its place; what is more than there is room for has none."""
    taken: dict[str, int] = {
        device_names.of_share(number): place for number, place in zip(range(len(machine["shares"])), _SHARES, strict=False)
    }
    for device in [*map(device_names.of_nic, machine["nics"]), *map(device_names.of_volume, machine["volumes"])]:
        place = find_free(device, taken.values())
        if place is not None:
            taken[device] = place
    return taken


def find_free(device: str, taken: Iterable[int]) -> int | None:
    """Choose a place for a device that is plugged in; a card has its own where it is free, so that it is called the same again."""
    used = frozenset(taken)
    number = re.fullmatch(r"nic-(\d+)", device)
    own = [_CARDS[int(number.group(1))]] if number and int(number.group(1)) < len(_CARDS) else []
    rest = [*_CARDS, *_VOLUMES] if number else [*_VOLUMES, *_CARDS]
    return next((place for place in [*own, *rest] if place not in used), None)


def taken_in(tree: Mapping[str, Mapping[str, object]]) -> set[int]:
    """Return the places that a running machine uses: `0000:00:1f.0` is place 31."""
    matches = (re.fullmatch(r"[0-9a-f]+:[0-9a-f]+:([0-9a-f]+)\.\d", str(node.get("pci_bdf"))) for node in tree.values())
    return {int(match.group(1), 16) for match in matches if match}
