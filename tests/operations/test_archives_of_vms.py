"""A VM in one file: what comes back, and what a hostile manifest cannot do."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import jsons, sparse_archives
from herocloud.kits.sparse_archives import Archive, Limits
from herocloud.model.errors import Refused
from herocloud.operations import vm_archives
from herocloud.operations.vm_archives import ImportWanted

GIB = 1024**3
HOST = "simulated: {memory: 64 GiB, disk: 1 TiB, cpus: 16}\n"
VM = {"vcpus": 2, "memory": "2 GiB", "slices": 1, "root_disk": {"size": "10 GiB"}, "networks": ["lan"], "labels": {"tier": "data"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    (path / "host.yaml").write_text(HOST)
    return path


def _manifest(**changes: Any) -> dict[str, Any]:
    return {
        "format": "herocloud-vm",
        "version": 1,
        "herocloud": "0.1.0",
        "name": "db",
        "simulated": True,
        "taken": 1,
        "disks": [{"disk": "disk", "file": "disk.raw", "size": 10 * GIB}],
        "payload": {},
        "cmdline": None,
        "nocloud": True,
        "vm": VM,
        "image": "debian",
        "networks": {"lan": {"cidr": "10.42.0.0/24", "nat": True}},
        **changes,
    }


def _archive(path: Path, manifest: Any, **members: bytes) -> Path:
    content = manifest if isinstance(manifest, bytes) else jsons.dumps(manifest).encode()
    held = members or {"disk.raw": b"token"}
    sparse_archives.write(path, [("manifest.json", content), *held.items()])
    return path


def _plan(folder: Path, file: Path, **wanted: Any) -> Any:
    with vm_archives.unpacked(folder, file) as content:
        return vm_archives.plan_import(folder, ImportWanted(file, **wanted), content).plan


def test_an_import_is_planned_as_a_new_vm_whose_disks_are_copied(folder, tmp_path) -> None:
    plan = _plan(folder, _archive(tmp_path / "vm.tar", _manifest()))
    assert not plan.errored, plan.diagnostics
    by_kind = {step.kind: step for step in plan.steps}
    assert by_kind["disk.copy"].origin["path"].endswith("/disk.raw")
    assert plan.stack == "imperative"
    vm = next(change.after for change in plan.changes if change.address == "vm.db")
    assert (vm["vcpus"], vm["memory"], vm["labels"], vm["root_disk"]["size"]) == (2, 2 * GIB, {"tier": "data"}, 10 * GIB)


def test_what_was_unpacked_goes_away_when_no_apply_needs_it(folder, tmp_path) -> None:
    file = _archive(tmp_path / "vm.tar", _manifest())
    with vm_archives.unpacked(folder, file) as content:
        assert (folder / content.place / "disk.raw").read_bytes() == b"token"
    assert list((folder / "imports").iterdir()) == []


def test_what_a_killed_import_left_is_swept_by_the_next_one(folder, tmp_path) -> None:
    (folder / "imports" / "left").mkdir(parents=True)
    (folder / "imports" / "left" / "disk.raw").write_bytes(b"old")
    with vm_archives.unpacked(folder, _archive(tmp_path / "vm.tar", _manifest())) as content:
        assert [path.name for path in (folder / "imports").iterdir()] == [Path(content.place).name]


def test_what_a_killed_import_left_takes_no_room_from_the_next_one(folder, tmp_path, monkeypatch) -> None:
    left = folder / "imports" / "left"
    left.mkdir(parents=True)
    seen: list[bool] = []
    monkeypatch.setattr(vm_archives, "_require_room", lambda _folder, _needed: seen.append(left.exists()))
    with vm_archives.unpacked(folder, _archive(tmp_path / "vm.tar", _manifest())):
        assert seen == [False]


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (b"{", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"[]", "does not say"),
        (_manifest(format="tar"), "does not say"),
        (_manifest(version=2), "does not know"),
        (_manifest(vm=[]), "damaged"),
        (_manifest(networks=None), "damaged"),
        (_manifest(disks=[{"disk": "disk", "file": "../../etc/passwd", "size": 1}]), "not in it"),
        (_manifest(disks=[{"disk": "disk", "file": "manifest.json", "size": 1}]), "not in it"),
        (_manifest(disks=[{"disk": "disk", "file": "disk.raw", "size": 1}] * 2), "not in it"),
        (_manifest(disks=[{"disk": "../x", "file": "disk.raw", "size": 1}]), "damaged"),
        (_manifest(disks=[{"disk": "disk", "file": "disk.raw", "size": -1}]), "damaged"),
        (_manifest(disks=[{"disk": "disk", "file": "disk.raw", "size": True}]), "damaged"),
        (_manifest(disks=["disk.raw"]), "not in it"),
        (_manifest(simulated=False, disks=[{"disk": "disk", "file": "disk.raw", "size": 2}]), "larger than its disk"),
        (_manifest(payload={"kernel": "disk.raw"}), "not in it"),
        (_manifest(payload={"../kernel": "disk.raw"}, disks=[]), "damaged"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_words_and_leaves_nothing(folder, tmp_path, manifest, why) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(Refused, match=why):
        _plan(folder, _archive(tmp_path / "vm.tar", manifest))
    assert [path for path in sorted(folder.rglob("*")) if path.name != "imports"] == before


@pytest.mark.parametrize(
    "changes",
    [
        {"vm": {**VM, "memory": "-4 GiB"}},
        {"vm": {**VM, "surprise": True}},
        {"vm": {**VM, "user_data": {"file": "/etc/shadow"}}},
        {"vm": {**VM, "networks": ["other"]}},
        {"networks": {"lan": {"cidr": "not a range"}}},
        {"networks": {"../lan": {"cidr": "10.42.0.0/24"}}},
        {"image": "../../x"},
    ],
    ids=str,
)
def test_a_vm_that_a_stack_file_could_not_ask_for_or_that_reads_files_of_the_host_is_refused(folder, tmp_path, changes) -> None:
    with pytest.raises(Refused):
        _plan(folder, _archive(tmp_path / "vm.tar", _manifest(**changes)))


def test_an_archive_gets_no_secret_of_this_host_and_no_folder_of_it(folder, tmp_path) -> None:
    wants = {**VM, "secrets": {"key": {"file": "/etc/shadow"}, "other": {"env": "HOME"}}, "shares": [{"path": "/etc", "tag": "etc"}]}
    plan = _plan(folder, _archive(tmp_path / "vm.tar", _manifest(vm=wants)), environment={"HOME": "/root"})
    vm = next(change.after for change in plan.changes if change.address == "vm.db")
    assert (vm["secrets"], vm["shares"]) == ({}, [])


def test_a_vm_that_is_too_large_for_its_limits_is_refused_before_it_is_unpacked(folder, tmp_path) -> None:
    (folder / "host.yaml").write_text(HOST + "limits: {unpacked: 1 KiB}\n")
    with pytest.raises(Refused, match="are allowed"):
        _plan(folder, _archive(tmp_path / "vm.tar", _manifest(), **{"disk.raw": bytes(4096)}))
    assert not (folder / "imports").exists()


def test_an_export_and_its_import_hold_the_same_data(herocloud_shop: Any, tmp_path: Path) -> None:
    herocloud_shop("vm", "snapshot", "create", "db", "--name", "one")
    file = tmp_path / "db.tar"
    herocloud_shop("vm", "export", "db", str(file), "--snapshot", "one")
    with contextlib.closing(Archive(file, Limits(2**40, 200))) as archive:
        manifest = json.loads(archive.check_text("manifest.json"))
    assert "slice" not in manifest["vm"]
    herocloud_shop("vm", "import", str(file), "--name", "back")
    from herocloud.providers.simulator import world

    data = herocloud_shop.folder
    assert world.contents(data, "vm.back")["disk"] == world.contents(data, "vm.db")["disk"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def herocloud_shop(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from herocloud.cli import runner

    stack = "stack: shop\nimages:\n  debian: {source: ./d.raw, format: raw}\nvms:\n  db: {image: debian, hypervisor: simulator}\n"
    (tmp_path / "stack.yaml").write_text(stack)
    (tmp_path / "d.raw").write_bytes(bytes(1024**2))
    monkeypatch.chdir(tmp_path)

    class Shop:
        def __init__(self) -> None:
            self.folder = folder

        def __call__(self, *words: str) -> None:
            assert runner.run([*words, "--data-dir", str(folder)]) == 0

    shop = Shop()
    shop("apply", "-y")
    return shop
