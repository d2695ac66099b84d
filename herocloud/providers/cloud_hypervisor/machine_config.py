"""The configuration of a VM in the words of the API. Pure: everything that has to be looked up is handed in.

Every device has an id of ours, so that a look at a running machine shows what belongs to what: `root`, `seed`, `volume-NAME`,
`nic-0`. Every disk says its format, because a raw disk whose format is guessed refuses writes to its first sector. Disks have one queue and
cards one pair of queues: more must not exceed the processors, so a machine that lost some could neither take devices nor start again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from herocloud.kits.jsons import Json, Part
from herocloud.providers.cloud_hypervisor import machine_models as models
from herocloud.providers.cloud_hypervisor import rate_limits, releases, slots
from herocloud.providers.vmm import device_names
from herocloud.providers.vmm.virtiofs import Share

ROOM = 128 * 1024**2
"""The program takes multiples of this as room for memory. What a VM may grow by is in its plan, so the rest is never asked for."""
_SERIAL_LENGTH = 20

_Device = TypeVar("_Device")


class Nic(NamedTuple):
    """A network card and the tap that it hangs on."""

    key: str
    """The part: `nic.0`."""
    mac: str
    tap: str
    pairs: int = 1


class Disk(NamedTuple):
    """A disk and how it is opened."""

    id: str
    path: Path
    readonly: bool = False
    direct: bool = False
    serial: str = ""
    rate: Json = None


class Machine(NamedTuple):
    """All that a configuration depends on."""

    part: Part
    release: int
    uuid: str
    serial_socket: Path
    vsock_socket: Path
    cid: int
    root: Disk | None
    seed: Disk | None
    volumes: Sequence[Disk]
    nics: Sequence[Nic]
    shares: Sequence[Share] = ()
    payload: Mapping[str, Json] | None = None
    firmware: Path | None = None
    landlock: Sequence[models.LandlockConfig] = ()
    """What the program may open beside what its configuration names; nothing where it is not kept from anything."""


def config_of(machine: Machine) -> models.VmConfig:
    """Return the whole configuration."""
    part, release = machine.part, machine.release
    places = slots.assign(part)
    disks = [disk_config(disk, _place(disk.id, places), release) for disk in (machine.root, machine.seed, *machine.volumes) if disk]
    nets = [net_config(nic, places.get(device_names.of_nic(nic.key)), release) for nic in machine.nics]
    config: models.VmConfig = {
        "cpus": _cpus(part),
        "memory": _memory(part, shared=bool(machine.shares)),
        "payload": _payload(machine),
        "rng": _named(models.RngConfig(src="/dev/urandom"), "rng", slots.RNG, release),
        "balloon": _named(_balloon(part), "balloon", slots.BALLOON, release),
        "vsock": _named(models.VsockConfig(cid=machine.cid, socket=str(machine.vsock_socket)), "vsock", slots.VSOCK, release),
        "serial": {"mode": "Socket", "socket": str(machine.serial_socket)},
        "console": {"mode": "Off"},
        "pvpanic": True,
        "watchdog": True,
        "platform": {"system_uuid": machine.uuid} if release >= releases.NAMES_SYSTEM else {"uuid": machine.uuid},
    }
    if disks:
        config["disks"] = disks
    if nets:
        config["net"] = nets
    if machine.landlock:
        config["landlock_enable"], config["landlock_rules"] = True, list(machine.landlock)
    if machine.shares:
        config["fs"] = [_share(number, share, places, release) for number, share in enumerate(machine.shares)]
    return config


def disk_config(disk: Disk, place: int | None, release: int) -> models.DiskConfig:
    """Describe a disk. The format is said and never guessed: a guest could write another one's header into a raw disk."""
    config: models.DiskConfig = {
        "path": str(disk.path),
        "image_type": "Raw",
        "readonly": disk.readonly,
        "direct": disk.direct,
        "num_queues": 1,
    }
    if disk.serial:
        config["serial"] = disk.serial.encode()[:_SERIAL_LENGTH].decode(errors="ignore")
    limits = rate_limits.limits_of(disk.rate)
    if limits:
        config["rate_limiter_config"] = limits
    return _named(config, disk.id, place, release)


def net_config(nic: Nic, place: int | None, release: int) -> models.NetConfig:
    """Describe a card on a tap that is there already, is up and belongs to this user: then the program needs no rights for it."""
    config: models.NetConfig = {"tap": nic.tap, "mac": nic.mac, "num_queues": 2 * nic.pairs}
    return _named(config, device_names.of_nic(nic.key), place, release)


def _place(device: str, places: Mapping[str, int]) -> int | None:
    return {"root": slots.ROOT, "seed": slots.SEED}.get(device, places.get(device))


def _named(config: _Device, name: str, place: int | None, release: int) -> _Device:
    """Name a device and say where it sits, where the release is known."""
    fields: Any = config
    fields["id"] = name
    if place is not None and release >= releases.TAKES_PLACES:
        fields["pci_device_id"] = place
    return config


def _cpus(part: Part) -> models.CpusConfig:
    config: models.CpusConfig = {"boot_vcpus": part["vcpus"], "max_vcpus": part["max_vcpus"]}
    if part["topology"]:
        shape = part["topology"]
        config["topology"] = {
            "threads_per_core": shape["threads"],
            "cores_per_die": shape["cores"],
            "dies_per_package": shape["dies"],
            "packages": shape["packages"],
        }
    pinned: list[models.CpuAffinity] = [
        {"vcpu": number, "host_cpus": list(processors)} for number, processors in enumerate(part["affinity"] or ()) if processors
    ]
    if pinned:
        config["affinity"] = pinned
    return config


def _memory(part: Part, *, shared: bool) -> models.MemoryConfig:
    config: models.MemoryConfig = {
        "size": part["boot_memory"],
        "mergeable": part["mergeable"],
        "hugepages": part["hugepages"],
        "shared": shared,
    }
    if part.get("thp") is False:
        config["thp"] = False
    if part["hotplug"]:
        config["hotplug_method"], config["hotplug_size"] = "VirtioMem", -(-part["hotplug"] // ROOM) * ROOM
        more = part["memory"] - part["boot_memory"]
        if more:
            config["hotplugged_size"] = more
    return config


def _payload(machine: Machine) -> models.PayloadConfig:
    if machine.payload is None:
        return {"firmware": str(machine.firmware)}
    config: models.PayloadConfig = {"kernel": str(machine.payload["kernel"])}
    if machine.payload["initramfs"]:
        config["initramfs"] = str(machine.payload["initramfs"])
    if machine.payload["cmdline"]:
        config["cmdline"] = str(machine.payload["cmdline"])
    return config


def _balloon(part: Part) -> models.BalloonConfig:
    # What a guest has free goes back to the host until it is wanted again. A huge page may be somebody else's then, and the VM ends.
    return {"size": part.get("balloon", 0), "deflate_on_oom": True, "free_page_reporting": not part["hugepages"]}


def _share(number: int, share: Share, places: Mapping[str, int], release: int) -> models.FsConfig:
    name = device_names.of_share(number)
    config: models.FsConfig = {"tag": share.tag, "socket": str(share.socket), "num_queues": 1, "queue_size": 1024}
    return _named(config, name, places.get(name), release)
