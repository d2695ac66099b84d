"""Networks for users who may make no bridge: each VM has one of its own inside its VMM, with a way out and forwarded ports.

What lives here keeps record of such networks and of the cards on them, and hands them to the hypervisor as attachments.
"""

from typing import TYPE_CHECKING

from herocloud.providers.seam import AttachmentKind, Declaration, Lacking, NetworkPlanning, NetworkRole, ProviderContext, Standing

if TYPE_CHECKING:
    from herocloud.providers.user_network.driving import UserNetworkDriver
    from herocloud.providers.user_network.observing import UserNetworkObserver


def _planning() -> NetworkPlanning:
    from herocloud.providers.user_network import planning

    return planning


def _observer(context: ProviderContext) -> "UserNetworkObserver":
    from herocloud.providers.user_network.observing import UserNetworkObserver

    return UserNetworkObserver(context.folder, context.memory)


def _driver(context: ProviderContext) -> "UserNetworkDriver":
    from herocloud.providers.user_network.driving import UserNetworkDriver
    from herocloud.providers.vmm import users

    return UserNetworkDriver(context.folder, users.range_of(context.settings_of("vmm")))


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:  # noqa: ARG001  (they need nothing of the host)
    says = "ready; carries VMs of users without CAP_NET_ADMIN"
    if not thorough:
        return Standing(True, says)
    from herocloud.providers.vmm import loopback

    because = loopback.why_open()
    if not because:
        return Standing(True, f"{says}; guests reach nothing that listens on this host itself but its name servers")
    return Standing(True, says, lacking=(Lacking("nat", f"guests would reach what listens on this host itself: {because}"),))


DECLARATION = Declaration(
    name="user_network",
    observer=_observer,
    driver=_driver,
    survey=_survey,
    network=NetworkRole(
        mode="user",
        kind="in user mode",
        made="inside each VM's process, which takes no rights",
        attachment=AttachmentKind.USER,
        planning=_planning,
    ),
)
