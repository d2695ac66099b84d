"""The mark of a VM says what runs there, survives a kill, and belongs to one state."""

import json
from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import ownership
from herocloud.providers.ownership import Owner
from herocloud.providers.qemu import observing
from herocloud.providers.recollections import Memory, Remembered
from herocloud.providers.vmm import folders, marks
from herocloud.providers.vmm.marks import Mark

OWNER = Owner("shop", "vm.web", "lineage-1")


def _make(data, sid="v1", owner=OWNER, **more):
    marks.claim(data, sid, owner)
    marks.write(data, sid, Mark("qemu", {"sid": sid, **more}, "boot-1", {"board": "q35"}))


def test_what_is_written_is_read(tmp_path) -> None:
    _make(tmp_path, vcpus=2)
    assert marks.read(tmp_path, "v1") == Mark("qemu", {"sid": "v1", "vcpus": 2}, "boot-1", {"board": "q35"})
    assert marks.read(tmp_path, "v2") is None


def test_a_look_finds_the_vms_of_one_provider_with_their_owners(tmp_path) -> None:
    _make(tmp_path, "v2")
    _make(tmp_path, "v1", OWNER._replace(address="vm.db"))
    marks.claim(tmp_path, "v3", OWNER)
    marks.write(tmp_path, "v3", Mark("cloud-hypervisor", {}))
    (tmp_path / "vms" / "v4").mkdir()
    assert [(one.sid, one.owner.address) for one in marks.look(tmp_path, "qemu").whole] == [("v1", "vm.db"), ("v2", "vm.web")]
    assert marks.look(tmp_path / "nothing", "qemu") == ([], [])


def test_a_rename_beside_the_folder_renames_the_vm(tmp_path) -> None:
    _make(tmp_path)
    ownership.rename(tmp_path / "vms" / "v1", "vm.front")
    assert marks.look(tmp_path, "qemu").whole[0].owner.address == "vm.front"


def test_the_folder_of_another_state_or_vm_is_not_taken(tmp_path) -> None:
    _make(tmp_path)
    with pytest.raises(Conflict, match="another state, lineage-1"):
        marks.claim(tmp_path, "v1", OWNER._replace(lineage="lineage-2"))
    with pytest.raises(Conflict, match=r"is `vm\.web` of stack `shop`"):
        marks.claim(tmp_path, "v1", OWNER._replace(address="vm.db"))
    marks.claim(tmp_path, "v1", OWNER)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1}', '{"version": 1, "surprise": 2}', '{"version": true}', '{"version": 2}']
)
def test_a_damaged_mark_is_an_error_that_names_it(tmp_path, content: str) -> None:
    _make(tmp_path)
    path = folders.machine_folder(tmp_path, "v1") / marks.FILE
    path.write_text(content)
    with pytest.raises(Permanent, match=r"machine\.json` is damaged"):
        marks.read(tmp_path, "v1")


def test_a_mark_of_a_newer_version_is_left_alone(tmp_path) -> None:
    _make(tmp_path)
    (folders.machine_folder(tmp_path, "v1") / marks.FILE).write_text('{"version": 3}')
    with pytest.raises(Permanent, match="use the newer herocloud"):
        marks.read(tmp_path, "v1")


def test_removing_takes_everything_and_may_be_repeated(tmp_path) -> None:
    _make(tmp_path)
    (folders.machine_folder(tmp_path, "v1") / "serial.log").write_text("hello")
    marks.remove(tmp_path, "v1")
    assert not folders.machine_folder(tmp_path, "v1").exists()
    marks.remove(tmp_path, "v1")


def test_a_folder_without_a_mark_is_litter(tmp_path) -> None:
    assert not marks.is_litter(tmp_path, "v1")
    _make(tmp_path)
    assert not marks.is_litter(tmp_path, "v1")
    (folders.machine_folder(tmp_path, "v1") / marks.FILE).unlink()
    assert marks.is_litter(tmp_path, "v1")


WHOLE: dict[str, Any] = {
    "sid": "v1",
    "vcpus": 1,
    "max_vcpus": 1,
    "affinity": None,
    "topology": None,
    "memory": 2**27,
    "boot_memory": 2**27,
    "hotplug": None,
    "hugepages": False,
    "mergeable": True,
    "root": {"direct": False, "rate": None},
    "volumes": [],
    "shares": [],
    "nics": ["nic.0"],
    "payload": None,
    "seed": None,
    "labels": {},
    "restart": "no",
}


def _write_earlier(data, **changes) -> None:
    """Write a mark as an earlier version did, which wrote no digest."""
    _make(data, **{**WHOLE, **changes.pop("machine", {})})
    place = data / "vms" / "v1" / "vmm" / "machine.json"
    body = {**json.loads(place.read_text()), "version": 1, **changes}
    place.write_text(json.dumps({key: value for key, value in body.items() if key != "digest"}))


def test_a_mark_of_an_earlier_version_that_noted_cards_is_read(tmp_path) -> None:
    _write_earlier(tmp_path, nics={"nic.0": {"mac": "02:00:00:00:00:01"}})
    assert marks.read(tmp_path, "v1") == Mark("qemu", WHOLE, "boot-1", {"board": "q35"})


@pytest.mark.parametrize(
    "changes",
    [
        {"launched": []},
        {"launched": {"boots": 7}},
        {"serial": "x"},
        {"booted": 1},
        {"machine": {"volumes": 7}},
        {"machine": {"root": "/etc/passwd"}},
        {"machine": {"nics": [1]}},
    ],
    ids=str,
)
def test_a_mark_of_an_earlier_version_of_another_shape_is_damaged(tmp_path, changes: dict[str, Any]) -> None:
    _write_earlier(tmp_path, **changes)
    with pytest.raises(marks.Damaged):
        marks.read(tmp_path, "v1")


def test_a_mark_that_was_changed_by_hand_or_copied_from_another_vm_is_damaged(tmp_path) -> None:
    _make(tmp_path)
    _make(tmp_path, "v2", OWNER._replace(address="vm.db"))
    place = folders.machine_folder(tmp_path, "v1") / marks.FILE
    for content in (place.read_text().replace("boot-1", "boot-2"), (folders.machine_folder(tmp_path, "v2") / marks.FILE).read_text()):
        place.write_text(content)
        with pytest.raises(marks.Damaged):
            marks.read(tmp_path, "v1")
        assert marks.read_sound(tmp_path, "v1") is None


class _Known(Memory):
    """A state that knows one VM."""

    def of_sid(self, sid: str) -> Remembered | None:
        return Remembered(*OWNER, "qemu", {"sid": "v1", "vcpus": 4}) if sid == "v1" else None


def test_a_look_believes_the_state_about_a_vm_whose_mark_is_damaged(tmp_path) -> None:
    _make(tmp_path)
    _make(tmp_path, "v2", OWNER._replace(address="vm.db"))
    place = folders.machine_folder(tmp_path, "v1") / marks.FILE
    place.write_text("x")
    assert [one.sid for one in marks.look(tmp_path, "qemu").whole] == ["v2"]
    damaged, sound = marks.look(tmp_path, "qemu", memory=_Known()).whole
    assert damaged == (("v1", OWNER, Mark("qemu", {"sid": "v1", "vcpus": 4}), {"mark": f"unreadable, {place}"}))
    assert sound.flaws == {}
    # One that is gone, of a VM that does not run, was perhaps never made.
    place.unlink()
    assert [one.sid for one in marks.look(tmp_path, "qemu", memory=_Known()).whole] == ["v2"]


def _observers(data):
    from herocloud.providers.cloud_hypervisor import observing as of_cloud_hypervisor

    return of_cloud_hypervisor.observer(data), observing.observer(data)


def test_a_vm_whose_making_or_removal_was_cut_off_is_half_made_for_both_hypervisors(tmp_path) -> None:
    marks.claim(tmp_path, "v1", OWNER)
    _make(tmp_path, "v2", OWNER._replace(address="vm.db"))
    (folders.machine_folder(tmp_path, "v2") / marks.FILE).unlink()
    for observer in _observers(tmp_path):
        seen = observer.observe().things["shop"]
        assert {address: (thing.parts, thing.halves) for address, thing in seen.items()} == {
            "vm.web": ({}, {"machine": {"sid": "v1"}}),
            "vm.db": ({}, {"machine": {"sid": "v2"}}),
        }
        assert seen["vm.web"].lineage == "lineage-1"
        assert observer.observe(["other"]).things == {}


def test_a_vm_that_has_only_its_disk_so_far_is_not_half_made(tmp_path) -> None:
    marks.claim(tmp_path, "v1", OWNER)
    (tmp_path / "vms" / "v1" / "root.raw").touch()
    (tmp_path / "vms" / "v2").mkdir()
    for observer in _observers(tmp_path):
        assert observer.observe().things == {}


def test_a_mark_tells_which_slices_the_vm_was_given(tmp_path) -> None:
    marks.claim(tmp_path, "v1", OWNER)
    marks.write(tmp_path, "v1", Mark("qemu", {"sid": "v1"}, slices=("s2", "s3")))
    assert marks.slices_of(marks.read(tmp_path, "v1")) == ("s2", "s3")
    (seen,) = observing.observer(tmp_path).observe().things["shop"].values()
    assert seen.slices == ("s2", "s3")


def test_a_mark_of_an_earlier_version_tells_of_no_slices(tmp_path) -> None:
    _write_earlier(tmp_path)
    path = folders.machine_folder(tmp_path, "v1") / marks.FILE
    body = json.loads(path.read_bytes())
    del body["slices"]
    path.write_text(json.dumps(body))
    assert marks.slices_of(marks.read(tmp_path, "v1")) == ()
