"""What can fail without touching what runs comes first: a failed download leaves every running machine running."""

import json

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms:
  web: {{count: 2, image: debian, memory: 1 GiB{more}}}
"""
BROKEN = """\
rules:
  - {address: image.debian, step: image.fetch, fail: connection reset}
"""


def _states(herocloud) -> dict[str, str]:
    return {vm["address"]: vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]}


def test_a_fetch_that_fails_leaves_every_machine_running(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y")
    host = herocloud.data_folder / "host.yaml"
    (herocloud.data_folder / "scenario.yaml").write_text(BROKEN, encoding="utf-8")
    host.write_text(host.read_text(encoding="utf-8") + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")
    herocloud.write(STACK.format(image="new", more=""))
    ran = herocloud("apply", "-y")
    assert ran.code != 0, ran.both
    assert _states(herocloud) == {"vm.web[0]": "running", "vm.web[1]": "running"}


def test_instances_of_a_block_reboot_one_after_the_other(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y")
    herocloud.write(STACK.format(image="old", more=", cpu: {max: 8}"))
    plan = json.loads(herocloud.done("plan", "--json").out)
    steps = {step["id"]: step for step in plan["steps"]}
    waiting, above = ["vm.web[1]/vm.stop"], set()
    while waiting:
        for need in steps[waiting.pop()]["needs"]:
            if need not in above:
                above.add(need)
                waiting.append(need)
    assert "vm.web[0]/vm.boot" in above


def test_a_block_may_let_several_go_at_once(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y")
    herocloud.write(STACK.format(image="old", more=', cpu: {max: 8}, update: {max_unavailable: "100%"}'))
    plan = json.loads(herocloud.done("plan", "--json").out)
    stop = next(step for step in plan["steps"] if step["id"] == "vm.web[1]/vm.stop")
    assert not any(need.startswith("vm.web[0]") for need in stop["needs"])


def test_a_share_that_says_nothing_is_refused_with_its_place(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more=", update: {max_unavailable: some}"))
    ran = herocloud("plan")
    assert ran.code == 1
    assert "stack.yaml:5:" in ran.err
    assert "write a number from 1, or a share like `25%`" in ran.err
