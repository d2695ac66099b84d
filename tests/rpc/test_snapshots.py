"""Snapshots and clones through the client: what comes of them, what refuses them, and who may know of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from herocloud.operations import record_edits
from herocloud.rpc.client import Client, JobFailed, error_types
from herocloud.rpc.jobs import work

SECRET = "correct horse"


@pytest.fixture
def client(daemon: Any) -> Any:
    with Client(daemon.path) as made:
        made.sid = made.deploy_vm("web", "s1", "tiny", wait=30)["sid"]
        yield made


def names(client: Any, **params: Any) -> list[tuple[str, str]]:
    return [(one["vm"], one["name"]) for one in client.list_snapshots(**params)]


def test_a_snapshot_is_taken_listed_restored_and_deleted(client: Any) -> None:
    job = client.create_snapshot(sid=client.sid, name="first", wait=30)
    assert (job["status"], job["sid"], job["address"]) == ("done", client.sid, "vm.web")
    assert job["result"] == client.list_snapshots()
    assert (job["result"][0]["disks"], job["result"][0]["memory_bytes"], job["result"][0]["present"]) == (["disk"], None, True)
    restored = client.restore_snapshot(client.sid, "first", wait=30)
    assert (restored["status"], restored["result"]["status"]) == ("done", "running")
    assert client.state_log()[0]["command"] == "rpc restore_snapshot"
    deleted = client.delete_snapshot(client.sid, "first", wait=30)
    assert (deleted["status"], deleted["result"], client.list_snapshots()) == ("done", None, [])


def test_a_job_tells_when_the_vm_was_held_and_not_when_that_was_planned(start: Any, folder: Path) -> None:
    (folder / "scenario.yaml").write_text('rules: [{address: vm.web, step: "*freeze*", delay: 2 s}]\n', encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    with Client(start().path) as client:
        sids = [client.deploy_vm(name, sid, "tiny", wait=30)["sid"] for name, sid in (("web", "s1"), ("db", "s2"))]
        taken = client.create_snapshot(sids=sids, name="late", wait=30)["result"]
        assert sorted(taken, key=lambda one: str(one["vm"])) == client.list_snapshots()


def test_memory_is_kept_when_asked_for(client: Any) -> None:
    job = client.create_snapshot(sid=client.sid, name="whole", memory=True, wait=30)
    assert job["result"][0]["memory_bytes"] == 4 * 2**30
    assert client.restore_snapshot(client.sid, "whole", wait=30)["result"]["status"] == "running"


def test_without_a_name_it_is_called_after_the_time(client: Any) -> None:
    first = client.create_snapshot(sid=client.sid, idempotency_key="k", wait=30)
    assert first["result"][0]["name"].startswith("s2")
    assert client.create_snapshot(sid=client.sid, idempotency_key="k", wait=30)["job_id"] == first["job_id"]
    assert len(client.list_snapshots()) == 1
    with pytest.raises(error_types.InvalidParams):
        client.create_snapshot(sid=client.sid, name="other", idempotency_key="k")


def test_several_vms_are_held_at_one_moment(client: Any) -> None:
    other = client.deploy_vm("other", "s2", "tiny", wait=30)["sid"]
    job = client.create_snapshot(sids=[client.sid, other, other], name="both", wait=30)
    assert [(one["vm"], one["name"]) for one in job["result"]] == [("vm.web", "both"), ("vm.other", "both")]
    mine = [event for event in client.events(from_=1)["events"] if event["job_id"] == job["job_id"]]
    kinds = [event["data"]["kind"] for event in mine if event["type"] == "step_done"]
    assert set(kinds[:2]) == {"vm.freeze"}
    assert set(kinds[2:4]) == {"snapshot.create"}
    assert set(kinds[4:]) == {"vm.thaw"}
    assert names(client, sid=other) == [("vm.other", "both")]


def test_either_one_vm_or_several_are_named(client: Any) -> None:
    for params in ({}, {"sid": client.sid, "sids": [client.sid]}):
        with pytest.raises(error_types.InvalidParams, match="sid"):
            client.create_snapshot(**params)


def test_what_is_not_there_or_there_already_is_said(client: Any) -> None:
    client.create_snapshot(sid=client.sid, name="first", wait=30)
    with pytest.raises(error_types.WrongState) as taken:
        client.create_snapshot(sid=client.sid, name="first", wait=30)
    assert taken.value.data["diagnostics"][0]["code"] == "snapshot-exists"
    for call in (client.restore_snapshot, client.delete_snapshot):
        with pytest.raises(error_types.NotFound) as missing:
            call(client.sid, "furst", wait=30)
        assert missing.value.data["diagnostics"][0]["hint"] == "did you mean `first`?"
    for missing_vm in (client.restore_snapshot, client.delete_snapshot, client.clone_vm):
        with pytest.raises(error_types.NotFound):
            missing_vm("vzzzzz", "first")
    with pytest.raises(error_types.NotFound):
        client.list_snapshots(sid="vzzzzz")


def test_a_protected_vm_is_not_restored(client: Any, daemon: Any) -> None:
    client.create_snapshot(sid=client.sid, name="first", wait=30)
    how = work.how_for_edit(daemon.service.desk, "protect")
    record_edits.protect(daemon.folder, "vm.web", "imperative", how, on=True)
    with pytest.raises(error_types.Blocked) as refused:
        client.restore_snapshot(client.sid, "first", wait=30)
    assert refused.value.data["diagnostics"][0]["code"] == "protected"


def test_a_clone_is_a_vm_of_its_own(client: Any) -> None:
    job = client.clone_vm(client.sid, "copy", wait=30)
    assert (job["status"], job["address"], job["sid"]) == ("done", "vm.copy", client.get_vm(job["sid"])["sid"])
    assert job["sid"] != client.sid
    assert job["result"]["slices"] == ["s2"]
    assert client.list_snapshots() == []
    assert client.get_slice("s2")["vm"] == "vm.copy"
    assert client.get_vm(client.sid)["status"] == "running"
    client.delete_vm(client.sid, wait=30)
    assert client.get_vm(job["sid"])["status"] == "running"


def test_a_clone_of_a_snapshot_leaves_the_snapshot(client: Any) -> None:
    client.create_snapshot(sid=client.sid, name="first", wait=30)
    assert client.clone_vm(client.sid, "copy", snapshot="first", slices=["s5"], wait=30)["result"]["slices"] == ["s5"]
    assert names(client) == [("vm.web", "first")]
    with pytest.raises(error_types.NotFound):
        client.clone_vm(client.sid, "more", snapshot="none", wait=30)


def test_what_stands_against_a_clone_is_said_before_anything_is_done(client: Any, daemon: Any) -> None:
    before = daemon.service.desk.recorded.serial
    with pytest.raises(error_types.WrongState, match=r"vm\.web"):
        client.clone_vm(client.sid, "web")
    with pytest.raises(error_types.SliceInUse):
        client.clone_vm(client.sid, "copy", slices=["s1"])
    assert daemon.service.desk.recorded.serial == before


def test_a_snapshot_of_somebody_with_the_name_of_the_passing_one_stays(client: Any) -> None:
    client.create_snapshot(sid=client.sid, name="clone-copy", wait=30)
    with pytest.raises(error_types.WrongState, match="clone-copy"):
        client.clone_vm(client.sid, "copy", wait=30)
    assert names(client) == [("vm.web", "clone-copy")]


def test_a_clone_that_fails_leaves_nothing_behind(client: Any, daemon: Any) -> None:
    rules = '{address: "vm.copy", step: "*boot*", fail: kernel panicked}'
    (daemon.folder / "scenario.yaml").write_text(f"rules:\n  - {rules}\n", encoding="utf-8")
    with (daemon.folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    job = client.clone_vm(client.sid, "copy")
    with pytest.raises(JobFailed, match="kernel panicked"):
        client.wait(job)
    assert [vm["name"] for vm in client.list_vms()] == ["web"]
    assert client.list_snapshots() == []
    assert client.get_slice("s2")["state"] == "Free"


@pytest.fixture
def hidden(client: Any) -> str:
    sid: str = client.deploy_vm("treasure", "s2", "tiny", secret=SECRET, wait=30)["sid"]
    client.create_snapshot(sid=sid, name="gold", secret=SECRET, wait=30)
    return sid


def test_snapshots_of_a_vm_behind_a_secret_are_behind_it_too(client: Any, hidden: str) -> None:
    client.create_snapshot(sid=client.sid, name="plain", wait=30)
    both = client.create_snapshot(sids=[client.sid, hidden], name="both", secret=SECRET, wait=30)
    assert sorted(names(client)) == [("vm.web", "both"), ("vm.web", "plain")]
    assert sorted(names(client, secret=SECRET)) == [("vm.treasure", "both"), ("vm.treasure", "gold")]
    for call in (client.restore_snapshot, client.delete_snapshot, client.clone_vm):
        for secret in ("", "wrong"):
            with pytest.raises(error_types.NotFound):
                call(hidden, "gold", secret=secret)
    for params in ({"sid": hidden}, {"sids": [client.sid, hidden]}):
        with pytest.raises(error_types.NotFound):
            client.create_snapshot(**params)
    with pytest.raises(error_types.NotFound):
        client.get_job(both["job_id"])
    for shown in (client.list_jobs(), client.events(from_=1)["events"], client.list_snapshots(), client.state_log()):
        assert "treasure" not in json.dumps(shown)
        assert "gold" not in json.dumps(shown)


def test_a_clone_of_a_vm_behind_a_secret_is_behind_it_too(client: Any, hidden: str) -> None:
    job = client.clone_vm(hidden, "jewel", secret=SECRET, snapshot="gold", wait=30)
    assert [vm["name"] for vm in client.list_vms(secret=SECRET)] == ["jewel", "treasure"]
    with pytest.raises(error_types.NotFound):
        client.get_vm(job["sid"])
    with pytest.raises(error_types.WrongState) as taken:
        client.clone_vm(client.sid, "jewel")
    assert "deployed" not in json.dumps(taken.value.data)
    for shown in (client.list_jobs(), client.events(from_=1)["events"], client.list_vms(), client.state_log()):
        assert "jewel" not in json.dumps(shown)
