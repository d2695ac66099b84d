"""Deleted data that is still there, over all providers that keep some."""

from collections.abc import Iterator

from herocloud.model.ids import StackName
from herocloud.operations import inputs
from herocloud.operations.inputs import Hosting
from herocloud.plan.lost_data import Kept
from herocloud.providers.seam import Keeper, Tombstone


def list_tombstones(host: Hosting) -> list[Tombstone]:
    """List deleted data of every provider that keeps some."""
    tombstones: list[Tombstone] = []
    for keeper in open_keepers(host):
        tombstones += keeper.tombstones()
    return tombstones


def list_kept(host: Hosting, stack: StackName) -> list[Kept]:
    """List the deleted data of a stack, with the steps that took it away."""
    return [Kept(stone.address, stone.by) for stone in list_tombstones(host) if stone.stack == stack]


def open_keepers(host: Hosting) -> Iterator[Keeper]:
    """Open each provider that keeps deleted data, one after the other."""
    from herocloud.providers import registry

    for name in inputs.observing_names(host.context):
        images = registry.find(name).images
        if images is not None:
            keeper = images.keeper(host.context)
            try:
                yield keeper
            finally:
                keeper.close()
