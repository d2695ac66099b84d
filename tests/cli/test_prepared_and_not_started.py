"""After a failure with `--on-failure stop`, a VM that was only prepared for its change runs on, and every view says so."""

import html
import json
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  img: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms:
  w: {{count: 3, image: img, memory: 1 GiB}}
"""
MORE = "  bad: {image: img, memory: 1 GiB}\n"


@pytest.fixture
def failed(herocloud: Any) -> Any:
    """Replace three VMs one after the other, beside a new one that does not boot."""
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(image="new") + MORE)
    rules = 'rules:\n  - {address: vm.bad, step: vm.boot, fail: "kernel panicked"}\n'
    (herocloud.data_folder / "scenario.yaml").write_text(rules, encoding="utf-8")
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml, step_time: 20 ms}\n")
    files = [text for kind in ("html", "junit", "md", "sarif") for text in (f"--{kind}", str(herocloud.folder / f"result.{kind}"))]
    ran = herocloud("apply", "-y", "--on-failure", "stop", "--parallelism", "4", "--json-into", str(herocloud.folder / "events"), *files)
    assert ran.code == 13, ran.both
    return ran


def _events(herocloud: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (herocloud.folder / "events").read_text(encoding="utf-8").splitlines()]


@pytest.mark.usefixtures("failed")
def test_no_vm_that_was_only_prepared_is_interrupted_after_the_failure(herocloud: Any) -> None:
    fates = {one["address"]: one["state"] for one in _events(herocloud)[-1]["fates"]}
    prepared = {address for address, state in fates.items() if state == "prepared and not started"}
    assert prepared, fates
    vms = {vm["address"]: vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]}
    assert {vms[address] for address in prepared} == {"running"}
    for address in prepared:
        parts = json.loads(herocloud.done("state", "show", address, "--json").out)["parts"]
        assert parts["disk"]["source"].endswith("old.qcow2")


def test_every_view_says_that_they_are_prepared(herocloud: Any, failed: Any) -> None:
    fates = {one["address"]: one["state"] for one in _events(herocloud)[-1]["fates"]}
    prepared = [address for address, state in fates.items() if state == "prepared and not started"]
    for address in prepared:
        assert f"{address} (prepared)" in failed.out
        assert f"{address} (prepared)" in html.unescape((herocloud.folder / "result.md").read_text(encoding="utf-8"))
    for kind in ("html", "junit", "sarif"):
        text = (herocloud.folder / f"result.{kind}").read_text(encoding="utf-8")
        assert text.count("prepared and not started") >= len(prepared), kind


@pytest.mark.usefixtures("failed")
def test_the_next_apply_uses_what_was_prepared(herocloud: Any) -> None:
    assert "state is prepared for a change" in herocloud.done("drift").out
    (herocloud.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    plan = json.loads(herocloud.done("plan", "--json").out)
    assert not [step for step in plan["steps"] if step["kind"] == "disk.prepare" and step["address"] == "vm.w[2]"]
    herocloud.done("apply", "-y", "-q")
    assert herocloud.done("drift").out.strip() == "No drift."
