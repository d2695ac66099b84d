"""Hypothesis strategies for stacks: small, varied, and valid as the loader would have it."""

from hypothesis import strategies as some

from tests.plan import building

GIB = building.GIB

_IMAGES = ("debian12", "alpine", "tiny")
_RATES = (None, None, 300, 500, 1000)
"""Bytes a second that a card may have."""


@some.composite
def stacks(draw, names: tuple[str, ...] = ("web", "db", "cache", "queue", "lab"), checksums: tuple[str, ...] = ("one", "two")):
    """A stack of VMs with these names, some counted, with what they need. Few names and one checksum make for changes in place."""
    networks = draw(some.lists(some.sampled_from(["lan", "dmz"]), unique=True, max_size=2))
    volumes = draw(
        some.dictionaries(some.sampled_from(["data", "logs", "scratch"]), some.integers(1, 4).map(lambda size: size * 10), max_size=3)
    )
    resources = [building.image("debian12", sha256=draw(some.sampled_from(checksums))), building.image("alpine"), building.kernel()]
    resources += [
        building.network(name, cidr=f"10.{40 + number}.0.0/24", nat=draw(some.booleans())) for number, name in enumerate(sorted(networks))
    ]
    resources += [building.volume(name, size) for name, size in sorted(volumes.items())]
    chosen = draw(some.lists(some.sampled_from(names), unique=True, min_size=len(names) // 2, max_size=len(names)))
    free_volumes = sorted(volumes)
    made: list[str] = []
    for name in chosen:
        fields = draw(_fields(networks))
        if free_volumes and draw(some.booleans()):
            fields["volumes"] = [free_volumes.pop()]
        needs = tuple(made[-1:]) if draw(some.booleans()) else ()
        count = None if "volumes" in fields else draw(some.sampled_from([None, 1, 2, 3]))
        group = [building.vm(name, needs=needs, **fields)] if count is None else building.vms(name, count, needs=needs, **fields)
        resources += group
        made = [one.address for one in group]
    return building.desired(resources)


@some.composite
def _fields(draw, networks):
    slices = draw(some.sampled_from([None, 1, 2]))
    share = slices or 1
    fields = {
        "image": draw(some.sampled_from(_IMAGES)),
        "slices": slices,
        "vcpus": draw(some.sampled_from([1, 2, 4, 8])),
        "memory": draw(some.sampled_from([None, GIB, 2 * GIB, 4 * GIB * share])),
        "state": draw(some.sampled_from(["running", "running", "stopped", "paused"])),
        "restart": draw(some.sampled_from(["no", "always"])),
        "labels": draw(some.sampled_from([{}, {"tier": "data"}])),
        "ssh_keys": draw(some.sampled_from([[], ["ssh-ed25519 AAAA"]])),
        "networks": [_nic(draw, name) for name in draw(some.lists(some.sampled_from(networks), unique=True))] if networks else [],
    }
    if draw(some.booleans()):
        fields["root_disk"] = {"size": draw(some.sampled_from([10, 20, 30])) * GIB, "direct": draw(some.booleans()), "rate": None}
    if draw(some.booleans()):
        fields["memory_options"] = {
            "hugepages": draw(some.booleans()),
            "mergeable": False,
            "hotplug": draw(some.sampled_from([None, 0, GIB])),
            **draw(some.sampled_from([{}, {"balloon": GIB // 2}, {"balloon": GIB // 4, "thp": False}])),
        }
    return fields


def _nic(draw, network):
    rate = draw(some.sampled_from(_RATES))
    return {"network": network, "rate": rate and {"download": rate, "upload": None}}


@some.composite
def linked(draw):
    """A stack whose cards share 1,000 bytes a second, on networks that stay; some VMs are off, and some have to be stopped to change."""
    networks = [building.network(f"lan{number}", cidr=f"10.{40 + number}.0.0/24") for number in range(3)]
    names = draw(some.sampled_from([("web",), ("web",), ("web", "db")]))
    chosen = {name: draw(some.lists(some.sampled_from([one.name for one in networks]), unique=True, min_size=1)) for name in names}
    cards = draw(some.permutations([(name, network) for name in names for network in chosen[name]]))
    rates = dict(zip(cards, draw(some.sampled_from([(1000,), (300, 700), (500, 500)])), strict=False))
    vms = []
    for name in names:
        nics = [
            {"network": network, "rate": rates.get((name, network)) and {"download": rates[name, network], "upload": None}}
            for network in chosen[name]
        ]
        cpu = {"max": draw(some.sampled_from([None, 8])), "affinity": None, "topology": None}
        vms.append(building.vm(name, networks=nics, cpu=cpu, state=draw(some.sampled_from(["running", "stopped", "stopped", "paused"]))))
    return building.desired(building.image(), networks, vms)
