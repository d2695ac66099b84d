"""Which providers there are, and how to get at them; nothing of a provider is imported before somebody asks for it.

A table of names and not entry points: reading the metadata of installed packages costs more than a whole `plan`.
"""

import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

from herocloud.kits import names as spelling
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Abilities, Host
from herocloud.providers.seam import Driver, Observer, Signs


class ProviderContext(NamedTuple):
    """What a provider needs to know to work on this host."""

    folder: Path
    """The data folder."""
    host: Host | None = None
    scenario: Path | None = None
    """The simulator's rules of misbehaviour."""
    step_time: float = 0.0
    """Seconds that one simulated step takes."""


class _Entry(NamedTuple):
    package: str
    roles: tuple[str, ...]
    hypervisor: bool = False


PROVIDERS = {
    "simulator": _Entry("herocloud.providers.simulator", ("hypervisor", "images", "network", "overlay"), hypervisor=True),
    "images": _Entry("herocloud.providers.images", ("images",)),
    "network": _Entry("herocloud.providers.network", ("network",)),
    "user_network": _Entry("herocloud.providers.user_network", ("network",)),
    "qemu": _Entry("herocloud.providers.qemu", ("hypervisor",), hypervisor=True),
}

_HYPERVISORS = {"simulator": True, "qemu": True, "cloud-hypervisor": False}

USER_NETWORK = "user_network"
"""The provider of networks for users who may not make bridges."""


class Availability(NamedTuple):
    """Whether a provider can be used on this host, and why (not)."""

    usable: bool
    why: str


def known_hypervisors() -> dict[str, bool]:
    """Return every name that a stack may give as `hypervisor`, with whether this version supports it."""
    return dict(_HYPERVISORS)


def provider_names(role: str | None = None) -> tuple[str, ...]:
    """Return the names of all providers, or of those that play a role."""
    return tuple(name for name, entry in PROVIDERS.items() if role is None or role in entry.roles)


def driver(name: str, role: str, context: ProviderContext) -> Driver:
    """Open the driver of a provider for one role; the caller closes it."""
    entry = _find(name)
    if role not in entry.roles:
        detail = f"`{name}` plays {', '.join(f'`{known}`' for known in entry.roles)}, and not `{role}`"
        raise Refused([Diagnostic("provider-role", "A provider does not play a role", detail)])
    opened: Driver = _module(name, "driving").open_driver(
        context.folder, context.host, scenario=context.scenario, step_time=context.step_time
    )
    return opened


class Drivers:
    """The drivers of one apply: each is opened when a step first needs it, and all are closed together.

    A provider that plays several roles with one driver is opened once, so that its connections are shared.
    """

    def __init__(self, context: ProviderContext) -> None:
        """Open nothing yet."""
        self._context = context
        self._open: dict[str, Driver] = {}

    def __call__(self, name: str, role: str) -> Driver:
        """Return the driver of a provider for a role. Called from one thread; the drivers themselves serve many."""
        if name not in self._open:
            self._open[name] = driver(name, role, self._context)
        return self._open[name]

    def close(self) -> None:
        """Close every driver that was opened."""
        while self._open:
            self._open.popitem()[1].close()


def observers(names: Iterable[str], context: ProviderContext) -> list[Observer]:
    """Return an observer for each of these providers, in their order."""
    found: list[Observer] = []
    for name in names:
        _find(name)
        found.append(_module(name, "observing").open_observer(context.folder, context.host, scenario=context.scenario))
    return found


def planning(name: str) -> ModuleType:
    """Return the pure planning module of a hypervisor."""
    _find(name)
    return _module(name, "planning")


def available(context: ProviderContext | None = None) -> dict[str, Availability]:
    """Say for every provider, and for every hypervisor that a stack may name, whether it can be used here."""
    answers = {name: Availability(False, "not supported by this version yet") for name, supported in _HYPERVISORS.items() if not supported}
    for name in PROVIDERS:
        answers[name] = _usable(name, context)
    return dict(sorted(answers.items()))


def abilities(context: ProviderContext) -> Abilities:
    """Look up what can run VMs and carry networks on this host, for plans that have to choose. This may boot something for an instant."""
    found, accelerated, missing = [], [], []
    for name, entry in PROVIDERS.items():
        if entry.hypervisor and name != "simulator":
            usable, why = _usable(name, context)
            found.append((name, usable, why))
            if usable and cast("Any", _module(name, "observing")).is_accelerated(_accelerator(context)):
                accelerated.append(name)
            missing += [(name, field, why) for field, why in lacking(name)] if usable else []
    known = Abilities(tuple(found), accelerated=tuple(accelerated), lacking=tuple(missing))
    # Asking for the right alone is enough here: what else networks need, their own steps say.
    if USER_NETWORK not in PROVIDERS or cast("Any", _module("network", "dumping")).has_admin():
        return known
    return known._replace(networks=USER_NETWORK, networks_why="bridges need CAP_NET_ADMIN, which this user does not have")


def _usable(name: str, context: ProviderContext | None) -> Availability:
    observing = cast("Any", _module(name, "observing"))
    folder = context.folder if context else None
    if PROVIDERS[name].hypervisor and name != "simulator":
        return Availability(*observing.check_usable(folder, _accelerator(context)))
    return Availability(*observing.check_usable(folder))


def _accelerator(context: ProviderContext | None) -> str:
    return context.host.accelerator if context is not None and context.host is not None else "auto"


def lacking(name: str) -> list[tuple[str, str]]:
    """Name what the hypervisor cannot do for VMs on this host, by their field where there is one, each with why."""
    if name == "simulator" or not PROVIDERS[name].hypervisor:
        return []
    found: list[tuple[str, str]] = cast("Any", _module(name, "observing")).find_lacking()
    return found


def signs(name: str, context: ProviderContext, sid: str, address: str) -> Signs | None:
    """Look at a VM whose guest is waited for; nothing where its hypervisor shows nothing, or its process is not there."""
    if name != "qemu":
        return None
    found: Signs | None = cast("Any", _module(name, "vitals")).look(context.folder, sid, address, _accelerator(context))
    return found


def note_answer(name: str, folder: Path, sid: str) -> None:
    """Hear that the agent of a VM answered: its guest got to user space."""
    if name == "qemu":
        cast("Any", _module(name, "vitals")).note_answer(folder, sid)


def listeners() -> frozenset[tuple[str, int]]:
    """Return the ports on which programs of this host wait for callers: protocol and number."""
    found: frozenset[tuple[str, int]] = cast("Any", _module("network", "dumping")).dump_listeners()
    return found


def _find(name: str) -> _Entry:
    entry = PROVIDERS.get(name)
    if entry is not None:
        return entry
    if name in _HYPERVISORS:
        usable = ", ".join(f"`{known}`" for known, one in PROVIDERS.items() if one.hypervisor)
        detail = f"`{name}` is not supported by this version yet; use {usable}"
        raise Refused([Diagnostic("provider-unsupported", "A provider is not supported yet", detail)])
    close = spelling.nearest(name, [*PROVIDERS, *_HYPERVISORS])
    hint = f"did you mean `{close}`?" if close else None
    raise Refused([Diagnostic("provider-unknown", "A provider is unknown", f"there is no provider `{name}`", hint=hint)])


def _module(name: str, concern: str) -> ModuleType:
    # Not `sys.modules`: another thread may be half-way through importing it, and only the import waits for that.
    return importlib.import_module(f"{PROVIDERS[name].package}.{concern}")
