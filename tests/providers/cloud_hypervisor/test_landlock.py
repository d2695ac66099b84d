"""A VMM puts Landlock on itself: it opens what its VM needs, now and later, and nothing else, in a view of its own as without one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.cloud_hypervisor import landlock, observing, vmm_process
from herocloud.providers.cloud_hypervisor.client import Refusal
from herocloud.providers.seam import ProviderContext
from herocloud.providers.vmm import cages, users

MIB = 1024**2
DATA = {"volume": "data", "readonly": False, "size": 4 * MIB}


@pytest.fixture(params=["view", "no view"])
def caged(request: pytest.FixtureRequest, bench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A VM with a root disk that was booted under Landlock, in a view of its own or without one."""
    if request.param == "view" and not (os.geteuid() == 0 and cages.can_mount()):
        pytest.skip("needs root and the right to mount")
    if request.param == "no view":
        monkeypatch.setattr(cages, "can_mount", lambda: False)
        monkeypatch.setattr(users, "choose", lambda *_: users.caller())
    if bench.real and not landlock.is_there():
        pytest.skip("needs a kernel with Landlock of Linux 6.2")
    monkeypatch.setattr(landlock, "is_there", lambda: True)
    bench.root()
    return bench.running(root={"direct": False, "rate": None})


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A disk that belongs to nobody here, and that everybody may open."""
    folder = Path(tempfile.mkdtemp(prefix="hc-landlock-", dir="/var/tmp"))
    folder.chmod(0o777)
    path = folder / "other.raw"
    path.write_bytes(bytes(4 * MIB))
    path.chmod(0o666)
    yield path
    shutil.rmtree(folder)


def _change(bench: Any, kind: str, **fields: Any) -> None:
    before = bench.see()["machine"]
    bench.do(kind, before, {**before, **fields})


def test_a_vm_is_given_to_a_vmm_under_landlock(caged: Any) -> None:
    config = caged.info["config"]
    assert config["landlock_enable"] is True
    assert {rule["access"] for rule in config["landlock_rules"]} == {"r", "rw"}


def test_nothing_but_its_own_files_can_be_opened(caged: Any, elsewhere: Path) -> None:
    disk = {"path": str(elsewhere), "image_type": "Raw", "id": "other"}
    with vmm_process.open_client(caged.data, "v1") as client, pytest.raises(Refusal) as refused:
        client.add_disk(disk)
    # What is not in its view is not there at all.
    assert refused.value.says("Permission denied", "os error 2)")
    assert "other" not in caged.info["device_tree"]


def test_a_volume_that_comes_later_can_be_opened(caged: Any) -> None:
    """Even the first one of its stack, whose folder was not there when the VM began."""
    assert not (caged.data / "volumes" / "shop").exists()
    caged.volume("data")
    _change(caged, "vm.attach", volumes=[DATA])
    assert "volume-data" in caged.info["device_tree"]


def test_a_guest_restarts_with_what_took_the_place_of_its_files(caged: Any) -> None:
    """A file of the same name is another one for the kernel; and the program makes its sockets again."""
    root = caged.data / "vms" / "v1" / "root.raw"
    draft = root.with_name("root.new.raw")
    shutil.copyfile(root, draft)
    shutil.copystat(root, draft)
    os.chown(draft, root.stat().st_uid, root.stat().st_gid)
    draft.replace(root)
    with vmm_process.open_client(caged.data, "v1") as client:
        client.reboot()
    assert (caged.info["state"], caged.boots) == ("Running", 2)


def test_a_vmm_that_comes_back_is_under_landlock_too(caged: Any) -> None:
    caged.volume("data")
    _change(caged, "vm.attach", volumes=[DATA])
    caged.power("vm.stop", "running", "stopped")
    caged.power("vm.boot", "stopped", "running")
    assert caged.info["config"]["landlock_enable"] is True
    assert "volume-data" in caged.info["device_tree"]


def test_where_the_kernel_has_no_landlock_it_is_left_out_and_doctor_says_so(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "is_there", lambda: False)
    bench.running()
    assert not bench.info["config"].get("landlock_enable")
    lacking = {one.field: one.why for one in observing.survey(ProviderContext(bench.data), thorough=False).lacking}
    assert "Landlock" in lacking["Landlock"]
    monkeypatch.setattr(landlock, "is_there", lambda: True)
    assert "Landlock" not in {one.field for one in observing.survey(ProviderContext(bench.data), thorough=False).lacking}
