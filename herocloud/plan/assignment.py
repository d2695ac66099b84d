"""Which provider runs what.

The order in which `auto` tries hypervisors and networks is the order of the lines in `providers/registry.py`; what goes together with what
follows from the declarations: a hypervisor that carries taps only needs networks that are made of taps. Networks, disks and the overlay of
a simulated VM are simulated too: a simulated VM on a real bridge would be neither.
"""

import functools
from collections.abc import Callable, Iterable, Mapping

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import powers
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.worlds import Desired, Record, Resource, Thing
from herocloud.plan import diagnostics, overlay_diagnostics
from herocloud.providers import registry
from herocloud.providers.seam import FIRMWARE, AttachmentKind, HypervisorPlanning, Verdict

Judge = Callable[[str, Json, Json, Spec, Part], Verdict]
_OVERLAY = ("mycelium", "peer")


class Choice(NamedTuple):
    """The providers of one stack."""

    hypervisors: Mapping[Address, str]
    """By the address of each VM."""
    roles: Mapping[str, str]
    """Who makes images, networks and the overlay."""
    simulated: bool
    found: tuple[Diagnostic, ...]


@functools.cache
def planning_of(hypervisor: str) -> HypervisorPlanning:
    """Return the planning of a hypervisor; asked for every VM, so it is looked up once."""
    return registry.hypervisor(hypervisor).planning()


def judge_of(hypervisor: str, host: Host) -> Judge:
    """Return what gives the cost of a change on this host: some of what is safe on the processor itself is not under emulation."""
    accelerated = host.abilities is not None and hypervisor in host.abilities.accelerated
    return functools.partial(planning_of(hypervisor).judge, accelerated=accelerated)


def choose(desired: Desired, host: Host, override: str | None, records: Mapping[Address, Record] | None = None) -> Choice:
    """Decide for every VM of the stack; what `auto` was decided to mean for what is recorded stays."""
    return _Chooser(desired, host, records or {}).choose(override)


class _Chooser:
    """One stack on one host: what is chosen, and what is to be said of it."""

    def __init__(self, desired: Desired, host: Host, records: Mapping[Address, Record]) -> None:
        self._desired = desired
        self._host = host
        self._records = records
        self._simulator = registry.simulation().name
        self._simulated_before = any(record.provider == self._simulator for record in records.values())
        self._known = registry.names("hypervisor")
        self._found: list[Diagnostic] = []
        self._notes: dict[str, str] = {}
        self._doubted: set[str] = set()
        self._networks, self._networks_why = self._choose_networks()

    def choose(self, override: str | None) -> Choice:
        """Decide for every VM, and then who plays the other roles."""
        chosen: dict[Address, str] = {}
        for resource in self._desired.resources:
            if resource.kind == "vm":
                asked = override or resource.provider
                chosen[resource.address] = self._by_auto(resource) if asked == "auto" else self._by_name(resource, asked)
        names = set(chosen.values())
        if len(names) > 1 and self._simulator in names:
            self._found.append(diagnostics.mixed_providers(self._desired.stack, {f"`{name}`" for name in names}))
        elif names - {self._simulator} and self._simulated_before:
            self._found.append(diagnostics.simulated_before(self._desired.stack))
        self._found.extend(diagnostics.hypervisor_chosen(name, why, self._host.name) for name, why in self._notes.items())
        decided = names <= {self._simulator} if names else override == self._simulator or self._simulated_before
        if self._host.simulated or decided:
            return Choice(chosen, registry.simulated_roles(), True, tuple(self._found))
        if self._host.abilities is not None and self._host.abilities.overlay:
            why = self._host.abilities.overlay
            self._found.extend(
                overlay_diagnostics.overlay_unusable(resource.address, why, resource.place)
                for resource in self._desired.resources
                if _wants_overlay(resource)
            )
        self._report_networks(chosen)
        return Choice(chosen, {**registry.usual_roles(), "network": self._networks}, False, tuple(self._found))

    def _by_auto(self, resource: Resource) -> str:
        record = self._records.get(resource.address)
        if self._host.simulated or (record is None and self._simulated_before):
            return self._simulator
        if record is not None and record.spec.get("hypervisor") in self._known:
            return str(record.spec["hypervisor"])
        if self._host.abilities is None:
            return registry.usual("hypervisor")
        if self._is_there(resource.ran_on, resource):
            return self._by_name(resource, resource.ran_on)
        refusals: dict[str, str] = {}
        for name, usable, why in self._host.abilities.hypervisors:
            refusal = self._refusal(name, resource) if usable else why
            if not refusal:
                self._notes[name] = "; ".join([why, *(f"not `{other}`: {lacking}" for other, lacking in refusals.items())])
                return name
            refusals[name] = refusal
        reasons = [f"`{name}`: {lacking}" for name, lacking in refusals.items()]
        self._found.append(diagnostics.no_hypervisor(resource.address, reasons, resource.place))
        return registry.usual("hypervisor")

    def _is_there(self, hypervisor: str, resource: Resource) -> bool:
        """Return whether a hypervisor can be used here for what it ran elsewhere: what it could be asked for, it was asked for there."""
        able = self._host.abilities.hypervisors if self._host.abilities is not None else ()
        usable = any(name == hypervisor and usable for name, usable, _ in able)
        return usable and self._carries(hypervisor, resource) and not self._missing_firmware(hypervisor, resource)

    def _refusal(self, hypervisor: str, resource: Resource) -> str:
        """Say why `auto` passes over a hypervisor that can be used when it is named; nothing when it does not."""
        able = self._host.abilities
        if able is not None and hypervisor not in able.accelerated and not registry.hypervisor(hypervisor).emulates:
            return next(why for name, _usable, why in able.hypervisors if name == hypervisor)
        if not self._carries(hypervisor, resource):
            return f"`{hypervisor}` carries no networks of `{self._networks}`"
        return self._missing_firmware(hypervisor, resource)

    def _missing_firmware(self, hypervisor: str, resource: Resource) -> str:
        """Say what is missing where a VM boots from its disk and the hypervisor has no firmware here; nothing otherwise."""
        image = next((other for other in self._desired.resources if other.address == f"image.{resource.spec.get('image')}"), None)
        if image is None or image.spec.get("kernel"):
            return ""
        lacking = self._host.abilities.lacking if self._host.abilities is not None else ()
        return next((why for name, field, why in lacking if (name, field) == (hypervisor, FIRMWARE)), "")

    def _by_name(self, resource: Resource, asked: str) -> str:
        if asked not in self._known:
            self._found.append(diagnostics.unsupported_hypervisor(resource.address, asked, self._known, resource.place))
            return self._simulator
        if asked == self._simulator:
            return asked
        if self._host.simulated:
            self._found.append(diagnostics.real_on_simulated_host(resource.address, asked, self._host.name, resource.place))
            return self._simulator
        able = self._host.abilities
        for name, usable, why in able.hypervisors if able is not None else ():
            if name == asked and not usable:
                self._found.append(diagnostics.no_hypervisor(resource.address, [why], resource.place))
            elif name == asked and resource.address not in self._records and self._is_doubtful(name):
                self._doubted.add(name)
                self._found.append(diagnostics.guests_not_proven(name, why, resource.place))
        missing = self._missing_firmware(asked, resource)
        if missing and resource.address not in self._records:
            self._found.append(diagnostics.missing_on_host(resource.address, "image", missing, resource.place))
        return asked

    def _is_doubtful(self, hypervisor: str) -> bool:
        """Return whether guests may not run on a hypervisor that was named, and nobody was warned yet."""
        able = self._host.abilities
        needs_kvm = not registry.hypervisor(hypervisor).emulates
        return able is not None and needs_kvm and hypervisor not in able.accelerated and hypervisor not in self._doubted

    def _carries(self, hypervisor: str, resource: Resource) -> bool:
        """Return whether a hypervisor can carry the networks that a VM hangs on."""
        return all(kind in registry.hypervisor(hypervisor).attaches for kind in self._needs(resource))

    def _needs(self, resource: Resource) -> Iterable[AttachmentKind]:
        if resource.spec.get("networks"):
            yield registry.network(self._networks).attachment
        if resource.spec.get("mycelium"):
            overlay = registry.find(registry.usual("overlay")).overlay
            yield from [overlay.attachment] if overlay is not None else []

    def _choose_networks(self) -> tuple[str, str]:
        """Choose who makes the networks, and say why when it is not the usual one. A stack's networks are all of one kind."""
        usual, able = registry.usual("network"), self._host.abilities
        asked = {
            str(resource.spec["mode"]): resource
            for resource in self._desired.resources
            if resource.kind == "network" and resource.spec.get("mode")
        }
        before = _recorded_networks(self._records)
        if before is not None:
            return before, ""
        if asked:
            named = _by_mode(next(iter(asked)))
            return named, "" if named == usual else f"the stack says `mode: {registry.network(named).mode}`"
        if able is None or not any(resource.kind == "network" for resource in self._desired.resources) or able.networks == usual:
            return usual, ""
        return able.networks, able.networks_why

    def _report_networks(self, chosen: Mapping[Address, str]) -> None:
        """Say what speaks against these networks, and what they cannot do for this stack."""
        able = self._host.abilities
        asked = {
            str(resource.spec["mode"]): resource
            for resource in self._desired.resources
            if resource.kind == "network" and resource.spec.get("mode")
        }
        if len(asked) > 1:
            # The first that is not of the usual kind: that is the one to look at.
            odd = next(mode for mode in asked if mode != registry.network(registry.usual("network")).mode)
            rest = next(mode for mode in asked if mode != odd)
            self._found.append(diagnostics.mixed_networks(asked[odd], asked[rest]))
        mode, one = next(iter(asked.items()), ("", None))
        before = _recorded_networks(self._records)
        if one is not None and before is not None and before != _by_mode(mode):
            self._found.append(diagnostics.network_kind_kept(one.address, mode, before, one.place))
        elif (
            one is not None and before is None and self._networks == registry.usual("network") and able and able.networks != self._networks
        ):
            self._found.append(diagnostics.no_such_networks(one, able.networks_why, registry.network(able.networks).mode))
        role = registry.network(self._networks)
        planning = role.planning()
        if self._networks_why:
            self._found.append(diagnostics.networks_chosen(self._networks, role.kind, self._networks_why, planning.REACH))
        for resource in self._desired.resources:
            if resource.kind == "vm":
                limits = planning.unsupported(resource.spec)
                self._found += [
                    diagnostics.unsupported_field(resource.address, self._networks, limit.path, limit.detail, resource.place)
                    for limit in limits
                ]
                if not self._carries(chosen[resource.address], resource) and not self._is_refused(resource.address):
                    self._found.append(diagnostics.cannot_carry(resource.address, chosen[resource.address], self._networks, resource.place))
            elif resource.kind == "network" and resource.address in self._records:
                for name in planning.fixed_forwards(self._records[resource.address].spec, resource.spec):
                    vm = self._records.get(Address(name))
                    if vm is not None and vm.parts.get("power") in powers.ALIVE:
                        self._found.append(diagnostics.forwards_at_start(resource, name, role.kind))
                field = planning.fixed_at_boot(self._records[resource.address].spec, resource.spec)
                for name in self._running_on(resource) if field else ():
                    self._found.append(diagnostics.fixed_at_start(resource, field, name, role.kind))

    def _running_on(self, network: Resource) -> list[Address]:
        """Name the VMs that run on a network and stay there."""
        name = network.address.partition(".")[2]
        addresses = []
        for resource in self._desired.resources:
            record = self._records.get(resource.address)
            runs = record is not None and record.parts.get("power") in powers.ALIVE
            if resource.kind == "vm" and runs and any(nic["network"] == name for nic in resource.spec["networks"]):
                addresses.append(resource.address)
        return addresses

    def _is_refused(self, address: Address) -> bool:
        return any(diagnostic.is_error and diagnostic.address == address for diagnostic in self._found)


def roles_of(record: Record, records: Mapping[Address, Record]) -> Mapping[str, str]:
    """Tell who made what a record stands for, and what hangs on it in its stack."""
    if registry.is_simulated(record.provider):
        return registry.simulated_roles()
    usual = registry.usual_roles()
    return {**usual, "network": _recorded_networks(records) or usual["network"]}


def networks_of(records: Mapping[Address, Record], things: Mapping[Address, Thing]) -> str:
    """Return who made the networks of a stack: as its records say, else as what is there of them shows."""
    seen = next((thing.provider for address, thing in things.items() if address.startswith("network.")), None)
    return _recorded_networks(records) or seen or registry.usual("network")


def unsupported_fields(resource: Resource, spec: Spec, old: Spec, hypervisor: str, host: Host) -> list[Diagnostic]:
    """Name the fields that the hypervisor cannot honor: at all, or on this host. What the VM has already was honored once."""
    lacking = host.abilities.lacking if host.abilities is not None else ()
    return [
        diagnostics.unsupported_field(resource.address, hypervisor, one.path, one.detail, resource.place)
        for one in planning_of(hypervisor).unsupported(spec)
    ] + [
        diagnostics.missing_on_host(resource.address, field, why, resource.place)
        for name, field, why in lacking
        if name == hypervisor and spec.get(field) and spec[field] != old.get(field)
    ]


def _by_mode(mode: str) -> str:
    return next(
        declaration.name for declaration in registry.declarations() if declaration.network is not None and declaration.network.mode == mode
    )


def _recorded_networks(records: Mapping[Address, Record]) -> str | None:
    return next((record.provider for record in records.values() if record.kind == "network"), None)


def _wants_overlay(resource: Resource) -> bool:
    return resource.kind in _OVERLAY or (resource.kind == "vm" and bool(resource.spec.get("mycelium")))
