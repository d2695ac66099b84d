"""Real networks on this host: bridges, taps, addresses, firewall rules, shaping, each with our mark on it.

Only `providers/registry.py` opens it for the engine: `driving` performs the steps of the role `network`, `observing` looks. It needs
CAP_NET_ADMIN and the program `nft`, and works in whatever network namespace its process is in.
"""

from typing import TYPE_CHECKING

from herocloud.providers.seam import AttachmentKind, Declaration, NetworkPlanning, NetworkRole, ProviderContext, Standing

if TYPE_CHECKING:
    from herocloud.providers.network.driving import NetworkDriver
    from herocloud.providers.network.observing import NetworkObserver


def _planning() -> NetworkPlanning:
    from herocloud.providers.network import planning

    return planning


def _observer(context: ProviderContext) -> "NetworkObserver":
    from herocloud.providers.network.observing import NetworkObserver

    return NetworkObserver(context.folder, memory=context.memory)


def _driver(context: ProviderContext) -> "NetworkDriver":
    from herocloud.providers.network.driving import NetworkDriver

    return NetworkDriver(context.folder)


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:  # noqa: ARG001  (the host's networks are the same for all folders)
    from herocloud.providers.network import observing

    return observing.survey() if thorough else observing.survey_rights()


DECLARATION = Declaration(
    name="network",
    observer=_observer,
    driver=_driver,
    survey=_survey,
    network=NetworkRole(
        mode="bridge",
        kind="on bridges",
        made="on the host, which takes CAP_NET_ADMIN",
        attachment=AttachmentKind.TAP,
        planning=_planning,
        uses_host_ranges=True,
    ),
)
