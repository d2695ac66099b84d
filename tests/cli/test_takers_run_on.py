"""A VM that takes what another one gives back is interrupted once that is free, and runs on where it never comes free."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

HOST = "name: node1\nsimulated: {memory: 32 GiB, disk: 1 TiB, cpus: 8, uplink: 1 Gbit/s, hugepages: 6 GiB}\n"
HOST += "oversubscription: {cpu: 1, network: 1}\n"
HEAD = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.41.0.0/24}}
"""


class Scene(NamedTuple):
    """What two VMs ask for before and after, and the step of the giver that lets go."""

    before: tuple[str, str]
    after: tuple[str, str]
    giving: str
    rest: str = ""


def _rate(mbit: int) -> str:
    rate = f"{mbit} Mbit/s"
    return f"memory: 1 GiB, networks: [{{network: lan, rate: {{download: {rate}, upload: {rate}}}}}]"


_HUGE = "memory_options: {hugepages: true}"
SCENES = {
    "bandwidth": Scene((_rate(800), f"{_rate(100)}, cpu: {{max: 2}}"), (_rate(200), f"{_rate(700)}, cpu: {{max: 3}}"), "tap.update"),
    "bandwidth of what goes": Scene((_rate(800), f"{_rate(100)}, cpu: {{max: 2}}"), ("", f"{_rate(900)}, cpu: {{max: 3}}"), "tap.delete"),
    "huge pages": Scene(
        (f"memory: 4 GiB, {_HUGE}", f"memory: 1 GiB, {_HUGE}"), (f"memory: 1 GiB, {_HUGE}", f"memory: 4 GiB, {_HUGE}"), "vm.stop"
    ),
    "vCPUs": Scene(
        ("memory: 1 GiB, vcpus: 6", "memory: 1 GiB, vcpus: 1, cpu: {max: 2}"),
        ("memory: 1 GiB, vcpus: 1", "memory: 1 GiB, vcpus: 6, cpu: {max: 6}"),
        "vm.resize",
    ),
    "slices": Scene(
        ("memory: 1 GiB, slices: 5", "memory: 1 GiB, slices: 2, cpu: {max: 2}"),
        ("", "memory: 1 GiB, slices: 6, cpu: {max: 3}"),
        "vm.delete",
    ),
    "a volume": Scene(
        ("memory: 1 GiB, volumes: [data]", "memory: 1 GiB, cpu: {max: 2}"),
        ("memory: 1 GiB", "memory: 1 GiB, volumes: [data], cpu: {max: 3}"),
        "vm.detach",
        "volumes: {data: {size: 1 GiB}}\n",
    ),
}


def _stack(scene: Scene, giver: str, taker: str) -> str:
    vms = f"  giver: {{image: debian, {giver}}}\n" if giver else ""
    return f"{HEAD}{scene.rest}vms:\n{vms}  taker: {{image: debian, {taker}}}\n"


@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_a_taker_is_not_interrupted_before_the_giver_has_let_go(herocloud: Any, misbehave: Callable[[str], None], scene: Scene) -> None:
    (herocloud.data_folder / "host.yaml").write_text(HOST, encoding="utf-8")
    herocloud.write(_stack(scene, *scene.before))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(_stack(scene, *scene.after))
    misbehave(f"{{step: {scene.giving}, address: vm.giver, fail: it does not let go}}")
    failed = herocloud("apply", "-y")
    assert failed.code in (1, 13), failed.both
    assert "it does not let go" in failed.both
    states = {vm["address"]: vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]}
    assert states["vm.taker"] == "running", failed.both
    assert "vm.taker (not started)" in failed.both
