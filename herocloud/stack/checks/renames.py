"""Renames: each leads from something that is gone to something that is there."""

import re

from herocloud.stack.fields import spellings
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields
from herocloud.stack.names import SECTIONS, Names, instance_trouble, suggest

_ADDRESS = spellings.ADDRESS
_PARTS = r"^([a-z]+)\.([a-z0-9-]+)(?:\[(\d+)\])?$"


def check_moves(data: Fields, names: Names, findings: Findings) -> None:
    """Check all `moved` entries."""
    moves = [(number, move) for number, move in enumerate(data.get("moved") or ()) if _check_form(number, move, findings)]
    sound: list[tuple[int, str, str]] = []
    origins: set[str] = set()
    targets: set[str] = set()
    for number, move in moves:
        origin, target = move["from"], move["to"]
        if origin in origins or target in targets:
            key = "from" if origin in origins else "to"
            findings.add(
                "move-twice", ("moved", number, key), f"`{move[key]}` is renamed by an entry above already.", "keep one entry for it"
            )
            continue
        origins.add(origin)
        targets.add(target)
        sound.append((number, origin, target))
    steps = {origin: target for _number, origin, target in sound}
    circle = _circles(steps)
    for number, origin, target in sound:
        if origin in circle:
            if origin == circle[origin]:
                chain = _chain(origin, steps)
                findings.add(
                    "move-cycle",
                    ("moved", number, "from"),
                    f"The renames go in a circle: {chain}.",
                    "rename to a third name in a step of its own",
                )
            continue
        _check_ends(number, origin, target, origins, targets, names, findings)


def _check_form(number: int, move: Fields, findings: Findings) -> bool:
    sound = "from" in move and "to" in move
    for key in ("from", "to"):
        if key in move and not re.fullmatch(_ADDRESS, move[key]):
            findings.add(
                "bad-address",
                ("moved", number, key),
                f"`{move[key]}` is not an address.",
                "addresses look like `vm.web`, `vm.web[0]` or `volume.data`",
            )
            sound = False
    if sound and move["from"].partition(".")[0] != move["to"].partition(".")[0]:
        findings.add(
            "move-target", ("moved", number, "to"), f"`{move['from']}` cannot become `{move['to']}`, which is of another kind.", None
        )
        sound = False
    return sound


def _circles(steps: dict[str, str]) -> dict[str, str]:
    """Return, for every address on a circle, the one that stands for that circle: the first in the file."""
    circle: dict[str, str] = {}
    order = {address: number for number, address in enumerate(steps)}
    done: set[str] = set()
    for start in steps:
        way: dict[str, None] = {}
        here: str | None = start
        while here is not None and here not in done:
            done.add(here)
            way[here] = None
            here = steps.get(here)
        if here is not None and here in way:
            passed = list(way)
            ring = passed[passed.index(here) :]
            first = min(ring, key=order.__getitem__)
            circle.update(dict.fromkeys(ring, first))
    return circle


def _chain(origin: str, steps: dict[str, str]) -> str:
    way = [origin]
    while steps[way[-1]] != origin:
        way.append(steps[way[-1]])
    return " → ".join(f"`{address}`" for address in [*way, origin])


def _check_ends(number: int, origin: str, target: str, origins: set[str], targets: set[str], names: Names, findings: Findings) -> None:
    trouble = _missing(target, names, findings)
    if trouble and target not in origins:
        findings.add("move-target", ("moved", number, "to"), *trouble)
    if origin not in targets and _is_there(origin, names, findings):
        detail = f"`{origin}` is still in the stack, so it was not renamed."
        findings.add("move-kept", ("moved", number, "from"), detail, "remove the entry, or the resource")


def _missing(address: str, names: Names, findings: Findings) -> tuple[str, str | None] | None:
    match = re.fullmatch(_PARTS, address)
    if match is None or not findings.knows(SECTIONS[match.group(1)]):
        return None
    kind, name, number = match.groups()
    if kind == "vm":
        many = names.vms.get(name)
        if number is not None and many is not None and int(number) >= many:
            return None  # The entry was right when it was written, and `count` has shrunk since.
        return instance_trouble(name, None if number is None else int(number), names, findings, one=False)
    declared = names.of_kind(kind)
    return (
        None
        if name in declared and number is None
        else (f"There is no `{address}` in this stack.", suggest(name, declared, SECTIONS[kind], findings, f"{kind}."))
    )


def _is_there(address: str, names: Names, findings: Findings) -> bool:
    match = re.fullmatch(_PARTS, address)
    if match is None or not findings.knows(SECTIONS[match.group(1)]):
        return False
    kind, name, number = match.groups()
    if kind != "vm":
        return name in names.of_kind(kind)
    if name not in names.vms:
        return False
    many = names.vms[name]
    # `vm.web` and `vm.web[0]` change places when a `count` is added or taken away.
    return (many is None) == (number is None) and (number is None or many is None or int(number) < many)
