"""The node of a host has one key: which stacks can rely on it at the same time, for plans and for the driver alike."""

import pytest

from herocloud.model.overlays import HOST, HOST_KEY, NETWORK, NodeUse, can_share
from herocloud.plan import overlay_conflicts
from herocloud.providers.mycelium import host_node

MINE, OTHER = "430:9364:d8d8:84a9::/64", "5c3:943d:3d21:1d4b::/64"
FILE = {"file": "/srv/overlay.key"}
NETWORKED = NodeUse(NETWORK, {"name": "shop"}, None)


@pytest.mark.parametrize(
    ("one", "other", "host_subnet", "can"),
    [
        (NETWORKED, NETWORKED, MINE, True),
        (NETWORKED, NodeUse(HOST, HOST_KEY, MINE), MINE, True),
        (NETWORKED, NodeUse(HOST, HOST_KEY, OTHER), MINE, False),
        (NETWORKED, NodeUse(HOST, FILE, MINE), MINE, True),
        (NETWORKED, NodeUse(HOST, FILE, OTHER), MINE, False),
        (NETWORKED, NodeUse(HOST, HOST_KEY, MINE), None, True),
        (NETWORKED, NodeUse(HOST, FILE, MINE), None, False),
        (NETWORKED, NodeUse(HOST, FILE, None), MINE, False),
        (NodeUse(HOST, HOST_KEY, MINE), NodeUse(HOST, HOST_KEY, OTHER), MINE, True),
        (NodeUse(HOST, HOST_KEY, MINE), NodeUse(HOST, FILE, MINE), MINE, True),
        (NodeUse(HOST, HOST_KEY, MINE), NodeUse(HOST, FILE, OTHER), MINE, False),
        (NodeUse(HOST, HOST_KEY, None), NodeUse(HOST, FILE, None), None, False),
    ],
)
def test_who_can_share_the_node(one, other, host_subnet, can) -> None:
    assert can_share(one, other, host_subnet) is can
    assert can_share(other, one, host_subnet) is can


def test_plans_and_the_driver_ask_the_same_rule() -> None:
    assert overlay_conflicts.can_share is host_node.can_share is can_share
