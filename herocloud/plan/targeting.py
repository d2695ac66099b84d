"""`--target`, `--exclude` and `--replace`: which addresses a plan is about."""

import re
from collections.abc import Iterable, Mapping

from herocloud.kits import names
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.plan import saying


def select(flag: str, patterns: Iterable[str], known: Iterable[Address], found: list[Diagnostic]) -> set[Address]:
    """Return the addresses that the patterns name; a pattern that names none is a finding."""
    addresses = list(known)
    chosen: set[Address] = set()
    for pattern in patterns:
        matcher = _compile(pattern)
        matched = [address for address in addresses if matcher.fullmatch(address)]
        if not matched:
            found.append(
                saying.no_match(flag, pattern, names.nearest(pattern, [*addresses, *(one.partition("[")[0] for one in addresses)]))
            )
        chosen.update(matched)
    return chosen


def _compile(pattern: str) -> re.Pattern[str]:
    """Make `vm.web` also stand for `vm.web[0]` …; `*` and `?` stand for any text and any character, while `[2]` is always a number."""
    text = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile(text + r"(\[\d+\])?", re.DOTALL)


def narrow(
    known: Iterable[Address],
    targets: set[Address] | None,
    excluded: set[Address],
    needs: Mapping[Address, Iterable[Address]],
) -> set[Address]:
    """Return what the plan may touch: targets with all they need, less what is excluded and all that needs that."""
    allowed = set(known)
    if targets is not None:
        allowed &= _closure(targets, needs)
    if excluded:
        needed_by: dict[Address, list[Address]] = {}
        for address, others in needs.items():
            for other in others:
                needed_by.setdefault(other, []).append(address)
        allowed -= _closure(excluded, needed_by)
    return allowed


def _closure(start: set[Address], edges: Mapping[Address, Iterable[Address]]) -> set[Address]:
    seen, stack = set(start), list(start)
    while stack:
        for one in edges.get(stack.pop(), ()):
            if one not in seen:
                seen.add(one)
                stack.append(one)
    return seen
