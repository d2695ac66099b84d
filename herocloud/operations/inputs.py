"""What an operation starts from: the data folder, the machine as the planner sees it, and the stack files."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import plain_files
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Recorded
from herocloud.operations import damage
from herocloud.operations.recorded_machines import RecordedMachines
from herocloud.providers.seam import ProviderContext
from herocloud.stack.fence import Fence
from herocloud.stack.loaded import Loaded

if TYPE_CHECKING:
    from herocloud.stack.sources import VarFile

_MOST_BYTES = 16 * 1024**2

SYSTEM = Path("/var/lib/herocloud")


def choose_folder(flag: str | Path | None, environment: Mapping[str, str], *, root: bool) -> Path:
    """Return the data folder: the flag, HEROCLOUD_DATA_DIR, or the place that this user's programs keep their state in."""
    named = flag or environment.get("HEROCLOUD_DATA_DIR")
    if named:
        return Path(os.path.expanduser(named))  # noqa: PTH111  (pathlib would raise for an unknown user's home)
    if root:
        return SYSTEM
    state_home = environment.get("XDG_STATE_HOME")
    # The XDG rules say that a relative path there is to be ignored.
    if state_home and os.path.isabs(state_home):  # noqa: PTH117  (a text needs no Path for that)
        return Path(state_home) / "herocloud"
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  (as above)
    return Path(home) / ".local" / "state" / "herocloud"


class HostRefused(Refused):
    """The host file is wrong, or the machine is not what it says: no request is to blame for that."""


class Hosting(NamedTuple):
    """The machine, and how providers are to work on it."""

    host: Host
    context: ProviderContext
    diagnostics: tuple[Diagnostic, ...]
    """Warnings only: errors were raised."""


class Known(NamedTuple):
    """What a plan starts from."""

    recorded: Recorded
    hosting: Hosting


def read_known(folder: Path) -> Known:
    """Read the records and look at the machine; a process that stays knows both already."""
    from herocloud.state import store

    recorded = store.read_recorded(folder)
    return Known(recorded, find_host(folder, recorded))


def find_host(folder: Path, recorded: Recorded, environment: Mapping[str, str] = {}) -> Hosting:
    """Detect the machine, or read it from the host file when it is simulated; raises Refused for a host file that is wrong.

    `environment` holds the variables that a stack may name with `env:`.
    """
    from herocloud.host import machine
    from herocloud.providers import registry
    from herocloud.state import reserve, state_files

    own, stored, disks = 0, 0, folder
    for images in (declaration.images for declaration in registry.declarations() if declaration.images is not None):
        own, stored = own + images.own_bytes(folder), stored + images.stored_bytes(folder)
        disks = images.disks_at(folder) if disks == folder else disks
    if state_files.shares_disk(folder, disks):
        own, stored = own - reserve.missing(folder), stored + state_files.size(folder)
    in_use = slice_owners(recorded).keys()
    answer = machine.make_host(folder, recorded.slices, own, stored=stored, disks=disks, in_use=in_use)
    errors = [diagnostic for diagnostic in answer.diagnostics if diagnostic.is_error]
    if errors or answer.host is None:
        raise HostRefused(errors or answer.diagnostics)
    context = ProviderContext(folder, answer.host, answer.providers, environment, memory=RecordedMachines(recorded))
    step_times = [(known.name, known.simulation.step_seconds(context)) for known in registry.declarations() if known.simulation is not None]
    found = (*answer.diagnostics, *damage.warnings(recorded))
    return Hosting(answer.host._replace(step_times=tuple(step_times)), context, found)


def sign_of_host_file(folder: Path) -> tuple[int, int, int] | None:
    """Return what changes when somebody writes the host file."""
    from herocloud.host import hostfile

    try:
        status = (folder / hostfile.FILE).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def with_accelerator(hosting: Hosting, accelerator: str | None) -> Hosting:
    """Return the machine with what the command line or the environment wants guests to run on; the host file stands below both."""
    if accelerator is None:
        return hosting
    from herocloud.providers import registry

    chosen = {
        declaration.name: {"accelerator": accelerator}
        for declaration in registry.declarations()
        if accelerator in declaration.settings.get("accelerator", ())
    }
    settings = hosting.context.settings
    merged = {name: {**settings.get(name, {}), **chosen.get(name, {})} for name in (*settings, *chosen)}
    return hosting._replace(context=hosting.context._replace(settings=merged))


def read_settings(folder: Path) -> Mapping[str, str]:
    """Return the flags that the host file sets; a wrong host file gives none here, because the command itself will say so."""
    from herocloud.host import hostfile

    host_file, _ = hostfile.read_host_file(folder)
    return host_file.settings() if host_file is not None else {}


class DaemonSettings(NamedTuple):
    """What the host file says about the daemon."""

    group: str | None = None
    """Who may use its socket."""
    paths: tuple[str, ...] = ()
    """Folders below which its callers may name shares, kernels and images."""


def read_daemon_settings(folder: Path) -> DaemonSettings:
    """Return what the host file says about the daemon; raises Refused for one that is wrong."""
    from herocloud.host import hostfile

    host_file, diagnostics = hostfile.read_host_file(folder)
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    if errors:
        raise HostRefused(errors)
    if host_file is None:
        return DaemonSettings()
    return DaemonSettings(host_file.values.get("daemon.group"), tuple(host_file.values.get("daemon.paths") or ()))


def slice_owners(recorded: Recorded) -> dict[Sid, tuple[StackName, Address]]:
    """Tell which VM holds each slice that is in use; of VMs without a record those that were seen (`lost`, `held`)."""
    from herocloud.plan import reservations

    lost = {
        Sid(sid): (record.stack, record.address)
        for records in recorded.lost.values()
        for record in records.values()
        for sid in record.spec.get("slices") or ()
    }
    present = {
        Sid(sid): (record.stack, record.address)
        for records in reservations.occupied(recorded, None).records.values()
        for record in records.values()
        if record.kind == "vm"
        for sid in record.spec.get("slices") or ()
    }
    return {**recorded.held, **lost, **present}


def simulated_only(context: ProviderContext) -> bool:
    """Return whether nothing real may be touched on this host."""
    return context.host is not None and context.host.simulated


def observing_names(context: ProviderContext) -> tuple[str, ...]:
    """Name the providers to look through: all that may have made something, and the simulator alone on a host that does not exist."""
    from herocloud.providers import registry

    if simulated_only(context):
        return (registry.simulation().name,)
    # Where nothing was ever simulated there is no world to look into, and looking would make one.
    return tuple(
        declaration.name
        for declaration in registry.declarations()
        if declaration.simulation is None or declaration.simulation.exists(context.folder)
    )


class Sources(NamedTuple):
    """What a stack is read from."""

    files: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """`K=V` each."""
    var_files: "tuple[VarFile, ...]" = ()
    """Their names, or what was read of them already."""
    environment: Mapping[str, str] = {}
    stdin: str | None = None
    """What was read for the file `-`; nothing when none is named so."""
    fence: Fence | None = None
    """What the files may name outside of themselves, where somebody else wrote them."""


def read_stdin(files: tuple[str, ...]) -> str | None:
    """Read the standard input when a file is named `-`; bytes that are not text are left for the loader to point at."""
    if "-" not in files:
        return None
    # A process may be started without any standard input at all.
    return "" if sys.stdin is None else sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def load(folder: Path, sources: Sources, host: Host | None, *, make_key: bool = False) -> Loaded:
    """Load the stack; `make_key` makes the key for digests of secrets when the stack has some and there is none yet."""
    from herocloud.stack import load as stacks
    from herocloud.state import creation

    def load_with(key: bytes | None) -> Loaded:
        return stacks.load(
            sources.files,
            host=host,
            variables=sources.variables,
            var_files=sources.var_files,
            environment=sources.environment,
            stdin=sources.stdin,
            secret_key=key,
            fence=sources.fence,
        )

    key = creation.load_key(folder, create=False)
    loaded = load_with(key)
    if make_key and key is None and loaded.uses_secrets and loaded.desired is not None:
        loaded = load_with(creation.load_key(folder, create=True))
    return loaded


def has_key(folder: Path) -> bool:
    """Return whether there is a key for digests of secrets."""
    from herocloud.state import creation

    return creation.load_key(folder, create=False) is not None


def name_of_stack(folder: Path, stack: Sources) -> str | None:
    """Return the name that stack files give their stack; nothing when they cannot be read, or give it none that a load would take.

    Loading the whole file would ask for variables that a look at the records does not need.
    """
    from herocloud.stack import declared_name
    from herocloud.state import store

    try:
        contents = [_content(name, stack.stdin) for name in stack.files]
    except (OSError, ValueError):
        return None
    return declared_name.read_name(
        contents,
        host=lambda: find_host(folder, store.read_recorded(folder), stack.environment).host,
        variables=stack.variables,
        environment=stack.environment,
    )


def _content(name: str, stdin: str | None) -> bytes:
    return (stdin or "").encode("utf-8", "surrogateescape") if name == "-" else plain_files.read(name, _MOST_BYTES)
