"""With `--on-failure stop`, what a begun change waits for is finished with it, and every view of the result says so."""

import json
from collections.abc import Callable
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  old: {{source: "https://example.org/old.qcow2", unpinned: true, format: qcow2}}
  new: {{source: "https://example.org/new.qcow2", unpinned: true, format: qcow2}}
vms:
  web: {{count: 2, image: {image}, memory: 1 GiB, update: {{max_unavailable: 2}}}}
  lb: {{image: {image}, memory: 1 GiB, depends_on: [vm.web]}}
"""
BAD = "  bad: {image: new, memory: 1 GiB}\n"


@pytest.fixture
def failed(herocloud: Any, misbehave: Callable[[str], None]) -> Any:
    """Let a new VM fail once the load balancer is stopped, and before those that it depends on are."""
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y")
    herocloud.write(STACK.format(image="new") + BAD)
    # The pauses keep the order: lb is down, bad fails, and only then could the others stop.
    slow = "{address: vm.lb, step: vm.delete, at: before, times: 1, delay: 4 s}"
    misbehave(f'{slow}\n  - {{address: vm.bad, step: disk.create, at: before, times: 1, delay: 2 s, fail: "no room"}}')
    ran = herocloud("apply", "-y", "--junit", "j.xml", "--html", "p.html", "--json-into", "e.ndjson")
    assert ran.code == 13, ran.both
    return ran


def test_every_view_names_what_went_on_after_the_failure(herocloud: Any, failed: Any) -> None:
    words = "`vm.web[0]`, `vm.web[1]` went on after the failure, because `vm.lb` had begun and could not be finished without them."
    assert f"note: {words}" in failed.out
    summary = json.loads((herocloud.folder / "e.ndjson").read_text(encoding="utf-8").splitlines()[-1])
    assert summary["notes"] == [words]
    assert {one["address"]: one["state"] for one in summary["fates"]} == {
        "vm.lb": "done", "vm.web[0]": "done", "vm.web[1]": "done", "vm.bad": "failed",
    }  # fmt: skip
    junit = (herocloud.folder / "j.xml").read_text(encoding="utf-8")
    assert junit.count("went on after the failure") == 3, "of the two, and of the one that waits for them"
    assert "went on after the failure" in (herocloud.folder / "p.html").read_text(encoding="utf-8")


def test_what_was_only_prepared_is_not_said_to_have_gone_on(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    # Instances of `web` go one after the other: the first fails after the failure, so the second never begins.
    stack = STACK.replace("update: {{max_unavailable: 2}}", "update: {{max_unavailable: 1}}")
    herocloud.write(stack.format(image="old"))
    herocloud.done("apply", "-y")
    herocloud.write(stack.format(image="new") + BAD)
    slow = "{address: vm.lb, step: vm.delete, at: before, times: 1, delay: 4 s}"
    bad = '{address: vm.bad, step: disk.create, at: before, times: 1, delay: 2 s, fail: "no room"}'
    misbehave(f'{slow}\n  - {bad}\n  - {{address: "vm.web[0]", step: vm.create, fail: "no memory"}}')
    ran = herocloud("apply", "-y")
    assert ran.code == 13, ran.both
    assert "vm.web[1] (prepared and not started)" in ran.out, "the reason for the test"
    [note] = [line for line in ran.out.splitlines() if line.startswith("note: ")]
    assert note == (
        "note: `vm.web[0]` went on after the failure, because `vm.lb` had begun and could not be finished without it. "
        "Then `vm.web[0]` failed too."
    )


def test_what_nobody_that_has_begun_waits_for_stays_and_is_not_named(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(STACK.format(image="old").replace(", depends_on: [vm.web]", ""))
    herocloud.done("apply", "-y")
    herocloud.write(STACK.format(image="new").replace(", depends_on: [vm.web]", "") + BAD)
    misbehave('{address: vm.bad, step: disk.create, times: 1, fail: "no room"}')
    ran = herocloud("apply", "-y", "--parallelism", "1")
    assert "went on after the failure" not in ran.both
