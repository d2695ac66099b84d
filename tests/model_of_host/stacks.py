"""Random stacks, as the text of a stack file, and random edits that turn one into the next."""

import copy
import json
from random import Random
from typing import Any

Stack = dict[str, Any]
_SINGLES = ("db", "cache", "queue")
_BLOCKS = ("web", "job")


def first(chance: Random) -> Stack:
    """Invent a stack."""
    stack: Stack = {
        "stack": "shop",
        "images": {name: _image(name, "one") for name in ("debian", "alpine")},
        "networks": {name: {"cidr": f"10.{number}.0.0/24"} for number, name in enumerate(("lan", "dmz"), 41) if chance.random() < 0.8},
        "volumes": {name: {"size": "10 GiB"} for name in ("data", "logs") if chance.random() < 0.6},
        "vms": {},
    }
    for name in chance.sample([*_SINGLES, *_BLOCKS], chance.randint(2, 4)):
        _add_vm(stack, name, chance)
    return stack


def text_of(stack: Stack) -> str:
    """Write a stack as its file. JSON is YAML."""
    return json.dumps(stack, indent=1)


def edited(stack: Stack, chance: Random, *, boldly: bool = False) -> Stack:
    """Return a copy with a few edits, as somebody makes them between two applies; bold ones are those that need consent most."""
    new = copy.deepcopy(stack)
    new.pop("moved", None)
    for _ in range(chance.randint(1, 4)):
        chance.choice(_BOLD if boldly else _EDITS)(new, chance)
    names = [(move["from"].partition(".")[2], move["to"].partition(".")[2]) for move in new.get("moved", ())]
    if any(old in new["vms"] or target not in new["vms"] for old, target in names):
        del new["moved"]
    return new


def with_moved_rates(stack: Stack, chance: Random) -> Stack:
    """Return a copy in which a rate that takes most of a tight uplink is on another card, which may be the only one that stays."""
    new = copy.deepcopy(stack)
    singles = [name for name, vm in new["vms"].items() if "count" not in vm]
    fastest = chance.choice(singles) if singles else None
    for name, vm in new["vms"].items():
        cards = {use["network"]: use for use in ({"network": one} if isinstance(one, str) else one for one in vm.get("networks", ()))}
        had = [network for network, use in cards.items() if "rate" in use and name == fastest]
        for network in had if len(cards) > 1 and chance.random() < 0.5 else ():
            del cards[network]
        fast = chance.choice(sorted(cards)) if cards and name == fastest else None
        vm["networks"] = [{"network": network, **({"rate": {"download": "900 Mbit/s"}} if network == fast else {})} for network in cards]
    return new


def bandwidth_of(stack: Stack) -> int:
    """Return how many bytes a second the cards of a stack may use together."""
    each = {"900 Mbit/s": 112_500_000, "10 Mbit/s": 1_250_000}
    uses = [(use, vm.get("count", 1)) for vm in stack["vms"].values() for use in vm.get("networks", ()) if isinstance(use, dict)]
    return sum(each[use["rate"]["download"]] * count for use, count in uses if "rate" in use)


def _image(name: str, version: str) -> Stack:
    return {"source": f"https://example.org/{name}-{version}.qcow2", "unpinned": True, "format": "qcow2"}


def _add_vm(stack: Stack, name: str, chance: Random) -> None:
    vm: Stack = {"image": chance.choice(("debian", "alpine")), "memory": chance.choice(("1 GiB", "2 GiB", "4 GiB"))}
    vm["networks"] = [network for network in stack["networks"] if chance.random() < 0.6]
    if name in _BLOCKS:
        vm["count"] = chance.randint(1, 3)
        vm["update"] = {"max_unavailable": chance.choice(("1", "2", "50%"))}
    else:
        taken = {use["volume"] for other in stack["vms"].values() for use in other.get("volumes", ())}
        vm["volumes"] = [{"volume": volume} for volume in stack["volumes"] if volume not in taken and chance.random() < 0.5]
    if chance.random() < 0.5:
        vm["root_disk"] = {"size": f"{chance.choice((5, 10))} GiB"}
    if chance.random() < 0.3:
        vm["state"] = chance.choice(("stopped", "paused"))
    if chance.random() < 0.3:
        vm["slices"] = 2
    others = [other for other in stack["vms"] if other not in _BLOCKS]
    if others and chance.random() < 0.5:
        vm["depends_on"] = [f"vm.{chance.choice(others)}"]
    stack["vms"][name] = vm


def _some_vm(stack: Stack, chance: Random) -> Stack:
    return stack["vms"][chance.choice(sorted(stack["vms"]))] if stack["vms"] else {}


def _edit_image(stack: Stack, chance: Random) -> None:
    name = chance.choice(sorted(stack["images"]))
    stack["images"][name] = _image(name, chance.choice(("one", "two", "three")))


def _edit_cpus(stack: Stack, chance: Random) -> None:
    vm = _some_vm(stack, chance)
    if chance.random() < 0.5:
        vm["cpu"] = {"max": chance.choice((4, 8))}
    vm["vcpus"] = chance.choice((1, 2, 4))


def _edit_memory(stack: Stack, chance: Random) -> None:
    _some_vm(stack, chance)["memory"] = chance.choice(("1 GiB", "2 GiB", "3 GiB", "4 GiB"))


def _edit_state(stack: Stack, chance: Random) -> None:
    _some_vm(stack, chance)["state"] = chance.choice(("running", "running", "stopped", "paused"))


def _edit_disk(stack: Stack, chance: Random) -> None:
    vm = _some_vm(stack, chance)
    sizes = {"5 GiB": 5, "10 GiB": 10, "15 GiB": 15, "20 GiB": 20}
    vm["root_disk"] = {"size": chance.choice(sorted(sizes)), **({"direct": True} if chance.random() < 0.3 else {})}


def _edit_networks(stack: Stack, chance: Random) -> None:
    vm = _some_vm(stack, chance)
    if vm:
        vm["networks"] = [
            {"network": name, **({"rate": {"download": "10 Mbit/s", "upload": "5 Mbit/s"}} if chance.random() < 0.3 else {})}
            for name in stack["networks"]
            if chance.random() < 0.6
        ]


def _edit_volumes(stack: Stack, chance: Random) -> None:
    if not stack["volumes"]:
        return
    name = chance.choice(sorted(stack["volumes"]))
    if chance.random() < 0.5:
        stack["volumes"][name] = {"size": f"{int(stack['volumes'][name]['size'].split()[0]) + 10} GiB"}
        return
    for vm in stack["vms"].values():
        vm["volumes"] = [use for use in vm.get("volumes", ()) if use["volume"] != name]
    singles = [vm for vm in stack["vms"].values() if "count" not in vm]
    if singles and chance.random() < 0.8:
        chance.choice(singles)["volumes"].append({"volume": name})


def _edit_labels(stack: Stack, chance: Random) -> None:
    _some_vm(stack, chance)["labels"] = {"tier": chance.choice(("front", "back"))}


def _edit_count(stack: Stack, chance: Random) -> None:
    for name in _BLOCKS:
        if name in stack["vms"]:
            stack["vms"][name]["count"] = chance.randint(1, 4)


def _edit_members(stack: Stack, chance: Random) -> None:
    """Add a VM that was not there, or take one away."""
    absent = [name for name in (*_SINGLES, *_BLOCKS) if name not in stack["vms"]]
    if absent and (chance.random() < 0.5 or len(stack["vms"]) < 2):
        _add_vm(stack, chance.choice(absent), chance)
    else:
        _forget(stack, chance.choice(sorted(stack["vms"])))


def _forget(stack: Stack, name: str) -> None:
    del stack["vms"][name]
    for vm in stack["vms"].values():
        vm["depends_on"] = [need for need in vm.get("depends_on", ()) if need != f"vm.{name}"]


def _edit_name(stack: Stack, chance: Random) -> None:
    """Rename a VM or a volume."""
    if "moved" in stack:
        return
    absent = [name for name in _SINGLES if name not in stack["vms"]]
    present = [name for name in _SINGLES if name in stack["vms"]]
    if absent and present:
        old, new = chance.choice(present), chance.choice(absent)
        stack["vms"] = {new if name == old else name: vm for name, vm in stack["vms"].items()}
        for vm in stack["vms"].values():
            vm["depends_on"] = [f"vm.{new}" if need == f"vm.{old}" else need for need in vm.get("depends_on", ())]
        stack["moved"] = [{"from": f"vm.{old}", "to": f"vm.{new}"}]


def _drop_volume(stack: Stack, chance: Random) -> None:
    if stack["volumes"]:
        name = chance.choice(sorted(stack["volumes"]))
        del stack["volumes"][name]
        for vm in stack["vms"].values():
            vm["volumes"] = [use for use in vm.get("volumes", ()) if use["volume"] != name]


_EDITS = (
    _edit_image, _edit_cpus, _edit_cpus, _edit_memory, _edit_state, _edit_disk, _edit_networks, _edit_volumes, _edit_labels,
    _edit_count, _edit_members, _edit_members, _edit_name, _drop_volume,
)  # fmt: skip

_BOLD = (_edit_state, _edit_state, _edit_state, _edit_image, _edit_cpus, _edit_members, _edit_members, _drop_volume)
