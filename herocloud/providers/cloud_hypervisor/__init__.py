"""Cloud Hypervisor: runs VMs with KVM, one process per VM, driven over its REST API on a unix socket.

`DECLARATION` is what the engine knows of it; `planning` is the part that `plan/` may import. What is not Cloud Hypervisor's own is in
`providers/vmm`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.model.guest_access import GuestAccess, Signs
from herocloud.providers.seam import (
    SEED_AND_LOGS,
    AttachmentKind,
    Channel,
    Declaration,
    HypervisorPlanning,
    HypervisorRole,
    Live,
    ProviderContext,
    Standing,
)

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.driving import CloudHypervisorDriver
    from herocloud.providers.vmm.machine_observer import MachineObserver
    from herocloud.providers.vmm.restarter import VmmRestarter


def _planning() -> HypervisorPlanning:
    from herocloud.providers.cloud_hypervisor import planning

    return planning


def _observer(context: ProviderContext) -> "MachineObserver":
    from herocloud.providers.cloud_hypervisor import observing

    return observing.observer(context.folder, context.memory)


def _driver(context: ProviderContext) -> "CloudHypervisorDriver":
    from herocloud.providers.cloud_hypervisor.driving import CloudHypervisorDriver
    from herocloud.providers.vmm import users

    return CloudHypervisorDriver(context.folder, users=users.range_of(context.settings_of("vmm")))


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:
    from herocloud.providers.cloud_hypervisor import observing

    return observing.survey(context, thorough=thorough)


def _guest(data: Path, sid: str) -> GuestAccess:
    from herocloud.providers.cloud_hypervisor.hardware import AGENT_PORT
    from herocloud.providers.vmm import folders

    return GuestAccess(folders.agent_socket(data, sid), AGENT_PORT, folders.console_socket(data, sid), folders.serial_log(data, sid))


def _signs(context: ProviderContext, sid: str, address: str) -> Signs | None:  # noqa: ARG001  (guests accuse nobody here)
    from herocloud.providers.cloud_hypervisor import signs_of_life

    return signs_of_life.look(context.folder, sid)


def _runs(data: Path, sid: str) -> bool:
    from herocloud.providers.vmm import identity

    return identity.running(data, sid) is not None


def _last_end(data: Path, sid: str) -> str | None:
    from herocloud.providers.cloud_hypervisor import endings

    return None if _runs(data, sid) else endings.say_how_it_ended(data, sid)


def _payload(data: Path, sid: str, payload: Mapping[str, str]) -> Mapping[str, str]:
    from herocloud.providers.vmm import boot_files

    return boot_files.held_payload(data, sid, payload)


def _shut_down(data: Path, sid: str, seconds: float) -> bool:
    from herocloud.providers.cloud_hypervisor import vmm_process

    return vmm_process.shut_down(data, sid, seconds)


def _counters(data: Path, sid: str) -> dict[str, dict[str, int]]:
    from herocloud.providers.cloud_hypervisor import live_view

    return live_view.count(data, sid) if _runs(data, sid) else {}


def _restarter(data: Path, sid: str) -> "VmmRestarter":
    from herocloud.providers.vmm.restarter import VmmRestarter

    return VmmRestarter(data, sid)


def _version(context: ProviderContext, sid: str | None) -> str | None:
    from herocloud.model.errors import Permanent
    from herocloud.providers.cloud_hypervisor import installation
    from herocloud.providers.vmm import marks

    mark = marks.read_sound(context.folder, sid) if sid is not None else None
    if mark is not None and "version" in mark.launched:
        return str(mark.launched["version"])
    path = installation.find_program()
    try:
        return str(installation.inspect(path).release) if path is not None else None
    except Permanent:
        return None


DECLARATION = Declaration(
    name="cloud-hypervisor",
    observer=_observer,
    driver=_driver,
    survey=_survey,
    hypervisor=HypervisorRole(
        planning=_planning,
        attaches=frozenset({AttachmentKind.TAP}),
        live=frozenset({Live.VCPUS, Live.MEMORY, Live.DISKS, Live.NICS}),
        channel=Channel.VSOCK,
        snapshots=True,
        version=_version,
        guest=_guest,
        room=SEED_AND_LOGS,
        signs=_signs,
        runs=_runs,
        last_end=_last_end,
        shut_down=_shut_down,
        counters=_counters,
        restarter=_restarter,
        payload=_payload,
    ),
)
