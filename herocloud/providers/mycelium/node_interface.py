"""The interface by which a node carries packets: its link, its address and the route into the overlay, looked at and put back.

A daemon makes all three when it starts and never looks at them again: without them its API answers as before, and the VMs are cut off.
Which link is a daemon's the kernel tells, whatever the link is called: the process holds it open. Address and route go with a link that is
switched off, so the link is put back first. A link that is gone, or that has another name than our rules, takes a restart of the daemon.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.model import overlays
from herocloud.model.errors import Conflict
from herocloud.providers.mycelium import iproute
from herocloud.providers.vmm import responsiveness
from herocloud.providers.vmm.identity import Identity

MTU = 1400
"""What daemons give their interface."""
MISSING, DOWN = "missing", "down"
LINK, ADDRESS, ROUTE, SIZE = "interface", "interface_address", "interface_route", "interface_mtu"
"""How flaws are called."""
_PROC = Path("/proc")
_SMALLEST = 1280
"""Below this MTU the kernel switches IPv6 off."""
_SETTLING, _STEP = 1.0, 0.05
_PREFIX = int(overlays.RANGE.partition("/")[2])


class NodeInterface(NamedTuple):
    """The interface that a node is meant to have."""

    name: str
    """Empty where the process of an adopted daemon has lost its link."""
    address: str
    """Empty where the daemon does not say: then any address will do."""
    pid: int
    """The process of the daemon."""
    namespace: str | None = None
    """The network namespace that it is in; nothing for this one."""
    adopted: bool = False
    """Somebody else's: its MTU is theirs to choose."""


def of_adopted(pid: int, address: str) -> NodeInterface | None:
    """Return the interface of a daemon that somebody else started; nothing where it has none, or nobody may know."""
    held = held_by(pid)
    if not held:
        return None
    return NodeInterface(max(held), address, pid, adopted=True)


def held_by(pid: int) -> frozenset[str] | None:
    """Return the names of the links that a process holds open, an empty name for one that was removed; nothing if that cannot be read."""
    found = set()
    try:
        for path in (_PROC / str(pid) / "fdinfo").iterdir():
            try:
                lines = path.read_text().splitlines()
            except FileNotFoundError:
                # It was closed meanwhile.
                continue
            found |= {line.partition(":")[2].strip() for line in lines if line.startswith("iff:")}
    except OSError:
        return None
    return frozenset(found)


def find_flaws(interface: NodeInterface) -> dict[str, str | int]:
    """Name what is not as the daemon made it; empty when all is well."""
    held = held_by(interface.pid)
    if held and interface.name not in held:
        others = sorted(held - {""})
        return {LINK: f"renamed to {others[0]}" if others else MISSING}
    seen = _show(interface)
    if seen is None:
        return {LINK: MISSING}
    if "UP" not in seen.get("flags", ()):
        return {LINK: DOWN}
    flaws: dict[str, str | int] = {}
    if not interface.adopted and seen["mtu"] != MTU:
        flaws[SIZE] = int(seen["mtu"])
    there = {info.get("local") for info in seen.get("addr_info", ()) if info.get("family") == "inet6" and info.get("scope") == "global"}
    if not there & ({interface.address} if interface.address else there):
        flaws[ADDRESS] = MISSING
    own, nearer = _routes(interface)
    if own is None:
        flaws[ROUTE] = MISSING
    elif nearer is not None:
        flaws[ROUTE] = f"hidden by {_name(nearer)}"
    return flaws


def find_lasting_flaws(interface: NodeInterface, process: Identity) -> dict[str, str | int]:
    """Name what is wrong, but for what a daemon that has just been started is about to make."""
    flaws = find_flaws(interface)
    until = time.monotonic() + _SETTLING
    while flaws and responsiveness.is_starting(process) and time.monotonic() < until:
        time.sleep(_STEP)
        flaws = find_flaws(interface)
    return flaws


def is_lost(interface: NodeInterface) -> bool:
    """Return whether the daemon had this interface and has it no longer, which only a restart mends."""
    return bool(held_by(interface.pid)) and find_flaws(interface).get(LINK, DOWN) != DOWN


def mend(interface: NodeInterface) -> None:
    """Put back what somebody took from the interface of a daemon that still holds its link."""
    flaws = find_flaws(interface)
    if not flaws or flaws.get(LINK, DOWN) != DOWN:
        return
    name, namespace = interface.name, interface.namespace
    seen = _show(interface)
    if seen is not None and seen["mtu"] != MTU and (not interface.adopted or seen["mtu"] < _SMALLEST):
        iproute.change("link", "set", name, "mtu", str(MTU), namespace=namespace)
    iproute.change("link", "set", name, "up", namespace=namespace)
    iproute.write_setting(f"net/ipv6/conf/{name}/disable_ipv6", "0", namespace)
    iproute.add("address", "add", f"{interface.address}/{_PREFIX}", "dev", name, "nodad", namespace=namespace)
    # An address that is there brings back no route that somebody removed.
    iproute.add("-6", "route", "add", overlays.RANGE, "dev", name, "proto", "kernel", "metric", "256", namespace=namespace)
    _, nearer = _routes(interface)
    if nearer is not None:
        # It is somebody else's, and so not ours to remove.
        what = f"{overlays.RANGE} dev {nearer['dev']} metric {nearer['metric']}"
        raise Conflict(
            f"another route to {overlays.RANGE} ({_name(nearer)}) hides that of the overlay daemon by `{name}`; "
            f"remove it (`ip{f' -n {namespace}' if namespace else ''} -6 route del {what}`)"
        )


def _routes(interface: NodeInterface) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the route into the overlay by this interface, and another one that the kernel takes instead."""
    listed = sorted(iproute.show("-6", "route", "show", overlays.RANGE, namespace=interface.namespace), key=_metric)
    own = next((route for route in listed if route.get("dev") == interface.name), None)
    return own, listed[0] if own is not None and _metric(listed[0]) < _metric(own) else None


def _metric(route: dict[str, Any]) -> int:
    return int(route.get("metric", 0))


def _name(route: dict[str, Any]) -> str:
    return str(route.get("type") or route.get("dev"))


def _show(interface: NodeInterface) -> dict[str, Any] | None:
    if not interface.name:
        return None
    listed = iproute.show("-d", "address", "show", "dev", interface.name, namespace=interface.namespace)
    seen: dict[str, Any] | None = next(iter(listed), None)
    # Another kind of link may have taken the name of one that is gone.
    return seen if seen is not None and (seen.get("linkinfo") or {}).get("info_kind") == "tun" else None
