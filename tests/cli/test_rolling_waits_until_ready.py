"""A block rolls on only when the instance before is ready: one that does not come back ends the roll, and the others keep running."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms:
  web: {{count: 3, image: debian, memory: 1 GiB{more}}}
"""
CHANGES = [{"image": "new", "more": ""}, {"image": "old", "more": ", cpu: {max: 8}"}]


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a block of three instances."""
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y", "-q")
    (herocloud.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    return herocloud


def _plan(herocloud: Any) -> dict[str, Any]:
    return json.loads(herocloud.done("plan", "--json").out)  # type: ignore[no-any-return]


def _above(plan: dict[str, Any], step: str) -> set[str]:
    needs = {one["id"]: one["needs"] for one in plan["steps"]}
    found, waiting = {step}, [step]
    while waiting:
        for need in needs[waiting.pop()]:
            if need not in found:
                found.add(need)
                waiting.append(need)
    return found


def _actions(plan: dict[str, Any]) -> dict[str, str]:
    return {one["address"]: one["action"] for one in plan["resource_changes"] if one["action"] != "no-op"}


@pytest.mark.parametrize("change", CHANGES, ids=["replace", "reboot"])
def test_an_instance_stops_only_when_the_one_before_is_ready(shop, change) -> None:
    shop.write(STACK.format(**change))
    plan = _plan(shop)
    for before, after in ((0, 1), (1, 2)):
        assert f"vm.web[{before}]/vm.ready" in _above(plan, f"vm.web[{after}]/vm.stop"), "the next one waits for the boot alone"
    assert not [step for step in plan["steps"] if step["id"] == "vm.web[2]/vm.ready"], "nobody waits for the last one"
    shop.done("apply", "-y", "-q")
    assert "No changes." in shop.done("plan").out


@pytest.mark.parametrize("change", CHANGES, ids=["replace", "reboot"])
def test_one_that_is_not_ready_ends_the_roll_and_the_others_keep_running(shop, change) -> None:
    shop.write(STACK.format(**change))
    rule = "rules: [{address: 'vm.web[1]', step: vm.ready, fail: the guest does not answer}]\n"
    (shop.data_folder / "scenario.yaml").write_text(rule, encoding="utf-8")
    ran = shop("apply", "-y")
    assert ran.code == 13, ran.both
    assert "the guest does not answer" in ran.err
    states = {vm["address"]: vm["state"] for vm in json.loads(shop.done("vm", "list", "--json").out)["vms"]}
    assert set(states.values()) == {"running"}
    plan = _plan(shop)
    assert "vm.web[0]" not in _actions(plan)
    assert _actions(plan)["vm.web[2]"] in ("replace", "reboot")
    # The next try does not go on either before the one that was not ready is.
    assert "vm.web[1]/vm.ready" in _above(plan, "vm.web[2]/vm.stop")
    assert shop("apply", "-y").code != 0
    (shop.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    shop.done("apply", "-y", "-q")
    assert "No changes." in shop.done("plan").out


def test_the_plan_counts_the_waiting_and_no_downtime_for_it(shop) -> None:
    host = shop.data_folder / "host.yaml"
    host.write_text(host.read_text(encoding="utf-8").replace("scenario: ./scenario.yaml", "step_time: 1 s"), encoding="utf-8")
    shop.write(STACK.format(image="old", more=", cpu: {max: 8}"))
    plan = _plan(shop)
    waits = [step["expected_seconds"] for step in plan["steps"] if step["kind"] == "vm.ready"]
    assert waits == [pytest.approx(1.0, abs=0.1)] * 2
    seconds = {step["kind"]: step["expected_seconds"] for step in plan["steps"]}
    down = [one["downtime_seconds"] for one in plan["resource_changes"] if one["action"] == "reboot"]
    assert down == [pytest.approx(sum(seconds[kind] for kind in ("vm.stop", "vm.configure", "vm.boot")), abs=0.1)] * 3


def test_a_block_that_may_all_be_down_at_once_waits_for_nobody(shop) -> None:
    shop.write(STACK.format(image="old", more=', cpu: {max: 8}, update: {max_unavailable: "100%"}'))
    assert not [step for step in _plan(shop)["steps"] if step["kind"] == "vm.ready"]


def test_an_instance_that_is_to_be_stopped_is_not_waited_for(shop) -> None:
    shop.write(STACK.format(image="new", more=", state: stopped"))
    assert not [step for step in _plan(shop)["steps"] if step["kind"] == "vm.ready"]


def test_undo_passes_over_the_waiting(shop) -> None:
    shop.write(STACK.format(image="old", more=", cpu: {max: 8}"))
    shop.done("apply", "-y", "-q")
    shop.done("undo", "-y", "-q")
    shop.write(STACK.format(image="old", more=""))
    assert "No changes." in shop.done("plan").out


@pytest.mark.parametrize("change", CHANGES, ids=["replace", "reboot"])
def test_taking_a_roll_back_rolls_the_other_way(shop, change) -> None:
    shop.write(STACK.format(**change))
    shop.done("apply", "-y", "-q")
    events = [json.loads(line) for line in shop.done("undo", "-y", "--json").out.splitlines()]
    moments = [(one["type"], one["step"]) for one in events if one.get("kind") in ("vm.stop", "vm.boot")]
    for back, goes in ((2, 1), (1, 0)):
        came = moments.index(("apply_complete", f"vm.web[{back}]/vm.boot"))
        assert came < moments.index(("apply_start", f"vm.web[{goes}]/vm.stop")), "several instances are down at once"
