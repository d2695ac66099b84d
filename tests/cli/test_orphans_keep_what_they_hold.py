"""What an orphan still holds is never given away: a VM whose record was dropped keeps its address, MAC and name on the host."""

import json
from typing import Any

STACK = """\
stack: shop
images: {{tiny: {{kernel: ./vmlinuz}}}}
networks: {{lan: {{cidr: 10.42.0.0/24}}}}
vms:
  db: {{image: tiny, memory: 1 GiB, networks: [lan]}}
{more}
"""


def _address(plan: dict[str, Any], vm: str) -> str:
    (change,) = [one for one in plan["resource_changes"] if one["address"] == vm]
    return str(change["change"]["after"]["networks"][0]["address"])


def test_a_new_vm_does_not_get_the_address_of_an_orphan(herocloud) -> None:
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(more=""))
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    herocloud.write(STACK.format(more="  web: {image: tiny, memory: 1 GiB, networks: [lan]}").replace("  db:", "  other:"))
    plan = json.loads(herocloud.done("plan", "--json").out)
    assert {_address(plan, "vm.other"), _address(plan, "vm.web")} == {"10.42.0.3", "10.42.0.4"}


def test_one_that_is_taken_back_and_a_new_one_do_not_share_an_address(herocloud) -> None:
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(more=""))
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    herocloud.write(
        STACK.format(more="  a: {image: tiny, memory: 1 GiB, networks: [lan]}\n  z: {image: tiny, memory: 1 GiB, networks: [lan]}")
    )
    plan = json.loads(herocloud.done("plan", "--json").out)
    assert _address(plan, "vm.db") == "10.42.0.2"
    assert len({_address(plan, vm) for vm in ("vm.a", "vm.db", "vm.z")}) == 3
