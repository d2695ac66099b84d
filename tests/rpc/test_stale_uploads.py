"""What callers send with a stack stays for as long as it may be needed, and no longer: there are secrets among it."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.jobs import shelf, stale_uploads

YAML = """\
stack: shop
images:
  own: {kernel: ./boot/vmlinuz}
vms:
  web: {image: own, memory: 1 GiB, slice: s1, secrets: {password: {file: ./secrets/password}}}
  db: {image: own, memory: 1 GiB, slice: s2, depends_on: [vm.web]}
"""
SENT = {"boot/vmlinuz": "a kernel", "secrets/password": "hush"}
SECONDS = 60.0


def plan(daemon: Any) -> str:
    return str(daemon.call("plan_stack", yaml=YAML, contents=SENT)["plan_id"])


def kept(folder: Path) -> set[str]:
    """Return the files that are there of what was sent."""
    (sent,) = {path.parent for path in (folder / "stacks").rglob("stack.yaml")} or {folder / "stacks"}
    return {str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file()}


def kept_beside(shared: Path) -> set[str]:
    sent = shared.parent
    return {str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_symlink() or path.is_file()}


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "stacks").rglob("*") if path.is_file()}


def grow_old(daemon: Any) -> None:
    """Have an hour and more go by since the last plan."""
    past = time.time() - 2 * shelf.SECONDS
    for folder in (daemon.folder / "stacks").iterdir():
        os.utime(folder, (past, past))
    daemon.service.desk.shelf._clock = lambda: time.monotonic() + 2 * shelf.SECONDS


def look(daemon: Any) -> None:
    daemon.service.upkeep.chores.remove_stale_uploads()


def test_what_was_sent_goes_when_its_plan_is_too_old(start: Any, folder: Path) -> None:
    daemon = start(upkeep=False)
    plan_id = plan(daemon)
    look(daemon)
    assert kept(folder) == {"stack.yaml", *SENT}
    assert daemon.call("get_plan", plan_id=plan_id)["plan_id"] == plan_id
    grow_old(daemon)
    look(daemon)
    assert list((folder / "stacks").iterdir()) == []
    assert daemon.service.desk.shelf._plans == {}
    assert daemon.refused("get_plan", plan_id=plan_id).code == -32001


def test_what_was_sent_goes_with_the_daemon(start: Any, folder: Path) -> None:
    daemon = start()
    plan(daemon)
    daemon.close()
    assert list((folder / "stacks").iterdir()) == []


def test_a_kernel_stays_with_its_vms_and_goes_when_they_are_gone(start: Any, folder: Path) -> None:
    daemon = start(upkeep=False)
    daemon.call("apply_plan", plan_id=plan(daemon), approve=["create"], wait=SECONDS)
    daemon.close()
    assert names(folder) - {path.name for path in (folder / "stacks").glob("*.of")} == {"vmlinuz"}
    daemon = start(upkeep=False)
    assert daemon.call("drift") == {"resource_drift": [], "unfinished": []}
    look(daemon)
    assert "vmlinuz" in names(folder)
    daemon.call("destroy_stack", stack="shop", approve=["destroy"], wait=SECONDS)
    grow_old(daemon)
    look(daemon)
    assert list((folder / "stacks").iterdir()) == []


def test_what_a_vm_shares_stays_with_it_and_the_secrets_beside_go(start: Any, folder: Path) -> None:
    daemon = start(upkeep=False)
    yaml = YAML.replace("slice: s1,", "slice: s1, shares: [{path: ./data, tag: data}],")
    made = daemon.call("plan_stack", yaml=yaml, contents={**SENT, "data/one": "1"})
    daemon.call("apply_plan", plan_id=made["plan_id"], approve=["create"], wait=SECONDS)
    (shared,) = (folder / "stacks").rglob("data")
    (shared / "by-the-guest").mkdir()
    (shared / "by-the-guest" / "link").symlink_to("/")
    daemon.close()
    assert kept_beside(shared) == {"boot/vmlinuz", "data/one", "data/by-the-guest/link"}
    daemon = start(upkeep=False)
    daemon.call("destroy_stack", stack="shop", approve=["destroy"], wait=SECONDS)
    daemon.close()
    assert list((folder / "stacks").iterdir()) == []


def test_the_next_daemon_removes_what_one_that_was_killed_has_left(start: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start(upkeep=False)
    plan(first)
    with monkeypatch.context() as killed:
        killed.setattr(stale_uploads, "remove", lambda _desk: None)
        first.close()
    assert kept(folder) == {"stack.yaml", *SENT}
    past = time.time() - 60
    for sent in (folder / "stacks").iterdir():
        os.utime(sent, (past, past))
    second = start(upkeep=False)
    look(second)
    assert list((folder / "stacks").iterdir()) == []


def test_an_apply_that_did_not_end_keeps_what_it_goes_on_with(start: Any, folder: Path) -> None:
    (folder / "scenario.yaml").write_text('rules: [{address: vm.db, step: "*boot*", delay: 600 s}]\n', encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    daemon = start(upkeep=False)
    job = daemon.call("apply_plan", plan_id=plan(daemon), approve=["create"])["job_id"]
    ends = time.monotonic() + SECONDS
    while {vm["name"]: vm["status"] for vm in daemon.call("list_vms")}.get("web") != "running":
        assert time.monotonic() < ends
        threading.Event().wait(0.01)
    grow_old(daemon)
    look(daemon)
    assert kept(folder) == {"stack.yaml", *SENT}
    daemon.call("cancel_job", job_id=job, at_once=True)
    assert daemon.call("wait_job", job_id=job, timeout=SECONDS)["status"] == "cancelled"
    look(daemon)
    daemon.close()
    assert kept(folder) == {"stack.yaml", *SENT}
    (folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    daemon = start(upkeep=False)
    look(daemon)
    assert kept(folder) == {"stack.yaml", *SENT}
    assert daemon.call("resume_stack", stack="shop", approve=["create"], wait=SECONDS)["status"] == "done"
    look(daemon)
    assert "password" not in names(folder)
    assert "vmlinuz" in names(folder)


def test_what_was_sent_to_a_daemon_of_another_data_folder_is_left_alone(start: Any, folder: Path) -> None:
    daemon = start(upkeep=False)
    plan(daemon)
    (owner,) = (folder / "stacks").glob("*.of")
    owner.write_text("/srv/other", encoding="utf-8")
    grow_old(daemon)
    look(daemon)
    daemon.close()
    assert kept(folder) == {"stack.yaml", *SENT}
