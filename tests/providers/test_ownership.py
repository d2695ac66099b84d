"""A VM's folder says whose it is, to every provider that keeps something in it."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from herocloud.providers import ownership
from herocloud.providers.ownership import Owner
from herocloud.providers.recollections import Memory, Remembered

OURS = Owner("shop", "vm.web", "l1")


def test_an_owner_is_written_once_and_read_back(tmp_path) -> None:
    folder = tmp_path / "vms" / "v1"
    assert ownership.read_owner(folder) is None
    ownership.write_owner(folder, OURS)
    written = (folder / ownership.FILE).stat().st_mtime_ns
    ownership.write_owner(folder, OURS)
    assert ownership.read_owner(folder) == OURS
    assert (folder / ownership.FILE).stat().st_mtime_ns == written


def test_a_rename_changes_the_address_alone(tmp_path) -> None:
    ownership.rename(tmp_path / "v1", "vm.front")
    assert not (tmp_path / "v1").exists()
    ownership.write_owner(tmp_path / "v1", OURS)
    ownership.rename(tmp_path / "v1", "vm.front")
    assert ownership.read_owner(tmp_path / "v1") == Owner("shop", "vm.front", "l1")


def test_many_who_come_and_go_at_once_leave_no_folder_and_no_draft(tmp_path) -> None:
    folder = tmp_path / "vms" / "v1"
    failures = []

    def work(number):
        try:
            for _ in range(15):
                ownership.write_owner(folder, OURS)
                part = folder / f"part{number}"
                with contextlib.suppress(FileNotFoundError):
                    # Between the two the last of the others may have left; then this one was not there yet.
                    part.touch()
                part.unlink(missing_ok=True)
                ownership.release(folder)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    assert failures == []
    assert not folder.exists()


def test_a_folder_goes_with_the_last_thing_in_it(tmp_path) -> None:
    folder = tmp_path / "v1"
    ownership.write_owner(folder, OURS)
    (folder / "console.log").write_text("hello")
    assert not ownership.release(folder)
    assert ownership.read_owner(folder) == OURS
    (folder / "console.log").unlink()
    assert ownership.release(folder)
    assert not folder.exists()
    assert ownership.release(folder)


class _Known(Memory):
    """A state that knows two VMs."""

    def of_sid(self, sid: str) -> Remembered | None:
        addresses = {"v1": "vm.web", "v2": "vm.db"}
        return Remembered("shop", addresses[sid], "one", "qemu", None) if sid in addresses else None

    def sid_of(self, stack: str, address: str) -> str | None:
        return {"vm.web": "v1", "vm.db": "v2"}.get(address) if stack == "shop" else None


WEB = Owner("shop", "vm.web", "one")
ODD = {
    "nothing": "",
    "a list": "[]",
    "a text": '"x"',
    "an empty object": "{}",
    "a stack that is a number": '{"stack": 1, "address": "vm.web", "lineage": "one"}',
    "no address": '{"stack": "shop", "lineage": "one"}',
    "no JSON": "x",
    "deep": "[" * 100_000,
    "long": " " * 100_000,
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_an_owner_of_another_shape_is_damaged_and_the_state_is_believed(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "v1"
    folder.mkdir()
    (folder / ownership.FILE).write_text(text)
    with pytest.raises(ownership.Damaged, match=r"owner\.json` is damaged"):
        ownership.read_owner(folder)
    assert ownership.find_owner(folder) == (None, "")
    assert ownership.find_owner(folder, _Known()) == (WEB, f"unreadable, {folder / ownership.FILE}")
    ownership.write_owner(folder, WEB)
    assert ownership.find_owner(folder, _Known()) == (WEB, "")


def test_a_pipe_and_a_device_without_end_are_no_owners(tmp_path: Path) -> None:
    for name, make in (("v1", os.mkfifo), ("v2", lambda path: path.symlink_to("/dev/zero"))):
        (tmp_path / name).mkdir()
        make(tmp_path / name / ownership.FILE)
        with pytest.raises(ownership.Damaged):
            ownership.read_owner(tmp_path / name)


def test_what_a_folder_says_is_weighed_with_what_the_state_knows(tmp_path: Path) -> None:
    for name, owner in (("v1", WEB), ("v2", WEB._replace(address="vm.db"))):
        ownership.write_owner(tmp_path / name, owner)
    web = tmp_path / "v1"
    for wrong in (WEB._replace(lineage="two"), WEB._replace(stack="other"), WEB._replace(address="vm.db")):
        ownership.write_owner(web, wrong)
        assert ownership.find_owner(web, _Known()) == (WEB, f"`{wrong.address}` of stack `{wrong.stack}`, state {wrong.lineage}")
        assert ownership.find_owner(web) == (wrong, "")
    # A rename was made, and its answer got lost; or it made way for another one.
    ownership.write_owner(web, WEB._replace(address="vm.front"))
    assert ownership.find_owner(web, _Known()) == (WEB._replace(address="vm.front"), "")
    ownership.write_owner(tmp_path / "v2", WEB._replace(address="vm.back"))
    ownership.write_owner(web, WEB._replace(address="vm.db"))
    assert ownership.find_owner(web, _Known()) == (WEB._replace(address="vm.db"), "")
    (web / ownership.FILE).unlink()
    assert ownership.find_owner(web, _Known()) == (WEB, "gone")
