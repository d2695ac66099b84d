"""Which providers there are: one line each. What each is and can do stands in its own declaration.

A table of module names and not entry points: reading the metadata of installed packages costs more than a whole `plan`. Nothing of a
provider is imported before somebody asks, and then only its declaration.
"""

import functools
import importlib
from collections.abc import Iterator

from herocloud.kits import nearest as spelling
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.providers.seam import ROLES, Declaration, HypervisorRole, ImagesRole, NetworkRole, Role

PROVIDERS = [
    "herocloud.providers.cloud_hypervisor",
    "herocloud.providers.qemu",
    "herocloud.providers.images",
    "herocloud.providers.network",
    "herocloud.providers.user_network",
    "herocloud.providers.mycelium",
    "herocloud.providers.simulator",
]
"""The packages, in the order in which `auto` tries the hypervisors and the networks among them."""

UPCOMING: dict[str, Role] = {}
"""Names with a meaning in stack files, whose providers this version does not have."""


def declarations() -> Iterator[Declaration]:
    """Yield the declarations of all providers, in the order of the lines."""
    return map(_load, PROVIDERS)


def find(name: str) -> Declaration:
    """Return the declaration of a provider; raises Refused for a name that nobody has."""
    known = known_as(name)
    if known is not None:
        return known
    if name in UPCOMING:
        usable = ", ".join(f"`{name}`" for name in names("hypervisor"))
        detail = f"`{name}` is not supported by this version yet; use {usable}"
        raise Refused([Diagnostic("provider-unsupported", "A provider is not supported yet", detail)])
    close = spelling.nearest(name, [*names(), *UPCOMING])
    hint = f"did you mean `{close}`?" if close else None
    raise Refused([Diagnostic("provider-unknown", "A provider is unknown", f"there is no provider `{name}`", hint=hint)])


def known_as(name: str) -> Declaration | None:
    """Return the declaration of the provider with this name; nothing when there is none. Loads that provider alone."""
    package = name.replace("-", "_")
    for path in PROVIDERS:
        if path.rpartition(".")[2] == package:
            declaration = _load(path)
            return declaration if declaration.name == name else None
    return None


def names(role: Role | None = None) -> tuple[str, ...]:
    """Return the names of all providers, or of those that play a role."""
    return tuple(declaration.name for declaration in declarations() if role is None or role in declaration.roles)


def hypervisor(name: str) -> HypervisorRole:
    """Return what there is to know of a hypervisor; raises Refused when there is none of this name."""
    role = find(name).hypervisor
    if role is None:
        raise role_refused(name, "hypervisor")
    return role


def network(name: str) -> NetworkRole:
    """Return what there is to know of a network provider; raises Refused when there is none of this name."""
    role = find(name).network
    if role is None:
        raise role_refused(name, "network")
    return role


def images(name: str) -> ImagesRole:
    """Return what there is to know of a provider of disks; raises Refused when there is none of this name."""
    role = find(name).images
    if role is None:
        raise role_refused(name, "images")
    return role


def hypervisor_names() -> tuple[str, ...]:
    """Return every name that a stack may give as `hypervisor`, also those that this version does not support yet."""
    return tuple(sorted((*names("hypervisor"), *(name for name, role in UPCOMING.items() if role == "hypervisor"))))


def network_modes() -> dict[str, NetworkRole]:
    """Return what there is to know of the networks of each `mode` that a stack may give, in the order in which `auto` tries them."""
    real = [declaration.network for declaration in declarations() if declaration.simulation is None]
    return {role.mode: role for role in real if role is not None}


def accelerators() -> tuple[str, ...]:
    """Return every word that a provider takes for what its guests run on."""
    return tuple(dict.fromkeys(word for declaration in declarations() for word in declaration.settings.get("accelerator", ())))


def simulation() -> Declaration:
    """Return the provider that only simulates."""
    return next(declaration for declaration in declarations() if declaration.simulation is not None)


def is_simulated(name: str) -> bool:
    """Return whether nothing of what this provider makes is real."""
    declaration = known_as(name)
    return declaration is not None and declaration.simulation is not None


def usual(role: Role) -> str:
    """Return the name of the provider that plays a role on a real host when nothing speaks for another one."""
    return next(
        (declaration.name for declaration in declarations() if declaration.simulation is None and role in declaration.roles), None
    ) or next(name for name, coming in UPCOMING.items() if coming == role)


def usual_roles() -> dict[str, str]:
    """Say who plays the roles beside the hypervisor on a real host when nothing speaks for another one."""
    return {role: usual(role) for role in ROLES if role != "hypervisor"}


def simulated_roles() -> dict[str, str]:
    """Say who plays the roles beside the hypervisor for a simulated stack."""
    return dict.fromkeys((role for role in ROLES if role != "hypervisor"), simulation().name)


def role_refused(name: str, role: str) -> Refused:
    """Say that a provider does not play a role."""
    detail = f"`{name}` plays {', '.join(f'`{known}`' for known in find(name).roles)}, and not `{role}`"
    return Refused([Diagnostic("provider-role", "A provider does not play a role", detail)])


@functools.cache
def _load(path: str) -> Declaration:
    # Not `sys.modules`: another thread may be half-way through importing it, and only the import waits for that.
    declaration: Declaration = importlib.import_module(path).DECLARATION
    return declaration
