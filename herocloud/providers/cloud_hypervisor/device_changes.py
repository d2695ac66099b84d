"""Changing a machine while it runs: processors, memory, its balloon, disks, cards.

Each change is made from what is there, not from what was, so that one which was cut off is completed by making it again. What the guest
has to agree to (letting go of a processor, of memory, of a device) is waited for, and when it does not agree the step fails and says so:
the API answers such requests with success as soon as they are made. Results are read back for the same reason.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Part
from herocloud.model import guest_agreement
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.cloud_hypervisor import hardware, machine_config, readings, slots
from herocloud.providers.cloud_hypervisor.client import Client, Refusal
from herocloud.providers.cloud_hypervisor.readings import Reading
from herocloud.providers.vmm import device_names, huge_pages
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.supplies import Supplies

_LIVE = ("vcpus", "memory", "balloon", "volumes", "nics", "labels", "restart")
PATIENCE = 40.0
"""Seconds that a guest has to agree. One that boots just now needs most of them."""
_PAUSE = 0.05
_AGAIN = 5.0
"""Seconds after which a guest is asked once more to let go of a device."""


class Change(NamedTuple):
    """A running machine and what it takes to change it."""

    client: Client
    pid: int
    place: Place
    supplies: Supplies
    told: Callable[[str, float | None], None]
    stopped: Callable[[], bool]
    patience: float = PATIENCE

    def look(self) -> Reading:
        """Look at the machine as it is now."""
        return readings.read(self.client.info(), self.pid)


def bring(change: Change, machine: Part, target: Part) -> None:
    """Bring a running machine to `target`; `machine` is what its mark says."""
    _refuse_fixed(change, machine, target)
    seen = change.look()
    for device in sorted(name for name in seen.tree if device_names.leaves(name, target)):
        _unplug(change, device)
    leaving = set(_settle(change, seen, target))
    for key in target["nics"]:
        if device_names.of_nic(key) not in seen.tree or device_names.of_nic(key) in leaving:
            _plug_nic(change, key)
    for use in target["volumes"]:
        if (device := device_names.of_volume(use)) not in seen.tree or device in leaving:
            _plug_volume(change, use)
        elif use.get("size") is not None and use not in machine["volumes"]:
            _tell_size(change, use)
    _set_vcpus(change, target["vcpus"])
    asked = change.look().balloon
    if machine["hotplug"]:
        _set_memory(change, machine["memory"], target["memory"], huge=target["hugepages"])
    _set_balloon(change, asked, machine.get("balloon", 0), target.get("balloon", 0))


def _settle(change: Change, seen: Reading, target: Part) -> list[str]:
    """Wait until the guest has let go of what it was asked for and is to have all the same, so that it can be plugged in again.

    The program has no call that takes such a request back, and its configuration is without the device already.
    """
    leaving = [device for device in seen.leaving if not device_names.leaves(device, target)]
    for device in leaving:
        _require_guest(change, f"let go of `{device}`, which it was asked for")
        change.told(f"waiting for the guest to let go of {device}, which is plugged in again then", None)
        if not _wait(change, lambda device=device: device not in change.look().tree):  # type: ignore[misc]
            raise Permanent(
                f"the guest of `{change.place.owner.address}` was asked to let go of `{device}` and still has it, which cannot be taken "
                "back: it loses it when it reboots. `herocloud vm restart` starts it with the device again"
            )
    return leaving


def _require_guest(change: Change, what: str) -> None:
    """Require a guest that hears a request: one that is paused would have it only pending, and nothing takes it back."""
    if change.look().power == "paused":
        raise Permanent(guest_agreement.refusal(change.place.owner.address, what))


def _refuse_fixed(change: Change, machine: Part, target: Part) -> None:
    for field in {**machine, **target}:
        if field not in _LIVE and machine.get(field) != target.get(field):
            raise Permanent(f"`{change.place.owner.address}`: `{field}` is fixed at boot; changing it needs a power-cycle")


def _plug_nic(change: Change, key: str) -> None:
    nic = hardware.nic_of(change.supplies, key)
    change.told(f"plugging in {key}", None)
    device = device_names.of_nic(key)
    change.client.add_net(machine_config.net_config(nic, _free_place(change, device), change.client.release))
    _require_plugged(change, device)


def _plug_volume(change: Change, use: Json) -> None:
    disk = hardware.volume_of(change.supplies, use)
    change.told(f"plugging in {use['volume']}", None)
    change.client.add_disk(machine_config.disk_config(disk, _free_place(change, disk.id), change.client.release))
    _require_plugged(change, disk.id)


def _tell_size(change: Change, use: Json) -> None:
    """Tell the guest how large a volume is; its file may have grown already. The program would cut off the end of a larger one."""
    disk = hardware.volume_of(change.supplies, use)
    if disk.path.stat().st_size <= use["size"]:
        change.client.resize_disk(disk.id, use["size"])


def _require_plugged(change: Change, device: str) -> None:
    seen = change.look()
    if device not in seen.tree or device in seen.leaving:
        raise Permanent(f"Cloud Hypervisor took `{device}` of `{change.place.owner.address}` and does not have it")


def _free_place(change: Change, device: str) -> int:
    taken = slots.taken_in(change.look().tree)
    place = slots.find_free(device, taken)
    if place is None:
        raise Permanent(f"all slots of `{change.place.owner.address}` are in use; a power-cycle sorts them again")
    return place


def _unplug(change: Change, device: str) -> None:
    _require_guest(change, f"let go of `{device}`")
    change.told(f"unplugging {device}", None)

    def ask() -> None:
        try:
            change.client.remove_device(device)
        except Refusal as refusal:
            # Up to release 53 a second request for the same device is refused while the first one waits for the guest.
            if not refusal.is_unknown_device and not refusal.is_pending:
                raise

    asked = -_AGAIN

    def is_gone() -> bool:
        nonlocal asked
        if device not in change.look().tree:
            return True
        if time.monotonic() - asked >= _AGAIN:
            # A guest that is still booting has not heard the first request; later releases tell it once more.
            ask()
            asked = time.monotonic()
        return False

    if not _wait(change, is_gone):
        raise Permanent(
            f"the guest of `{change.place.owner.address}` did not let go of `{device}` within {change.patience:g} s; it may do so later, "
            "and loses it when it reboots"
        )


def _set_vcpus(change: Change, wanted: int) -> None:
    seen = change.look()
    there = seen.vcpus or seen.config["cpus"]["boot_vcpus"]
    if there == wanted and seen.config["cpus"]["boot_vcpus"] == wanted:
        return
    if wanted < there:
        _require_guest(change, "let go of a processor")
    change.told(f"changing processors, {wanted} in all", None)

    def ask() -> bool:
        try:
            change.client.resize({"desired_vcpus": wanted})
        except Refusal as refusal:
            if refusal.is_pending:
                return False
            raise
        return True

    def is_there() -> bool:
        now = change.look()
        # A second request is refused until the first one is done, which tells even where threads cannot be counted.
        return now.vcpus == wanted if now.vcpus else ask()

    if not _wait(change, ask) or not _wait(change, is_there):
        change.client.resize({"desired_vcpus": there})
        raise Permanent(f"the guest of `{change.place.owner.address}` did not let go of a processor within {change.patience:g} s")


def _set_memory(change: Change, noted: int, wanted: int, *, huge: bool) -> None:
    seen = change.look()
    before = seen.memory
    if before == wanted == noted:
        return
    _require_guest(change, "take part in changing its memory")
    # The program has one figure for what is plugged in and what was given back, so nothing may be given back while the former changes.
    if seen.balloon:
        change.told("emptying the balloon", None)
        change.client.resize({"desired_balloon": 0})
        if not _wait(change, lambda: change.look().actual_memory >= before):
            change.client.resize({"desired_balloon": seen.balloon})
            raise Permanent(
                f"the guest of `{change.place.owner.address}` did not take its memory back within {change.patience:g} s, which has to come "
                "before its memory changes"
            )
    if before != wanted:
        if huge:
            huge_pages.require(wanted - before)
        change.told(f"{'plugging in' if wanted > before else 'unplugging'} memory", None)
        change.client.resize({"desired_ram": wanted})
    if not _wait(change, lambda: change.look().actual_memory == wanted):
        there = change.look().actual_memory
        change.client.resize({"desired_ram": noted, "desired_balloon": seen.balloon} if seen.balloon else {"desired_ram": noted})
        raise Permanent(
            f"the guest of `{change.place.owner.address}` did not take part in changing its memory: {sizes.show_size(there)} of "
            f"{sizes.show_size(wanted)} were in use after {change.patience:g} s, and it is asked for {sizes.show_size(noted)} again"
        )


def _set_balloon(change: Change, asked: int, noted: int, wanted: int) -> None:
    """Have the guest give back as much of its memory as is wanted; `asked` is what it was asked for before anything was changed."""
    seen = change.look()
    if seen.balloon == asked == noted == wanted:
        return
    if not seen.config.get("balloon"):
        raise Permanent(f"`{change.place.owner.address}` was started without a balloon; a power-cycle gives it one")
    if seen.balloon != wanted:
        change.told(f"asking for {sizes.show_size(wanted)} of its memory back", None)
        change.client.resize({"desired_balloon": wanted})
    if asked == noted == wanted or seen.power == "paused":
        # It was emptied to change the memory, and fills again as it did before; a guest that is held sees to it when it goes on.
        return
    earlier = asked if noted == wanted else noted

    def is_there() -> bool:
        given = change.look().given_back
        return given >= wanted if wanted > earlier else given <= wanted

    if not _wait(change, is_there):
        given = change.look().given_back
        change.client.resize({"desired_balloon": earlier})
        raise Permanent(
            f"the guest of `{change.place.owner.address}` has given {sizes.show_size(given)} of its memory back after "
            f"{change.patience:g} s where {sizes.show_size(wanted)} were asked for, and is asked for {sizes.show_size(earlier)} again"
        )


def _wait(change: Change, is_done: Callable[[], bool]) -> bool:
    """Wait until something is so; tells whether it is."""
    until = time.monotonic() + change.patience
    while not is_done():
        if time.monotonic() > until:
            return False
        if change.stopped():
            raise Temporary("interrupted while the guest works on it; it goes on doing so")
        time.sleep(_PAUSE)
    return True
