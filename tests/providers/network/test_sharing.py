"""Many threads, several processes and other states on one host: all of it is there in the end, and nothing of anybody is lost."""

from typing import Any

import pytest

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
    assert {stack: list(things) for stack, things in seen.items()} == {"two": ["network.kept"]}
    assert seen["two"]["network.kept"]["parts"]["network"] == kept
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


def test_a_renamed_vm_keeps_its_taps_under_its_new_name(site: Any, shapes: Any) -> None:
    site.network()
    guest = site.guest(1, rate={"download": None, "upload": 10_000_000})
    site.serve(guest.namespace, "tcp", 80)
    move = ("tap.move", "vm.www", "mark", {"address": "vm.g1"}, {"address": "vm.www"})
    assert site.probe(*move)[0] == "NOT_STARTED"
    site.perform(*move)
    assert site.probe(*move)[0] == "DONE"
    assert (site.part("vm.g1", "nic.0"), site.part("vm.www", "nic.0")) == (None, guest.nic)
    assert site.call(site.host, "10.42.0.2", 80) == "10.42.0.1"
    site.undo(*move)
    assert (site.part("vm.g1", "nic.0"), site.part("vm.www", "nic.0")) == (guest.nic, None)
