"""Which provider runs what.

A hypervisor that this version has is a line in `_PLANNINGS`; the order of the lines is the order in which `auto` tries them. Networks,
disks and the overlay follow the hypervisor: a simulated VM on a real bridge would be neither.
"""

import importlib
from collections.abc import Mapping
from typing import NamedTuple, cast

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.worlds import Desired, Resource
from herocloud.plan import saying
from herocloud.providers.seam import VmPlanning

SIMULATOR = "simulator"
_PLANNINGS = {SIMULATOR: "herocloud.providers.simulator.planning"}
REAL_ROLES = {"images": "images", "network": "network", "overlay": "mycelium"}


class Choice(NamedTuple):
    """The providers of one stack."""

    hypervisors: Mapping[Address, str]
    """By the address of each VM."""
    roles: Mapping[str, str]
    """Who makes images, networks and the overlay."""
    found: tuple[Diagnostic, ...]


def planning_of(hypervisor: str) -> VmPlanning:
    """Import the planning module of a hypervisor."""
    return cast("VmPlanning", importlib.import_module(_PLANNINGS[hypervisor]))


def known() -> tuple[str, ...]:
    """Name the hypervisors that this version runs."""
    return tuple(_PLANNINGS)


def choose(desired: Desired, host: Host, override: str | None) -> Choice:
    """Decide for every VM of the stack."""
    found: list[Diagnostic] = []
    chosen: dict[Address, str] = {}
    by_auto = False
    for resource in desired.resources:
        if resource.kind != "vm":
            continue
        name, was_auto = _choose_one(resource, host, override, found)
        by_auto = by_auto or was_auto
        chosen[resource.address] = name
    real = {name for name in chosen.values() if name != SIMULATOR}
    if real and SIMULATOR in chosen.values():
        found.append(saying.mixed_providers(desired.stack, {f"`{name}`" for name in chosen.values()}))
    if by_auto and not host.simulated and SIMULATOR in chosen.values():
        found.append(saying.simulator_chosen(host.name))
    simulated = not real
    roles = dict.fromkeys(REAL_ROLES, SIMULATOR) if simulated else dict(REAL_ROLES)
    return Choice(chosen, roles, tuple(found))


def _choose_one(resource: Resource, host: Host, override: str | None, found: list[Diagnostic]) -> tuple[str, bool]:
    asked = override or resource.provider
    if asked == "auto":
        return SIMULATOR if host.simulated else next(iter(_PLANNINGS)), True
    if asked not in _PLANNINGS:
        found.append(saying.unsupported_hypervisor(resource.address, asked, _PLANNINGS, resource.place))
        return SIMULATOR, False
    if host.simulated and asked != SIMULATOR:
        found.append(saying.real_on_simulated_host(resource.address, asked, host.name, resource.place))
        return SIMULATOR, False
    return asked, False


def unsupported_fields(resource: Resource, spec: Mapping[str, object], hypervisor: str) -> list[Diagnostic]:
    """Ask the hypervisor which fields it cannot honour."""
    return [
        saying.unsupported_field(resource.address, hypervisor, one.path, one.detail, resource.place)
        for one in planning_of(hypervisor).unsupported(spec)
    ]
