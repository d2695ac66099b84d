"""The keys of the overlay in a plan: which ones it needs, and what follows from each.

This is the only place where addresses are derived. The public halves of keys were looked up before (`Host.overlay_keys`). On the
simulator a key that is missing is replaced by one that follows from names, the same one for every stack, whatever happens to run.
"""

from collections.abc import Iterable, Iterator, Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.overlays import GUEST, HOST, HOST_KEY, NETWORK, NODE
from herocloud.model.worlds import Desired, Record
from herocloud.providers import registry
from herocloud.providers.seam import OverlayPlanning

Stacks = Iterable[Mapping[Address, Record]]
"""The records of several stacks."""


def node(public: str) -> tuple[str, str]:
    """Return the address and the /64 of the node with this public key."""
    return _planning().node(public)


def vm_address(subnet: str, seed: str) -> str:
    """Return the address of the VM with this seed in a /64."""
    return _planning().vm_address(subnet, seed)


def node_subnet(host: Host, reference: Json) -> str | None:
    """Return the /64 that follows from a key; nothing while the key is not known."""
    known = dict(host.overlay_keys).get(jsons.dumps(reference))
    return node(known.public)[1] if known is not None and known.public is not None else None


def derived(host: Host, name: str) -> str:
    """Return the public key that stands in for the missing one of this name on the simulator."""
    return jsons.blake2b(f"herocloud simulator {host.name} {name}".encode(), digest_size=32).hexdigest()


def is_derived(host: Host, name: str, applied: str) -> bool:
    """Return whether what was applied, a public key or a /64, followed from a name and not from a key that is lost by now."""
    public = derived(host, name)
    return applied in (public, node(public)[1]) or (name == HOST_KEY["name"] and applied == _former_subnet(host))


def kept_subnet(host: Host, stacks: Stacks) -> str | None:
    """Return the /64 of a simulated host whose stacks got it before it was derived as others are: they stay in it, and new ones join."""
    former = _former_subnet(host)
    nodes = (records[NODE].spec for records in stacks if NODE in records)
    return former if any(spec.get("subnet") == former and spec.get("mode", HOST) == HOST for spec in nodes) else None


def _former_subnet(host: Host) -> str:
    """Return what simulated hosts took for their /64 first; it follows from the name alone, and from no public key."""
    raw = jsons.blake2b(f"herocloud simulator {host.name}".encode(), digest_size=16).digest()
    groups = [(0x04 | raw[0].bit_count() % 2) << 8 | raw[1], *(int.from_bytes(raw[at : at + 2], "big") for at in (2, 4, 6))]
    return ":".join(f"{group:x}" for group in groups) + "::/64"


def wanted_keys(desired: Desired, records: Mapping[Address, Record]) -> list[Json]:
    """Return the references of all keys that a stack needs, and of those that it had: a renamed VM keeps its own."""
    keys: list[Json] = [resource.spec["key"] for resource in desired.resources if resource.kind == "mycelium" and resource.spec.get("key")]
    keys += [
        guest_key(desired.stack, host_name(resource.address))
        for resource in desired.resources
        if resource.kind == "vm" and is_inside(resource.spec)
    ]
    if any(resource.kind == "mycelium" and resource.spec.get("mode") == NETWORK for resource in desired.resources):
        keys.append(HOST_KEY)
    return keys + recorded_keys({address: record for address, record in records.items() if record.kind == "vm"})


def recorded_keys(records: Mapping[Address, Record]) -> list[Json]:
    """Return the references of all keys that addresses in these records follow from."""
    keys: list[Json] = [record.spec["key"] for record in records.values() if record.kind == "mycelium" and record.spec.get("key")]
    if any(record.kind == "mycelium" and record.spec.get("mode") == NETWORK for record in records.values()):
        keys.append(HOST_KEY)
    overlays = [record.spec.get("mycelium") or {} for record in records.values() if record.kind == "vm"]
    return keys + [{"name": overlay["key"]["name"]} for overlay in overlays if overlay.get("key")]


def keys_of_others(stacks: Stacks) -> list[Json]:
    """Return the keys that these stacks want for the node of the host, where a /64 that is recorded does not tell."""
    return list(_keys_of_others(stacks))


def _keys_of_others(stacks: Stacks) -> Iterator[Json]:
    specs = [records[NODE].spec for records in stacks if NODE in records]
    yield from (spec["key"] for spec in specs if spec.get("mode", HOST) == HOST and not spec.get("subnet") and spec.get("key"))
    if any(spec.get("mode") == NETWORK for spec in specs):
        yield HOST_KEY


def is_inside(spec: Spec) -> bool:
    """Return whether a VM has a daemon of its own inside."""
    return (spec.get("mycelium") or {}).get("mode") == GUEST


def guest_key(stack: StackName, hostname: str) -> Json:
    """Name the key of a VM with a daemon of its own inside."""
    return {"name": f"{stack}.{hostname}"}


def host_name(address: str) -> str:
    """Turn an address into a name a guest can have: `vm.web[2]` is `web-2`."""
    return address.removeprefix("vm.").replace("[", "-").replace("]", "")


def _planning() -> OverlayPlanning:
    role = registry.find(registry.usual("overlay")).overlay
    assert role is not None  # noqa: S101  (the registry finds it by that role)
    assert role.planning is not None  # noqa: S101  (the real one derives addresses from keys)
    return role.planning()
