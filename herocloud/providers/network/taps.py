"""Bringing the tap of a NIC about, changing it and taking it away: device, guard, limits, port of its bridge.

The guard is loaded before the tap becomes a port, and both before it is up. The device persists last, see `tapping`.
"""

from contextlib import ExitStack

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent
from herocloud.providers.network import checking, expressions, guarding, marks, nftables
from herocloud.providers.network.dumping import Link
from herocloud.providers.network.guarding import Guarded
from herocloud.providers.network.linking import Wires
from herocloud.providers.network.marks import Mark, Purpose
from herocloud.providers.network.networks import Half
from herocloud.providers.network.scenes import Scene
from herocloud.providers.network.tapping import Tap


def ensure(scene: Scene, wires: Wires, mark: Mark, part: Part, owner: int, half: Half) -> None:
    """Bring a tap to `part`."""
    name = part["tap"]
    checking.check_name(name)
    bridge = _bridge(scene, mark, part["network"])
    link = checking.own_link(scene, name, mark)
    detour = checking.own_link(scene, marks.upload_device(name), beside(mark))
    multi_queue = bool(part.get("multi_queue"))
    if link is not None and link.multi_queue is not multi_queue:
        # The kernel fixes this when it makes the device.
        wires.remove(link.number)
        link = None
    rate = part["rate"] or {}
    mac = marks.own_mac(mark.lineage, name)
    with ExitStack() as holding:
        tap = None
        if link is None:
            tap = holding.enter_context(Tap(name, owner, multi_queue=multi_queue))
        number = link.number if link else tap.number if tap else 0
        alias = marks.write_mark(mark, Purpose(part["mac"], part["address"], part["network"]))
        if link is not None and link.alias != alias:
            wires.set_alias(number, alias)
        upload = _limit_upload(wires, mark, name, detour, rate.get("upload"))
        chain = guarding.build(mark, name, Guarded(part["mac"], part["address"], upload))
        nftables.change_rules(expressions.load(guarding.FAMILY, guarding.TABLE, [chain]))
        if upload is None and detour is not None:
            wires.remove(detour.number)
        half()
        if rate.get("download"):
            wires.limit(number, rate["download"])
        elif link is not None and number in scene.rates:
            wires.unlimit(number)
        wires.set_tap(number, alias, mac, bridge, marks.read_port(bridge.alias), new=tap is not None)
        if tap is not None:
            tap.keep()


def remove(scene: Scene, wires: Wires, mark: Mark, name: str, half: Half) -> None:
    """Take a tap away with all that belongs to it."""
    link = checking.own_link(scene, name, mark)
    detour = checking.own_link(scene, marks.upload_device(name), beside(mark))
    for one in (link, detour):
        if one is not None:
            wires.remove(one.number)
    half()
    if name not in scene.tap_rules:
        return
    if not any(one.mark.part.startswith("nic.") and one.link.name not in (name, marks.upload_device(name)) for one in scene.owned):
        # The last one takes the table with it, and whatever taps that were removed by hand have left there.
        nftables.change_rules([expressions.drop_table(guarding.FAMILY, guarding.TABLE)])
    else:
        nftables.change_rules(expressions.unload(guarding.FAMILY, guarding.TABLE, [name]))


def beside(mark: Mark) -> Mark:
    """Return the mark of the device that slows the upload of a NIC down."""
    return mark._replace(part=f"{mark.part}.upload")


def _bridge(scene: Scene, mark: Mark, network: str) -> Link:
    bridge = scene.bridge_of(mark, network)
    if bridge is None:
        what = "the overlay has no bridge" if network == marks.OVERLAY else f"`network.{network}` does not exist"
        raise Permanent(f"{what}, and `{mark.address}` hangs on it")
    return bridge


def _limit_upload(wires: Wires, mark: Mark, tap: str, detour: Link | None, rate: int | None) -> str | None:
    """Make the device for a limited upload before the guard sends anything there; returns its name."""
    if not rate:
        return None
    name = marks.upload_device(tap)
    owner = beside(mark)
    number = detour.number if detour else wires.add_detour(name, marks.own_mac(mark.lineage, name))
    if detour is None or detour.alias != marks.write_mark(owner):
        wires.set_alias(number, marks.write_mark(owner))
    wires.limit(number, rate)
    wires.bring_up(number)
    return name
