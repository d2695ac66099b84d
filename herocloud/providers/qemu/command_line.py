"""The command line of a VM. Pure: everything that has to be looked up is handed in.

Every device is named after the part that it is for, so that a look at a running machine shows what belongs to what:
`root`, `seed`, `volume-NAME`, `nic-0`. What may be unplugged sits in a slot of its own; what stays sits on the bus itself, in places that
never change, because guests name their devices after places. A machine that is pinned starts with its processors halted (`-S`), so that
pinning is in force before the guest's first instruction; one that is started again by itself has nobody to let it go, and begins at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part
from herocloud.providers.qemu import planning
from herocloud.providers.vmm import device_names, standing_orders
from herocloud.providers.vmm.virtiofs import Share

HOT_MEMORY = "hotmem"
"""The device through which memory comes and goes."""
LIMITED, LIMITS = "limited", "limits"
"""The node through which the root disk is read and written, and the object that holds its limits; there without limits too, so that some
can be set while the machine runs."""
Slot = dict[str, Json]
"""Where a device is plugged in, in QEMU's words."""
PORT, BRIDGE, BRIDGE_SLOTS = "port", "slots", range(1, 32)
"""What holds the slots: a port for each, `port0` and so on, or one bridge; its slot 0 takes nothing while the machine runs."""
_SERIAL_LENGTH = 20
_FIRST_PORT = 0x8
_FIRST_SHARE = 0x1B


class Nic(NamedTuple):
    """A network card and what it hangs on: a tap of ours, or a network in user mode."""

    key: str
    """The part: `nic.0`."""
    mac: str
    tap: str | None
    queues: int = 1
    vhost: bool = False
    user: Json = None
    """Options of a network in user mode, as QEMU names them."""


class Disk(NamedTuple):
    """A disk and how it is opened."""

    id: str
    path: Path
    readonly: bool = False
    direct: bool = False
    serial: str = ""


class Sockets(NamedTuple):
    """Where others talk to the machine, its guest's agent, and its console."""

    control: Path
    looking: Path
    """A second way in for those who only look, so that they never keep a change waiting."""
    agent: Path
    console: Path
    log: Path


class Layout(NamedTuple):
    """What a boot chooses and changes of a running machine keep: memory that was kept is only read by a machine that is laid out alike."""

    slots: Mapping[str, Slot]
    """Where what was plugged in sits, by the name of the device."""
    queues: Mapping[str, int]
    """How many queues each disk has, which QEMU takes from the processors at boot."""
    ports: int


class Machine(NamedTuple):
    """All that a command line depends on."""

    program: str
    name: str
    uuid: str
    part: Part
    accelerator: str
    sockets: Sockets
    root: Disk | None
    seed: Disk | None
    volumes: Sequence[Disk]
    nics: Sequence[Nic]
    shares: Sequence[Share] = ()
    payload: Mapping[str, Json] | None = None
    firmware: tuple[Path, Path] | None = None
    """Code and variables of a UEFI firmware; without them the machine starts with a BIOS."""
    vsock: int | None = None
    waits: bool = False
    """It begins with memory that it is given, and not with a boot."""
    layout: Layout | None = None
    """How it was laid out when that memory was kept."""


def command(machine: Machine) -> list[str]:
    """Return the whole command line."""
    part = machine.part
    board = board_of(machine)
    words = [machine.program, "-name", f"guest={machine.name},debug-threads=on", "-uuid", machine.uuid]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-sandbox", _SANDBOX, "-action", "panic=exit-failure"]
    words += ["-incoming", "defer"] if machine.waits else []
    words += ["-S"] if (part["affinity"] or part.get("balloon")) and part["restart"] == standing_orders.NEVER else []
    words += ["-machine", _board(machine, board), *_accelerator(machine.accelerator)]
    words += ["-smp", _processors(part), *_memory(part, shared=bool(machine.shares))]
    words += _boot(machine)
    words += _channels(machine.sockets, board)
    words += _disks(machine, board)
    if board == "q35":
        words += _extras(machine)
        words += _plugged(machine)
    else:
        words += ["-device", f"virtio-balloon-device,{_balloon(machine.part)}", "-device", "virtio-rng-device"]
        for nic in machine.nics:
            words += ["-netdev", jsons.dumps(netdev(nic)), "-device", jsons.dumps({**card(nic), "driver": "virtio-net-device"})]
    return words


def board_of(machine: Machine) -> str:
    """Return the type of the machine."""
    return planning.board_of(machine.part) if machine.accelerator == "kvm" else "q35"


_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=allow"
"""A guest that breaks out of its VMM finds no way to start anything. Resource control stays: threads set their own priorities."""


def blockdev(disk: Disk) -> dict[str, Json]:
    """Describe how a disk is opened. The format is said and never guessed: a guest could write another one's header into a raw disk."""
    file: dict[str, Json] = {"driver": "file", "filename": str(disk.path), "locking": "on"}
    cache = {"direct": disk.direct, "no-flush": False}
    if disk.direct:
        file["aio"] = "native"
    if not disk.readonly:
        file["discard"] = "unmap"
    return {
        "driver": "raw",
        "node-name": node_of(disk.id),
        "read-only": disk.readonly,
        "cache": cache,
        **({} if disk.readonly else {"discard": "unmap", "detect-zeroes": "unmap"}),
        "file": {**file, "cache": cache, "read-only": disk.readonly},
    }


def drive(disk: Disk, **options: Json) -> dict[str, Json]:
    """Describe a disk as the guest sees it."""
    device = {"driver": "virtio-blk-pci", "id": disk.id, "drive": top_node_of(disk.id), **options}
    return {**device, **({"serial": disk.serial[:_SERIAL_LENGTH]} if disk.serial else {})}


def limits_of(rate: Json) -> dict[str, int]:
    """Turn the limits of a disk into QEMU's words. A burst is what the first second may take beyond the rest."""
    bandwidth, burst, iops = ((rate or {}).get(name) or 0 for name in ("bandwidth", "burst", "iops"))
    return {"bps-total": bandwidth, "bps-total-max": bandwidth + burst if bandwidth and burst else 0, "iops-total": iops}


def node_of(device: str) -> str:
    """Name the node behind a disk; QEMU takes no more than 31 characters there."""
    return f"n-{device}" if len(device) < 24 else f"n-{jsons.digest_text(device)}"


def top_node_of(device: str) -> str:
    """Name the node that a disk is read and written through."""
    return LIMITED if device == "root" else node_of(device)


def netdev_of(device: str) -> str:
    """Name what a card hangs on."""
    return f"net-{device}"


def netdev(nic: Nic) -> dict[str, Json]:
    """Describe what a card hangs on."""
    name = netdev_of(device_names.of_nic(nic.key))
    if nic.tap is None:
        return {"type": "user", "id": name, **(nic.user or {})}
    queues = {"queues": nic.queues} if nic.queues > 1 else {}
    return {"type": "tap", "id": name, "ifname": nic.tap, "script": "no", "downscript": "no", "vhost": nic.vhost, **queues}


def card(nic: Nic, **place: Json) -> dict[str, Json]:
    """Describe a card as the guest sees it."""
    several = {"mq": True, "vectors": 2 * nic.queues + 2} if nic.queues > 1 else {}
    # Without a boot ROM: no VM of ours boots from a network, and loading one takes longer than a small kernel.
    plain = {"romfile": ""} if place else {}
    return {
        "driver": "virtio-net-pci",
        "id": device_names.of_nic(nic.key),
        "netdev": netdev_of(device_names.of_nic(nic.key)),
        "mac": nic.mac,
        **several,
        **plain,
        **place,
    }


def slot_on_bridge(number: int) -> Slot:
    """Say how a device gets to this slot of the bridge."""
    return {"bus": BRIDGE, "addr": f"{number:#x}"}


def _board(machine: Machine, board: str) -> str:
    merge = "on" if machine.part["mergeable"] else "off"
    words = [board, f"mem-merge={merge}", "dump-guest-core=off", "usb=off"]
    # Controllers that nothing hangs on would be looked through all the same, by the BIOS and by the guest.
    words += ["sata=off", "smbus=off"] if board == "q35" else []
    words += ["vmport=off", "smm=off"] if board == "q35" and machine.firmware is None else []
    words += ["acpi=on", "rtc=on"] if board == "microvm" else []
    if machine.part["hugepages"] or machine.shares:
        words.append("memory-backend=ram")
    if machine.firmware is not None:
        words += ["pflash0=firmware-code", "pflash1=firmware-variables"]
    return ",".join(words)


def _accelerator(name: str) -> list[str]:
    # Five levels of pages are for more memory than an emulated machine has, and each is a step more wherever memory is looked up.
    return ["-accel", "kvm", "-cpu", "host"] if name == "kvm" else ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"]


def _processors(part: Part) -> str:
    most, shape = part["max_vcpus"], part["topology"]
    if shape:
        rest = f"sockets={shape['packages']},dies={shape['dies']},cores={shape['cores']},threads={shape['threads']}"
    else:
        # A package for each: every processor may then come and go by itself, whatever the guest makes of cores.
        rest = f"sockets={most},cores=1,threads=1"
    return f"cpus={part['vcpus']},maxcpus={most},{rest}"


def _memory(part: Part, *, shared: bool) -> list[str]:
    boot, room = part["boot_memory"], part["hotplug"] or 0
    words = ["-m", f"size={boot}B" + (f",maxmem={boot + room}B" if room else "")]
    if part["hugepages"] or shared:
        words += ["-object", jsons.dumps(_backing("ram", boot, huge=part["hugepages"], reserve=True))]
    if room:
        backing = (
            _backing(f"{HOT_MEMORY}-ram", room, huge=part["hugepages"], reserve=False)
            if part["hugepages"] or shared
            else {"qom-type": "memory-backend-ram", "id": f"{HOT_MEMORY}-ram", "size": room, "reserve": False}
        )
        device = {"driver": "virtio-mem-pci", "id": HOT_MEMORY, "memdev": f"{HOT_MEMORY}-ram", "requested-size": part["memory"] - boot}
        # Huge pages are taken block by block as memory is plugged, and a block for which none is left is refused, not found out by a crash.
        device |= {"prealloc": True} if part["hugepages"] else {}
        words += ["-object", jsons.dumps(backing), "-device", jsons.dumps({**device, "bus": "pcie.0", "addr": "0x7"})]
    return words


def _backing(name: str, size: int, *, huge: bool, reserve: bool) -> dict[str, Json]:
    pages = {"hugetlb": True, "prealloc": reserve} if huge else {}
    return {"qom-type": "memory-backend-memfd", "id": name, "size": size, "share": True, "reserve": reserve, **pages}


def _boot(machine: Machine) -> list[str]:
    words: list[str] = []
    if machine.payload is not None:
        words += ["-kernel", str(machine.payload["kernel"])]
        if machine.payload["initramfs"]:
            words += ["-initrd", str(machine.payload["initramfs"])]
        if machine.payload["cmdline"]:
            words += ["-append", str(machine.payload["cmdline"])]
    if machine.firmware is not None:
        for name, path, fixed in zip(("code", "variables"), machine.firmware, (True, False), strict=True):
            node = {"driver": "file", "node-name": f"firmware-{name}", "filename": str(path), "read-only": fixed}
            words += ["-blockdev", jsons.dumps(node)]
    return words


def _channels(sockets: Sockets, board: str) -> list[str]:
    bus = "virtio-serial-pci,id=channels,bus=pcie.0,addr=0x5" if board == "q35" else "virtio-serial-device,id=channels"
    words: list[str] = []
    for name, path in (("control", sockets.control), ("looking", sockets.looking)):
        words += ["-chardev", f"socket,id={name},path={_comma(path)},server=on,wait=off", "-mon", f"chardev={name},mode=control"]
    words += ["-chardev", f"socket,id=console,path={_comma(sockets.console)},server=on,wait=off,logfile={_comma(sockets.log)},logappend=on"]
    words += ["-serial", "chardev:console", "-device", bus]
    words += ["-chardev", f"socket,id=agent,path={_comma(sockets.agent)},server=on,wait=off"]
    return [*words, "-device", "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0"]


def _disks(machine: Machine, board: str) -> list[str]:
    words: list[str] = []
    for disk, address in ((machine.root, "0x3"), (machine.seed, "0x4")):
        if disk is None:
            continue
        queues = _queues(machine, disk)
        device = (
            drive(disk, bus="pcie.0", addr=address, **queues)
            if board == "q35"
            else {**drive(disk, **queues), "driver": "virtio-blk-device"}
        )
        if disk is machine.root and machine.payload is None:
            device["bootindex"] = 0
        words += ["-blockdev", jsons.dumps(blockdev(disk))]
        if disk is machine.root:
            rate = machine.part["root"]["rate"]
            words += ["-object", jsons.dumps({"qom-type": "throttle-group", "id": LIMITS, "limits": limits_of(rate)})]
            limited = {"driver": "throttle", "node-name": LIMITED, "throttle-group": LIMITS, "file": node_of(disk.id)}
            words += ["-blockdev", jsons.dumps(limited)]
        words += ["-device", jsons.dumps(device)]
    return words


def _balloon(part: Part) -> str:
    # What a guest has free goes back to the host until it is wanted again. A huge page may be somebody else's then, and the VM ends.
    return f"id=balloon,free-page-reporting={'off' if part['hugepages'] else 'on'},deflate-on-oom=on"


def _extras(machine: Machine) -> list[str]:
    words = ["-device", f"virtio-balloon-pci,{_balloon(machine.part)},bus=pcie.0,addr=0x6"]
    words += ["-device", "virtio-rng-pci,bus=pcie.0,addr=0x2", "-device", "pvpanic"]
    if machine.vsock is not None:
        words += ["-device", f"vhost-vsock-pci,guest-cid={machine.vsock},bus=pcie.0,addr=0x1"]
    for number, share in enumerate(machine.shares):
        words += ["-chardev", f"socket,id=share-{number},path={_comma(share.socket)}"]
        place = f"bus=pcie.0,addr={_FIRST_SHARE + number:#x}"
        words += ["-device", f"vhost-user-fs-pci,chardev=share-{number},tag={_comma(share.tag)},{place}"]
    return words


def _plugged(machine: Machine) -> list[str]:
    """Give what may be unplugged a slot each; cards come first, so that more disks do not move them."""
    kept = machine.layout.slots if machine.layout is not None else {}
    ports = machine.layout.ports if machine.layout is not None else planning.slots_of(machine.part)
    words, slots = _ports(ports) if machine.accelerator == "kvm" else _bridge()
    free = (slot for slot in slots if slot not in kept.values())
    for nic in machine.nics:
        slot = kept.get(device_names.of_nic(nic.key)) or next(free)
        words += ["-netdev", jsons.dumps(netdev(nic)), "-device", jsons.dumps(card(nic, **slot))]
    for disk in machine.volumes:
        slot = kept.get(disk.id) or next(free)
        words += ["-blockdev", jsons.dumps(blockdev(disk)), "-device", jsons.dumps(drive(disk, **slot, **_queues(machine, disk)))]
    return words


def _queues(machine: Machine, disk: Disk) -> dict[str, Json]:
    known = machine.layout.queues.get(disk.id) if machine.layout is not None else None
    return {} if known is None else {"num-queues": known}


def _ports(count: int) -> tuple[list[str], list[Slot]]:
    """Give a machine a port for each slot."""
    words: list[str] = []
    names = [f"{PORT}{number}" for number in range(count)]
    for number, name in enumerate(names):
        # Eight to a place on the bus: a guest looks through one such device faster than through eight.
        place, function = divmod(number, 8)
        words += ["-device", f"pcie-root-port,id={name},bus=pcie.0,chassis={number + 1},addr={_FIRST_PORT + place:#x}.{function}"]
        words[-1] += ",multifunction=on" if function == 0 else ""
    return words, [{"bus": name} for name in names]


def _bridge() -> tuple[list[str], list[Slot]]:
    """Give an emulated machine one bridge for all slots: each port would keep its guest 25 ms longer from its work."""
    words = ["-device", f"pci-bridge,id={BRIDGE},bus=pcie.0,chassis_nr=1,addr={_FIRST_PORT:#x}"]
    return words, [slot_on_bridge(number) for number in BRIDGE_SLOTS]


def _comma(value: object) -> str:
    """Write a value into a list of options, where a comma ends it unless doubled."""
    return str(value).replace(",", ",,")
