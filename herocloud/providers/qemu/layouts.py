"""How a running machine is laid out, read from it when its memory is kept, and kept beside that memory.

A boot gives out slots in the order of the stack and queues by the number of processors. Cards, disks and processors that come and go while
the machine runs change neither, so a machine that boots for the same stack may be another one to QEMU, which reads the memory of
its like only.
"""

from pathlib import Path

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Json
from herocloud.model.errors import Permanent
from herocloud.providers.qemu import command_line, queries
from herocloud.providers.qemu.command_line import Layout, Slot
from herocloud.providers.qemu.qmp import Refusal, Talk
from herocloud.providers.vmm.answer_shapes import BadAnswer, ListOf, require

WAY_OUT = "`herocloud vm snapshot restore --no-memory` restores the disks alone, and the VM boots"
_FILE = "layout.json"
_DISKS = ("root", "seed")
_BUSES = ListOf({"devices": ListOf({"qdev_id": str, "pci_bridge": {"devices": ListOf({"qdev_id": str, "slot": int})}})})
_REQUIRED = frozenset({"qdev_id", "slot"})


def keep(talk: Talk, folder: Path) -> None:
    """Write down how a machine is laid out, into the folder of its memory."""
    layout = read(talk)
    durable_files.write_durably(folder / _FILE, jsons.dumps(layout._asdict()).encode(), draft=folder / f".{_FILE}.new")


def read_back(folder: Path) -> Layout | None:
    """Return how a machine was laid out; nothing for memory that was kept before this was written down."""
    path = folder / _FILE
    try:
        return Layout(**jsons.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise Permanent(f"`{path}` is damaged, so nobody can tell how the machine was laid out; {WAY_OUT}") from None


def read(talk: Talk) -> Layout:
    """Ask a machine how it is laid out."""
    disks = [name for name in sorted(queries.look(talk).devices) if name in _DISKS or name.startswith(command_line.volume_id(""))]
    queues = {name: int(talk.ask("qom-get", path=f"/machine/peripheral/{name}", property="num-queues")) for name in disks}
    slots: dict[str, Slot] = {}
    ports = 0
    for device in _devices(talk):
        name = device["qdev_id"]
        ports += name.startswith(command_line.PORT)
        for child in device.get("pci_bridge", {}).get("devices", ()):
            if name == command_line.BRIDGE:
                slots[child["qdev_id"]] = command_line.slot_on_bridge(child["slot"])
            elif name.startswith(command_line.PORT):
                slots[child["qdev_id"]] = {"bus": name}
    return Layout(slots, queues, ports)


def _devices(talk: Talk) -> list[Json]:
    try:
        buses = talk.ask("query-pci")
        require(buses, _BUSES, "query-pci", _REQUIRED)
    except Refusal:
        # A small board has no such bus, and nothing is plugged into it.
        return []
    except BadAnswer as error:
        raise Permanent(f"QEMU does not say how the machine is laid out: {error}") from error
    return [device for bus in buses for device in bus.get("devices", ())]
