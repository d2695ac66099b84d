"""Which addresses a stack has on the overlay: from keys and seeds, never from what happens to run.

The public halves of keys were looked up before (`Host.overlay_keys`). On the simulator a key that is missing is replaced by one that
follows from names, and the plan says so; on a real host it is an error that names the command which makes it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Desired, Observed, Record, Resource
from herocloud.plan import overlay_diagnostics
from herocloud.providers import registry
from herocloud.providers.seam import OverlayPlanning

NODE = Address("mycelium.node")
GUEST = "guest"
HOST, NETWORK = "host", "network"
HOST_KEY = {"name": "host"}


class _Missing(NamedTuple):
    name: str
    address: Address
    place: Place | None
    used: bool
    """Addresses that were applied follow from it."""


class OverlayAddresses:
    """The addresses of one stack."""

    def __init__(
        self,
        stack: StackName,
        host: Host,
        node: Resource | None,
        records: Mapping[Address, Record],
        observed: Observed | None,
        *,
        simulated: bool,
        found: list[Diagnostic],
    ) -> None:
        """Take what addresses follow from; findings go to `found` with `finish`."""
        self._stack, self._host, self._node, self._records, self._observed = stack, host, node, records, observed
        self._simulated, self._found = simulated, found
        self._keys = dict(host.overlay_keys)
        self._missing: list[_Missing] = []
        self._derived: list[str] = []
        self._said: set[str] = set()

    def subnet(self, resource: Resource) -> str | None:
        """Return the /64 that the VMs of the stack live in."""
        reference = self._node.spec.get("key") if self._node is not None else None
        if reference is None or jsons.dumps(reference) not in self._keys:
            # Commands about one VM look no keys up: the address stays as it was applied.
            return (self._recorded_subnet(reference) if reference is not None else None) or self._seen_subnet(resource)
        mode = self._node.spec["mode"] if self._node is not None else HOST
        known = self._keys[jsons.dumps(reference)]
        recorded = self._recorded_subnet(reference)
        if known.missing and self._simulated and mode == HOST:
            derived = self._observed.overlay_subnet if self._observed is not None else recorded
            if derived and recorded in (None, derived):
                self._derived.append(known.name)
                return derived
        public = self._public(reference, resource, recorded)
        if mode == NETWORK and self._node is not None and self._node.spec["daemon"] != "adopt":
            # The network's node is a peer of the host's, which herocloud starts where none runs.
            self._public(HOST_KEY, self._node)
        # A key that cannot be had is an error, and no reason to show addresses as changed.
        return recorded if public is None else _planning().node(public)[1]

    def check_key(self, resource: Resource) -> None:
        """Look at the key of a node that gives no addresses to VMs: its daemon needs one all the same."""
        spec = resource.spec
        adopts = spec["mode"] == NETWORK and spec["daemon"] == "adopt"
        reference = HOST_KEY if spec["mode"] == NETWORK else spec.get("key")
        if not (self._simulated or adopts or spec["mode"] == GUEST) and jsons.dumps(reference) in self._keys:
            self._public(reference, resource)

    def use(self, resource: Resource, asked: Spec, before: Spec) -> Json:
        """Return what a VM with a daemon of its own is on the overlay; one that was renamed keeps its key."""
        named = (before.get("key") or {}).get("name")
        reference = {"name": named} if named else guest_key(self._stack, host_name(resource.address))
        known = before.get("key") or {}
        looked_up = jsons.dumps(reference) in self._keys
        public = self._public(reference, resource, known.get("public")) if looked_up or not known else known.get("public")
        if asked.get("seed"):
            self._found.append(overlay_diagnostics.overlay_seed_inside(resource.address, resource.place))
        if asked.get("open"):
            self._found.append(overlay_diagnostics.overlay_open_inside(resource.address, resource.place))
        if not resource.spec["networks"]:
            self._found.append(overlay_diagnostics.overlay_without_underlay(resource.address, resource.place))
        if public is None:
            return {**asked, "address": before.get("address"), "key": {**reference, "public": known.get("public")}}
        return {**asked, "address": _planning().node(public)[0], "key": {**reference, "public": public}}

    def finish(self) -> None:
        """Report keys that are missing, all at once: they are made with one command."""
        if self._missing:
            names = list(dict.fromkeys(one.name for one in self._missing))
            addresses = list(dict.fromkeys(one.address for one in self._missing))
            used = any(one.used for one in self._missing)
            self._found.append(overlay_diagnostics.overlay_key_missing(names, addresses, self._missing[0].place, used=used))
        if self._derived:
            self._found.append(overlay_diagnostics.overlay_key_derived(self._host.name, list(dict.fromkeys(self._derived))))

    def _recorded_subnet(self, reference: Json) -> str | None:
        """Return the /64 that was applied with this key."""
        recorded = self._records.get(NODE)
        if recorded is None or jsons.dumps(recorded.spec.get("key")) != jsons.dumps(reference):
            return None
        return recorded.spec.get("subnet")

    def _public(self, reference: Json, resource: Resource, before: str | None = None) -> str | None:
        """Return the public half of a key; `before` is what was applied with it: its public half, or the /64 that follows."""
        text = jsons.dumps(reference)
        known = self._keys.get(text)
        if known is not None and known.public is not None:
            return known.public
        name = known.name if known is not None else str(reference.get("name", ""))
        if known is None or known.missing:
            derived = jsons.blake2b(f"herocloud simulator {self._host.name} {name}".encode(), digest_size=32).hexdigest()
            # A key that was there and is lost is not replaced by a name: all addresses would change.
            if self._simulated and before in (None, derived, _planning().node(derived)[1]):
                self._derived.append(name)
                return derived
            self._missing.append(_Missing(name, resource.address, resource.place, before is not None))
        elif text not in self._said:
            self._said.add(text)
            self._found.append(overlay_diagnostics.overlay_key_unusable(resource.address, known.problem, known.hint, resource.place))
        return None

    def _seen_subnet(self, resource: Resource) -> str | None:
        if self._observed is None:
            recorded = self._records.get(NODE)
            if recorded:
                return recorded.spec.get("subnet")
        elif self._observed.overlay_subnet:
            return self._observed.overlay_subnet
        error = self._observed.overlay_error if self._observed else "the world was not looked at (`--no-refresh`)"
        if resource.kind == "vm" or not any(found.code == "no-mycelium" for found in self._found):
            self._found.append(overlay_diagnostics.no_overlay(resource.address, error, resource.place))
        return None


def node_subnet(host: Host, reference: Json) -> str | None:
    """Return the /64 that follows from a key; nothing while the key is not known."""
    known = dict(host.overlay_keys).get(jsons.dumps(reference))
    return _planning().node(known.public)[1] if known is not None and known.public is not None else None


def wanted_keys(desired: Desired, records: Mapping[Address, Record]) -> list[Json]:
    """Return the references of all keys that a stack needs, and of those that it had: a renamed VM keeps its own."""
    found: list[Json] = [one.spec["key"] for one in desired.resources if one.kind == "mycelium" and one.spec.get("key")]
    found += [guest_key(desired.stack, host_name(one.address)) for one in desired.resources if one.kind == "vm" and is_inside(one.spec)]
    if any(one.kind == "mycelium" and one.spec.get("mode") == NETWORK for one in desired.resources):
        found.append(HOST_KEY)
    return found + recorded_keys({address: record for address, record in records.items() if record.kind == "vm"})


def recorded_keys(records: Mapping[Address, Record]) -> list[Json]:
    """Return the references of all keys that addresses in these records follow from."""
    found: list[Json] = [record.spec["key"] for record in records.values() if record.kind == "mycelium" and record.spec.get("key")]
    if any(record.kind == "mycelium" and record.spec.get("mode") == NETWORK for record in records.values()):
        found.append(HOST_KEY)
    overlays = [record.spec.get("mycelium") or {} for record in records.values() if record.kind == "vm"]
    return found + [{"name": one["key"]["name"]} for one in overlays if one.get("key")]


def keys_of_others(stacks: Iterable[Mapping[Address, Record]]) -> list[Json]:
    """Return the keys that these stacks want for the node of the host, where a /64 that is recorded does not tell."""
    specs = [node.spec for records in stacks if (node := records.get(NODE)) is not None]
    unknown = [spec["key"] for spec in specs if spec.get("mode", HOST) == HOST and not spec.get("subnet") and spec.get("key")]
    return [*unknown, *([HOST_KEY] if any(spec.get("mode") == NETWORK for spec in specs) else [])]


def is_inside(spec: Spec) -> bool:
    """Return whether a VM has a daemon of its own inside."""
    return (spec.get("mycelium") or {}).get("mode") == GUEST


def guest_key(stack: StackName, hostname: str) -> Json:
    """Name the key of a VM with a daemon of its own inside."""
    return {"name": f"{stack}.{hostname}"}


def host_name(address: str) -> str:
    """Turn an address into a name a guest can have: `vm.web[2]` is `web-2`."""
    return address.removeprefix("vm.").replace("[", "-").replace("]", "")


def node_of(resources: Iterable[Resource]) -> Resource | None:
    """Return the node of a stack; nothing without one."""
    return next((one for one in resources if one.kind == "mycelium"), None)


def vm_address(subnet: str, seed: str) -> str:
    """Return the address of the VM with this seed in a /64."""
    return _planning().vm_address(subnet, seed)


def _planning() -> OverlayPlanning:
    role = registry.find(registry.usual("overlay")).overlay
    assert role is not None  # noqa: S101  (the registry finds it by that role)
    assert role.planning is not None  # noqa: S101  (the real one derives addresses from keys)
    return role.planning()
