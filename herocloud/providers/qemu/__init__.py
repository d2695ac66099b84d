"""QEMU: runs VMs on any machine, with KVM where guests really get through it and under emulation elsewhere.

`DECLARATION` is what the engine knows of it; `planning` is the part that `plan/` may import. What is not QEMU's own is in `providers/vmm`.
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
    from herocloud.providers.qemu.driving import QemuDriver
    from herocloud.providers.vmm.machine_observer import MachineObserver
    from herocloud.providers.vmm.restarter import VmmRestarter

NAME = "qemu"


def _planning() -> HypervisorPlanning:
    from herocloud.providers.qemu import planning

    return planning


def _observer(context: ProviderContext) -> "MachineObserver":
    from herocloud.providers.qemu import observing

    return observing.observer(context.folder, context.memory)


def _driver(context: ProviderContext) -> "QemuDriver":
    from herocloud.providers.qemu.driving import QemuDriver
    from herocloud.providers.vmm import users

    return QemuDriver(context.folder, accelerator=_accelerator(context), users=users.range_of(context.settings_of("vmm")))


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:  # noqa: ARG001  (what decides the choice is all that there is to know)
    from herocloud.providers.qemu import observing

    return observing.survey(_accelerator(context))


def _accelerator(context: ProviderContext) -> str:
    return str(context.settings_of(NAME).get("accelerator") or "auto")


def _signs(context: ProviderContext, sid: str, address: str) -> Signs | None:
    from herocloud.providers.qemu import vitals

    return vitals.look(context.folder, sid, address, _accelerator(context))


def _note_answer(data: Path, sid: str) -> None:
    from herocloud.providers.qemu import vitals

    vitals.note_answer(data, sid)


def _guest(data: Path, sid: str) -> GuestAccess:
    from herocloud.providers.vmm import folders

    return GuestAccess(folders.agent_socket(data, sid), None, folders.console_socket(data, sid), folders.serial_log(data, sid))


def _runs(data: Path, sid: str) -> bool:
    from herocloud.providers.vmm import identity

    return identity.running(data, sid) is not None


def _payload(data: Path, sid: str, payload: Mapping[str, str]) -> Mapping[str, str]:
    from herocloud.providers.vmm import boot_files

    return boot_files.held_payload(data, sid, payload)


def _shut_down(data: Path, sid: str, seconds: float) -> bool:
    from herocloud.providers.qemu import boot

    return boot.shut_down(data, sid, seconds)


def _counters(data: Path, sid: str) -> dict[str, dict[str, int]]:
    from herocloud.providers.qemu import boot

    return boot.count(data, sid) if _runs(data, sid) else {}


def _restarter(data: Path, sid: str) -> "VmmRestarter":
    from herocloud.providers.vmm.restarter import VmmRestarter

    return VmmRestarter(data, sid)


def _version(context: ProviderContext, sid: str | None) -> str | None:
    from herocloud.providers.qemu import boot, kvm_probe

    installed = kvm_probe.version()
    running = boot.version_of(context.folder, sid) if sid is not None else None
    # A build of one's own has more in its version than it tells while it runs.
    return installed if running is None or (installed or "").startswith(running) else running


DECLARATION = Declaration(
    name=NAME,
    observer=_observer,
    driver=_driver,
    survey=_survey,
    hypervisor=HypervisorRole(
        planning=_planning,
        attaches=frozenset({AttachmentKind.TAP, AttachmentKind.USER}),
        live=frozenset({Live.VCPUS, Live.MEMORY, Live.DISKS, Live.NICS}),
        channel=Channel.VIRTIO_SERIAL,
        snapshots=True,
        version=_version,
        guest=_guest,
        room=SEED_AND_LOGS,
        signs=_signs,
        note_answer=_note_answer,
        runs=_runs,
        shut_down=_shut_down,
        counters=_counters,
        restarter=_restarter,
        payload=_payload,
        emulates=True,
        proves_kvm=True,
    ),
    settings={"accelerator": ("auto", "kvm", "tcg")},
)
