"""Names of things: addresses, sids, plan and step ids.

All of them are texts; a `NewType` each keeps mypy from letting one pass for another.
"""

import functools
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NewType

from herocloud.kits import nearest
from herocloud.kits.named_tuples import NamedTuple

Address = NewType("Address", str)
"""`vm.web[2]`, `volume.data`, `peer.tcp://192.0.2.1:9651`: what a resource is called inside its stack."""

Sid = NewType("Sid", str)
"""Lower-case base 36, two to six characters: `s1` for a slice, `v1` for a VM. Stable for the life of the host."""

StepId = NewType("StepId", str)
PlanId = NewType("PlanId", str)
StackName = NewType("StackName", str)

HostId = NewType("HostId", str)

HERE = HostId("here")
"""The host whose state this is. The state knows the host's own id, which stands for it where states of several hosts meet."""

NAME = re.compile(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")
_ADDRESS = re.compile(r"^([a-z]+)\.(.+?)(?:\[(\d+)\])?$", re.DOTALL)

KINDS = ("image", "network", "mycelium", "peer", "volume", "vm")
"""Kinds of resources in the order in which people think of them: what others need comes first."""


class AddressParts(NamedTuple):
    """An address taken apart."""

    kind: str
    name: str
    number: int | None


def make_address(kind: str, name: str, index: int | None = None) -> Address:
    """Put an address together."""
    return Address(f"{kind}.{name}" if index is None else f"{kind}.{name}[{index}]")


@functools.lru_cache(maxsize=16384)
def split_address(text: str) -> AddressParts | None:
    """Take an address apart; nothing when `text` is none."""
    match = _ADDRESS.match(text)
    if not match or match.group(1) not in KINDS:
        return None
    kind, name, index = match.groups()
    if kind == "peer":
        return AddressParts(kind, text[len("peer.") :], None)
    return AddressParts(kind, name, None if index is None else int(index))


@functools.lru_cache(maxsize=16384)
def sort_key(address: str) -> tuple[int, str, int]:
    """Order addresses as people read them: by kind, then by name, then by number (`web[2]` before `web[10]`)."""
    parts = split_address(address)
    if parts is None:
        return (len(KINDS), address, -1)
    return (KINDS.index(parts.kind), parts.name, -1 if parts.number is None else parts.number)


def slice_sid(number: int) -> Sid:
    """Return the sid of the slice with this number, counted from 1: `s1` to `sz`, then `s10`."""
    return Sid("s" + nearest.encode(number))


@functools.lru_cache(maxsize=16384)
def sid_number(sid: str) -> int:
    """Return the number in a sid, which gives sids their order: `sz` comes before `s10`."""
    return nearest.decode(sid[1:])


def fold_addresses(addresses: Iterable[str]) -> list[str]:
    """Return the addresses in reading order, with runs of counted ones written as ranges."""
    runs: dict[str, list[int]] = {}
    folded: list[str] = []
    for address in sorted(addresses, key=sort_key):
        parts = split_address(address)
        if parts is None or parts.number is None:
            folded.append(address)
            continue
        family = f"{parts.kind}.{parts.name}"
        if family not in runs:
            runs[family] = []
            folded.append(family + "[]")
        runs[family].append(parts.number)
    return [entry if not entry.endswith("[]") else f"{entry[:-2]}[{_ranges(runs[entry[:-2]])}]" for entry in folded]


def _ranges(numbers: list[int]) -> str:
    starts = [numbers[0]]
    ends = []
    for first, second in pairwise(numbers):
        if second != first + 1:
            ends.append(first)
            starts.append(second)
    ends.append(numbers[-1])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in zip(starts, ends, strict=True))  # noqa: RUF001
