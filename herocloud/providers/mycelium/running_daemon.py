"""The daemon that runs on this host, as a plan has to know it: looked for before the plan is made, so that the plan itself asks nobody."""

from pathlib import Path

from herocloud.model import overlays
from herocloud.model.errors import Temporary
from herocloud.model.hosts import OverlayDaemon
from herocloud.providers.mycelium import host_daemon, iproute, node_interface, node_settings


def look_up(data: Path) -> OverlayDaemon:
    """Return the daemon of this host, or that none answers."""
    try:
        found = host_daemon.find(data)
    except Temporary as error:
        return OverlayDaemon("", managed=False, trouble=str(error))
    if found is None:
        return OverlayDaemon("", managed=node_settings.read(data) is not None, carries=False, running=False)
    if found.managed:
        return OverlayDaemon(found.node.subnet, managed=True)
    interface = host_daemon.interface_of(data, found)
    lost = interface is not None and node_interface.is_lost(interface)
    # What was taken from an interface that is there is drift, and the apply puts it back.
    carries = (interface is not None and not lost) or iproute.has_route(overlays.RANGE)
    return OverlayDaemon(found.node.subnet, managed=False, carries=carries, lost_interface=lost)
