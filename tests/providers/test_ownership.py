"""A VM's folder says whose it is, to every provider that keeps something in it."""

import contextlib
import threading

from herocloud.providers import ownership
from herocloud.providers.ownership import Owner

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
