"""The daemon that runs on this host, as a plan has to know it: looked for before the plan is made, so that the plan itself asks nobody."""

from pathlib import Path

from herocloud.model import overlays
from herocloud.model.errors import Temporary
from herocloud.model.hosts import OverlayDaemon
from herocloud.providers.mycelium import iproute, node_process


def look_up(data: Path) -> OverlayDaemon:
    """Return the daemon of this host, or that none answers."""
    try:
        found = node_process.find(data)
    except Temporary as error:
        return OverlayDaemon("", managed=False, trouble=str(error))
    if found is None:
        return OverlayDaemon("", managed=node_process.read_settings(data) is not None, carries=False, running=False)
    return OverlayDaemon(found.node.subnet, found.managed, iproute.has_route(overlays.RANGE))
