"""Memory is plugged in blocks of 2 MiB: any other size is a power-cycle in the plan, and not a failure while it is applied."""

from typing import Any

import pytest

STACK = """\
stack: shop
images: {{tiny: {{kernel: ./vmlinuz, cmdline: quiet}}}}
vms:
  web: {{image: tiny, memory: {memory}}}
"""


@pytest.fixture
def site(herocloud: Any) -> Any:
    (herocloud.data_folder / "host.yaml").write_text("name: node1\nsimulated: {memory: 16 GiB, disk: 100 GiB, cpus: 8}\n", encoding="utf-8")
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(memory="1 GiB"))
    herocloud.done("apply", "-y")
    return herocloud


def test_memory_between_two_blocks_is_a_power_cycle_with_its_reason(site: Any) -> None:
    site.write(STACK.format(memory="1025 MiB"))
    plan = site.done("plan").out
    assert "memory 1 GiB → 1025 MiB, memory is plugged in blocks of 2 MiB; any other size needs a power-cycle" in plan
    assert "1 to reboot" in plan
    site.done("apply", "-y")
    assert "No changes." in site.done("plan").out


def test_a_vm_that_boots_with_such_memory_has_room_in_whole_blocks(site: Any) -> None:
    site.write(STACK.format(memory="1025 MiB"))
    site.done("apply", "-y")
    site.write(STACK.format(memory="2049 MiB"))
    plan = site.done("plan").out
    assert "1 to change" in plan
    assert "to reboot" not in plan
    site.done("apply", "-y")
    assert "No changes." in site.done("plan").out
