"""How a running machine is laid out: which slot is free, and what its memory needs of the machine that reads it back.

A boot gives out slots in the order of the stack and queues by the number of processors. Cards, disks and processors that come and go while
the machine runs change neither, so a machine that boots for the same stack may be another one to QEMU, which reads the memory of
its like only.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar, cast

from herocloud.kits import durable_files, jsons
from herocloud.model.errors import Permanent
from herocloud.providers.qemu import command_line, queries
from herocloud.providers.qemu.command_line import Layout, Slot
from herocloud.providers.qemu.qmp import Talk
from herocloud.providers.vmm import device_names
from herocloud.providers.vmm.answer_shapes import BadAnswer, require

Value = TypeVar("Value", int, str)

WAY_OUT = "`herocloud vm snapshot restore --no-memory` restores the disks alone, and the VM boots"
_FILE = "layout.json"
_DISKS = ("root", "seed")
_PERIPHERAL = "/machine/peripheral"
_FUNCTIONS = 8
"""Of a slot; a device is addressed by both in one number."""


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
    names = queries.look(talk).devices
    disks = [name for name in sorted(names) if name in _DISKS or device_names.is_volume(name)]
    queues = {name: _get(talk, name, "num-queues", int) for name in disks}
    return Layout(_find_slots(talk, names), queues, sum(name.startswith(command_line.PORT) for name in names))


def find_free_slot(talk: Talk) -> Slot | None:
    """Return a slot of a running machine that nothing sits in; nothing where all are in use."""
    names = queries.look(talk).devices
    ports = sorted((name for name in names if name.startswith(command_line.PORT)), key=lambda name: (len(name), name))
    slots: list[Slot] = [{"bus": name} for name in ports]
    if command_line.BRIDGE in names:
        slots = [command_line.slot_on_bridge(number) for number in command_line.BRIDGE_SLOTS]
    taken = _find_slots(talk, names).values()
    return next((slot for slot in slots if slot not in taken), None)


def _find_slots(talk: Talk, names: Iterable[str]) -> dict[str, Slot]:
    """Ask where each plugged device sits: itself, because `query-pci` shows no bus that the firmware has not come to yet."""
    found: dict[str, Slot] = {}
    for name in sorted(names):
        if not name.startswith(device_names.PLUGGED):
            continue
        bus = _get(talk, name, "parent_bus", str).rpartition("/")[2]
        if bus == command_line.BRIDGE:
            found[name] = command_line.slot_on_bridge(_get(talk, name, "addr", int) // _FUNCTIONS)
        elif bus.startswith(command_line.PORT):
            found[name] = {"bus": bus}
    return found


def _get(talk: Talk, device: str, prop: str, shape: type[Value]) -> Value:
    answer = talk.ask("qom-get", path=f"{_PERIPHERAL}/{device}", property=prop)
    try:
        require(answer, shape, f"{device}.{prop}")
    except BadAnswer as error:
        raise Permanent(f"QEMU does not say how the machine is laid out: {error}") from error
    return cast("Value", answer)
