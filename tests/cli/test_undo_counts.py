"""What the plan of an undo counts is what happens, and it names what happens: also for an apply that was cut off half-way."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
volumes: {volumes}
vms: {vms}
"""
ONE = "{web: {image: debian, memory: 1 GiB}}"
TWO = "{web: {image: debian, memory: 1 GiB}, db: {image: debian, memory: 1 GiB, vcpus: 2}}"
LARGER = "{web: {image: debian, slices: 2, memory: 2 GiB}}"
RESOURCES = ("slices", "memory", "vcpus", "disk")


def _write(herocloud: Any, vms: str = ONE, image: str = "old", volumes: str = "{}") -> None:
    herocloud.write(STACK.format(vms=vms, image=image, volumes=volumes))


def _break(herocloud: Any, *steps: str) -> None:
    rules = "".join(f"  - {{address: 'vm.*', step: {step}, fail: no such luck}}\n" for step in steps)
    (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n{rules}" if rules else "rules: []\n", encoding="utf-8")
    host = herocloud.data_folder / "host.yaml"
    if "scenario" not in host.read_text(encoding="utf-8"):
        host.write_text(host.read_text(encoding="utf-8") + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")


def _capacity(herocloud: Any) -> dict[str, int]:
    levels = json.loads(herocloud.done("plan", "--json").out)["capacity"]
    return {name: levels[name]["before"] for name in RESOURCES}


def _undo(herocloud: Any) -> tuple[dict[str, int], dict[str, str]]:
    """Undo; returns what its plan said will be in use afterwards, and the actions by address."""
    events = [json.loads(line) for line in herocloud.done("undo", "-y", "--json").out.splitlines()]
    (levels,) = [event["capacity"] for event in events if event["type"] == "capacity"]
    actions = {event["change"]["address"]: event["change"]["action"] for event in events if event["type"] == "planned_change"}
    return {name: levels[name]["after"] for name in RESOURCES}, actions


def test_the_report_of_an_undo_names_the_apply_that_it_takes_back(herocloud) -> None:
    _write(herocloud)
    herocloud.done("apply", "-y", "-q")
    _write(herocloud, vms=TWO)
    herocloud.done("apply", "-y", "-q")
    herocloud("undo", "--html", "plan.html")
    herocloud.done("undo", "-y", "--html", "result.html")
    for name, title in (("plan", "Undo apply-2 of shop"), ("result", "Undo of apply-2 of shop")):
        page = (herocloud.folder / f"{name}.html").read_text(encoding="utf-8")
        assert f"<title>{title}</title>" in page
        assert f"<h1>{title}</h1>" in page


def test_undoing_a_creation_counts_the_data_that_is_kept(herocloud) -> None:
    _write(herocloud, volumes="{data: {size: 20 GiB}}")
    herocloud.done("apply", "-y", "-q")
    told, actions = _undo(herocloud)
    assert actions["vm.web"] == "delete"
    herocloud.write("stack: shop\n")
    assert told == _capacity(herocloud)
    assert told["disk"] == 30 * 1024**3, "data that is kept takes its room"


@pytest.mark.parametrize(
    ("before", "after"), [(TWO, ONE), (ONE, TWO), (ONE, LARGER), (LARGER, ONE)], ids=["deleted", "added", "grown", "shrunk"]
)
def test_undoing_an_apply_counts_what_is_there_afterwards(herocloud, before, after) -> None:
    _write(herocloud, before)
    herocloud.done("apply", "-y", "-q")
    _write(herocloud, after)
    herocloud.done("apply", "-y", "-q")
    told, _actions = _undo(herocloud)
    _write(herocloud, before)
    assert told == _capacity(herocloud)


@pytest.mark.parametrize("step", ["vm.stop", "vm.delete", "vm.create", "vm.boot"])
def test_undoing_half_a_replacement_counts_what_is_there_afterwards(herocloud, step) -> None:
    _write(herocloud, TWO)
    herocloud.done("apply", "-y", "-q")
    before = _capacity(herocloud)
    _write(herocloud, TWO, image="new")
    _break(herocloud, step)
    assert herocloud("apply", "-y").code != 0
    _break(herocloud)
    told, _actions = _undo(herocloud)
    _write(herocloud, TWO)
    placed = 2 * 10 * 1024**3 if step in ("vm.create", "vm.boot") else 0
    assert told == _capacity(herocloud) == {**before, "disk": before["disk"] + placed}, "what was written since is kept"


def test_a_vm_that_was_only_stopped_is_not_called_a_replacement(herocloud) -> None:
    _write(herocloud)
    herocloud.done("apply", "-y", "-q")
    _write(herocloud, image="new")
    _break(herocloud, "vm.delete")
    assert herocloud("apply", "-y").code != 0
    _break(herocloud)
    ran = herocloud("undo")
    assert ran.code == 12, ran.both
    assert "-/+ vm.web" not in ran.both
    assert "destroyed" not in ran.both
    _told, actions = _undo(herocloud)
    assert actions["vm.web"] == "update"
    (vm,) = json.loads(herocloud.done("vm", "list", "--json").out)["vms"]
    assert vm["state"] == "running"


def test_taking_back_a_stop_is_no_stop(herocloud) -> None:
    _write(herocloud)
    herocloud.done("apply", "-y", "-q")
    _write(herocloud, ONE.replace("1 GiB", "1 GiB, state: stopped"))
    herocloud.done("apply", "-y", "-q")
    _told, actions = _undo(herocloud)
    assert actions == {"vm.web": "update"}


def test_taking_back_a_start_is_a_stop_and_needs_its_class(herocloud) -> None:
    _write(herocloud, ONE.replace("1 GiB", "1 GiB, state: stopped"))
    herocloud.done("apply", "-y", "-q")
    _write(herocloud)
    herocloud.done("apply", "-y", "-q")
    assert herocloud("undo", "--approve", "create,update").code == 12
    _told, actions = _undo(herocloud)
    assert actions == {"vm.web": "stop"}
