"""How the devices of a machine are named, so that a look at one that runs shows what belongs to what. Pure.

`root` and `seed`, `nic-0` for the part `nic.0`, `volume-NAME`, `share-0`. The same on every hypervisor, because `machine.leaving` and
messages show these names to people.
"""

from collections.abc import Callable, Collection

from herocloud.kits.jsons import Json, Part
from herocloud.model import specs

_NIC, _VOLUME = "nic-", "volume-"
PLUGGED = (_NIC, _VOLUME)
"""How the names of devices begin that come and go while a machine runs."""


def of_nic(key: str) -> str:
    """Name the device of a card: `nic.0` is `nic-0`."""
    return key.replace(".", "-")


def of_volume(use: Json) -> str:
    """Name the device of a volume; it keeps the name that it was plugged in under."""
    return f"{_VOLUME}{specs.plugged(use)}"


def of_share(number: int) -> str:
    """Name the device of a share."""
    return f"share-{number}"


def is_nic(device: str) -> bool:
    """Return whether a device is a card."""
    return device.startswith(_NIC)


def is_volume(device: str) -> bool:
    """Return whether a device is a volume."""
    return device.startswith(_VOLUME)


def leaves(device: str, target: Part) -> bool:
    """Return whether a device has to be unplugged for a machine to become `target`; what stays for good never leaves."""
    wanted = {*map(of_nic, target["nics"]), *map(of_volume, target["volumes"])}
    return device.startswith(PLUGGED) and device not in wanted


def nics_among(machine: Part, devices: Collection[str]) -> list[str]:
    """Return the cards that are there: those that the machine should have, and those that somebody else plugged in."""
    known = {of_nic(key): key for key in machine["nics"]}
    more = sorted(device.replace("-", ".", 1) for device in devices if is_nic(device) and device not in known)
    return [key for device, key in known.items() if device in devices] + more


def volumes_among(machine: Part, devices: Collection[str], is_readonly: Callable[[str], bool]) -> list[Json]:
    """Return the volumes that are there: those that the machine should have, and those that somebody else plugged in."""
    known = {of_volume(use): use for use in machine["volumes"]}
    more = sorted(device for device in devices if is_volume(device) and device not in known)
    there = [use for device, use in known.items() if device in devices]
    return there + [{"volume": device.removeprefix(_VOLUME), "readonly": is_readonly(device), "size": 0} for device in more]
