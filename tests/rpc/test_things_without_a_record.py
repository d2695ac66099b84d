"""What runs without a record: its slices stay in use, and the daemon says that it is there."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _run(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), *arguments]
    subprocess.run(command, check=True, capture_output=True)


def _states(daemon: Any) -> dict[str, str]:
    return {one["sid"]: one["state"] for one in daemon.call("list_slices")}


@pytest.fixture
def put_back(folder: Path, start: Any) -> Any:
    """Start a daemon on a state that was put back from before two of its VMs were deployed, one of them behind a secret."""
    daemon = start(upkeep=False)
    daemon.call("deploy_vm", name="first", slice_sid="s1", image="tiny", wait=30)
    daemon.close()
    shutil.copy(folder / "state.db", folder / "backup")
    daemon = start(upkeep=False)
    daemon.call("deploy_vm", name="later", slice_sid="s2", image="tiny", wait=30)
    daemon.call("deploy_vm", name="hidden", slice_sid="s3", image="tiny", secret="geheim", wait=30)
    daemon.close()
    for name in ("state.db-wal", "state.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(folder / "backup", folder / "state.db")
    daemon = start(upkeep=False)
    daemon.service.desk.sight.look_now()
    return daemon


def test_nobody_is_given_the_slices_of_what_an_older_state_does_not_know(put_back: Any) -> None:
    assert [sid for sid, state in _states(put_back).items() if state == "InUse"] == ["s1", "s2", "s3"]
    assert put_back.call("node_status")["slices_in_use"] == 3
    assert put_back.refused("deploy_vm", name="other", slice_sid="s2", image="tiny").code == -32002
    assert put_back.call("deploy_vm", name="other", slice_sid="s4", image="tiny", wait=30)["status"] == "done"


def test_the_daemon_says_that_it_is_there_until_it_is_gone(put_back: Any) -> None:
    # The next write takes the serial beyond the one that was lost.
    put_back.call("deploy_vm", name="other", slice_sid="s4", image="tiny", wait=30)
    put_back.service.desk.sight.look_now()
    health = put_back.call("rpc.health")
    assert (health["status"], health["ready"]) == ("degraded", True)
    assert any("2 things are here without a record: vm.later of stack imperative and others" in text for text in health["warnings"])
    put_back.service.upkeep.chores.look_for_drift()
    put_back.service.events.flush()
    found = [one for one in put_back.call("events", **{"from": 0, "limit": 1000})["events"] if one["type"] == "drift_found"]
    assert [(one["address"], one["data"]) for one in found] == [("vm.later", {"parts": ["record"]})]
    report = put_back.call("drift")["resource_drift"]
    assert [(one["address"], one["cause"]) for one in report] == [("vm.later", "no_record")]
    _run(put_back.folder, "state", "gc", "-y")
    put_back.service.desk.sight.look_now()
    assert put_back.call("rpc.health")["warnings"] == []
    assert put_back.call("list_orphans") == []
    assert _states(put_back)["s2"] == "Free"


def test_what_has_no_record_is_listed_for_those_who_may_know_of_it(put_back: Any) -> None:
    seen = put_back.call("list_orphans")
    assert [(one["address"], one["slices"], one["foreign"]) for one in seen] == [("vm.later", ["s2"], False)]
    assert "machine" in seen[0]["parts"]
    mine = put_back.call("list_orphans", secret="geheim")
    assert [one["address"] for one in mine] == ["vm.hidden", "vm.later"]


def test_what_a_refusal_says_does_not_name_what_is_hidden(put_back: Any) -> None:
    yaml = "stack: q\nvms:\n  z: {image: tiny, slice: [s3]}\n"
    assert "vm.hidden" not in _answer(put_back, yaml)
    assert "vm.later" in _answer(put_back, yaml.replace("s3", "s2"))


def _answer(daemon: Any, yaml: str) -> str:
    try:
        return str(daemon.call("plan_stack", yaml=yaml))
    except Exception as error:  # noqa: BLE001  (the class lives in the fixtures)
        return str(error)


def test_a_slice_stays_in_use_in_the_moment_in_which_its_record_is_forgotten(start: Any) -> None:
    daemon = start(upkeep=False)
    daemon.call("deploy_vm", name="web", slice_sid="s3", image="tiny", wait=30)
    daemon.service.desk.sight.look_now()
    daemon.service.desk.sight.forget = lambda **_: None
    daemon.service.desk.sight._refresh_if_old = lambda: None
    _run(daemon.folder, "state", "rm", "vm.web", "--stack", "imperative")
    # Nobody has looked since; the history says that the VM was not removed.
    assert _states(daemon)["s3"] == "InUse"
    assert daemon.call("get_slice", slice_sid="s3")["vm"] == "vm.web"
    assert daemon.call("node_status")["slices_in_use"] == 1
    assert 'herocloud_slices{state="in_use"} 1' in daemon.request("GET", "/metrics").body.decode()
