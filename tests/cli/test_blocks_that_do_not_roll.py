"""A block whose instances cannot take turns, because what they depend on goes in the same apply, is announced in the plan."""

import json

import pytest

STACK = """\
stack: shop
images:
  img: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms:
  db: {{image: img, memory: 1 GiB}}
  web: {{count: 3, image: img, memory: 1 GiB, depends_on: [vm.db], update: {{max_unavailable: 1}}}}
"""


@pytest.fixture
def replaced(herocloud):
    """Apply the stack, and ask for another image of all its VMs."""
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(image="new"))
    return herocloud


def test_the_plan_names_the_block_the_cause_and_the_way_out(replaced) -> None:
    ran = replaced.done("plan")
    assert "warning: All instances of a block are down together (vm.web[0])" in ran.err
    assert "The 3 instances of `vm.web` do not take turns: they depend on `vm.db`" in ran.err
    assert "`herocloud apply --exclude 'vm.web[*]'` first" in ran.err


def test_the_way_out_leads_to_a_roll(replaced) -> None:
    replaced.done("apply", "-y", "-q", "--exclude", "vm.web[*]")
    ran = replaced.done("plan")
    assert "All instances of a block" not in ran.err
    steps = {step["id"]: step for step in json.loads(replaced.done("plan", "--json").out)["steps"]}

    def behind(step: str) -> set[str]:
        return {step}.union(*(behind(need) for need in steps[step]["needs"]))

    assert "vm.web[0]/vm.boot" in behind("vm.web[1]/vm.stop")


def test_a_block_that_rolls_is_no_reason_for_a_warning(replaced) -> None:
    replaced.write(STACK.format(image="old").replace("count: 3,", "count: 3, user_data: {text: '#!/bin/sh'},"))
    assert "warning" not in replaced.done("plan").err
