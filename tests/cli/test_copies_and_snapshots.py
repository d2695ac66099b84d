"""A clone or an export takes a snapshot for a moment, and never one that is there already."""

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.cli.commands import vm_snapshots
from herocloud.kits import sparse_archives
from herocloud.operations import vm_archives

STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
networks: {lan: {cidr: 10.42.0.0/24, nat: true}}
vms:
  db: {image: debian, networks: [lan], memory: 1 GiB}
"""


def _names(herocloud: Any) -> list[str]:
    return [one["name"] for one in json.loads(herocloud("vm", "snapshot", "list", "db", "--json").out)["snapshots"]]


@pytest.fixture
def shop(herocloud: Any) -> Any:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    return herocloud


def test_a_snapshot_of_that_name_is_refused_and_kept(shop: Any) -> None:
    shop.done("vm", "snapshot", "create", "db", "--name", "clone-copy")
    ran = shop("vm", "clone", "db", "copy")
    assert ran.code == 1, ran.both
    assert "vm snapshot delete db clone-copy" in ran.err
    assert "--snapshot clone-copy" in ran.err
    assert _names(shop) == ["clone-copy"]
    shop.done("vm", "clone", "db", "copy", "--snapshot", "clone-copy")
    assert _names(shop) == ["clone-copy"]


def test_a_name_that_no_vm_can_have_is_refused_as_that_of_a_vm(shop: Any) -> None:
    ran = shop("vm", "clone", "db", "Bad_Name")
    assert ran.code == 1, ran.both
    assert "Not a name for a VM" in ran.err
    assert "snapshot" not in ran.err


def test_what_another_stack_has_is_named_with_that_stack(shop: Any) -> None:
    shop.done("vm", "clone", "db", "copy")
    ran = shop("vm", "show", "copy", "--stack", "shop")
    assert "add `--stack imperative`" in ran.err, ran.both
    assert "did you mean" not in ran.err


def test_a_snapshot_was_taken_when_its_vm_was_held_and_not_when_it_was_planned(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began = int(time.time())
    monkeypatch.setattr(vm_snapshots, "time", SimpleNamespace(time=lambda: began - 3600.0))
    shop.done("vm", "snapshot", "create", "db", "--name", "one")
    (listed,) = json.loads(shop("vm", "snapshot", "list", "db", "--json").out)["snapshots"]
    shown = json.loads(shop("vm", "snapshot", "show", "db", "one", "--json").out)
    assert listed["created"] == shown["created"] >= began
    shop.done("vm", "snapshot", "delete", "db", "one", "-y")
    shop.done("undo", "-y")
    assert json.loads(shop("vm", "snapshot", "show", "db", "one", "--json").out)["created"] == listed["created"]


def test_deleting_a_snapshot_needs_the_class_destroy_and_no_other(shop: Any) -> None:
    shop.done("vm", "snapshot", "create", "db", "--name", "one")
    ran = shop("vm", "snapshot", "delete", "db", "one", "--approve", "update")
    assert ran.code == 12, ran.both
    assert "--approve destroy" in ran.err
    shop.done("vm", "snapshot", "delete", "db", "one", "--approve", "destroy")
    assert _names(shop) == []


def test_the_one_for_a_moment_is_gone_afterwards(shop: Any) -> None:
    shop.done("vm", "clone", "db", "copy")
    assert _names(shop) == []


def test_a_clone_does_not_finish_what_somebody_else_began(shop: Any, spawn: Any) -> None:
    shop.done("vm", "clone", "db", "copy")
    faults = {**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:1:kill"}
    process = spawn("vm", "delete", "copy", "--stack", "imperative", "-y", env=faults)
    process.communicate(timeout=60)
    assert process.returncode == -9
    ran = shop("vm", "clone", "db", "other")
    assert ran.code == 12, ran.both
    assert "resume" in ran.err
    assert "copy" in shop.done("vm", "list", "--stack", "imperative").out
    shop.done("resume", "--stack", "imperative", "-y")
    shop.done("vm", "clone", "db", "other")


def test_vm_list_beside_a_stack_file_points_to_clones(shop: Any) -> None:
    assert "imperative" not in shop.done("vm", "list").err
    shop.done("vm", "clone", "db", "db2")
    listed = shop.done("vm", "list")
    assert "vm.db2" not in listed.out
    said = "1 VM of the stack `imperative` (clones, imports, VMs deployed one by one) is not listed; `herocloud vm list --stack imperative`"
    assert said in listed.err
    assert "vm.db2" in shop.done("vm", "list", "--stack", "imperative").out
    assert shop.done("vm", "list", "--stack", "shop").err == ""


def test_a_vm_without_a_disk_is_neither_cloned_nor_exported_and_the_advice_is_not_memory(shop: Any, tmp_path: Path) -> None:
    shop.write("", "vmlinuz")
    shop.write(STACK.replace("images:\n", "images:\n  tiny: {kernel: ./vmlinuz}\n") + "  bare: {image: tiny, memory: 1 GiB}\n")
    shop.done("apply", "-y")
    for command in (("clone", "bare", "other"), ("export", "bare", str(tmp_path / "bare.tar"))):
        ran = shop("vm", *command)
        assert ran.code == 1
        assert "hint: memory is never copied; write another VM of its image into a stack file" in ran.err


def test_the_page_names_every_field_that_an_import_leaves_out(repository: Path) -> None:
    page = (repository / "docs" / "snapshots.md").read_text(encoding="utf-8")
    assert [field for field in vm_archives._LEFT_OUT if f"`{field}`" not in page] == []


@pytest.mark.parametrize(
    ("command", "point"),
    [
        (("vm", "snapshot", "create", "db", "--name", "one"), "simulator.snapshot.create.after"),
        (("vm", "clone", "db", "copy"), "simulator.vm.boot.before"),
        (("vm", "import", "db.tar", "--name", "back"), "simulator.vm.boot.before"),
    ],
    ids=["snapshot", "clone", "import"],
)
def test_what_fails_is_taken_back_and_the_same_command_works_then(shop: Any, spawn: Any, command: tuple[str, ...], point: str) -> None:
    shop.done("vm", "export", "db", "db.tar")
    before = shop.done("state", "list", "--json").out
    failed = spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:enospc"})
    said = "".join(part.decode() if isinstance(part, bytes) else part for part in failed.communicate(timeout=60) if part)
    assert failed.returncode == 1, said
    assert "Rolled back: everything this apply did is taken back" in said
    assert "Remove the cause, then the same command tries again." in said
    assert shop.done("state", "list", "--json").out == before
    assert "There are no orphans." in shop.done("state", "orphans").out
    shop.done(*command)


def test_an_archive_of_a_real_host_is_refused_by_a_simulated_one(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = sparse_archives.write

    def write_as_real(path: Path, members: Any, told: Any) -> None:
        manifest = {**json.loads(members[0][1]), "simulated": False}
        write(path, [(members[0][0], json.dumps(manifest).encode()), *members[1:]], told)

    monkeypatch.setattr(sparse_archives, "write", write_as_real)
    shop.done("vm", "export", "db", "real.tar")
    ran = shop("vm", "import", "real.tar", "--name", "back")
    assert ran.code == 1, ran.both
    assert "holds the VM of a real host" in ran.err
    assert "imperative" not in shop.done("state", "list", "--json").out


@pytest.mark.parametrize("command", [("vm", "snapshot", "create", "db", "--name", "one"), ("vm", "clone", "db", "copy")])
def test_what_is_interrupted_is_taken_back_and_the_same_command_works_then(shop: Any, spawn: Any, command: tuple[str, ...]) -> None:
    before = shop.done("state", "list", "--json").out
    with (shop.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {step_time: 300 ms}\n")
    process = spawn(*command, "--json")
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "apply_start" and event["kind"] == ("disk.copy" if "clone" in command else "snapshot.create"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "rolled back" in [one["status"] for one in map(json.loads, out.splitlines()) if one["type"] == "summary"]
    assert shop.done("state", "list", "--json").out == before
    assert _names(shop) == []
    shop.done(*command)
