"""What can fail without touching what runs comes first: a failed download leaves every running machine running."""

import json
import re

import pytest

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


CHAIN = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms:
  db: {{image: debian, memory: 1 GiB}}
  api: {{image: debian, memory: 1 GiB, depends_on: [vm.db]}}
  web: {{image: debian, memory: 1 GiB, depends_on: [vm.api]}}
"""


def _states(herocloud) -> dict[str, str]:
    return {vm["address"]: vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]}


def _above(plan, step: str) -> set[str]:
    """Return the steps that one waits for."""
    needs = {one["id"]: one["needs"] for one in plan["steps"]}
    waiting, above = [step], set()
    while waiting:
        for need in needs[waiting.pop()]:
            if need not in above:
                above.add(need)
                waiting.append(need)
    return above


def _slow(herocloud) -> None:
    """Let every simulated step take a second, which its plans believe."""
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {step_time: 1 s}\n")


def _told(herocloud, *words: str) -> int:
    """Return how many seconds the plan says that it takes."""
    (found,) = re.findall(r"About (?:(\d+) min ?)?(?:([\d.]+) s)?", herocloud.done("plan", *words).out)
    return round(60 * int(found[0] or 0) + float(found[1] or 0))


def test_a_fetch_that_fails_leaves_every_machine_running(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y")
    host = herocloud.data_folder / "host.yaml"
    (herocloud.data_folder / "scenario.yaml").write_text(BROKEN, encoding="utf-8")
    host.write_text(host.read_text(encoding="utf-8") + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")
    herocloud.write(STACK.format(image="new", more=""))
    ran = herocloud("apply", "-y")
    assert ran.code == 1, ran.both
    assert _states(herocloud) == {"vm.web[0]": "running", "vm.web[1]": "running"}
    assert "skipped" not in ran.both
    assert "Failed after " in ran.out
    assert "Partly applied" not in ran.out


@pytest.mark.parametrize("image", ["old", "new"], ids=["without a download", "with a download"])
def test_a_chain_is_told_to_be_down_for_as_long_as_its_steps_take(herocloud, image) -> None:
    herocloud.write(CHAIN.format(image="old"))
    herocloud.done("apply", "-y")
    _slow(herocloud)
    herocloud.write(CHAIN.format(image=image))
    plan = json.loads(herocloud.done("plan", "--json", *(f"--replace=vm.{name}" for name in ("db", "api", "web"))).out)
    told = {one["address"]: one["downtime_seconds"] for one in plan["resource_changes"] if one["action"] == "replace"}
    assert told["vm.web"] > told["vm.api"] > told["vm.db"], "each is down until those that it needs have booted"
    seconds = {step["id"]: step["expected_seconds"] for step in plan["steps"]}
    ends: dict[str, float] = {}
    for step in plan["steps"]:
        ends[step["id"]] = seconds[step["id"]] + max((ends[need] for need in step["needs"]), default=0.0)
    walked = {vm: ends[f"{vm}/vm.boot"] - ends[f"{vm}/vm.stop"] + seconds[f"{vm}/vm.stop"] for vm in told}
    assert told == {vm: pytest.approx(down, abs=0.1) for vm, down in walked.items()}


def test_no_machine_of_a_chain_is_down_for_a_download(herocloud) -> None:
    herocloud.write(CHAIN.format(image="old"))
    herocloud.done("apply", "-y")
    herocloud.write(CHAIN.format(image="new"))
    plan = json.loads(herocloud.done("plan", "--json").out)
    stops = [step["id"] for step in plan["steps"] if step["kind"] == "vm.stop"]
    assert len(stops) == 3
    assert [stop for stop in stops if "image.debian/image.fetch" not in _above(plan, stop)] == []


def test_instances_of_a_block_reboot_one_after_the_other(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more=""))
    herocloud.done("apply", "-y")
    herocloud.write(STACK.format(image="old", more=", cpu: {max: 8}"))
    plan = json.loads(herocloud.done("plan", "--json").out)
    assert "vm.web[0]/vm.boot" in _above(plan, "vm.web[1]/vm.stop")


def test_the_estimate_counts_instances_that_go_one_after_the_other(herocloud) -> None:
    herocloud.write(STACK.format(image="old", more="").replace("count: 2", "count: 8"))
    herocloud.done("apply", "-y")
    _slow(herocloud)
    herocloud.write(STACK.format(image="old", more=", cpu: {max: 8}").replace("count: 2", "count: 8"))
    rolling, one = _told(herocloud), _told(herocloud, "--target", "vm.web[0]")
    assert rolling > 4 * one, "eight reboots in a row take longer than one"
    herocloud.write(STACK.format(image="old", more=', cpu: {max: 8}, update: {max_unavailable: "100%"}').replace("count: 2", "count: 8"))
    assert _told(herocloud) < rolling / 2


def test_the_estimate_follows_the_parallelism(herocloud) -> None:
    _slow(herocloud)
    herocloud.write(STACK.format(image="old", more="").replace("count: 2", "count: 8"))
    assert _told(herocloud, "--parallelism", "1") > 2 * _told(herocloud, "--parallelism", "8")


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
