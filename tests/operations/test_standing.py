"""What is recorded, asked for again, is nothing to do: imperative commands change only what they are about."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.plan import planner, recorded_stack
from herocloud.plan.scope import PlanOptions
from herocloud.providers.simulator import tamper

EVERYTHING = """\
stack: shop
images:
  debian12: {source: "https://example.org/debian12.qcow2", unpinned: true, format: qcow2, aliases: [debian]}
networks:
  lan: {cidr: 10.42.0.0/24, nat: true, forward: [{host_port: 8080, vm: "web[0]", port: 80}]}
  back: {cidr: 10.43.0.0/24, isolated: true}
mycelium: {addresses: true, peers: ["tcp://188.40.132.242:9651"]}
volumes:
  data: {size: 20 GiB, protect: true}
vms:
  web:
    count: 3
    image: debian
    slices: 2
    memory: 6 GiB
    networks: [{network: lan, rate: {download: 100 Mbit/s, upload: 50 Mbit/s}}, back]
    mycelium: true
    depends_on: [vm.db]
    env: {FRONT: "{{ vm.db.address.back }}"}
  db:
    image: debian12
    slice: [s10, s11]
    vcpus: 4
    cpu: {max: 8}
    memory_options: {mergeable: true, hotplug: 1 GiB}
    memory: 7 GiB
    root_disk: {size: 40 GiB, rate: {bandwidth: 250 MB/s, burst: 1 GB/s, iops: 5000}}
    volumes: [{volume: data}]
    networks: [back]
    state: stopped
    restart: always
outputs:
  front: "{{ vm.web[0].address.lan }}"
"""
STACK = StackName("shop")


@pytest.fixture
def recorded(herocloud: Any) -> Recorded:
    herocloud.write(EVERYTHING)
    herocloud.done("apply", "-y", "-q")
    return lookups.read_recorded(herocloud.data_folder)


def _observe(folder: Path, recorded: Recorded) -> Observed:
    return stack_plans.look(inputs.find_host(folder, recorded), (STACK,))


def test_records_asked_for_again_are_nothing_to_do(herocloud: Any, recorded: Recorded) -> None:
    desired = recorded_stack.desire(STACK, recorded.records[STACK].values(), recorded.outputs[STACK])
    host = inputs.find_host(herocloud.data_folder, recorded)
    plan = planner.plan(desired, recorded, _observe(herocloud.data_folder, recorded), host.host, PlanOptions())
    assert [(change.address, change.fields) for change in plan.changing] == []
    assert plan.outputs == plan.outputs_before
    assert not plan.errored


def test_a_command_about_one_vm_repairs_nothing_else(herocloud: Any, recorded: Recorded) -> None:
    tamper.main([str(herocloud.data_folder), "vm.web[1]", "stop"])
    ran = herocloud.done("vm", "start", "db")
    assert "vm.web[1]" not in ran.out
    assert "vm.web[1]" in herocloud.done("drift").out


def test_what_is_not_touched_looks_as_recorded(herocloud: Any, recorded: Recorded) -> None:
    tamper.main([str(herocloud.data_folder), "vm.web[1]", "stop"])
    seen = _observe(herocloud.data_folder, recorded)
    calm = recorded_stack.calm(seen, recorded, STACK, [Address("vm.db")])
    assert calm.things[STACK][Address("vm.web[1]")].parts["power"] == "running"
    assert calm.things[STACK][Address("vm.db")] == seen.things[STACK][Address("vm.db")]


def test_renaming_a_volume_keeps_its_vm_attached(herocloud: Any, recorded: Recorded) -> None:
    herocloud.done("state", "mv", "volume.data", "volume.store", "-y")
    text = EVERYTHING.replace("  data: {size", "  store: {size").replace("volume: data", "volume: store")
    herocloud.write(text)
    assert herocloud.done("plan").out == "No changes.\n"
