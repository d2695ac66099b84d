"""Many threads, several processes and other states on one host: all of it is there in the end, and nothing of anybody is lost."""

from typing import Any

import pytest

from herocloud.providers import ownership

pytestmark = pytest.mark.root


def _order(kind: str, address: str, part: str, before: Any, after: Any, *, stack: str = "shop", lineage: str = "ours") -> dict[str, Any]:
    step = {"kind": kind, "address": address, "rest": [part, before, after]}
    return {"verb": "perform", "step": step, "stack": stack, "lineage": lineage}


def test_taps_that_are_made_at_once_are_all_as_they_shall_be(site: Any, shapes: Any) -> None:
    site.network()
    empty = site.dump()
    nics = {f"vm.web[{number}]": shapes.nic(number, rate={"download": 1_000_000 + number, "upload": 2_000_000}) for number in range(1, 17)}
    site.order(
        {
            "verb": "many",
            "orders": [_order("tap.create", address, "nic.0", None, nic, lineage=shapes.lineage) for address, nic in nics.items()],
        }
    )
    seen = site.observe()["shop"]
    assert {address: seen[address]["parts"]["nic.0"] for address in nics} == nics
    site.order(
        {
            "verb": "many",
            "orders": [_order("tap.delete", address, "nic.0", nic, None, lineage=shapes.lineage) for address, nic in nics.items()],
        }
    )
    assert site.changes_since(empty) == []


def test_processes_of_two_states_come_and_go_beside_each_other(site: Any, shapes: Any) -> None:
    before = site.dump()
    kept = shapes.network("kept", cidr="10.60.0.0/24", gateway="10.60.0.1")
    workers = {lineage: site.worker() for lineage in ("one", "two")}
    waiting = {}
    for number, lineage in enumerate(workers):
        part = shapes.network(lineage, cidr=f"10.{50 + number}.0.0/24", gateway=f"10.{50 + number}.0.1")
        nic = shapes.nic(number, network=lineage, address=f"10.{50 + number}.0.2")
        ways = [
            ("network.create", "network." + lineage, "network", None, part),
            ("tap.create", "vm.a", "nic.0", None, nic),
            ("tap.delete", "vm.a", "nic.0", nic, None),
            ("network.delete", "network." + lineage, "network", part, None),
        ]
        rounds = [*ways * 4, *([("network.create", "network.kept", "network", None, kept)] if lineage == "two" else [])]
        for way in rounds:
            # Nobody waits for an answer here, so that both processes are always at it.
            site.tell(workers[lineage], _order(*way, stack=lineage, lineage=lineage))
        waiting[lineage] = len(rounds)
    for lineage, count in waiting.items():
        for _ in range(count):
            site.hear(workers[lineage])
    seen = site.observe()
    assert {stack: list(things) for stack, things in seen.items()} == {"two@two": ["network.kept"]}
    assert seen["two@two"]["network.kept"]["parts"]["network"] == kept
    site.hear(site.tell(workers["two"], _order("network.delete", "network.kept", "network", kept, None, stack="two", lineage="two")))
    assert site.changes_since(before) == []


def test_only_the_stacks_that_are_asked_for_are_seen(site: Any, shapes: Any) -> None:
    site.network()
    site.perform(
        "network.create", "network.dmz", "network", None, shapes.network("dmz", cidr="10.43.0.0/24", gateway="10.43.0.1"), stack="other"
    )
    assert list(site.observe(["other"])) == ["other"]
    assert sorted(site.observe()) == ["other", "shop"]
    thing = site.observe()["shop"]["network.lan"]
    assert (thing["provider"], thing["lineage"]) == ("network", shapes.lineage)


def test_a_renamed_vm_keeps_its_tap_which_is_seen_under_the_new_name(site: Any, shapes: Any) -> None:
    site.network()
    rate = {"download": None, "upload": 10_000_000}
    nic = site.nic(1, rate=rate)
    folder = site.folder / "vms" / "v1"
    ownership.write_owner(folder, ownership.Owner("shop", "vm.g1", shapes.lineage))
    before = site.dump()
    ownership.rename(folder, "vm.www")
    assert (site.part("vm.g1", "nic.0"), site.part("vm.www", "nic.0")) == (None, nic)
    assert site.changes_since(before) == []
    # Whatever changes the tap next writes the new name on it.
    update = ("tap.update", "vm.www", "nic.0", nic, {**nic, "address": "10.42.0.9"})
    assert site.probe(*update)[0] == "NOT_STARTED"
    site.perform(*update)
    assert "shop:vm.www:nic.0 02:00:00:00:00:01 10.42.0.9 lan" in site.on_host("ip link show hc-v1-0")
    assert site.part("vm.www", "nic.0") == update[-1]
    site.perform("tap.delete", "vm.www", "nic.0", update[-1], None)
    assert site.observe()["shop"].keys() == {"network.lan"}


def test_a_tap_is_not_taken_for_a_vm_of_another_state_that_left_its_name(site: Any) -> None:
    site.network()
    site.nic(1)
    ownership.write_owner(site.folder / "vms" / "v1", ownership.Owner("shop", "vm.other", "another"))
    assert site.part("vm.other", "nic.0") is None
