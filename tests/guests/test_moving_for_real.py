"""Renames on a real host: processes go on, disks stay plugged in, marks have the new names."""

import json
import shutil
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.providers.vmm import folders, launch

HEAD = """\
stack: shop
images: {{raw: {{source: ./disk.raw, format: raw, unpinned: true}}}}
"""
WORKERS = HEAD + "vms: {{worker: {{count: {count}, image: raw, memory: 64 MiB, root_disk: {{size: 1 MiB}}}}}}\n"
DISKS = (
    HEAD
    + """\
volumes: {{{name}: {{size: 1 MiB}}}}
vms: {{db: {{image: raw, hypervisor: qemu, memory: 64 MiB, root_disk: {{size: 1 MiB}}, volumes: [{{volume: {name}}}]}}}}
"""
)


def _processes(herocloud: Any) -> dict[str, bytes]:
    """Return what is known of the process of each VM, by its address: it changes with every start."""
    found = {}
    for folder in (herocloud.data_folder / "vms").iterdir():
        address = json.loads((folder / "owner.json").read_bytes())["address"]
        found[address] = json.loads((folder / "vmm" / "machine.json").read_bytes())["booted"]
    return found


def test_an_instance_takes_a_name_and_its_process_goes_on(stand_in) -> None:
    stand_in.write("x" * 4096, "disk.raw")
    stand_in.write(WORKERS.format(count=2))
    stand_in.done("apply", "-y", "-q")
    before = _processes(stand_in)
    stand_in.write(WORKERS.format(count=1) + "moved: [{from: 'vm.worker[1]', to: 'vm.worker[0]'}]\n")
    stand_in.done("apply", "-y", "-q")
    assert _processes(stand_in) == {"vm.worker[0]": before["vm.worker[1]"]}
    assert "No drift." in stand_in.done("drift").out
    stand_in.done("undo", "-y", "-q")
    after = _processes(stand_in)
    assert (after.keys(), after["vm.worker[1]"]) == (before.keys(), before["vm.worker[1]"])
    assert "No drift." in stand_in.done("drift").out


@pytest.fixture
def qemu(herocloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a host with the real QEMU and emulation, whose guests boot nothing."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64")
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    (herocloud.data_folder / "host.yaml").write_text("name: node1\nqemu: {accelerator: tcg}\n", encoding="utf-8")
    herocloud.write("x" * 4096, "disk.raw")
    yield herocloud
    herocloud("vm", "delete", "db", "-y", "--purge", "-q")
    herocloud("destroy", "-y", "--purge", "-q")
    shutil.rmtree(folders.runtime_root(herocloud.data_folder), ignore_errors=True)


@pytest.mark.slow
def test_a_renamed_volume_stays_plugged_into_a_real_machine(qemu) -> None:
    qemu.write(DISKS.format(name="journal"))
    qemu.done("apply", "-y", "-q")
    before = _processes(qemu)
    qemu.write(DISKS.format(name="syslog") + "moved: [{from: volume.journal, to: volume.syslog}]\n")
    steps = [step["kind"] for step in json.loads(qemu.done("plan", "--json").out)["steps"]]
    assert steps == ["volume.move", "vm.update"]
    qemu.done("apply", "--approve", "update", "-q")
    assert _processes(qemu) == before
    assert "No changes." in qemu.done("plan").out
    assert "No drift." in qemu.done("drift").out
    qemu.done("undo", "-y", "-q")
    assert _processes(qemu) == before
    assert "No drift." in qemu.done("drift").out
    # The same taken back step by step, because something else of the apply fails.
    more = "images: {raw: {source: ./disk.raw, format: raw, unpinned: true}, bad: {kernel: ./no-kernel}}"
    text = DISKS.format(name="syslog").replace("images: {raw: {source: ./disk.raw, format: raw, unpinned: true}}", more)
    qemu.write(
        text.replace("vms: {", "vms: {new: {image: bad, hypervisor: qemu, memory: 64 MiB, depends_on: [vm.db]}, ")
        + "moved: [{from: volume.journal, to: volume.syslog}]\n"
    )
    qemu.write("no kernel at all", "no-kernel")
    ran = qemu("apply", "-y", "--on-failure", "rollback")
    assert ran.code != 0, ran.both
    assert _processes(qemu) == before
    assert "No drift." in qemu.done("drift").out


NETWORKS = (
    HEAD
    + """\
networks: {{{name}: {{cidr: 10.77.0.0/24, mode: user, forward: [{{host_port: {port}, vm: vm.db, port: 80}}]}}}}
vms: {{db: {{image: raw, hypervisor: qemu, memory: 64 MiB, root_disk: {{size: 1 MiB}}, networks: [{name}]}}}}
"""
)
TOLD = "moved: [{from: network.lan, to: network.front}]\n"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
def test_a_renamed_network_stays_under_a_real_machine(qemu) -> None:
    port = _free_port()
    qemu.write(NETWORKS.format(name="lan", port=port))
    qemu.done("apply", "-y", "-q")
    before = _processes(qemu)
    qemu.write(NETWORKS.format(name="front", port=port) + TOLD)
    steps = [step["kind"] for step in json.loads(qemu.done("plan", "--json").out)["steps"]]
    assert steps == ["network.move", "tap.update"]
    qemu.done("apply", "--approve", "update", "-q")
    assert _processes(qemu) == before
    assert "No changes." in qemu.done("plan").out
    assert "No drift." in qemu.done("drift").out
    qemu.done("undo", "-y", "-q")
    assert _processes(qemu) == before
    assert "No drift." in qemu.done("drift").out
