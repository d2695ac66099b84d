"""Images, disks, volumes and seeds on a Linux host, all of them inside the data folder.

`DECLARATION` is what the engine knows of it. What is there is recorded in small mark files beside the objects, never in a database: to
move, copy or delete a disk by hand is to move, copy or delete what is known of it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Json, Spec
from herocloud.model.hosts import ImageNeed
from herocloud.model.ids import StackName
from herocloud.providers.seam import Declaration, Disk, DiskUse, ImagesRole, Lock, ProviderContext, Standing

if TYPE_CHECKING:
    from herocloud.providers.images.driving import ImagesDriver
    from herocloud.providers.images.observing import ImagesObserver


def _observer(context: ProviderContext) -> "ImagesObserver":
    from herocloud.providers.images.observing import ImagesObserver

    return ImagesObserver(context.folder, context.memory)


def _driver(context: ProviderContext) -> "ImagesDriver":
    from herocloud.providers.images.driving import ImagesDriver

    return ImagesDriver(context.folder, context.host, environment=context.environment)


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:  # noqa: ARG001  (nobody has to choose here)
    from herocloud.providers.images import observing

    return observing.survey(context.folder)


def _own_bytes(folder: Path) -> int:
    from herocloud.providers.images import space

    return space.own_bytes(folder)


def _disks_at(folder: Path) -> Path:
    from herocloud.providers.images import image_folders

    return image_folders.disks_at(folder)


def _stored_bytes(folder: Path) -> int:
    from herocloud.providers.images import space

    return space.stored_bytes(folder)


def _needs(folder: Path, images: Iterable[Spec]) -> Mapping[str, ImageNeed]:
    from herocloud.providers.images import image_needs

    return image_needs.find(folder, images)


def _boots(folder: Path, stack: StackName, payload: Mapping[str, Json]) -> Mapping[str, str]:
    from herocloud.providers.images import image_states

    return image_states.boots_of(folder, stack, payload)


def _forget_before(folder: Path, stack: StackName) -> None:
    from herocloud.providers.images import seeds

    seeds.forget_old(folder, stack)


def _disk(folder: Path, use: DiskUse) -> Disk:
    from herocloud.providers.images import image_folders

    lock = Lock.SHARED if use.readonly else Lock.EXCLUSIVE
    return Disk(image_folders.object_path(folder, use.part["path"]), "raw", use.part.get("size"), use.serial, use.readonly, lock)


def _data(context: ProviderContext, origin: Json) -> Path:
    from herocloud.providers.images import image_folders

    return image_folders.origin_path(context.folder, origin["path"])


DECLARATION = Declaration(
    name="images",
    observer=_observer,
    driver=_driver,
    survey=_survey,
    images=ImagesRole(
        keeper=_driver,
        disk=_disk,
        data=_data,
        own_bytes=_own_bytes,
        disks_at=_disks_at,
        stored_bytes=_stored_bytes,
        needs=_needs,
        boots=_boots,
        forget_before=_forget_before,
    ),
)
