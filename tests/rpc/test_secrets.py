"""A VM behind a secret does not exist for callers without it, whatever they ask."""

import json
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from herocloud.rpc.jobs import job_runs
from herocloud.rpc.methods import all_methods

SECRET = "correct horse"
NAME = "treasure"


@pytest.fixture
def hidden(daemon: Any) -> Any:
    daemon.call("deploy_vm", name="plain", slice_sid="s1", image="tiny", wait=30)
    job = daemon.call(
        "deploy_vm", name=NAME, slice_sid="s2", image="tiny", secret=SECRET, idempotency_key="k", labels={"tier": "gold"}, wait=30
    )
    daemon.sid, daemon.job = job["sid"], job["job_id"]
    daemon.call("stop_vm", sid=daemon.sid, secret=SECRET, wait=30)
    daemon.service.events.flush()
    return daemon


def arguments(method: dict[str, Any], sid: str, job: str) -> dict[str, Any]:
    known = {"sid": sid, "job_id": job, "slice_sid": "s2", "name": "again", "image": "tiny", "command": "true", "stack": "imperative"}
    known |= {"plan_id": "nothing", "old_secret": "wrong", "new_secret": "other", "yaml": "stack: x\n", "from": 0, "limit": 1000}
    names = [parameter["name"] for parameter in method["params"]]
    return {name: known[name] for name in names if name in known}


@pytest.mark.parametrize("secret", [{}, {"secret": "wrong"}])
def test_an_export_tells_it_from_nothing_as_little_as_other_methods_do(hidden: Any, secret: dict[str, str]) -> None:
    answers = []
    for address in (f"vm.{NAME}", "vm.nosuch"):
        for others in ([], ["vm.plain"]):
            refused = hidden.refused("export", addresses=[address, *others], **secret)
            answers.append((refused.code, [found["code"] for found in refused.data["diagnostics"]]))
    assert answers == [(-32001, ["not-recorded"])] * 4


@pytest.mark.parametrize("secret", [{}, {"secret": "wrong"}, {"secret": ""}])
def test_no_method_tells_of_it_without_the_secret(hidden: Any, secret: dict[str, str]) -> None:
    digest = hidden.service.desk.secrets.digest(SECRET)
    for method in all_methods.openrpc()["methods"]:
        params = arguments(method, hidden.sid, hidden.job)
        if any(parameter["name"] == "secret" for parameter in method["params"]):
            params |= secret
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": params})
        answer = hidden.post(body)
        assert NAME.encode() not in answer.body, method["name"]
        assert digest.encode() not in answer.body, method["name"]
        assert SECRET.encode() not in answer.body, method["name"]
        if "sid" in params:
            error = answer.json["error"]
            assert (error["code"], error["message"]) == (-32001, "Not found"), method["name"]
            unknown = {**params, "sid": "v" + "z" * 5}
            same = hidden.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": unknown})).json["error"]
            assert json.dumps(error).replace(hidden.sid, "?") == json.dumps(same).replace("vzzzzz", "?"), method["name"]
    assert hidden.call("get_slice", slice_sid="s2") | {"memory_bytes": 0, "disk_bytes": 0} == {
        "sid": "s2", "state": "InUse", "memory_bytes": 0, "disk_bytes": 0, "vm_sid": None, "vm": None, "stack": None,
    }  # fmt: skip


def test_its_jobs_take_no_places_in_the_list_of_others(hidden: Any) -> None:
    seen = hidden.call("list_jobs", limit=1000)
    assert [job["address"] for job in seen] == ["vm.plain"]
    assert hidden.call("list_jobs", limit=1) == seen
    assert [job["method"] for job in hidden.call("list_jobs", limit=1, secret=SECRET)] == ["stop_vm"]


@pytest.mark.parametrize("address", ["vm.{}", "vm.{}x", "vm.{}*"])
def test_export_neither_finds_nor_proposes_it(hidden: Any, address: str) -> None:
    asked, unknown = address.format(NAME), address.format("q" * len(NAME))
    for others in ([], ["vm.plain"]):
        refused = hidden.refused("export", addresses=[*others, asked])
        same = hidden.refused("export", addresses=[*others, unknown])
        assert (refused.code, json.dumps(refused.data).replace(asked, "?")) == (same.code, json.dumps(same.data).replace(unknown, "?"))
    assert hidden.call("export", addresses=[f"vm.{NAME}"], secret=SECRET)


def test_pages_do_not_tell_of_it_either(hidden: Any) -> None:
    for path in ("/metrics", "/health", "/openrpc.json", "/.well-known/heroservice.json"):
        assert NAME.encode() not in hidden.request("GET", path).body


def events(daemon: Any, headers: dict[str, str]) -> bytes:
    last = daemon.service.events.last
    with daemon.connect() as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"GET /events?from=1 HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode())
        text = b""
        # What comes after everything that was there shows that all of it was sent.
        daemon.call("stop_vm", sid=daemon.call("list_vms")[0]["sid"], wait=30)
        while b"job_done" not in text.partition(f"id: {last}".encode())[2] and b'"stop_vm"' not in text:
            text += connection.recv(65536)
    return text


def test_the_stream_of_events_shows_it_only_with_the_secret(hidden: Any) -> None:
    assert NAME.encode() not in events(hidden, {})
    assert NAME.encode() in events(hidden, {"x-hero-secret": SECRET})


def test_with_the_secret_everything_is_there(hidden: Any) -> None:
    assert hidden.call("get_vm", sid=hidden.sid, secret=SECRET)["name"] == NAME
    assert [vm["name"] for vm in hidden.call("list_vms", secret=SECRET)] == [NAME]
    assert [vm["name"] for vm in hidden.call("list_vms")] == ["plain"]
    assert hidden.call("get_vm", sid=hidden.sid, secret=SECRET)["labels"] == {"tier": "gold"}
    assert hidden.call("get_job", job_id=hidden.job, secret=SECRET)["sid"] == hidden.sid
    assert hidden.call("get_slice", slice_sid="s2", secret=SECRET)["vm"] == f"vm.{NAME}"


def test_only_a_digest_of_it_is_kept(hidden: Any) -> None:
    for path in hidden.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_migrated_secret_opens_what_the_old_one_did(hidden: Any) -> None:
    assert hidden.call("migrate_secret", old_secret=SECRET, new_secret="new") == {"migrated_count": 1}
    assert hidden.refused("get_vm", sid=hidden.sid, secret=SECRET).code == -32001
    assert hidden.call("get_vm", sid=hidden.sid, secret="new")["status"] == "stopped"
    assert hidden.call("get_job", job_id=hidden.job, secret="new")["job_id"] == hidden.job
    assert hidden.refused("get_job", job_id=hidden.job, secret=SECRET).code == -32001
    assert hidden.refused("migrate_secret", old_secret=SECRET, new_secret="x").code == -32001
    for new in ("", "new"):
        assert hidden.refused("migrate_secret", old_secret="new", new_secret=new).code == -32602


def test_a_name_that_is_taken_behind_a_secret_is_refused_without_saying_whose(hidden: Any) -> None:
    refused = hidden.refused("deploy_vm", name=NAME, slice_sid="s3", image="tiny")
    assert refused.code == -32003
    assert "deployed" not in json.dumps(refused.data)


def test_what_is_undone_or_planned_beside_it_does_not_name_it(hidden: Any) -> None:
    names = [NAME, hidden.sid]
    yaml = "stack: shop\nimages:\n  tiny: {kernel: ./vmlinuz}\nvms:\n  front: {image: tiny, memory: 1 GiB, slice: s2}\n"
    plan = hidden.call("plan_stack", yaml=yaml, contents={"vmlinuz": "x"})
    assert "another VM" in json.dumps(plan["diagnostics"])
    assert not [name for name in names if name in json.dumps(plan)]
    hidden.call("delete_vm", sid=hidden.sid, secret=SECRET, wait=30)
    before = hidden.service.events.last
    job = hidden.call("undo", stack="imperative", approve=["create", "update"], secret=SECRET, wait=30)
    assert hidden.call("get_vm", sid=hidden.sid, secret=SECRET)["name"] == NAME
    hidden.service.events.flush()
    for shown in (hidden.call("events", **{"from": before}), hidden.call("list_jobs"), hidden.call("state_log")):
        assert not [name for name in names if name in json.dumps(shown)]
    assert hidden.refused("get_job", job_id=job["job_id"]).code == -32001
    assert NAME in json.dumps(hidden.call("events", **{"from": before, "secret": SECRET}))


class Noted(NamedTuple):
    note: str = ""


def test_the_note_of_another_job_does_not_name_it(hidden: Any) -> None:
    stranger: Any = job_runs.Run(Noted(), SimpleNamespace(secret=None), hidden.service.jobs, None)  # type: ignore[arg-type]
    stranger.note(f"slice `s2` is in use by `vm.{NAME}` of stack `imperative` now")
    assert stranger.job.note == "slice `s2` is in use by another VM now"
