"""Hero's meaning: a free slice becomes a VM, one caller wins a race for it, and a failure leaves nothing behind."""

import concurrent.futures
import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.applies import Scope
from herocloud.model.ids import Address
from herocloud.operations import deployment
from herocloud.providers.seam import Work
from herocloud.providers.simulator.driving import SimulatorDriver
from herocloud.rpc.methods import dispatch
from herocloud.state import locking


def try_to(daemon: Any, method: str, **params: Any) -> Any:
    """Return what a call answers, or the code of its error."""
    try:
        return daemon.call(method, **params)
    except Exception as error:  # noqa: BLE001  (the class lives in the fixtures)
        return getattr(error, "code", error)


def misbehave(folder: Path, rule: str) -> None:
    (folder / "scenario.yaml").write_text(f"rules:\n  - {rule}\n", encoding="utf-8")
    text = (folder / "host.yaml").read_text(encoding="utf-8")
    (folder / "host.yaml").write_text(text + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")


def test_a_slice_is_free_then_in_use_then_free_again(daemon: Any) -> None:
    assert daemon.call("get_slice", slice_sid="s3")["state"] == "Free"
    job = daemon.call("deploy_vm", name="web", slice_sid="s3", image="tiny", cpu_count=2, wait=30)
    assert job["result"] | {"sid": ""} == daemon.call("get_vm", sid=job["sid"]) | {"sid": ""}
    assert (job["result"]["vcpus"], job["result"]["slices"], job["result"]["status"]) == (2, ["s3"], "running")
    found = daemon.call("get_slice", slice_sid="s3")
    assert (found["state"], found["vm_sid"], found["vm"]) == ("InUse", job["sid"], "vm.web")
    assert daemon.call("node_status")["slices_in_use"] == 1
    assert daemon.refused("deploy_vm", name="other", slice_sid="s3", image="tiny").code == -32002
    daemon.call("delete_vm", sid=job["sid"], wait=30)
    assert daemon.call("get_slice", slice_sid="s3")["state"] == "Free"
    assert daemon.refused("get_vm", sid=job["sid"]).code == -32001


def test_a_vm_without_a_record_keeps_its_slice(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s3", image="tiny", wait=30)
    forget(daemon, "vm.web")
    assert daemon.refused("deploy_vm", name="other", slice_sid="s3", image="tiny").code == -32002
    daemon.service.desk.sight.look_now()
    assert daemon.call("get_slice", slice_sid="s3")["state"] == "InUse"
    assert daemon.call("node_status")["slices_in_use"] == 1


def test_a_look_knows_the_vms_of_now_by_the_host_of_a_moment_ago(daemon: Any) -> None:
    daemon.call("deploy_vm", name="first", slice_sid="s1", image="tiny", wait=30)
    sight = daemon.service.desk.sight
    record = daemon.service.desk.find_vm(daemon.call("deploy_vm", name="web", slice_sid="s3", image="tiny", wait=30)["sid"], "")
    kept = sight.hosting()
    daemon.call("delete_vm", sid=record.sid, wait=30)
    now = sight.hosting()
    assert now.host is kept.host
    assert kept.context.memory.of_sid(record.sid).address == "vm.web"
    assert now.context.memory.of_sid(record.sid) is None


@pytest.mark.parametrize("secret", ["", "known"])
def test_a_vm_without_a_record_is_taken_over_by_no_deployment(daemon: Any, secret: str) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s3", image="tiny", secret=secret, wait=30)["sid"]
    forget(daemon, "vm.web")
    for given in ("", "guessed", "known"):
        refused = daemon.refused("deploy_vm", name="web", slice_sid="s4", image="tiny", secret=given, wait=30)
        assert (refused.code, [found["code"] for found in refused.data["diagnostics"]]) == (-32003, ["name-taken"])
        assert "`herocloud state adopt vm.web`" in refused.data["diagnostics"][0]["hint"]
    assert daemon.call("list_vms") == []
    assert [thing.parts["machine"]["sid"] for thing in daemon.service.desk.sight.look_now().values() if thing.address == "vm.web"] == [sid]


@pytest.mark.parametrize("name", ["web", "web-data"])
def test_a_vm_without_a_record_is_taken_over_by_no_clone(daemon: Any, name: str) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s3", image="tiny", wait=30)
    sid = daemon.call("deploy_vm", name="first", slice_sid="s1", image="tiny", wait=30)["sid"]
    forget(daemon, "vm.web")
    if name == "web":
        assert daemon.refused("clone_vm", sid=sid, name="web", wait=30).code == -32003
    else:
        assert daemon.call("clone_vm", sid=sid, name=name, wait=30)["status"] == "done"


def forget(daemon: Any, address: str) -> None:
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(daemon.folder), "state", "rm", address, "--stack", "imperative"]
    subprocess.run(command, check=True, capture_output=True)


def test_a_race_for_one_slice_has_one_winner(daemon: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        asked = [
            pool.submit(try_to, daemon, "deploy_vm", name=f"vm{number}", slice_sid="s1", image="tiny", wait=60) for number in range(12)
        ]
        answers = [found.result() for found in asked]
    winners = [answer for answer in answers if isinstance(answer, dict)]
    assert [winner["status"] for winner in winners] == ["done"]
    assert sorted(answer for answer in answers if not isinstance(answer, dict)) == [-32002] * 11
    assert [vm["name"] for vm in daemon.call("list_vms")] == [winners[0]["result"]["name"]]


def test_a_race_for_one_name_has_one_winner(daemon: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        asked = [
            pool.submit(try_to, daemon, "deploy_vm", name="web", slice_sid=f"s{number}", image="tiny", wait=60) for number in range(1, 8)
        ]
        answers = [found.result() for found in asked]
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert {answer for answer in answers if not isinstance(answer, dict)} == {-32003}
    assert sorted(found["state"] for found in daemon.call("list_slices")) == ["Free"] * 6 + ["InUse"]


@pytest.mark.parametrize("key", ["idempotency", None])
def test_the_same_key_gives_the_same_job(daemon: Any, key: str | None) -> None:
    asked = {"name": "web", "slice_sid": "s1", "image": "tiny", "idempotency_key": key, "wait": 30}
    first = daemon.call("deploy_vm", **asked)
    if key is None:
        assert daemon.refused("deploy_vm", **asked).code == -32002
        return
    assert daemon.call("deploy_vm", **asked)["job_id"] == first["job_id"]
    assert daemon.refused("deploy_vm", **{**asked, "name": "other"}).code == -32602
    assert len(daemon.call("list_jobs")) == 1


def test_a_key_is_good_again_after_a_refusal(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    asked = {"name": "db", "image": "tiny", "idempotency_key": "k", "wait": 30}
    assert daemon.refused("deploy_vm", slice_sid="s1", **asked).code == -32002
    assert daemon.call("deploy_vm", slice_sid="s2", **asked)["status"] == "done"


def test_a_deployment_that_fails_is_taken_back(folder: Path, start: Any) -> None:
    misbehave(folder, '{address: "vm.bad", step: "*boot*", fail: kernel panicked}')
    daemon = start()
    refused = daemon.refused("deploy_vm", name="bad", slice_sid="s1", image="tiny", wait=30)
    assert refused.code == -32008
    assert "kernel panicked" in str(refused.data)
    assert daemon.call("list_vms") == []
    assert daemon.call("get_slice", slice_sid="s1")["state"] == "Free"
    assert daemon.call("get_job", job_id=refused.data["job_id"])["status"] == "failed"


def test_an_image_that_cannot_be_fetched_is_an_image_error(folder: Path, start: Any) -> None:
    misbehave(folder, '{address: "image.tiny", fail: 404 Not Found}')
    daemon = start()
    assert daemon.refused("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30).code == -32009
    assert daemon.refused("deploy_vm", name="web", slice_sid="s1", image="unknown", wait=30).code == -32009
    assert daemon.call("get_slice", slice_sid="s1")["state"] == "Free"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"slice_sid": "s99"}, -32001),
        ({"memory_bytes": 9 * 2**30}, -32004),
        ({"disk_bytes": 2**50}, -32004),
        ({"cpu_count": 1000}, -32004),
        ({"name": "Not A Name"}, -32602),
        ({"cpu_count": "2"}, -32602),
        ({"cpu_count": True}, -32602),
        ({"labels": {"herocloud.secret": "x"}}, -32602),
        ({"nonsense": 1}, -32602),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(daemon: Any, params: dict[str, Any], code: int) -> None:
    asked = {"name": "web", "slice_sid": "s1", "image": "tiny", "wait": 30, **params}
    assert daemon.refused("deploy_vm", **asked).code == code
    assert daemon.call("list_vms") == []
    assert {found["state"] for found in daemon.call("list_slices")} == {"Free"}


@pytest.mark.parametrize(
    ("params", "loc"),
    [
        ({"ssh_keys": ["ssh-ed25519 AAAA a\nssh-ed25519 BBBB b"]}, "ssh_keys"),
        ({"user_data": "#cloud-config\0"}, "user_data"),
        ({"env": {"AN IMAGE": "1"}}, "env"),
        ({"labels": {"my image": "1"}}, "labels"),
        ({"more_slices": ["s1"]}, "more_slices"),
    ],
)
def test_a_value_that_no_vm_may_have_is_an_invalid_parameter_with_its_location(shared: Any, params: dict[str, Any], loc: str) -> None:
    refused = shared.refused("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30, **params)
    assert refused.code == -32602
    assert [found["loc"] for found in refused.data["errors"]] == [[loc]]
    (found,) = refused.data["diagnostics"]
    assert found["detail"] == refused.data["errors"][0]["msg"]
    assert shared.call("list_vms") == []


def test_text_beyond_the_first_plane_of_unicode_arrives_as_it_was_sent(daemon: Any) -> None:
    text = "gr\u00fc\u00dfe \u2026 \U0001f980 \\ud83e\\udd80 {{ x }}"
    asked = {"env": {"HELLO": text}, "labels": {"note": text}, "user_data": f"#cloud-config\n# {text}\n"}
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30, **asked)
    assert (job["status"], job["result"]["labels"]) == ("done", {"note": text})
    spec = daemon.service.desk.recorded.records["imperative"]["vm.web"].spec
    assert spec["env"] == {"HELLO": text}
    assert text in json.dumps(spec["user_data"], ensure_ascii=False).replace("\\\\", "\\")


@pytest.mark.parametrize(("params", "code"), [({"hypervisor": "qemu"}, -32008), ({"disk_bytes": 2**50}, -32004)])
def test_what_the_host_cannot_do_is_shown_without_lines_that_nobody_sent(shared: Any, params: dict[str, Any], code: int) -> None:
    refused = shared.refused("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30, **params)
    assert refused.code == code
    assert {(found["range"], found["snippet"]) for found in refused.data["diagnostics"]} == {(None, None)}


def test_power_follows_the_methods(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    for method, status in (("stop_vm", "stopped"), ("start_vm", "running"), ("restart_vm", "running"), ("start_vm", "running")):
        assert daemon.call(method, sid=sid, wait=30)["result"]["status"] == status
        assert daemon.call("get_vm", sid=sid)["status"] == status


def test_jobs_of_one_vm_run_in_the_order_in_which_they_were_asked_for(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    asked = [daemon.call(method, sid=sid)["job_id"] for method in ("stop_vm", "start_vm", "stop_vm", "start_vm", "stop_vm")]
    ended = [daemon.call("wait_job", job_id=job, timeout=60) for job in asked]
    assert [job["status"] for job in ended] == ["done"] * 5
    moments = [(job["started_at"], job["ended_at"]) for job in ended]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(moments))
    assert daemon.call("get_vm", sid=sid)["status"] == "stopped"


def test_a_job_that_waits_for_the_lock_of_a_command_holds_up_no_other(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    # Nobody is let through for having waited long.
    daemon.service.jobs.gate._seconds = 3600.0
    with locking.hold(daemon.folder, "vm stop", None, 5.0, scope=Scope(deployment.STACK, Address("vm.web"))):
        waiting = daemon.call("stop_vm", sid=sid)
        assert daemon.call("deploy_vm", name="other", slice_sid="s2", image="tiny", wait=30)["status"] == "done"
        assert daemon.call("get_job", job_id=waiting["job_id"])["status"] == "running"
    assert daemon.call("wait_job", job_id=waiting["job_id"], timeout=60)["status"] == "done"


def test_jobs_at_once_are_planned_once_each(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The image that all of them boot is there already, and changes for nobody.
    daemon.call("deploy_vm", name="first", slice_sid="s7", image="tiny", wait=30)
    planned: list[str] = []
    all_there = threading.Event()
    arrivals = itertools.count(1)
    plan, gate = deployment.plan_deploy, daemon.service.jobs.gate
    # Nobody is let through for having waited long.
    gate._seconds = 3600.0
    enter = gate.enter

    def arrive() -> Any:
        if next(arrivals) == 4:
            all_there.set()
        return enter()

    def plan_when_all_wait(folder: Path, wanted: deployment.DeployWanted, *more: Any) -> Any:
        planned.append(wanted.name)
        assert all_there.wait(30)
        return plan(folder, wanted, *more)

    monkeypatch.setattr(gate, "enter", arrive)
    monkeypatch.setattr(deployment, "plan_deploy", plan_when_all_wait)

    def deploy(number: int) -> Any:
        return daemon.call("deploy_vm", name=f"vm{number}", slice_sid=f"s{number}", image="tiny", wait=60)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(deploy, range(1, 5)))
    assert [job["status"] for job in jobs] == ["done"] * 4
    assert sorted(planned) == ["vm1", "vm2", "vm3", "vm4"]


def test_a_plan_that_was_shown_is_applied_as_it_was_approved(daemon: Any) -> None:
    yaml = "stack: shop\nimages: {tiny: {kernel: ./k}}\nvms: {front: {image: tiny, memory: 1 GiB}}\n"
    plan = daemon.call("plan_stack", yaml=yaml, contents={"k": "x"})
    refused = daemon.refused("apply_plan", plan_id=plan["plan_id"])
    assert (refused.code, refused.data["classes"]) == (-32007, {"create": ["image.tiny", "vm.front"]})
    done = daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=30)
    assert done["status"] == "done"
    assert daemon.call("get_stack", stack="shop")["addresses"] == ["image.tiny", "vm.front"]
    assert daemon.call("plan_stack", yaml=yaml, contents={"k": "x"})["changes"] == 0
    stopped = daemon.call("plan_stack", yaml=yaml.replace("1 GiB", "1 GiB, state: stopped"), contents={"k": "x"})
    sid = next(vm["sid"] for vm in daemon.call("list_vms"))
    daemon.call("stop_vm", sid=sid, wait=30)
    assert daemon.refused("apply_plan", plan_id=stopped["plan_id"], approve=list(stopped["classes"]), wait=30).code == -32006
    assert daemon.refused("destroy_stack", stack="shop", wait=30).code == -32007
    assert daemon.call("destroy_stack", stack="shop", approve=["destroy"], wait=30)["status"] == "done"
    assert daemon.call("list_vms") == []


def test_a_plan_that_was_applied_before_changes_nothing_and_says_so(daemon: Any) -> None:
    plan = daemon.call("plan_stack", yaml="stack: shop\nvms: {front: {image: tiny, memory: 1 GiB}}\n")["plan_id"]
    first, second = (daemon.call("apply_plan", plan_id=plan, approve=["create"], wait=30) for _ in range(2))
    assert (first["status"], first["result"]["changes"], first["note"]) == ("done", 2, "")
    assert (second["status"], second["result"]["changes"]) == ("done", 0)
    assert second["note"] == "this plan was applied before, and nothing was done"
    daemon.call("destroy_stack", stack="shop", approve=["destroy"], wait=30)
    assert daemon.call("apply_plan", plan_id=plan, approve=["create"], wait=30)["result"]["changes"] == 2
    assert [vm["name"] for vm in daemon.call("list_vms")] == ["front"]


@pytest.mark.parametrize(
    ("asked", "seconds"), [({}, 60.0), ({"timeout": 7}, 7.0), ({"force": True}, 0.0), ({"force": True, "timeout": 7}, 0.0)]
)
def test_a_stop_gives_the_guest_as_long_as_the_caller_says(daemon: Any, monkeypatch: Any, asked: dict[str, Any], seconds: float) -> None:
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    given = []
    perform = SimulatorDriver.perform

    def look(self: SimulatorDriver, work: Work) -> Any:
        given.append((work.step.kind, work.shutdown))
        return perform(self, work)

    monkeypatch.setattr(SimulatorDriver, "perform", look)
    assert daemon.call("stop_vm", sid=job["sid"], wait=30, **asked)["result"]["status"] == "stopped"
    assert given == [("vm.stop", seconds)]


def test_reads_wait_for_no_disk_and_for_nobody_who_asks_for_a_job(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    service = daemon.service
    # A new job is on its way to disk, events are being written, and somebody reads all records.
    with service.jobs._turn, service.store._writes._turn, service.reader._turn:
        assert daemon.call("get_vm", sid=sid)["status"] == "running"
        assert daemon.call("get_job", job_id="j1")["status"] == "done"
        assert daemon.call("list_jobs", open_only=True) == []
        assert daemon.call("events", **{"from": 1, "limit": 5})["events"]


def test_a_short_call_of_a_quick_method_is_answered_at_once_and_all_others_by_a_thread(daemon: Any) -> None:
    table = daemon.service.table
    call = {"jsonrpc": "2.0", "id": 1, "method": "get_vm", "params": {"sid": "abc"}}
    assert dispatch.is_quick(json.dumps(call).encode(), table)
    for other in ([call, call], {**call, "method": "list_vms", "params": {}}, {**call, "params": {"sid": "a" * 2000}}, {"id": 1}):
        assert not dispatch.is_quick(json.dumps(other).encode(), table)
    assert not dispatch.is_quick(b"{", table)
    assert daemon.refused("get_vm", sid="abcdef").code == -32001


def test_lists_are_made_of_one_moment(daemon: Any, monkeypatch: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    full = daemon.service.desk.recorded
    states = iter([full, *[type(full)()] * 100])
    monkeypatch.setattr(type(daemon.service.desk), "recorded", property(lambda _desk: next(states)))
    assert [vm["name"] for vm in daemon.call("list_vms")] == ["web"]


def test_an_address_in_the_overlay_is_had_with_a_stack_file(daemon: Any) -> None:
    deploy = {"name": "web", "slice_sid": "s1", "image": "tiny", "wait": 30}
    refused = daemon.refused("deploy_vm", **deploy, mycelium=True)
    assert (refused.code, refused.data["diagnostics"][0]["code"]) == (-32003, "overlay-unknown")
    (way,) = refused.data["ways"]
    yaml = "stack: shop\nvms: {web: {image: tiny, slice: s1, mycelium: true}}\n"
    plan = daemon.call(way["method"], yaml=yaml, **way["params"])
    assert daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=30)["status"] == "done"
    (vm,) = daemon.call("list_vms")
    assert vm["mycelium_ip"]
