"""Which addresses a stack has on the overlay: from keys and seeds, never from what happens to run.

On the simulator a key that is missing is replaced by one that follows from names, and the plan says so; on a real host it is an error
that names the command which makes it.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.overlays import ADOPT, GUEST, HOST, HOST_KEY, NETWORK, NODE
from herocloud.model.worlds import Record, Recorded, Resource
from herocloud.plan import overlay_diagnostics, overlay_keys


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
        recorded: Recorded,
        *,
        simulated: bool,
        found: list[Diagnostic],
    ) -> None:
        """Take what addresses follow from; findings go to `found` with `finish`."""
        self._stack, self._host, self._node, self._records = stack, host, node, records
        self._others = [known for other, known in recorded.records.items() if other != stack]
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
            return self._applied_subnet(resource)
        mode = self._node.spec["mode"] if self._node is not None else HOST
        known = self._keys[jsons.dumps(reference)]
        recorded = self._recorded_subnet(reference)
        if known.missing and self._simulated and mode == HOST and reference == HOST_KEY:
            kept = overlay_keys.kept_subnet(self._host, [self._records, *self._others])
            if kept is not None and recorded in (None, kept):
                self._derived.append(known.name)
                return kept
        public = self._public(reference, resource, recorded)
        if mode == NETWORK and self._node is not None and self._node.spec["daemon"] != ADOPT:
            # The network's node is a peer of the host's, which herocloud starts where none runs.
            self._public(HOST_KEY, self._node)
        # A key that cannot be had is an error, and no reason to show addresses as changed.
        return recorded if public is None else overlay_keys.node(public)[1]

    def check_key(self, resource: Resource) -> None:
        """Look at the key of a node that gives no addresses to VMs: its daemon needs one all the same."""
        spec = resource.spec
        adopts = spec["mode"] == NETWORK and spec["daemon"] == ADOPT
        reference = HOST_KEY if spec["mode"] == NETWORK else spec.get("key")
        if not (self._simulated or adopts or spec["mode"] == GUEST) and jsons.dumps(reference) in self._keys:
            self._public(reference, resource)

    def use(self, resource: Resource, asked: Spec, before: Spec) -> Json:
        """Return what a VM with a daemon of its own is on the overlay; one that was renamed keeps its key."""
        named = (before.get("key") or {}).get("name")
        reference = {"name": named} if named else overlay_keys.guest_key(self._stack, overlay_keys.host_name(resource.address))
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
        return {**asked, "address": overlay_keys.node(public)[0], "key": {**reference, "public": public}}

    def finish(self) -> None:
        """Report keys that are missing, all at once: they are made with one command."""
        if self._missing:
            names = list(dict.fromkeys(missing_key.name for missing_key in self._missing))
            addresses = list(dict.fromkeys(missing_key.address for missing_key in self._missing))
            used = any(missing_key.used for missing_key in self._missing)
            name = self._host.name if self._simulated else None
            place = self._missing[0].place
            self._found.append(overlay_diagnostics.overlay_key_missing(names, addresses, place, used=used, simulated_host=name))
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
            # A key that was there and is lost is not replaced by a name: all addresses would change.
            if self._simulated and (before is None or overlay_keys.is_derived(self._host, name, before)):
                self._derived.append(name)
                return overlay_keys.derived(self._host, name)
            self._missing.append(_Missing(name, resource.address, resource.place, before is not None))
        elif text not in self._said:
            self._said.add(text)
            self._found.append(overlay_diagnostics.overlay_key_unusable(resource.address, known.problem, known.hint, resource.place))
        return None

    def _applied_subnet(self, resource: Resource) -> str | None:
        recorded = self._records.get(NODE)
        subnet: str | None = recorded.spec.get("subnet") if recorded is not None else None
        if subnet is None and not any(diagnostic.code == overlay_diagnostics.UNKNOWN for diagnostic in self._found):
            self._found.append(overlay_diagnostics.overlay_unknown(resource.address, resource.place))
        return subnet


def node_of(resources: Iterable[Resource]) -> Resource | None:
    """Return the node of a stack; nothing without one."""
    return next((resource for resource in resources if resource.kind == "mycelium"), None)
