"""Amounts of what a host has, as people read them: one way to write each, in plans, errors and facts alike.

Each is in the unit of the stack file: networks in bits a second, disks in bytes a second, memory and room in binary units.
"""

from collections.abc import Callable, Mapping

from herocloud.kits import sizes


def _show_network(count: int) -> str:
    return sizes.show_rate(count, bits=True)


_WAYS: Mapping[str, Callable[[int], str]] = {
    "slices": str,
    "vcpus": str,
    "network": _show_network,
    "disk_io": sizes.show_rate,
}


def show(resource: str, amount: int) -> str:
    """Write an amount of this resource; what is not counted or a rate is in bytes."""
    return _WAYS.get(resource, sizes.show_size)(amount)
