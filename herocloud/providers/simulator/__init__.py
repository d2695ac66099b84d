"""A hypervisor, a network, an image store and an overlay that exist only as state machines in one file.

`driving` performs every kind of step, `observing` looks at the world, `scenarios` makes it misbehave, `world` and `tamper` break it
by hand. `DECLARATION` is what the engine knows of it; `planning` is the part that `plan/` may import.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Json
from herocloud.model.worlds import Observed
from herocloud.providers.seam import (
    AttachmentKind,
    Declaration,
    Disk,
    DiskUse,
    HypervisorPlanning,
    HypervisorRole,
    ImagesRole,
    Live,
    Lock,
    NetworkPlanning,
    NetworkRole,
    OverlayRole,
    ProviderContext,
    Said,
    Simulation,
    Standing,
)

if TYPE_CHECKING:
    from herocloud.providers.simulator.driving import SimulatorDriver
    from herocloud.providers.simulator.observing import SimulatorObserver

NAME = "simulator"


def _planning() -> HypervisorPlanning:
    from herocloud.providers.simulator import planning

    return planning


def _network_planning() -> NetworkPlanning:
    from herocloud.providers.simulator import planning

    return planning


def _observer(context: ProviderContext) -> "SimulatorObserver":
    from herocloud.providers.simulator.observing import SimulatorObserver

    return SimulatorObserver(context.folder, context.settings_of(NAME).get("scenario"), context.lasting)


def _driver(context: ProviderContext) -> "SimulatorDriver":
    from herocloud.providers.simulator import driving

    settings = context.settings_of(NAME)
    step_time = settings.get("step_time") or 0.0
    return driving.open_world(context.folder, context.host, scenario=settings.get("scenario"), step_time=step_time, lasting=context.lasting)


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:  # noqa: ARG001  (there is one way to look at a file)
    from herocloud.providers.simulator import observing

    return observing.survey(context.folder)


def _version(context: ProviderContext, sid: str | None) -> str:  # noqa: ARG001  (all VMs run on the installed one)
    from herocloud.providers.simulator import world

    return world.read_version(context.folder)


def _stand_in(command: Sequence[str], stdin: bytes | None) -> Said:
    from herocloud.providers.simulator import guest

    return guest.run(command, stdin)


def _exists(folder: Path) -> bool:
    from herocloud.providers.simulator import world_file

    return (folder / world_file.FILE).exists()


def _disk(folder: Path, use: DiskUse) -> Disk:
    lock = Lock.SHARED if use.readonly else Lock.EXCLUSIVE
    return Disk(folder / use.part["path"], "raw", use.part.get("size"), use.serial, use.readonly, lock)


def _data(context: ProviderContext, origin: Json) -> bytes:
    from herocloud.providers.simulator import world

    return world.read_data(context.folder, origin)


def _copy(observed: Observed, context: ProviderContext) -> None:
    from herocloud.providers.simulator import world

    world.load_world_from(observed, context.folder, context.host)


_WRITING = 0.003
"""Seconds that a step of a simulated world takes when nothing makes it slower: one transaction."""


def _step_seconds(context: ProviderContext) -> float:
    return _WRITING + float(context.settings_of(NAME).get("step_time") or 0.0)


DECLARATION = Declaration(
    name=NAME,
    observer=_observer,
    driver=_driver,
    survey=_survey,
    hypervisor=HypervisorRole(
        planning=_planning,
        attaches=frozenset(AttachmentKind),
        live=frozenset(Live),
        snapshots=True,
        version=_version,
        hollow="it exists only as a state machine",
        stand_in=_stand_in,
    ),
    images=ImagesRole(keeper=_driver, disk=_disk, data=_data),
    network=NetworkRole(
        mode="simulated", kind="that are simulated", made="nowhere", attachment=AttachmentKind.TAP, planning=_network_planning
    ),
    overlay=OverlayRole(),
    simulation=Simulation(exists=_exists, copy=_copy, step_seconds=_step_seconds),
    settings={"scenario": "path", "step_time": "duration"},
)
