"""The host answers neighbors for a VM on the overlay as long as that VM has the address, whatever happens to the VM that had it before."""

from typing import Any

import pytest

from herocloud.providers.devices import OVERLAY_BRIDGE

pytestmark = pytest.mark.root

X, Y = "430:9364:d8d8:84a9:ff0f:102:304:506", "430:9364:d8d8:84a9:ff0f:a02:304:506"


@pytest.fixture
def overlay(site: Any) -> Any:
    """Return a host with the bridge of the overlay."""
    site.on_host(f"ip link add {OVERLAY_BRIDGE} type bridge")
    site.on_host(f"ip link set {OVERLAY_BRIDGE} up")
    return site


def _proxies(site: Any) -> str:
    return str(site.on_host("ip -6 neighbour show proxy"))


def _card(shapes: Any, number: int, address: str | None) -> dict[str, Any]:
    return dict(shapes.nic(number, network="mycelium", address=address))


def test_the_tap_that_had_an_address_does_not_take_the_answer_of_the_next_one_away(overlay: Any, shapes: Any) -> None:
    old, new = _card(shapes, 1, X), _card(shapes, 2, X)
    overlay.perform("tap.create", "vm.w", "nic.0", None, old)
    overlay.perform("tap.create", "vm.a", "nic.0", None, new)
    overlay.perform("tap.delete", "vm.w", "nic.0", old, None)
    assert X in _proxies(overlay)
    assert overlay.probe("tap.create", "vm.a", "nic.0", None, new)[0] == "DONE"
    overlay.perform("tap.delete", "vm.a", "nic.0", new, None)
    assert X not in _proxies(overlay)


def test_the_tap_that_changes_its_address_leaves_the_answer_of_the_next_one(overlay: Any, shapes: Any) -> None:
    old, new = _card(shapes, 1, X), _card(shapes, 2, X)
    overlay.perform("tap.create", "vm.w", "nic.0", None, old)
    overlay.perform("tap.create", "vm.a", "nic.0", None, new)
    overlay.perform("tap.update", "vm.w", "nic.0", old, _card(shapes, 1, Y))
    assert X in _proxies(overlay)
    assert Y in _proxies(overlay)


def test_a_tap_gives_its_address_up_and_takes_it_back(overlay: Any, shapes: Any) -> None:
    card, bare = _card(shapes, 1, X), _card(shapes, 1, None)
    overlay.perform("tap.create", "vm.w", "nic.0", None, card)
    overlay.perform("tap.update", "vm.w", "nic.0", card, bare)
    assert X not in _proxies(overlay)
    assert overlay.probe("tap.update", "vm.w", "nic.0", card, bare)[0] == "DONE"
    overlay.undo("tap.update", "vm.w", "nic.0", card, bare)
    assert X in _proxies(overlay)
    assert overlay.probe("tap.update", "vm.w", "nic.0", card, bare)[0] == "NOT_STARTED"
