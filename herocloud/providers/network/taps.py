"""Bringing the tap of a NIC about, changing it and taking it away: device, guard, limits, port of its bridge.

Making a tap is not a netlink message but a file that is opened. The tap lives as long as its file is open, until it is made persistent.
That comes when it bears our mark and before anything else is made for it: a process that dies earlier takes the tap with it, and what
one that dies later leaves belongs to a tap whose alias says whose it is, and calls it unfinished. The guard is loaded before the tap
becomes a port, and both before it is up. On its way out the tap goes last, for the same reason; before that it is down, and no port.
"""

import errno
import fcntl
import os
import socket
import struct
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from herocloud.kits import faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.firewall import rule_expressions, table_hooks
from herocloud.providers.firewall.rule_expressions import Chain
from herocloud.providers.firewall.table_hooks import Surplus
from herocloud.providers.network import inbound, marks, networks, nftables, preconditions, recognition, tap_rules
from herocloud.providers.network.dumps import Link
from herocloud.providers.network.links import EFFECT, Wires
from herocloud.providers.network.marks import Mark, Purpose
from herocloud.providers.network.networks import Half
from herocloud.providers.network.snapshot import Scene
from herocloud.providers.network.tap_rules import Guarded

_DEVICE = "/dev/net/tun"
_SET, _PERSIST, _OWNER = 0x400454CA, 0x400454CB, 0x400454CC
_TAP, _NO_INFO, _VNET, _MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100


class Tap:
    """An open tap; made when it does not exist. It goes with its file unless `keep` was called."""

    def __init__(self, name: str, owner: int, *, multi_queue: bool) -> None:
        """Open the tap and set the user who may use it, so that the VMM needs no capability."""
        self._name = name
        self._file = _open()
        flags = _TAP | _NO_INFO | _VNET | (_MULTI_QUEUE if multi_queue else 0)
        try:
            fcntl.ioctl(self._file, _SET, struct.pack("16sH22x", name.encode(), flags))
            fcntl.ioctl(self._file, _OWNER, owner)
        except OSError as error:
            os.close(self._file)
            raise _explain(error, name) from error

    @property
    def number(self) -> int:
        """Return the number of the interface."""
        return socket.if_nametoindex(self._name)

    def keep(self) -> None:
        """Let the tap outlive this process."""
        faults.reached(EFFECT)
        fcntl.ioctl(self._file, _PERSIST, 1)

    def __enter__(self) -> Self:
        """Hold the tap open."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of it."""
        os.close(self._file)


def ensure(scene: Scene, wires: Wires, mark: Mark, part: Part, owner: int, half: Half) -> None:
    """Bring a tap to `part`."""
    name = part["tap"]
    preconditions.check_name(name)
    link = preconditions.own_link(scene, name, mark)
    bridge = _bridge(scene, mark, part["network"], link)
    detour = preconditions.own_link(scene, marks.upload_device(name), beside(mark))
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
        elif not scene.may_own(name, link.owner):
            # Opening an existing tap may give it to another user; it stays, because it is persistent.
            holding.enter_context(Tap(name, owner, multi_queue=multi_queue))
        number = link.number if link else tap.number if tap else 0
        purpose = Purpose(part["mac"], part["address"], part["network"])
        unfinished = link is None or marks.read_mark(link.alias) is None or marks.is_unfinished(link.alias)
        alias = marks.write_mark(mark, purpose, unfinished=unfinished)
        if link is None or link.alias != alias or link.lost_mark:
            wires.set_alias(number, alias)
        if link is None and tap is not None:
            tap.keep()
        upload = _limit_upload(scene, wires, mark, name, detour, rate.get("upload"))
        chain = tap_rules.build(mark, name, Guarded(part["mac"], part["address"], upload))
        _clear_table(scene, mark, link, chain)
        nftables.change_rules(rule_expressions.load(tap_rules.FAMILY, tap_rules.TABLE, [chain]))
        _judge_inbound(scene, wires, mark, part, bridge, link)
        if upload is None and detour is not None:
            wires.remove(detour.number)
        half()
        if link is not None:
            _clear_link(scene, wires, link, limited=bool(rate.get("download")))
            wires.restore_mtu(link, bridge.mtu)
        if rate.get("download"):
            wires.limit(number, rate["download"])
        again = link is not None and bool(link.odd)
        if again:
            wires.leave_bridge(number)
        if link is not None and scene.is_unplugged(link):
            wires.plug_in(number)
        port = marks.read_port(bridge.alias)
        wires.set_tap(number, marks.write_mark(mark, purpose), mac, bridge, port, new=tap is not None or again)


def remove(scene: Scene, wires: Wires, mark: Mark, name: str, half: Half) -> None:
    """Take a tap away with all that belongs to it."""
    link = preconditions.own_link(scene, name, mark)
    detour = preconditions.own_link(scene, marks.upload_device(name), beside(mark))
    purpose = marks.read_purpose(link.alias) if link else None
    if link is not None:
        wires.leave_bridge(link.number)
    if detour is not None:
        wires.remove(detour.number)
    half()
    if purpose is None or purpose.network == marks.OVERLAY:
        _forget_inbound(scene, wires, name, purpose)
    if not any(owned.mark.part.startswith("nic.") and owned.link.name not in (name, marks.upload_device(name)) for owned in scene.owned):
        # The last one takes the table with it, and whatever taps that were removed by hand have left there. It may have no rules of its
        # own (killed before they were loaded), while the table is there for one that was removed when this one still had a device.
        nftables.change_rules(rule_expressions.drop_table(tap_rules.FAMILY, tap_rules.TABLE))
    elif name in scene.tap_rules:
        nftables.change_rules(rule_expressions.unload(tap_rules.FAMILY, tap_rules.TABLE, [name]))
    if link is not None:
        wires.remove(link.number)


def _clear_table(scene: Scene, mark: Mark, link: Link | None, chain: Chain) -> None:
    """Clear the way for the guard: a table that sleeps, a chain that is hooked in elsewhere, chains that others put there."""
    surplus = recognition.surplus_of_tap(scene, link, mark) if link is not None else Surplus()
    every = scene.every_tap_rule if any(surplus) else {}
    for commands in table_hooks.mend(tap_rules.FAMILY, tap_rules.TABLE, scene.tap_hooks, [chain], surplus, every):
        nftables.change_rules(commands)


def _clear_link(scene: Scene, wires: Wires, link: Link, *, limited: bool) -> None:
    """Take away what others put onto a tap: addresses, queues, programs in front of the guard."""
    for address in (*scene.addresses_of(link), *scene.addresses6_of(link)):
        wires.remove_address(link.number, address.address, address.prefix)
    networks.clear_queues(scene, wires, link, limited=limited)
    if "xdp" in link.odd:
        wires.drop_program(link.number)
    wires.reset_tap(link.number, link.odd)


def _judge_inbound(scene: Scene, wires: Wires, mark: Mark, part: Part, bridge: Link, link: Link | None) -> None:
    """Close a guest on the overlay but for its open ports, and answer for it to neighbors; before it can be reached."""
    openings = inbound.openings_of(part)
    before = marks.read_purpose(link.alias) if link else None
    if openings is None:
        if before is not None and before.network == marks.OVERLAY and before.address is not None:
            # It gives its address up before it takes another one.
            _forget_inbound(scene, wires, part["tap"], before)
        return
    gone = inbound.stale(scene.inbound_rules, [*scene.by_name, part["tap"]])
    chain = inbound.build(mark, part["tap"], openings)
    surplus = scene.inbound_surplus
    gone = [name for name in gone if name not in surplus.chains]
    for commands in table_hooks.mend(inbound.FAMILY, inbound.TABLE, scene.inbound_hooks, [chain], surplus, scene.inbound_rules):
        nftables.change_rules(commands)
    nftables.change_rules(
        [
            *rule_expressions.load(inbound.FAMILY, inbound.TABLE, [chain]),
            *rule_expressions.unload(inbound.FAMILY, inbound.TABLE, gone),
        ]
    )
    if before is not None and before.address not in (None, openings.address) and not _has_other(scene, part["tap"], before.address):
        wires.remove_proxy(bridge.number, str(before.address))
    wires.add_proxy(bridge.number, openings.address)


def _forget_inbound(scene: Scene, wires: Wires, name: str, purpose: Purpose | None) -> None:
    rules = scene.inbound_rules
    gone = {*inbound.stale(rules, list(scene.by_name)), *([name] if name in rules else [])}
    known = inbound.read(rules, name)
    address = purpose.address if purpose else known.address if known else None
    for number, proxied in scene.proxies:
        if proxied == address and not _has_other(scene, name, address):
            wires.remove_proxy(number, proxied)
    if gone and gone == set(rules):
        nftables.change_rules(rule_expressions.drop_table(inbound.FAMILY, inbound.TABLE))
    elif gone:
        nftables.change_rules(rule_expressions.unload(inbound.FAMILY, inbound.TABLE, sorted(gone)))


def _has_other(scene: Scene, name: str, address: str | None) -> bool:
    """Return whether another tap has this address on the overlay by now, and with it the answer to neighbors."""
    for owned in scene.owned:
        purpose = marks.read_purpose(owned.link.alias) if owned.link.name != name and owned.mark.part.startswith("nic.") else None
        if purpose is not None and purpose.network == marks.OVERLAY and purpose.address == address:
            return True
    return False


def beside(mark: Mark) -> Mark:
    """Return the mark of the device that slows the upload of a NIC down."""
    return mark._replace(part=f"{mark.part}.upload")


def _bridge(scene: Scene, mark: Mark, network: str, tap: Link | None) -> Link:
    bridge = scene.bridge_under(mark, network, tap)
    if bridge is None:
        what = "the overlay has no bridge" if network == marks.OVERLAY else f"`network.{network}` does not exist"
        raise Permanent(f"{what}, and `{mark.address}` hangs on it")
    return bridge


def _limit_upload(scene: Scene, wires: Wires, mark: Mark, tap: str, detour: Link | None, rate: int | None) -> str | None:
    """Make the device for a limited upload before the guard sends anything there; returns its name."""
    if not rate:
        return None
    name = marks.upload_device(tap)
    alias = marks.write_mark(beside(mark))
    number = detour.number if detour else wires.add_detour(name, marks.own_mac(mark.lineage, name), alias)
    if detour is not None:
        networks.clear_queues(scene, wires, detour, limited=True)
        if detour.alias != alias or detour.lost_mark:
            wires.mark_detour(number, alias)
    wires.limit(number, rate)
    wires.bring_up(number)
    return name


def _open() -> int:
    try:
        return os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            raise Permanent(f"this kernel lacks taps (module tun): there is no `{_DEVICE}`; load or build in the module") from error
        raise Permanent(f"`{_DEVICE}` cannot be opened ({error.strerror}); taps need root, or a user who may open it") from error


def _explain(error: OSError, name: str) -> Exception:
    if error.errno == errno.EPERM:
        return Permanent(f"the tap `{name}` needs CAP_NET_ADMIN, which this process does not have; run it as root")
    if error.errno == errno.EBUSY:
        return Temporary(f"the tap `{name}` is in use by another process")
    if error.errno == errno.EINVAL:
        return Conflict(f"`{name}` exists and is not a tap of the kind that is wanted")
    return Permanent(f"the tap `{name}` cannot be made ({error.strerror})")
