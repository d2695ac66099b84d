"""Deciding every value of every resource: nothing is "known after apply".

What was decided once stays: slices, addresses, MACs and the defaults that let a VM grow in place are taken from the record while they
are still valid, so that a plan without a change in the file has no change to show.
"""

from collections.abc import Mapping

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import overlay_seeds
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import MEMORY_BLOCK, SLICE_MEMORY, Host
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.overlays import CARD
from herocloud.model.specs import ImageId
from herocloud.model.worlds import Observed, Record, Resource, Thing
from herocloud.plan import diagnostics, orphan_diagnostics, overlay_diagnostics, volume_names
from herocloud.plan.ledger import Ledger, Owner
from herocloud.plan.overlay_addresses import OverlayAddresses
from herocloud.plan.overlay_keys import host_name, is_inside, vm_address

VCPUS_PER_SLICE = 4
"""Up to how many vCPUs a VM may grow in place for each slice, unless its file says otherwise."""
SMALLEST_ROOT = 10 * sizes.GIB


class Valued(NamedTuple):
    """The target of one resource."""

    spec: Spec
    sid: Sid | None
    waits: tuple[Address, ...] = ()
    """VMs of this stack that must first let go of a slice."""
    new_slices: tuple[Sid, ...] = ()


class Valuer:
    """Values the resources of one stack in file order, because slices and addresses go to the first that asks."""

    def __init__(
        self,
        stack: StackName,
        host: Host,
        ledger: Ledger,
        records: Mapping[Address, Record],
        images: Mapping[str, Spec],
        networks: Mapping[str, Spec],
        volume_sizes: Mapping[str, int],
        observed: Observed | None,
        found: list[Diagnostic],
        overlay: OverlayAddresses,
        made_as: Mapping[str, str] = {},
    ) -> None:
        """Take what values depend on; `images` and `networks` are the specs of this stack by name."""
        self._stack, self._host, self._ledger, self._records = stack, host, ledger, records
        self._images, self._networks, self._observed, self._found = images, networks, observed, found
        self._volume_sizes, self._made_as = volume_sizes, made_as
        self._addresses = overlay
        self._sized: dict[int, tuple[Json, Json]] = {}
        self._slice_disk = {host_slice.sid: host_slice.disk for host_slice in host.slices}
        self._pins: dict[Address, tuple[list[Sid], list[Address]]] = {}
        self._full: dict[str, tuple[int, list[Address], Place | None]] = {}
        """Networks without a free address: where their finding is, who needs one, and the place of the first."""
        self.short: dict[Address, int] = {}
        """How many slices were missing, by VM."""

    def plain(self, resource: Resource) -> Valued:
        """Value anything but a VM."""
        spec = dict(resource.spec)
        if resource.kind == "network":
            net = self._ledger.network(resource.name, spec["cidr"], self._records)
            spec["gateway"] = net.gateway
        elif resource.kind == "mycelium":
            # Without addresses for VMs the node only has to know its peers.
            spec["subnet"] = self._addresses.subnet(resource) if spec["addresses"] else None
            if not spec["addresses"]:
                self._addresses.check_key(resource)
        return Valued(spec, None)

    def vm(self, resource: Resource, hypervisor: str, old: Spec, image_id: ImageId | None, *, fresh: bool = False) -> Valued:
        """Value one VM; `old` is its recorded target, and `fresh` when it is re-created, so that growth limits need not be kept."""
        asked = resource.spec
        sid = old.get("sid") or self._ledger.new_sid((self._stack, resource.address))
        slices, waits, new = self._slices(resource, old)
        # The number asked for, not the number got: a host without free slices is one finding and not three.
        share = _wanted_slices(asked)
        memory = asked["memory"] or SLICE_MEMORY * share
        if memory > SLICE_MEMORY * share:
            self._found.append(diagnostics.memory_over_slices(resource.address, memory, share, resource.place))
        spec: dict[str, Json] = dict(asked)
        del spec["slice"]
        spec.update(
            hypervisor=hypervisor,
            image_id=image_id,
            # A renamed VM keeps the name its guest knows: another one would cost a reboot, which nobody asks for with a rename.
            hostname=old.get("hostname") or host_name(resource.address),
            sid=sid,
            slices=slices,
            memory=memory,
            cpu=_cpu(asked, old if not fresh else {}, share),
            memory_options=_memory_options(asked, old if not fresh else {}, memory, share),
            root_disk=self._root_disk(resource, old, slices),
            networks=self._nics(resource, old, sid),
            volumes=self._volumes(asked["volumes"]),
            mycelium=self._overlay(resource, old, sid),
        )
        return Valued(spec, sid, tuple(waits), tuple(new))

    def pin(self, resource: Resource) -> None:
        """Take the slices that the file names. Done for all VMs first, so that nobody else is given one that is pinned further down."""
        owner = (self._stack, resource.address)
        chosen: list[Sid] = []
        waits: list[Address] = []
        for sid in resource.spec["slice"] or ():
            if not self._ledger.slice_exists(sid):
                self._found.append(diagnostics.unknown_slice(resource.address, sid, len(self._host.slices), resource.place))
                continue
            holder = self._ledger.reserve(sid, owner)
            if holder is not None and self._ledger.slices[sid] != owner:
                self._found.append(self._slice_taken(resource, sid, holder))
            elif holder is not None:
                waits.append(holder[1])
            chosen.append(sid)
        self._pins[resource.address] = (chosen, waits)

    def _slice_taken(self, resource: Resource, sid: str, holder: Owner) -> Diagnostic:
        name, place = _owner_text(holder, self._stack), resource.place
        if holder in self._ledger.orphans:
            return orphan_diagnostics.slice_of_orphan(resource.address, sid, name, place)
        return diagnostics.slice_taken(resource.address, sid, name, place)

    def _slices(self, resource: Resource, old: Spec) -> tuple[list[Sid], list[Address], list[Sid]]:
        owner, asked = (self._stack, resource.address), resource.spec
        held: list[Sid] = [sid for sid in old.get("slices", ()) if self._ledger.holds(sid, owner)]
        if asked["slice"]:
            chosen, waits = self._pins[resource.address]
        else:
            wanted = _wanted_slices(asked)
            chosen, waits = held[:wanted], []
            while len(chosen) < wanted:
                got = self._ledger.lowest_free(owner)
                if got is None:
                    self.short[resource.address] = wanted - len(chosen)
                    break
                chosen.append(got[0])
                if got[1] is not None:
                    waits.append(got[1][1])
        return chosen, waits, [sid for sid in chosen if sid not in held]

    def release(self, resource: Resource, old: Spec) -> None:
        """Let go of recorded slices that this VM no longer asks for; done before others look for free ones."""
        held, asked = list(old.get("slices", ())), resource.spec
        kept = asked["slice"] or held[: _wanted_slices(asked)]
        for sid in held:
            if sid not in kept:
                self._ledger.let_go(sid, (self._stack, resource.address))

    def _volumes(self, uses: Json) -> Json:
        """Give each volume of a VM its size: a running machine has to hear of growth."""
        if not uses:
            return uses
        if id(uses) not in self._sized:
            # Counted VMs share one list; keeping it keeps its identity its own.
            self._sized[id(uses)] = (
                uses,
                [volume_names.use_of({**use, "size": self._volume_sizes.get(use["volume"])}, self._made_as) for use in uses],
            )
        return self._sized[id(uses)][1]

    def _root_disk(self, resource: Resource, old: Spec, slices: list[Sid]) -> Json:
        asked = resource.spec["root_disk"]
        image = self._images.get(resource.spec["image"], {})
        if asked is None and not image.get("source"):
            return None
        disk: dict[str, Json] = dict(asked) if asked else {"size": None, "direct": False, "rate": None}
        budget = sum(self._slice_disk.get(sid, 0) for sid in slices)
        known = (self._observed.images.get(image.get("source") or "", 0)) if self._observed else 0
        recorded = (old.get("root_disk") or {}).get("size", 0)
        if disk["size"] is None:
            disk["size"] = recorded or max(known, min(SMALLEST_ROOT, budget) if budget else SMALLEST_ROOT)
        if disk["size"] > budget and disk["size"] != recorded and len(slices) == _wanted_slices(resource.spec):
            self._found.append(diagnostics.disk_over_slices(resource.address, disk["size"], budget, len(slices), resource.place))
        return disk

    def _nics(self, resource: Resource, old: Spec, sid: Sid) -> list[Json]:
        waiting: dict[str, list[Json]] = {}
        for nic in old.get("networks", ()):
            waiting.setdefault(nic["network"], []).append(nic)
        used = {nic["slot"] for nic in (*old.get("networks", ()), old.get("mycelium") or {}) if "slot" in nic}
        nics = []
        for asked in resource.spec["networks"]:
            kept = waiting.get(asked["network"])
            before = kept.pop(0) if kept else None
            slot = before["slot"] if before else _lowest(used)
            used.add(slot)
            lies = {"address": self._ip(resource, asked["network"], before), **self._way(asked["network"])}
            wired = {"wired": before["wired"]} if before and "wired" in before else {}
            nics.append({**asked, **self._nic(resource, before, slot, sid), **lies, **wired})
        return nics

    def _way(self, network: str) -> dict[str, Json]:
        """Return what a guest has to know besides its address: how far its network reaches, and where the way out begins."""
        spec = self._networks.get(network)
        if spec is None:
            return {"prefix": None, "gateway": None}
        net = self._ledger.network(network, spec["cidr"], self._records)
        return {"prefix": int(spec["cidr"].rpartition("/")[2]), "gateway": net.gateway}

    def _nic(self, resource: Resource, before: Json, slot: int, sid: Sid) -> dict[str, Json]:
        mac = before["mac"] if before else self._ledger.new_mac((self._stack, resource.address), slot)
        return {"slot": slot, "mac": mac, "tap": f"hc-{sid}-{slot}"}

    def _ip(self, resource: Resource, network: str, before: Json) -> str | None:
        spec = self._networks.get(network)
        if spec is None:
            return None
        net = self._ledger.network(network, spec["cidr"], self._records)
        if before and net.holds(before["address"]):
            return str(before["address"])
        free = net.lowest_free()
        if free is None:
            self._report_full(resource, network, spec["cidr"])
        return free

    def _report_full(self, resource: Resource, network: str, cidr: str) -> None:
        at, addresses, place = self._full.setdefault(network, (len(self._found), [], resource.place))
        addresses.append(resource.address)
        told = diagnostics.network_full(addresses, network, cidr, place)
        self._found[at : at + 1] = [told]

    def _overlay(self, resource: Resource, old: Spec, sid: Sid) -> Json:
        asked = resource.spec["mycelium"]
        if asked is None:
            return None
        before = old.get("mycelium") or {}
        if is_inside(resource.spec):
            if "key" not in before and not self._images.get(resource.spec["image"], {}).get("nocloud", True):
                self._found.append(overlay_diagnostics.overlay_without_seed(resource.address, resource.spec["image"], resource.place))
            return self._addresses.use(resource, asked, before)
        seed = asked["seed"] or overlay_seeds.default(self._stack, resource.address, old)
        slots = {nic["slot"] for nic in old.get("networks", ())}
        has_card = "slot" in before
        slot = before["slot"] if has_card else _lowest(slots | set(range(len(resource.spec["networks"]))))
        subnet = self._addresses.subnet(resource)
        address = vm_address(subnet, seed) if subnet else None
        return {**asked, "seed": seed, "address": address, **self._nic(resource, before if has_card else None, slot, sid)}


def _wanted_slices(asked: Spec) -> int:
    """Count the slices that a VM asks for: those it names, a number, or as many as its memory needs."""
    return len(asked["slice"] or ()) or asked["slices"] or max(1, -(-(asked["memory"] or 0) // SLICE_MEMORY))


def _cpu(asked: Spec, old: Spec, share: int) -> Json:
    """Decide up to how many vCPUs the VM may grow, and complete its topology to that number with packages of the same shape."""
    cpu = dict(asked["cpu"])
    topology = cpu["topology"]
    product = topology["threads"] * topology["cores"] * topology["dies"] * topology["packages"] if topology else 0
    if cpu["max"] is None:
        before = (old.get("cpu") or {}).get("max", 0)
        cpu["max"] = product or (before if before >= asked["vcpus"] else max(asked["vcpus"], VCPUS_PER_SLICE * share))
    if topology and product < cpu["max"]:
        cpu["topology"] = {**topology, "packages": topology["packages"] * cpu["max"] // product}
    return cpu


def _memory_options(asked: Spec, old: Spec, memory: int, share: int) -> Json:
    """Decide how much memory the VM boots with and how much room it has to grow.

    Without `hotplug` in the file the room is what its slices hold beyond `memory`: it costs nothing and makes growth live. The size at
    boot stays what it was as long as the wanted size can be reached from there without a reboot.
    """
    options = dict(asked["memory_options"])
    before = old.get("memory_options") or {}
    boot, room = before.get("boot"), before.get("hotplug")
    explicit = options["hotplug"]
    # Only whole blocks are plugged in, so a VM boots with any other size, and its room is a number of blocks.
    reachable = boot is not None and boot <= memory <= boot + (room or 0) and (memory - boot) % MEMORY_BLOCK == 0
    # A balloon is smaller than the memory at boot.
    reachable = reachable and boot is not None and options.get("balloon", 0) < boot
    if explicit is not None:
        options["boot"] = boot if reachable and room == explicit else memory
        return options
    if reachable:
        options["boot"], options["hotplug"] = boot, room
    else:
        options["boot"], options["hotplug"] = memory, max(0, SLICE_MEMORY * share - memory) // MEMORY_BLOCK * MEMORY_BLOCK
    return options


def spec_of(thing: Thing) -> Spec:
    """Read out of a thing without a record what a target would keep, so that what is adopted stays as it is."""
    parts = thing.parts
    machine = parts.get("machine")
    if machine is None:
        return {}
    nics = [{"slot": int(key.partition(".")[2]), **part} for key, part in sorted(parts.items()) if key.startswith("nic.")]
    overlay = next((nic for nic in nics if nic["network"] == CARD), None)
    return {
        "sid": machine["sid"],
        "cpu": {"max": machine["max_vcpus"]},
        "memory_options": {"boot": machine["boot_memory"], "hotplug": machine["hotplug"]},
        "root_disk": {"size": parts["disk"]["size"]} if "disk" in parts else None,
        "networks": [nic for nic in nics if nic is not overlay],
        "mycelium": overlay and {**overlay, "seed": overlay_seeds.of_address(overlay["address"]) if overlay["address"] else None},
        "slices": list(thing.slices),
    }


def _lowest(used: set[int]) -> int:
    number = 0
    while number in used:
        number += 1
    return number


def _owner_text(owner: tuple[StackName, Address], stack: StackName) -> str:
    return owner[1] if owner[0] == stack else f"{owner[1]} of stack {owner[0]}"
