"""`resume_stack`: where nothing waits it says what the command line says; what waits is finished or taken back within what is approved."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.simulator.misbehavior import Mischief
from herocloud.rpc.calls import advice

SECONDS = 60
SHOP = "stack: shop\nvms: {web: {image: tiny}}\n"


def apply(daemon: Any) -> dict[str, Any]:
    plan = daemon.call("plan_stack", yaml=SHOP)
    job = daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"])
    found: dict[str, Any] = daemon.call("wait_job", job_id=job["job_id"], timeout=SECONDS)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends
        threading.Event().wait(0.002)


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "HEROCLOUD_DAEMON": "off"}
    whole = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "resume", "--stack", "shop", *words]
    return subprocess.run(whole, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(params=["done", "failed"])
def over(request: Any, start: Any, folder: Path) -> Any:
    """A daemon whose last apply of the stack is over, well or not."""
    if request.param == "failed":
        (folder / "scenario.yaml").write_text('rules: [{address: vm.web, step: "*boot*", fail: no power}]\n', encoding="utf-8")
        with (folder / "host.yaml").open("a", encoding="utf-8") as host:
            host.write("simulator: {scenario: ./scenario.yaml}\n")
    daemon = start()
    assert apply(daemon)["status"] == request.param
    return daemon


def test_a_job_with_nothing_to_resume_says_what_the_command_says(over: Any) -> None:
    job = over.call("resume_stack", stack="shop", wait=SECONDS)
    ran = command(over.folder)
    assert ran.returncode == 0
    assert (job["status"], job["result"], job["error"]) == ("done", {"resumed": None}, None)
    assert job["note"] == advice.in_methods(ran.stdout.strip())
    assert job["note"].startswith("There is nothing to resume: ")
    assert "`herocloud " not in job["note"]


def test_nothing_to_take_back_is_refused_as_the_command_does(over: Any) -> None:
    refused = over.refused("resume_stack", stack="shop", rollback=True)
    (found,) = refused.data["diagnostics"]
    ran = command(over.folder, "--rollback")
    assert (refused.code, found["code"], ran.returncode) == (-32003, "nothing-unfinished", 1)
    assert found["summary"] in ran.stderr
    assert [way["method"] for way in refused.data["ways"]][:1] == ["undo"]


def test_the_name_of_an_apply_that_does_not_wait_is_not_found(over: Any) -> None:
    refused = over.refused("resume_stack", stack="shop", which="apply-7")
    (found,) = refused.data["diagnostics"]
    ran = command(over.folder, "apply-7")
    assert (refused.code, found["code"], ran.returncode) == (-32001, "not-unfinished", 1)
    assert found["summary"] in ran.stderr


SLOW = 'rules: [{address: vm.db, step: "*boot*", delay: 600 s}]\n'
CUT_OFF = "stack: shop\nvms: {web: {image: tiny, slice: s1}, db: {image: tiny, slice: s2, depends_on: [vm.web]}}\n"


@pytest.fixture
def cut_off(start: Any, folder: Path) -> Any:
    """A daemon with an apply that its caller cancelled while the second of two VMs was booting."""
    (folder / "scenario.yaml").write_text(SLOW, encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    daemon = start()
    plan = daemon.call("plan_stack", yaml=CUT_OFF)
    job = daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"])["job_id"]
    wait_until(lambda: {vm["name"]: vm["status"] for vm in daemon.call("list_vms")}.get("web") == "running")
    daemon.call("cancel_job", job_id=job, at_once=True)
    assert daemon.call("wait_job", job_id=job, timeout=SECONDS)["status"] == "cancelled"
    (folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    assert [left["apply"] for left in daemon.call("list_unfinished")] == ["apply-1"]
    return daemon


def test_a_cancelled_job_says_what_leads_on_from_there(cut_off: Any) -> None:
    [job] = cut_off.call("list_jobs")
    error = job["error"]
    (found,) = error["data"]["diagnostics"]
    assert (error["code"], found["code"]) == (-32011, "cancelled")
    assert [(way["method"], way["params"]) for way in error["data"]["ways"]] == [
        ("resume_stack", {"which": "apply-1"}),
        ("resume_stack", {"which": "apply-1", "rollback": True}),
    ]


def test_an_apply_to_resume_is_named_somehow(over: Any) -> None:
    refused = over.refused("resume_stack")
    (found,) = refused.data["diagnostics"]
    assert (refused.code, found["hint"]) == (-32602, "give `stack`, or the name of the apply in `which`")
    assert over.refused("resume_stack", which="apply-7").code == -32001


@pytest.mark.parametrize("named", [{"stack": "shop"}, {"stack": "shop", "which": "apply-1"}, {"which": "apply-1"}])
def test_an_apply_that_was_cut_off_is_finished(cut_off: Any, named: dict[str, str]) -> None:
    job = cut_off.call("resume_stack", approve=["create"], wait=SECONDS, **named)
    assert (job["status"], job["stack"]) == ("done", "shop")
    assert job["result"] == {"resumed": "apply-1", "rolled_back": False}
    assert cut_off.call("list_unfinished") == []
    assert {vm["name"]: vm["status"] for vm in cut_off.call("list_vms")} == {"web": "running", "db": "running"}


def test_an_apply_that_was_cut_off_is_taken_back(cut_off: Any) -> None:
    job = cut_off.call("resume_stack", stack="shop", rollback=True, approve=["destroy"], wait=SECONDS)
    assert (job["status"], job["result"]) == ("done", {"resumed": "apply-1", "rolled_back": True})
    assert job["steps"]["done"] == 0 < job["steps"]["total"]
    assert (cut_off.call("list_unfinished"), cut_off.call("list_vms")) == ([], [])
    assert {cut_off.call("get_slice", slice_sid=sid)["state"] for sid in ("s1", "s2")} == {"Free"}


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [({}, "create"), ({"approve": ["update", "reboot"]}, "create"), ({"rollback": True, "approve": ["create"]}, "destroy")],
)
def test_what_is_left_of_an_apply_needs_its_classes(cut_off: Any, asked: dict[str, Any], lacking: str) -> None:
    before = cut_off.call("list_vms")
    refused = cut_off.refused("resume_stack", stack="shop", wait=SECONDS, **asked)
    (found,) = refused.data["diagnostics"]
    assert (refused.code, found["code"], list(refused.data["classes"])) == (-32007, "unfinished-apply", [lacking])
    assert "vm.db" in refused.data["classes"][lacking]
    assert f'`approve` lacks "{lacking}"' in found["detail"]
    way = next(way for way in refused.data["ways"] if lacking in way["params"].get("approve", []))
    assert [left["apply"] for left in cut_off.call("list_unfinished")] == ["apply-1"]
    assert cut_off.call("list_vms") == before
    assert cut_off.call(way["method"], wait=SECONDS, **way["params"])["status"] == "done"


@pytest.mark.parametrize("secret", ["", "hush"])
def test_a_deploy_that_was_cut_off_before_its_vm_had_a_record_is_taken_back_by_its_caller(
    start: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    began, wait = threading.Event(), Mischief._wait

    def wait_now(mischief: Mischief, work: Any, seconds: float | None) -> None:
        began.set()
        wait(mischief, work, seconds)

    monkeypatch.setattr(Mischief, "_wait", wait_now)
    (folder / "scenario.yaml").write_text("rules: [{address: image.tiny, delay: 600 s}]\n", encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    daemon = start()
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", secret=secret)["job_id"]
    assert began.wait(SECONDS)
    daemon.call("cancel_job", job_id=job, at_once=True, secret=secret)
    assert daemon.call("wait_job", job_id=job, timeout=SECONDS, secret=secret)["status"] == "cancelled"
    assert daemon.call("list_vms", secret=secret) == []
    assert daemon.call("get_slice", slice_sid="s1")["state"] == "InUse"
    assert [left["apply"] for left in daemon.call("list_unfinished", secret=secret)] == ["apply-1"]
    if secret:
        assert daemon.call("list_unfinished") == []
        assert daemon.refused("resume_stack", which="apply-1", rollback=True, wait=SECONDS).code == -32001
    taken = daemon.call("resume_stack", which="apply-1", rollback=True, approve=["destroy"], wait=SECONDS, secret=secret)
    assert (taken["status"], taken["result"]) == ("done", {"resumed": "apply-1", "rolled_back": True})
    assert daemon.call("get_slice", slice_sid="s1")["state"] == "Free"
