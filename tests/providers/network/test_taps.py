"""A tap is what its VMM needs: owned by the user it runs as, up before it starts, with several queues exactly when asked."""

import json
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.root

USER = 65534

VMM = """
import fcntl, os, struct, sys
device = os.open("/dev/net/tun", os.O_RDWR)
# From here on a user like any other: the capabilities go with the user. Who may open the device itself is each machine's own choice.
os.setgroups([])
os.setresuid(*[int(sys.argv[3])] * 3)
try:
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), int(sys.argv[2], 16)))
    print("opened")
except OSError as error:
    print(error.strerror)
"""
PLAIN, SEVERAL_QUEUES = "5002", "5102"
"""IFF_TAP, NO_PI and VNET_HDR as a VMM asks for them, without and with IFF_MULTI_QUEUE."""


def _open(site: Any, tap: str, flags: str = PLAIN, user: int = USER) -> str:
    """Open a tap as a VMM of this user would, without any capability."""
    return str(site.within(site.host, sys.executable, "-c", VMM, tap, flags, str(user))).strip()


def _link(site: Any, tap: str) -> dict[str, Any]:
    (link,) = json.loads(site.on_host(f"ip -json -details link show {tap}"))
    return dict(link)


@pytest.fixture
def owned(site: Any) -> Any:
    """Return a site whose VMMs run as a user of their own."""
    site.order({"verb": "owner", "user": USER})
    site.network()
    site.one = site.nic(1)
    return site


def test_the_user_of_the_vmm_opens_a_tap_without_any_capability_and_nobody_else_does(owned: Any) -> None:
    assert _open(owned, "hc-v1-0") == "opened"
    assert _open(owned, "hc-v1-0", user=USER - 1) == "Operation not permitted"
    assert owned.part("vm.g1", "nic.0") == owned.one


def test_a_tap_is_up_and_a_port_of_its_bridge_before_anybody_opens_it(owned: Any) -> None:
    link = _link(owned, "hc-v1-0")
    assert "UP" in link["flags"]
    assert (link["master"], link["mtu"]) == ("hb-lan", 1500)


def test_several_queues_are_made_exactly_when_asked_and_changed_by_making_it_again(owned: Any) -> None:
    clean = owned.dump()
    asked = {**owned.one, "multi_queue": True}
    assert _open(owned, "hc-v1-0", SEVERAL_QUEUES) == "Invalid argument"
    owned.perform("tap.update", "vm.g1", "nic.0", owned.one, asked)
    assert owned.part("vm.g1", "nic.0") == asked
    assert _open(owned, "hc-v1-0", SEVERAL_QUEUES) == "opened"
    owned.perform("tap.update", "vm.g1", "nic.0", asked, owned.one)
    assert owned.changes_since(clean) == []


def test_a_tap_that_belongs_to_another_user_is_seen_and_given_back_in_place(owned: Any) -> None:
    number = _link(owned, "hc-v1-0")["ifindex"]
    owned.order({"verb": "owner", "user": USER - 1})
    seen = owned.part("vm.g1", "nic.0")
    assert seen == {**owned.one, "owner": USER}
    assert _open(owned, "hc-v1-0", user=USER - 1) == "Operation not permitted"
    owned.perform("tap.update", "vm.g1", "nic.0", seen, owned.one)
    assert _open(owned, "hc-v1-0", user=USER - 1) == "opened"
    assert (owned.part("vm.g1", "nic.0"), _link(owned, "hc-v1-0")["ifindex"]) == (owned.one, number)
