"""Changing a machine while it runs: processors, memory, its balloon, disks, cards, limits, pinning.

Each change is made from what is there, not from what was, so that one which was cut off is completed by making it again. What the guest has
to agree to (letting go of a processor, of memory, of a device) is waited for, and when it does not agree the step fails and says so: a
figure that only QEMU believes would be a lie.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from herocloud.kits import processors, sizes
from herocloud.kits.jsons import Json, Part
from herocloud.model import guest_agreement
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.qemu import additions, balloon, command_inputs, command_line, disk_chains, layouts, open_ports, queries
from herocloud.providers.qemu.qmp import Question, Refusal, Talk
from herocloud.providers.vmm import device_names, huge_pages
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.supplies import Supplies

_LIVE = ("vcpus", "memory", "balloon", "affinity", "root", "volumes", "nics", "labels", "restart")
PATIENCE = 40.0
"""Seconds that a guest has to agree. One that boots just now needs most of them."""
_AGAIN = 4.0
"""Seconds after which a request is made once more: before its drivers are loaded a guest does not hear it."""
_PAUSE = 0.05


class Change(NamedTuple):
    """A running machine and what it takes to change it."""

    talk: Talk
    place: Place
    supplies: Supplies
    told: Callable[[str, float | None], None]
    stopped: Callable[[], bool]


def bring(change: Change, machine: Part, target: Part, launched: Mapping[str, Json]) -> None:
    """Bring a running machine to `target`; `machine` is what its mark says, and `launched` what it was started as."""
    _refuse_fixed(change, machine, target)
    disk_chains.bring_back(change.talk, change.stopped)
    seen = queries.look(change.talk)
    additions.take_away(change.talk, seen.additions.beyond(machine["nics"], seen.devices))
    open_ports.close(change.talk, seen.ports, [command_inputs.nic_of(change.supplies, key) for key in _kept_cards(change, machine, target)])
    for device in sorted(seen.devices):
        if device_names.leaves(device, target):
            _unplug(change, device)
    for key in target["nics"]:
        if device_names.of_nic(key) not in seen.devices:
            _renew_seed(change)
            _plug_nic(change, key)
    for use in target["volumes"]:
        if device_names.of_volume(use) not in seen.devices:
            _plug_volume(change, use)
        elif use.get("size") is not None:
            grow(change.talk, device_names.of_volume(use), use["size"])
    for key in target["nics"]:
        # Nothing tells whether a card has its cable in; to plug it in again changes nothing where it has.
        change.talk.ask("set_link", name=device_names.of_nic(key), up=True)
    if launched.get("board") == "q35":
        _set_processors(change, target["vcpus"], emulated=launched.get("accelerator") != "kvm")
        if machine["hotplug"]:
            _set_memory(change, target["memory"] - target["boot_memory"], huge=target["hugepages"])
    wait = lambda is_done, why: _ask_until(change, lambda: None, is_done, why)  # noqa: E731
    balloon.bring(change.talk, machine, target, seen.balloon, wait, held=seen.power == "paused")
    settle(change.talk, target)


def settle(talk: Talk, target: Part, *, revived: bool = False) -> queries.Look:
    """Put limits and pinning in force, and ask for memory, which needs nobody's consent; returns how the machine was before.

    One that was `revived` has the balloon that it had when its memory was kept.
    """
    seen = queries.look(talk)
    balloon.ask(talk, target, noted=None if revived else seen.balloon)
    if target["root"] is not None:
        limits = command_line.limits_of(target["root"]["rate"])
        if limits != {name: int(seen.limits.get(name) or 0) for name in limits}:
            talk.ask("qom-set", path=f"/objects/{command_line.LIMITS}", property="limits", value=limits)
    everywhere = processors.whole()
    for cpu in seen.cpus:
        wanted = queries.wanted_processors(target, int(cpu["cpu-index"]))
        thread = int(cpu["thread-id"])
        try:
            if wanted is not None or os.sched_getaffinity(thread) != everywhere:
                os.sched_setaffinity(thread, wanted or everywhere)
        except OSError as error:
            where = ", ".join(map(str, sorted(wanted or everywhere)))
            raise Permanent(
                f"vCPU {cpu['cpu-index']} cannot be pinned to {where} ({error.strerror}); this host has no such processors"
            ) from error
    return seen


def grow(talk: Talk, device: str, size: int) -> None:
    """Tell a running machine that a disk is larger, making it so."""
    known = queries.look(talk).disks.get(device, {}).get("image", {}).get("virtual-size")
    if known is not None and known < size:
        talk.ask("block_resize", node_name=command_line.top_node_of(device), size=size)


def _kept_cards(change: Change, machine: Part, target: Part) -> list[str]:
    return [key for key in machine["nics"] if key in target["nics"] and key in change.supplies.attachments]


def _refuse_fixed(change: Change, machine: Part, target: Part) -> None:
    for field in {**machine, **target}:
        before, after = machine.get(field), target.get(field)
        fixed = field not in _LIVE or (field == "root" and (before is None or after is None or before["direct"] != after["direct"]))
        if before != after and fixed:
            raise Permanent(f"`{change.place.owner.address}`: `{field}` is fixed at boot; changing it needs a power-cycle")


def _renew_seed(change: Change) -> None:
    """Put the seed as it is now into the machine, so that a guest finds the address of a card that it did not begin with.

    A seed is written again under its name, and the machine goes on holding the file that it opened.
    """
    before = queries.look(change.talk).disks.get("seed", {}).get("node-name")
    if before is None or "seed" not in change.supplies.disks:
        return
    disk = command_inputs.seed_of(change.supplies)
    node = f"n-seed-{disk.path.stat().st_ino:x}"
    if before == node:
        return
    _drop(change.talk, "blockdev-del", node_name=node)
    change.talk.put(Question("blockdev-add", {**command_line.blockdev(disk), "node-name": node}))
    change.talk.ask("qom-set", path="/machine/peripheral/seed", property="drive", value=node)
    _drop(change.talk, "blockdev-del", node_name=before)


def _plug_nic(change: Change, key: str) -> None:
    nic = command_inputs.nic_of(change.supplies, key)
    netdev = command_line.netdev(nic)
    change.told(f"plugging in {key}", None)
    _drop(change.talk, "netdev_del", id=netdev["id"])
    change.talk.put(Question("netdev_add", netdev))
    try:
        change.talk.put(Question("device_add", command_line.card(nic, **_free_slot(change))))
    except Refusal:
        _drop(change.talk, "netdev_del", id=netdev["id"])
        raise


def _plug_volume(change: Change, use: Json) -> None:
    disk = command_inputs.volume_of(change.supplies, use)
    change.told(f"plugging in {use['volume']}", None)
    _drop(change.talk, "blockdev-del", node_name=command_line.node_of(disk.id))
    change.talk.put(Question("blockdev-add", command_line.blockdev(disk)))
    try:
        change.talk.put(Question("device_add", command_line.drive(disk, **_free_slot(change))))
    except Refusal:
        _drop(change.talk, "blockdev-del", node_name=command_line.node_of(disk.id))
        raise


def _require_guest(change: Change, what: str) -> None:
    """Require a guest that hears a request: one that is paused would have it only pending, and do it when nobody waits any more."""
    if queries.look(change.talk).power == "paused":
        raise Permanent(guest_agreement.refusal(change.place.owner.address, what))


def _unplug(change: Change, device: str) -> None:
    _require_guest(change, f"let go of `{device}`")
    change.told(f"unplugging {device}", None)
    _ask_until(
        change,
        lambda: _drop(change.talk, "device_del", id=device),
        lambda: device not in queries.look(change.talk).devices,
        f"the guest did not let go of `{device}`",
    )
    if device_names.is_nic(device):
        _drop(change.talk, "netdev_del", id=command_line.netdev_of(device))
    else:
        _drop(change.talk, "blockdev-del", node_name=command_line.node_of(device))


def _set_processors(change: Change, wanted: int, *, emulated: bool) -> None:
    slots = change.talk.ask("query-hotpluggable-cpus")
    slots.sort(key=lambda one: tuple(one["props"].get(f"{level}-id", 0) for level in ("socket", "die", "core", "thread")))
    there = [slot for slot in slots if "qom-path" in slot]
    for slot in [slot for slot in slots if "qom-path" not in slot][: max(0, wanted - len(there))]:
        change.told(f"plugging in a processor, {wanted} in all", None)
        props = {name: value for name, value in slot["props"].items() if name != "node-id"}
        name = "cpu-" + "-".join(str(props[level]) for level in sorted(props))
        change.talk.put(Question("device_add", {"driver": slot["type"], "id": name, **props}))
    if emulated and len(there) > wanted:
        # It would seem to work, and QEMU would write into memory that it has given back.
        raise Permanent("an emulated processor cannot be unplugged safely; a power-cycle takes it away")
    for slot in there[wanted:][::-1]:
        _require_guest(change, "let go of a processor")
        path = slot["qom-path"]
        change.told(f"unplugging a processor, {wanted} are left", None)
        _ask_until(
            change,
            lambda path=path: _drop(change.talk, "device_del", id=path),  # type: ignore[misc]
            lambda path=path: all(cpu["qom-path"] != path for cpu in change.talk.ask("query-cpus-fast")),  # type: ignore[misc]
            "the guest did not let go of a processor",
        )


def _set_memory(change: Change, wanted: int, *, huge: bool) -> None:
    path = f"/machine/peripheral/{command_line.HOT_MEMORY}"
    before = change.talk.ask("qom-get", path=path, property="requested-size")
    if not before == wanted == change.talk.ask("qom-get", path=path, property="size"):
        _require_guest(change, "take part in changing its memory")
    if before != wanted:
        if huge:
            huge_pages.require(wanted - before)
        change.told(f"{'plugging in' if wanted > before else 'unplugging'} memory", None)
        change.talk.ask("qom-set", path=path, property="requested-size", value=wanted)

    def plugged() -> int:
        return int(change.talk.ask("qom-get", path=path, property="size"))

    try:
        _ask_until(change, lambda: None, lambda: plugged() == wanted, "the guest did not take part in changing its memory")
    except Permanent as error:
        there = plugged()
        change.talk.ask("qom-set", path=path, property="requested-size", value=before)
        shown = f"{sizes.show_size(there)} of {sizes.show_size(wanted)} beyond its memory at boot were in use"
        raise Permanent(f"{error}: {shown} after {PATIENCE:g} s, and it is back at its earlier settings") from error


def _ask_until(change: Change, ask: Callable[[], None], is_done: Callable[[], bool], why: str) -> None:
    """Ask the guest for something until it has done it; a request that it did not hear is made again."""
    began = time.monotonic()
    asked = -_AGAIN
    while not is_done():
        waited = time.monotonic() - began
        if waited > PATIENCE:
            raise Permanent(why)
        if change.stopped():
            raise Temporary(f"interrupted: {why} yet")
        if waited - asked >= _AGAIN:
            ask()
            asked = waited
        change.talk.pause(_PAUSE)


def _free_slot(change: Change) -> command_line.Slot:
    slot = layouts.find_free_slot(change.talk)
    if slot is None:
        raise Permanent(f"all slots of `{change.place.owner.address}` are in use; a power-cycle makes more")
    return slot


def _drop(talk: Talk, command: str, /, **arguments: Json) -> None:
    """Ask for what may be done already, or be under way."""
    try:
        talk.ask(command, **arguments)
    except Refusal:
        return
