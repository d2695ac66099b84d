"""A new root disk and a new seed are made beside the old ones, before the machine stops: after that they are only put in their place."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2, nocloud: true}}
vms:
  web: {{image: debian, memory: 1 GiB{more}}}
"""
BUILDS = ("disk.create", "disk.prepare", "seed.write", "seed.prepare")
"""Steps that make a disk or a seed, which can take long and fail."""
REPLACED = {"image": "new", "more": ""}
REBOOTED = {"image": "old", "more": ", user_data: {text: 'packages: [nginx]'}"}


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a stack of one VM that runs."""
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y", "-q")
    return herocloud


def _break(herocloud: Any, *steps: str) -> None:
    rules = "".join(f"  - {{address: vm.web, step: {step}, fail: no such luck}}\n" for step in steps)
    (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n{rules}", encoding="utf-8")
    host = herocloud.data_folder / "host.yaml"
    if "scenario" not in host.read_text(encoding="utf-8"):
        host.write_text(host.read_text(encoding="utf-8") + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")


def _mend(herocloud: Any) -> None:
    (herocloud.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")


def _state(herocloud: Any) -> str:
    (one,) = json.loads(herocloud.done("vm", "list", "--json").out)["vms"]
    return str(one["state"])


def _parts(herocloud: Any) -> dict[str, Any]:
    return json.loads(herocloud.done("state", "show", "vm.web", "--json").out)["parts"]  # type: ignore[no-any-return]


def _source(herocloud: Any) -> str:
    return str(_parts(herocloud)["disk"]["source"]).rpartition("/")[2]


@pytest.mark.parametrize("steps", [("disk.create", "disk.prepare"), ("seed.write", "seed.prepare")], ids=["the disk", "the seed"])
@pytest.mark.parametrize("words", [(), ("--replace", "vm.web")], ids=["another image", "--replace"])
def test_a_replacement_whose_making_fails_leaves_the_machine_running(shop, steps, words) -> None:
    shop.write(STACK.format(image="old" if words else "new", more=""))
    _break(shop, *steps)
    ran = shop("apply", "-y", *words)
    assert ran.code != 0, ran.both
    assert _state(shop) == "running", "the machine was stopped before what it needs was there"
    assert _source(shop) == "old.qcow2"


def test_a_reboot_whose_seed_fails_leaves_the_machine_running(shop) -> None:
    shop.write(STACK.format(**REBOOTED))
    _break(shop, "seed.write", "seed.prepare")
    assert shop("apply", "-y").code != 0
    assert _state(shop) == "running"


@pytest.mark.parametrize("change", [REPLACED, REBOOTED], ids=["replace", "reboot"])
def test_the_downtime_has_no_making_in_it(shop, change) -> None:
    shop.write(STACK.format(**change))
    plan = json.loads(shop.done("plan", "--json").out)
    needs = {step["id"]: step["needs"] for step in plan["steps"]}

    def above(step: str) -> set[str]:
        return {step}.union(*(above(need) for need in needs[step]))

    made = {step for step in needs if step.startswith("vm.web/") and step.partition("/")[2] in BUILDS}
    assert made
    assert made <= above("vm.web/vm.stop"), "a disk or seed is made while the machine is down"
    (change,) = [one for one in plan["resource_changes"] if one["address"] == "vm.web"]
    seconds = {step["id"]: step["expected_seconds"] for step in plan["steps"]}
    down = {step for step in needs if "vm.web/vm.stop" in above(step) and step in above("vm.web/vm.boot")}
    assert change["downtime_seconds"] <= sum(seconds[step] for step in down) + 0.001


def test_all_disks_of_a_block_are_made_before_its_first_instance_stops(herocloud) -> None:
    text = STACK.replace("web: {{image", "web: {{count: 3, image")
    herocloud.write(text.format(image="old", more=""))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(text.format(image="new", more=""))
    rules = "rules: [{address: 'vm.web[2]', step: 'disk.*', fail: no such luck}]\n"
    (herocloud.data_folder / "scenario.yaml").write_text(rules, encoding="utf-8")
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    assert herocloud("apply", "-y").code != 0
    states = [vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]]
    assert states == ["running", "running", "running"]


def test_what_was_prepared_is_used_by_the_next_try(shop) -> None:
    shop.write(STACK.format(**REPLACED))
    _break(shop, "seed.prepare")
    assert shop("apply", "-y").code != 0
    assert "disk.new" in _parts(shop)
    _mend(shop)
    plan = json.loads(shop.done("plan", "--json").out)
    assert not [step for step in plan["steps"] if step["kind"] == "disk.prepare"]
    shop.done("apply", "-y", "-q")
    assert _source(shop) == "new.qcow2"
    assert not [part for part in _parts(shop) if part.endswith(".new")]
    assert "No changes." in shop.done("plan").out


def test_what_was_prepared_for_nothing_is_discarded(shop) -> None:
    disk = json.loads(shop.done("plan", "--json").out)["capacity"]["disk"]["before"]
    shop.write(STACK.format(**REPLACED))
    _break(shop, "seed.prepare")
    assert shop("apply", "-y").code != 0
    shop.write(STACK.format(image="old", more=""))
    plan = json.loads(shop.done("plan", "--json").out)
    assert [step["kind"] for step in plan["steps"] if step["address"] == "vm.web"] == ["disk.discard"]
    assert (plan["capacity"]["disk"]["before"], plan["capacity"]["disk"]["after"]) == (2 * disk, disk)
    shop.done("apply", "-y", "-q")
    assert _state(shop) == "running"
    after = json.loads(shop.done("plan", "--json").out)
    assert after["capacity"]["disk"]["before"] == disk
    assert [change["action"] for change in after["resource_changes"]] == ["no-op", "no-op"]


@pytest.mark.parametrize("step", ["vm.delete", "disk.place", "seed.place", "vm.create", "vm.boot"])
def test_a_replacement_that_fails_later_is_taken_back_whole(shop, step) -> None:
    before = _parts(shop)
    shop.write(STACK.format(**REPLACED))
    _break(shop, step)
    ran = shop("apply", "-y", "--on-failure", "rollback")
    assert ran.code != 0, ran.both
    assert (_state(shop), _parts(shop)) == ("running", before)
    assert "No drift." in shop.done("drift").out


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize(
    "point", ["disk.prepare.half", "disk.prepare.after", "seed.prepare.after", "disk.place.after", "seed.place.before"]
)
def test_a_kill_in_the_middle_of_a_replacement_is_finished_or_taken_back(shop, spawn, point, way) -> None:
    import os

    before = _parts(shop)
    shop.write(STACK.format(**REPLACED))
    killed = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:1:kill"})
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    if point.endswith("prepare.half"):
        assert _state(shop) == "running"
    shop.done("resume", "-y", "-q", *way)
    assert _state(shop) == "running"
    assert _source(shop) == ("old.qcow2" if way else "new.qcow2")
    assert not [part for part in _parts(shop) if part.endswith(".new")]
    assert "No drift." in shop.done("drift").out
    if way:
        assert _parts(shop) == before


def test_undo_brings_the_old_disk_back_and_counts_what_happens(shop) -> None:
    before, disk = _parts(shop), json.loads(shop.done("plan", "--json").out)["capacity"]["disk"]["before"]
    shop.write(STACK.format(**REPLACED))
    shop.done("apply", "-y", "-q")
    ran = shop.done("undo", "-y")
    assert _parts(shop) == before
    shop.write(STACK.format(image="old", more=""))
    told = json.loads(shop.done("plan", "--json").out)["capacity"]["disk"]
    assert told["before"] == disk + 10 * 1024**3, "the newer disk is kept for 7 days"
    assert "disk 20 GiB of" in ran.both


def test_where_both_disks_do_not_fit_the_old_one_goes_first_and_the_plan_says_so(herocloud) -> None:
    host = herocloud.data_folder / "host.yaml"
    host.write_text("name: node1\nsimulated: {memory: 9 GiB, disk: 36 GiB, cpus: 4}\n", encoding="utf-8")
    herocloud.write(STACK.format(image="old", more=", root_disk: {size: 16 GiB}, slices: 2"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(image="new", more=", root_disk: {size: 24 GiB}, slices: 2"))
    ran = herocloud.done("plan", "--purge")
    assert "The old root disk of `vm.web` goes first" in ran.err
    herocloud.done("apply", "-y", "-q", "--purge")
    assert (_state(herocloud), _source(herocloud)) == ("running", "new.qcow2")
    herocloud.write(STACK.format(image="newer", more=", root_disk: {size: 24 GiB}, slices: 2"))
    assert herocloud("plan").code == 14
