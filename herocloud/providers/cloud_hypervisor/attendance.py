"""Starting and ending the attendant of a VM (see `attendant`), and what it boots a VM with when its VMM was started again."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.providers.cloud_hypervisor import attendant, file_layout
from herocloud.providers.vmm import cages, companions, folders, grants, identity, standing_orders
from herocloud.providers.vmm.launch import Launch

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.machine_models import VmConfig

_NAME, _RESTART = "-console", "on-failure"
_PATIENCE = 5.0
_STEP = 0.005
_CONFIG = "boot.json"


def of(data: Path, sid: str) -> Launch:
    """Describe how the attendant is started, together with its VMM or beside one that runs."""
    program = Path(attendant.__file__)
    return Launch(
        record=identity.record_path(data, sid, _NAME),
        command=[str(program), str(folders.machine_folder(data, sid)), str(folders.runtime_folder(data, sid))],
        socket=folders.console_socket(data, sid),
        restart=_RESTART,
        environment=identity.environment(data, sid, _NAME),
        unit=identity.unit(data, sid, _NAME),
        cage=cages.beside(data, sid, sys.executable, [program]),
        python=program,
    )


def let_look(data: Path, sid: str) -> None:
    """Make the lock of the VMM readable to the attendant, which asks who holds it."""
    lock = identity.record_path(data, sid).with_name(f"{identity.RECORD}.lock")
    lock.touch(mode=0o600)
    grants.readable(data, sid, lock)


def start(data: Path, sid: str) -> None:
    """Start the attendant where it does not run, beside a VMM that runs."""
    if identity.running(data, sid, _NAME) is None:
        bring_back(data, sid)


def bring_back(data: Path, sid: str) -> None:
    """Have an attendant work and be kept beside a VMM that runs, whatever became of the one before."""
    let_look(data, sid)
    companions.bring_back(of(data, sid))


def with_flaw(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine that runs with what became of its attendant; nothing is added while it works."""
    flaw = companions.flaw(identity.record_path(data, sid, _NAME), _RESTART)
    if flaw is None and not standing_orders.is_sealed(folders.machine_folder(data, sid) / _CONFIG):
        flaw = powers.KEEPER_OTHER_ORDERS
    return machine if machine is None or flaw is None else {**machine, powers.ATTENDANT: flaw}


def wait(data: Path, sid: str) -> None:
    """Start the attendant where it does not run, and wait until people can get to the console."""
    start(data, sid)
    until = time.monotonic() + _PATIENCE
    while not folders.console_socket(data, sid).exists() and time.monotonic() < until:
        time.sleep(_STEP)


def end(data: Path, sid: str) -> None:
    """End the attendant."""
    companions.end(identity.record_path(data, sid, _NAME))


def write_config(data: Path, sid: str, config: "VmConfig") -> None:
    """Write down what a VMM that is started again has to boot."""
    folder = folders.machine_folder(data, sid)
    left = [str(folders.agent_socket(data, sid)), str(file_layout.serial_socket(data, sid))]
    content = jsons.dumps({"config": config, "unlink": left}).encode()
    durable_files.write_durably(folder / _CONFIG, content, draft=folder / f".{_CONFIG}.new")
    grants.readable(data, sid, folder / _CONFIG)
    standing_orders.seal(folder / _CONFIG)
