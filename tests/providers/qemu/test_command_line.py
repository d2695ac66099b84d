"""The command line of a VM, whole: what changes it is read in the difference."""

import itertools
import json
from pathlib import Path

import pytest

from herocloud.providers.qemu import command_line
from herocloud.providers.qemu.command_line import Disk, Layout, Machine, Nic, Share, Sockets
from herocloud.providers.vmm import device_names

RUN = Path("/run/herocloud/0123456789/v1")
SOCKETS = Sockets(RUN / "qmp.sock", RUN / "look.sock", RUN / "agent.sock", RUN / "serial.sock", Path("/data/vms/v1/vmm/serial.log"))
ROOT = Disk("root", Path("/data/vms/v1/root.raw"), serial="root")
SEED = Disk("seed", Path("/data/vms/v1/seed.iso"), readonly=True, serial="seed")
PAYLOAD = {"kernel": "/images/vmlinuz", "initramfs": "/images/initramfs", "cmdline": "console=ttyS0"}


def _machine(part, **more):
    standard = {"accelerator": "tcg", "root": ROOT, "seed": None, "volumes": (), "nics": ()}
    return Machine("qemu", "shop/v1", "uuid-1", part, sockets=SOCKETS, **{**standard, **more})


def _pairs(words):
    """Put every option on a line with its value."""
    lines = []
    for word in words:
        if word.startswith("-") or not lines:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _given(words, option: str, beginning: str) -> list[str]:
    """Return the values of an option that begin with something."""
    return [value for name, value in itertools.pairwise(words) if name == option and value.startswith(beginning)]


def test_a_disk_under_emulation(machine, snapshot) -> None:
    assert _pairs(command_line.command(_machine(machine()))) == snapshot


def test_a_kernel_with_everything_plugged_in_under_kvm(machine, mib, snapshot) -> None:
    part = machine(
        vcpus=2,
        topology={"threads": 2, "cores": 2, "dies": 1, "packages": 1},
        memory=512 * mib,
        mergeable=True,
        root={"direct": True, "rate": {"bandwidth": 250_000_000, "burst": 50_000_000, "iops": 5000}},
        nics=["nic.0", "nic.1"],
        volumes=[{"volume": "data", "readonly": False}],
        payload=PAYLOAD,
        seed="v1-1",
        restart="always",
    )
    made = _machine(
        part,
        accelerator="kvm",
        root=ROOT._replace(direct=True),
        seed=SEED,
        volumes=[Disk("volume-data", Path("/data/volumes/shop/data.raw"), serial="data")],
        nics=[
            Nic("nic.0", "02:00:00:00:00:01", "hc-v1-0", queues=4, vhost=True),
            Nic("nic.1", "02:00:00:00:00:02", None, user={"net": "10.0.0.0/24", "host": "10.0.0.1"}),
        ],
        payload=PAYLOAD,
        vsock=77,
    )
    assert _pairs(command_line.command(made)) == snapshot


def test_shares_and_huge_pages_share_the_memory(machine, snapshot) -> None:
    part = machine(hugepages=True, shares=[{"path": "/srv", "tag": "a,b"}])
    assert _pairs(command_line.command(_machine(part, shares=[Share("a,b", RUN / "share-0.sock")]))) == snapshot


def test_a_machine_without_room_to_grow_is_a_microvm_with_kvm_only(machine, snapshot) -> None:
    part = machine(max_vcpus=1, hotplug=0, payload=PAYLOAD, root=None, nics=["nic.0"])
    made = _machine(part, accelerator="kvm", root=None, nics=[Nic("nic.0", "02:00:00:00:00:01", "hc-v1-0")], payload=PAYLOAD)
    assert _pairs(command_line.command(made)) == snapshot
    assert command_line.board_of(made._replace(accelerator="tcg")) == "q35"


def test_a_machine_that_reads_memory_is_laid_out_as_it_was_and_what_is_new_takes_a_free_slot(machine) -> None:
    made = _machine(
        machine(nics=["nic.0"], volumes=[{"volume": "data", "readonly": False}]),
        accelerator="kvm",
        volumes=[Disk("volume-data", Path("/data/volumes/shop/data.raw"), serial="data")],
        nics=[Nic("nic.0", "02:00:00:00:00:01", "hc-v1-0")],
        waits=True,
        layout=Layout({"volume-data": {"bus": "port0"}}, {"volume-data": 3, "root": 1}, ports=6),
    )
    words = command_line.command(made)
    devices = {device["id"]: device for device in map(json.loads, _given(words, "-device", "{"))}
    assert sum(word.startswith("pcie-root-port,") for word in words) == 6
    assert (devices["volume-data"]["bus"], devices["nic-0"]["bus"]) == ("port0", "port1")
    assert [devices[name].get("num-queues") for name in ("volume-data", "root", "nic-0")] == [3, 1, None]


def test_a_uefi_machine_has_its_firmware_before_anything_else(machine) -> None:
    words = command_line.command(_machine(machine(), firmware=(Path("/f/code.fd"), Path("/data/vms/v1/vmm/vars.fd"))))
    assert "pflash0=firmware-code,pflash1=firmware-variables" in words[words.index("-machine") + 1]
    assert '{"driver":"file","filename":"/f/code.fd","node-name":"firmware-code","read-only":true}' in words


@pytest.mark.parametrize("name", ["data", "a" * 63])
def test_nodes_of_disks_have_names_that_qemu_takes(name: str) -> None:
    assert len(command_line.node_of(device_names.of_volume({"volume": name}))) <= 31


_ASKED_FIRST = (("affinity", [[0]]), ("balloon", 4096))


@pytest.mark.parametrize(
    ("more", "restart", "halted"),
    [({}, "no", False), *(({name: value}, way, way == "no") for name, value in _ASKED_FIRST for way in ("no", "on-failure"))],
)
def test_a_machine_waits_only_for_what_is_asked_before_its_guest_starts_and_not_when_it_is_started_again_by_itself(
    machine, more, restart, halted
) -> None:
    assert ("-S" in command_line.command(_machine(machine(**more, restart=restart)))) is halted
