"""What a running machine says of itself, and the part that follows: the mark, corrected by what is really there.

A handful of questions in one visit answers for power, processors, memory, limits and everything that is plugged in. Where a machine does
not answer in time its mark is believed: it runs, as its process shows, and to call it changed would make a plan that destroys and makes.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from herocloud.kits.jsons import Json, Part
from herocloud.model import powers
from herocloud.providers.qemu import additions, balloon, block_nodes, command_line, open_ports
from herocloud.providers.qemu.additions import Additions
from herocloud.providers.qemu.qmp import Question, Talk
from herocloud.providers.vmm import device_names
from herocloud.providers.vmm.answer_shapes import BadAnswer, ListOf, require

_BLOCK = {"qdev": str, "io-status": str, "inserted": {"ro": bool, "image": {"virtual-size": int}}}
_ANSWERS: tuple[Any, ...] = (
    {"status": str},
    ListOf({"cpu-index": int, "thread-id": int}),
    ListOf(_BLOCK),
    ListOf({"name": str}),
    int,
    {"bps-total": int, "bps-total-max": int, "iops-total": int},
    balloon.NOTE,
    block_nodes.SHAPE,
)
"""What QEMU may answer to each of the first questions."""
_REQUIRED = frozenset({"status", "cpu-index", "thread-id", "name", "node-name", "drv"})
QUESTIONS = (
    Question("query-status"),
    Question("query-cpus-fast"),
    Question("query-block"),
    Question("qom-list", {"path": "/machine/peripheral"}),
    Question("qom-get", {"path": f"/machine/peripheral/{command_line.HOT_MEMORY}", "property": "requested-size"}),
    Question("qom-get", {"path": f"/objects/{command_line.LIMITS}", "property": "limits"}),
    balloon.QUESTION,
    block_nodes.QUESTION,
    *additions.QUESTIONS,
    open_ports.QUESTION,
)

NOT_BEGUN = ("prelaunch", "inmigrate")
"""The guest has not run its first instruction."""
INTERNAL_ERROR = "internal-error"
"""QEMU stopped the guest because KVM cannot go on with it; only a power-cycle helps."""
IO_ERROR = "io-error"
"""QEMU paused the guest, because what it wrote could not be written."""
_RUNNING = ("running",)


class Look(NamedTuple):
    """The answers of one machine."""

    status: str
    cpus: Sequence[Mapping[str, Json]]
    disks: Mapping[str, Mapping[str, Json]]
    """By the name of their device."""
    devices: frozenset[str]
    hot_memory: int
    limits: Mapping[str, Json]
    full: bool = True
    """Whether it was want of room that stopped the guest, where something about its disks did."""
    balloon: int = 0
    """How much of its memory the guest was asked to give back."""
    nodes: block_nodes.Nodes = ()
    """What its disks are read and written through."""
    additions: Additions = Additions()
    ports: frozenset[open_ports.Port] = frozenset()
    """Those of the host that lead to its cards."""

    @property
    def power(self) -> str:
        """Return the part `power` of a VM whose process lives."""
        if self.status == INTERNAL_ERROR:
            return powers.CRASHED
        if self.status == IO_ERROR:
            return powers.DISK_FULL if self.full else powers.DISK_ERROR
        return "running" if self.status in _RUNNING else "paused"


def read(answers: Sequence[Json] | None) -> Look | None:
    """Make sense of the answers, or of the first of them; nothing when the machine did not give any.

    A machine whose guest broke out of it may answer anything, and what makes no sense is not an answer.
    """
    if not answers or answers[0] is None:
        return None
    all_answers: list[Json] = [*answers, *([None] * len(QUESTIONS))][: len(QUESTIONS)]
    try:
        for answer, shape, question in zip(all_answers, _ANSWERS, QUESTIONS, strict=False):
            if answer is not None:
                require(answer, shape, question.command, _REQUIRED)
    except BadAnswer:
        return None
    status, cpus, blocks, devices, memory, limits, asked, nodes, *added, ports = all_answers
    disks = {_device_of(block): block.get("inserted") or {} for block in blocks or ()}
    names = frozenset(device["name"] for device in devices or ())
    full = not any(block.get("io-status") == "failed" for block in blocks or ())
    found = additions.read(added)
    return Look(
        status["status"],
        cpus or (),
        disks,
        names,
        memory or 0,
        limits or {},
        full,
        balloon.read(asked),
        nodes or (),
        found,
        open_ports.read(ports),
    )


def look(talk: Talk) -> Look:
    """Ask one machine within a conversation."""
    from herocloud.providers.qemu.qmp import Lost, Refusal

    answers: list[Json] = []
    for question in QUESTIONS:
        try:
            answers.append(talk.put(question))
        except Refusal:
            answers.append(None)
    found = read(answers)
    if found is None:
        raise Lost("QEMU does not say how it is")
    return found


def machine_part(machine: Part, seen: Look | None) -> Part:
    """Return the part of a running machine as it really is."""
    if seen is None or seen.status in NOT_BEGUN:
        return machine
    changed: dict[str, Any] = dict(machine)
    changed["vcpus"] = len(seen.cpus)
    changed["memory"] = machine["boot_memory"] + seen.hot_memory
    changed.pop("balloon", None)
    if seen.balloon:
        changed["balloon"] = seen.balloon
    changed["nics"] = device_names.nics_among(machine, seen.devices)
    uses = device_names.volumes_among(machine, seen.devices, lambda device: bool(seen.disks.get(device, {}).get("ro")))
    changed["volumes"] = [_as_seen(use, seen) for use in uses]
    if machine["root"] is not None and seen.limits:
        changed["root"] = {**machine["root"], "rate": rate_of(machine["root"]["rate"], seen.limits)}
    if machine["affinity"]:
        changed["affinity"] = _pinned(machine["affinity"], seen)
    if diverted := block_nodes.flaw(seen.nodes, seen.disks):
        changed[powers.DISKS] = diverted
    if added := seen.additions.beyond(machine["nics"], seen.devices).words:
        changed[powers.ADDED] = added
    return changed


def rate_of(known: Json, limits: Mapping[str, Json]) -> Json:
    """Return the limits of a disk in our words; those that are set are kept as they were written when they mean the same."""
    wanted = command_line.limits_of(known)
    real = {name: int(limits.get(name) or 0) for name in wanted}
    if real == wanted:
        return known
    bandwidth, most, iops = real["bps-total"], real["bps-total-max"], real["iops-total"]
    if not (bandwidth or iops):
        return None
    return {"bandwidth": bandwidth or None, "burst": max(0, most - bandwidth) or None, "iops": iops or None}


def wanted_processors(machine: Part, number: int) -> set[int] | None:
    """Return the processors of the host that a vCPU may run on; nothing when it may run anywhere."""
    lists = machine["affinity"] or []
    return set(lists[number]) if number < len(lists) and lists[number] else None


def _pinned(wanted: Sequence[Sequence[int]], seen: Look) -> list[list[int]]:
    """Say where the threads of the vCPUs may really run; for those that are not there what is wanted is all that is known."""
    pinned = [list(one) for one in wanted]
    for cpu in seen.cpus:
        number = int(cpu["cpu-index"])
        if number >= len(pinned) or not pinned[number]:
            continue
        try:
            real = os.sched_getaffinity(int(cpu["thread-id"]))
        except (OSError, OverflowError):
            continue
        if real != set(pinned[number]):
            pinned[number] = sorted(real)
    return pinned


def _as_seen(use: Mapping[str, Json], seen: Look) -> Json:
    """Return a volume with the size that the guest sees, where its size is known at all."""
    size = (seen.disks.get(device_names.of_volume(use), {}).get("image") or {}).get("virtual-size")
    return use if use.get("size") is None or size is None else {**use, "size": int(size)}


def _device_of(block: Mapping[str, Json]) -> str:
    """Name the device of an entry: QEMU gives its path in the tree, `/machine/peripheral/root/virtio-backend`."""
    path = str(block.get("qdev") or "").split("/")
    return path[3] if len(path) > 3 and path[2] == "peripheral" else ""
