"""The machine of a data folder, as the planner sees it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Recorded
from herocloud.providers.registry import ProviderContext


class Hosting(NamedTuple):
    """The machine, and how providers are to work on it."""

    host: Host
    context: ProviderContext
    diagnostics: tuple[Diagnostic, ...]
    """Warnings only: errors were raised."""


def find_host(folder: Path, recorded: Recorded) -> Hosting:
    """Detect the machine, or read it from the host file when it is simulated; raises Refused for a host file that is wrong."""
    from herocloud.host import machine

    answer = machine.make_host(folder, recorded.slices, in_use=slice_owners(recorded).keys())
    errors = [found for found in answer.diagnostics if found.is_error]
    if errors or answer.host is None:
        raise Refused(errors or answer.diagnostics)
    context = ProviderContext(folder, answer.host, answer.simulator.scenario, answer.simulator.step_time)
    return Hosting(answer.host, context, tuple(answer.diagnostics))


def read_settings(folder: Path) -> Mapping[str, str]:
    """Return the flags that the host file sets; a wrong host file gives none here, because the command itself will say so."""
    from herocloud.host import hostfile

    found, _ = hostfile.read_host_file(folder)
    return found.settings() if found is not None else {}


def slice_owners(recorded: Recorded) -> dict[Sid, tuple[StackName, Address]]:
    """Tell which VM holds each slice that is in use."""
    return {
        Sid(sid): (record.stack, record.address)
        for records in recorded.records.values()
        for record in records.values()
        if record.kind == "vm"
        for sid in record.spec.get("slices") or ()
    }


def simulated_only(context: ProviderContext) -> bool:
    """Tell whether nothing real may be touched on this host."""
    return context.host is not None and context.host.simulated


def observing_names(context: ProviderContext) -> tuple[str, ...]:
    """Name the providers to look through: all of them, and the simulator alone on a host that does not exist."""
    from herocloud.providers import registry

    return ("simulator",) if simulated_only(context) else registry.provider_names()
