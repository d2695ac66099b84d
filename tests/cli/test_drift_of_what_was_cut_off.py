"""`drift` names an apply that did not end, and the VMs that it or a failure has left gone or half made."""

import json
import os
import signal

import pytest

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms: {{web: {{image: debian, memory: 1 GiB}}}}
"""


@pytest.fixture
def cut_off(herocloud, spawn) -> None:
    """Kill a replacement while the VM is gone."""
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(image="new"))
    process = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "simulator.vm.delete.after:1:kill"})
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.usefixtures("cut_off")
def test_drift_names_the_apply_that_did_not_end(herocloud) -> None:
    ran = herocloud("drift", "--detailed-exitcode")
    assert ran.code == 2, ran.both
    assert "apply-2 of stack shop (`apply`) is not finished" in ran.out
    assert "`herocloud resume apply-2 --rollback` takes it back" in ran.out
    assert "state is not there" in ran.out
    document = json.loads(herocloud.done("drift", "--json").out)
    assert document["drifted"] is True
    assert [pending["apply_id"] for pending in document["unfinished"]] == ["apply-2"]
    assert [(entry["address"], entry["cause"], entry["left_by_apply"]) for entry in document["resource_drift"]] == [
        ("vm.web", "unfinished_apply", True)
    ]
    assert "Left by an apply that is not finished, stack shop:" in ran.out
    assert "Changed outside herocloud" not in ran.out


def test_the_document_agrees_with_the_exit_code_where_nothing_differs_yet(herocloud, spawn) -> None:
    herocloud.write(STACK.format(image="old"))
    process = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "apply.begin.after:1:kill"})
    process.communicate(timeout=60)
    ran = herocloud("drift", "--detailed-exitcode", "--json")
    document = json.loads(ran.out)
    assert (len(document["unfinished"]), document["drifted"], ran.code) == (1, True, 2)


def test_the_report_of_the_state_tells_the_same_cause(herocloud, cut_off) -> None:
    herocloud.done("report", "--out", "state.html")
    page = (herocloud.folder / "state.html").read_text(encoding="utf-8")
    assert "Left by an apply that is not finished" in page
    assert "Changed outside herocloud" not in page


def test_drift_shows_a_vm_that_a_failed_apply_left_half_made(herocloud, misbehave) -> None:
    herocloud.write(STACK.format(image="old"))
    misbehave("{address: vm.web, step: vm.boot, times: 1, fail: no luck}")
    assert herocloud("apply", "-y").code == 13
    ran = herocloud("drift", "--detailed-exitcode")
    assert ran.code == 2, ran.both
    assert "state is half made" in ran.out


def test_nothing_is_drift_once_it_is_resumed(herocloud, cut_off) -> None:
    herocloud.done("resume", "-y")
    ran = herocloud("drift", "--detailed-exitcode")
    assert (ran.code, ran.out.strip()) == (0, "No drift.")
