"""`mycelium status`: a block for each daemon, then the traffic of VMs; the names of JSON's fields are documented and stay."""

import re
from pathlib import Path

import pytest

from herocloud.operations.overlay import OverlayState, VmTraffic
from herocloud.providers.mycelium.api import Statistics
from herocloud.providers.mycelium.status import PeerStatus, Report, RouteStatus
from herocloud.views import overlay_status

DOCUMENT = Path(__file__).parents[2] / "docs/mycelium.md"


@pytest.fixture
def state():
    host = Report(
        running=True,
        managed=True,
        version="0.7.10",
        address="5c3:943d:3d21:1d4b:8dd2:4dd5:2e6d:3d5f",
        subnet="5c3:943d:3d21:1d4b::/64",
        public_key="a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38",
        started=1795900091,
        peers=(
            PeerStatus("tcp://192.0.2.1:9651", "static", "dead", declared=True, sent=0, received=0),
            PeerStatus("tcp://192.0.2.2:40112", "inbound", "alive", declared=False, sent=4096, received=1536),
        ),
        routes=(RouteStatus("430:9364:d8d8:84a9::/64", "TCP 192.0.2.9:9651 <-> 192.0.2.2:40112", 12), RouteStatus("4ff::/64", "-", 0xFFFF)),
        statistics=Statistics({}, {}),
    )
    silent = Report(False, True, "0.7.10", None, None, None, None, (), (), Statistics({}, {}))
    vms = (
        VmTraffic("shop", "vm.web", "5c3:943d:3d21:1d4b:ff0f:a1b:2c3d:4e5f", 2048, 1024),
        VmTraffic("lab", "vm.own", "430:9364:d8d8:84a9:dd60:de78:c767:d361", None, None),
    )
    return OverlayState(host, {"shop": silent}, vms)


def test_people_read_a_block_for_each_daemon(state, snapshot) -> None:
    assert overlay_status.status_text(state) == snapshot


def test_the_document_has_one_shape_for_every_daemon(state) -> None:
    document = overlay_status.status_document(state)
    (network,) = document["networks"]
    assert {*network} == {"stack", *document} - {"format_version", "networks", "vms"}
    assert document["vms"][1] == {
        "stack": "lab",
        "vm": "vm.own",
        "address": "430:9364:d8d8:84a9:dd60:de78:c767:d361",
        "sent": None,
        "received": None,
    }


def test_every_field_of_the_document_is_documented(state) -> None:
    document = overlay_status.status_document(state)
    shown = {*document, *document["networks"][0], *document["vms"][0], *document["peers"][0], *document["routes"][0]}
    section = DOCUMENT.read_text().partition("## Looking at it")[2]
    assert shown == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
