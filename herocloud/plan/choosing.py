"""Which provider runs what.

A hypervisor that this version has is a line in `_PLANNINGS`; the order of the lines is the order in which `auto` tries them. Networks,
disks and the overlay follow the hypervisor: a simulated VM on a real bridge would be neither.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.worlds import Desired, Record, Resource, Thing
from herocloud.plan import saying
from herocloud.providers.seam import Verdict, VmPlanning
from herocloud.providers.user_network import planning as user_networks

SIMULATOR = "simulator"
_PLANNINGS = {
    "qemu": "herocloud.providers.qemu.planning",
    SIMULATOR: "herocloud.providers.simulator.planning",
}
REAL_ROLES = {"images": "images", "network": "network", "overlay": "mycelium"}
Judge = Callable[[str, Json, Json, Spec, Part], Verdict]
_USER_NETWORK = user_networks.NAME
_MODES = {"bridge": REAL_ROLES["network"], "user": _USER_NETWORK}
_OVERLAY = ("mycelium", "peer")


class Choice(NamedTuple):
    """The providers of one stack."""

    hypervisors: Mapping[Address, str]
    """By the address of each VM."""
    roles: Mapping[str, str]
    """Who makes images, networks and the overlay."""
    found: tuple[Diagnostic, ...]


def planning_of(hypervisor: str) -> VmPlanning:
    """Return the planning module of a hypervisor."""
    return cast("VmPlanning", _import(_PLANNINGS[hypervisor]))


_import = functools.cache(importlib.import_module)
"""Asked for every VM; the import system takes its time to say that it knows a module."""


def judge_of(hypervisor: str, host: Host) -> Judge:
    """Return what says the cost of a change on this host: some of what is safe on the processor itself is not under emulation."""
    planning = planning_of(hypervisor)
    accelerated = host.abilities is not None and hypervisor in host.abilities.accelerated
    judge: Judge = planning.judge if accelerated else getattr(planning, "judge_emulated", planning.judge)
    return judge


def known() -> tuple[str, ...]:
    """Name the hypervisors that this version runs."""
    return tuple(_PLANNINGS)


def choose(desired: Desired, host: Host, override: str | None, records: Mapping[Address, Record] | None = None) -> Choice:
    """Decide for every VM of the stack; what `auto` was decided to mean for what is recorded stays."""
    found: list[Diagnostic] = []
    chosen: dict[Address, str] = {}
    recorded = records or {}
    simulated_before = any(record.provider == SIMULATOR for record in recorded.values())
    notes: dict[str, str] = {}
    for resource in desired.resources:
        if resource.kind == "vm":
            asked = override or resource.provider
            if asked == "auto":
                chosen[resource.address] = _by_auto(resource, host, recorded, simulated_before, notes, found)
            else:
                chosen[resource.address] = _by_name(resource, asked, host, found)
    names = set(chosen.values())
    if len(names) > 1 and SIMULATOR in names:
        found.append(saying.mixed_providers(desired.stack, {f"`{name}`" for name in names}))
    elif names - {SIMULATOR} and simulated_before:
        found.append(saying.simulated_before(desired.stack))
    found.extend(saying.hypervisor_chosen(name, why, host.name) for name, why in notes.items())
    simulated = host.simulated or (names <= {SIMULATOR} if names else override == SIMULATOR or simulated_before)
    if simulated:
        return Choice(chosen, dict.fromkeys(REAL_ROLES, SIMULATOR), tuple(found))
    found.extend(saying.no_overlay_provider(one.address, one.place) for one in desired.resources if _wants_overlay(one))
    networks, why = _networks_of(desired, host, recorded, found)
    if why:
        found.append(saying.networks_chosen(networks, why, user_networks.REACH))
    if networks == _USER_NETWORK:
        found.extend(_limits_of_user_networks(desired, recorded))
    return Choice(chosen, {**REAL_ROLES, "network": networks}, tuple(found))


def roles_of(record: Record, records: Mapping[Address, Record]) -> Mapping[str, str]:
    """Tell who made what a record stands for, and what hangs on it in its stack."""
    if record.provider == SIMULATOR:
        return dict.fromkeys(REAL_ROLES, SIMULATOR)
    return {**REAL_ROLES, "network": _recorded_networks(records) or REAL_ROLES["network"]}


def _by_auto(
    resource: Resource,
    host: Host,
    records: Mapping[Address, Record],
    simulated_before: bool,  # noqa: FBT001  (one of several facts about the stack)
    notes: dict[str, str],
    found: list[Diagnostic],
) -> str:
    record = records.get(resource.address)
    if host.simulated or (record is None and simulated_before):
        return SIMULATOR
    if record is not None and record.spec.get("hypervisor") in _PLANNINGS:
        return str(record.spec["hypervisor"])
    if host.abilities is None:
        return next(iter(_PLANNINGS))
    for name, usable, why in host.abilities.hypervisors:
        if usable:
            notes[name] = why
            return name
    found.append(saying.no_hypervisor(resource.address, [why for _, _, why in host.abilities.hypervisors], resource.place))
    return next(iter(_PLANNINGS))


def _by_name(resource: Resource, asked: str, host: Host, found: list[Diagnostic]) -> str:
    if asked not in _PLANNINGS:
        found.append(saying.unsupported_hypervisor(resource.address, asked, _PLANNINGS, resource.place))
        return SIMULATOR
    if asked == SIMULATOR:
        return asked
    if host.simulated:
        found.append(saying.real_on_simulated_host(resource.address, asked, host.name, resource.place))
        return SIMULATOR
    for name, usable, why in host.abilities.hypervisors if host.abilities is not None else ():
        if name == asked and not usable:
            found.append(saying.no_hypervisor(resource.address, [why], resource.place))
    return asked


def _networks_of(desired: Desired, host: Host, records: Mapping[Address, Record], found: list[Diagnostic]) -> tuple[str, str]:
    """Choose who makes the networks, and say why when it is not the usual one. A stack's networks are all of one kind."""
    networks = [one for one in desired.resources if one.kind == "network"]
    before = _recorded_networks(records)
    asked = {str(one.spec["mode"]): one for one in networks if one.spec.get("mode")}
    if len(asked) > 1:
        found.append(saying.mixed_networks(asked["user"].address, asked["bridge"].address, asked["user"].place))
    mode, one = next(iter(asked.items()), ("", None))
    if before is not None:
        if one is not None and before != _MODES[mode]:
            found.append(saying.network_kind_kept(one.address, mode, before, one.place))
        return before, ""
    if mode == "user":
        return _USER_NETWORK, "the stack says `mode: user`"
    if one is not None:
        if host.abilities is not None and host.abilities.networks != REAL_ROLES["network"]:
            found.append(saying.no_bridges(one.address, host.abilities.networks_why, one.place))
        return REAL_ROLES["network"], ""
    if host.abilities is None or not networks or host.abilities.networks == REAL_ROLES["network"]:
        return REAL_ROLES["network"], ""
    return host.abilities.networks, host.abilities.networks_why


def _limits_of_user_networks(desired: Desired, records: Mapping[Address, Record]) -> list[Diagnostic]:
    """Name what networks in user mode cannot do for this stack."""
    found = []
    for one in desired.resources:
        if one.kind == "vm":
            limits = user_networks.unsupported(one.spec)
            found += [saying.unsupported_field(one.address, _USER_NETWORK, limit.path, limit.detail, one.place) for limit in limits]
        elif one.kind == "network" and one.address in records:
            for name in user_networks.moved_forwards(records[one.address].spec, one.spec):
                vm = records.get(Address(name))
                if vm is not None and vm.parts.get("power") in ("running", "paused", "crashed"):
                    found.append(saying.forwards_at_start(one.address, name, one.place))
    return found


def networks_of(records: Mapping[Address, Record], things: Mapping[Address, Thing]) -> str:
    """Return who made the networks of a stack: as its records say, else as what is there of them shows."""
    seen = next((thing.provider for address, thing in things.items() if address.startswith("network.")), None)
    return _recorded_networks(records) or seen or REAL_ROLES["network"]


def _recorded_networks(records: Mapping[Address, Record]) -> str | None:
    return next((one.provider for one in records.values() if one.kind == "network"), None)


def _wants_overlay(resource: Resource) -> bool:
    return resource.kind in _OVERLAY or (resource.kind == "vm" and bool(resource.spec.get("mycelium")))


def unsupported_fields(resource: Resource, spec: Spec, old: Spec, hypervisor: str, host: Host) -> list[Diagnostic]:
    """Name the fields that the hypervisor cannot honour: at all, or on this host. What the VM has already was honoured once."""
    lacking = host.abilities.lacking if host.abilities is not None else ()
    return [
        saying.unsupported_field(resource.address, hypervisor, one.path, one.detail, resource.place)
        for one in planning_of(hypervisor).unsupported(spec)
    ] + [
        saying.missing_on_host(resource.address, field, why, resource.place)
        for name, field, why in lacking
        if name == hypervisor and spec.get(field) and spec[field] != old.get(field)
    ]
