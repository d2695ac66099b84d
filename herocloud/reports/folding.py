"""Long lists of addresses as ranges: `vm.web[0 to 4999]` on one line and not on five thousand.

A report of 10,000 VMs must open at once and still name every one of them.
"""

from collections.abc import Iterable
from itertools import pairwise

from herocloud.model.ids import sort_key, split_address


def fold_addresses(addresses: Iterable[str]) -> list[str]:
    """Return the addresses in reading order, with runs of counted ones written as ranges."""
    runs: dict[str, list[int]] = {}
    found: list[str] = []
    for address in sorted(addresses, key=sort_key):
        parts = split_address(address)
        if parts is None or parts.number is None:
            found.append(address)
            continue
        family = f"{parts.kind}.{parts.name}"
        if family not in runs:
            runs[family] = []
            found.append(family + "[]")
        runs[family].append(parts.number)
    return [entry if not entry.endswith("[]") else f"{entry[:-2]}[{_ranges(runs[entry[:-2]])}]" for entry in found]


def _ranges(numbers: list[int]) -> str:
    starts = [numbers[0]]
    ends = []
    for first, second in pairwise(numbers):
        if second != first + 1:
            ends.append(first)
            starts.append(second)
    ends.append(numbers[-1])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in zip(starts, ends, strict=True))  # noqa: RUF001
