"""A step gets disks and network cards from the providers that made them, by way of the records."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.apply import handover
from herocloud.model.ids import Address, Sid, StackName, StepId
from herocloud.model.steps import Step
from herocloud.model.worlds import Record
from herocloud.providers import registry
from herocloud.providers.seam import Attachment, Disk, Forward, Lock, Tap, UserNetwork, Work

FOLDER = Path("/data")
NIC = {"network": "lan", "mac": "02:00:00:00:00:01", "address": "10.9.0.2", "tap": "hc-v1-0", "rate": None}
NETWORK = {
    "cidr": "10.9.0.0/24",
    "gateway": "10.9.0.1",
    "nat": True,
    "bridge": "hb-1",
    "forward": [
        {"vm": "vm.web", "protocol": "tcp", "host_address": None, "host_port": 8080, "port": 80, "address": "10.9.0.2"},
        {"vm": "vm.db", "protocol": "tcp", "host_address": None, "host_port": 5432, "port": 5432, "address": "10.9.0.3"},
    ],
}


def _record(address: str, provider: str, **parts: Any) -> Record:
    return Record(StackName("shop"), Address(address), address.partition(".")[0], provider, {}, parts, complete=True, sid=Sid("v1"))


def _records(networks: str = "network") -> dict[Address, Record]:
    machine = {"volumes": [{"volume": "data", "readonly": True}]}
    parts = {"disk": {"path": "vms/v1/root.raw", "size": 7}, "seed": {"path": "vms/v1/seed.iso"}, "nic.0": NIC, "machine": machine}
    made = [
        _record("vm.web", "qemu", **parts),
        _record("network.lan", networks, network=NETWORK),
        _record("volume.data", "images", volume={"path": "volumes/shop/older-name.raw", "size": 9}),
    ]
    return {one.address: one for one in made}


def _supply(step: Step, records: dict[Address, Record]) -> Work:
    work = Work(step, StackName("shop"), {}, "ours", "p1")
    return handover.supply(work, records.get(step.address), records, FOLDER)


def _step(kind: str, part: str, before: Any, after: Any, address: str = "vm.web", provider: str = "qemu") -> Step:
    return Step(StepId(f"{address}/{kind}"), Address(address), kind, provider, part, before, after)


BOOT = _step("vm.boot", "power", "stopped", "running")


def test_a_card_finds_its_network_while_that_is_renamed() -> None:
    before = _supply(BOOT, _records("user_network")).attachments
    records = _records("user_network")
    other = records[Address("network.lan")]._replace(address=Address("network.dmz"), parts={"network": {**NETWORK, "cidr": "10.8.0.0/24"}})
    renamed = records.pop(Address("network.lan"))._replace(address=Address("network.front"))
    more = {one.address: one for one in (other, renamed)}
    assert _supply(BOOT, {**records, **more}).attachments == before


def test_a_boot_gets_every_disk_by_the_path_that_its_provider_recorded() -> None:
    assert _supply(BOOT, _records()).disks == {
        "disk": Disk(FOLDER / "vms/v1/root.raw", "raw", 7, "root", False, Lock.EXCLUSIVE),
        "seed": Disk(FOLDER / "vms/v1/seed.iso", "raw", None, "seed", True, Lock.SHARED),
        "volume.data": Disk(FOLDER / "volumes/shop/older-name.raw", "raw", 9, "data", True, Lock.SHARED),
    }


def test_a_card_on_a_bridge_is_a_tap() -> None:
    attachment = Attachment("02:00:00:00:00:01", Address("vm.web"), ("10.9.0.2",), Tap("hc-v1-0"))
    assert _supply(BOOT, _records()).attachments == {"nic.0": attachment}


def test_a_card_in_user_mode_brings_the_forwards_that_lead_to_it_and_no_others() -> None:
    (attachment,) = _supply(BOOT, _records("user_network")).attachments.values()
    assert attachment.link == UserNetwork("10.9.0.0/24", "10.9.0.1", True, (Forward("tcp", "", 8080, 80),))


def test_a_volume_that_is_being_attached_is_there_before_the_machine_says_so() -> None:
    records = _records()
    records[Address("volume.more")] = _record("volume.more", "images", volume={"path": "volumes/shop/more.raw", "size": 1})
    attach = _step("vm.attach", "machine", {"volumes": []}, {"volumes": [{"volume": "more", "readonly": False}]})
    assert _supply(attach, records).disks["volume.more"].lock is Lock.EXCLUSIVE


def test_what_has_no_record_is_not_handed_over() -> None:
    records = _records()
    del records[Address("volume.data")]
    assert set(_supply(BOOT, records).disks) == {"disk", "seed"}
    assert _supply(BOOT, {}).disks == {}


def test_a_network_is_told_which_of_its_vms_run(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = registry.find("qemu")
    assert qemu.hypervisor is not None
    alive = qemu._replace(hypervisor=qemu.hypervisor._replace(runs=lambda _folder, sid: sid == "v1"))
    monkeypatch.setattr(registry, "find", lambda _name: alive)
    update = _step("network.update", "network", NETWORK, {**NETWORK, "forward": []}, "network.lan", "user_network")
    assert _supply(update, _records("user_network")).running == {"vm.web"}


def test_a_path_that_leads_out_of_the_data_folder_is_refused() -> None:
    from herocloud.model.errors import Permanent

    records = _records()
    records[Address("volume.data")] = _record("volume.data", "images", volume={"path": "../secret", "size": 9})
    with pytest.raises(Permanent, match="is not a place for a disk"):
        _supply(BOOT, records)


def test_simulated_steps_need_nothing_of_others() -> None:
    assert _supply(BOOT._replace(provider="simulator"), _records()).disks == {}
