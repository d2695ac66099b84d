"""The history of the state is kept within what the host file says, and what somebody may still need stays."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.operations import leftovers, lookups, record_edits, state_history
from herocloud.operations.inputs import Sources
from herocloud.plan import lost_data
from herocloud.rpc.jobs import work
from herocloud.rpc.supervision import chores
from herocloud.state import old_history
from tests.rpc.conftest import Daemon, make_folder


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Any:

    made = make_folder()
    monkeypatch.setattr(old_history, "ALWAYS_KEPT", 1)
    # Nothing is young.
    monkeypatch.setattr(lost_data, "KEEP_SECONDS", -86400.0)
    yield made
    shutil.rmtree(made)


def limit(folder: Path, text: str) -> None:
    path = folder / "host.yaml"
    path.write_text(f"{path.read_text(encoding='utf-8')}history: {text}\n", encoding="utf-8")


@pytest.fixture
def daemon(folder: Path) -> Any:
    running = Daemon(folder, upkeep=False)
    yield running
    running.close()


def test_without_a_word_in_the_host_file_a_year_and_many_operations_stay(folder: Path) -> None:
    assert state_history.read_settings(folder) == (365, 20_000)


@pytest.mark.parametrize("text", ["{days: 0}", "{operations: many}", "{weeks: 3}"])
def test_limits_that_are_none_are_refused_and_nothing_is_thrown_away(folder: Path, daemon: Any, text: str) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    host = daemon.service.sight.hosting()
    limit(folder, text)
    with pytest.raises(Refused):
        state_history.prune(host, work.how_for_edit(daemon.service.desk, "history"))
    assert len(daemon.call("state_log")) == 1


def test_the_daemon_throws_away_what_is_beyond_the_limits_and_says_so(folder: Path, daemon: Any) -> None:
    limit(folder, "{operations: 2}")
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    for method in ("stop_vm", "start_vm", "stop_vm", "start_vm"):
        daemon.call(method, sid=sid, wait=30)
    daemon.service.upkeep.chores.prune_history()
    daemon.service.events.flush()
    log = daemon.call("state_log")
    assert [(entry["serial"], entry["operation"]) for entry in log] == [(6, "history prune"), (5, "vm start"), (4, "vm stop")]
    assert (log[0]["user"], log[0]["command"]) == ("daemon", "rpc history")
    told = [event["data"] for event in daemon.call("events", **{"from": 1, "limit": 1000})["events"] if event["type"] == "history_pruned"]
    assert told == [{"operations": 3, "kept_from": 4}]
    # The machine is as it was, and the last operation can be taken back.
    assert daemon.call("get_vm", sid=sid)["status"] == "running"
    assert daemon.call("undo", stack="imperative", approve=["stop"], wait=30)["status"] == "done"
    assert daemon.call("get_vm", sid=sid)["status"] == "stopped"
    daemon.service.upkeep.chores.prune_history()


def test_what_lies_on_the_host_without_a_record_can_be_adopted_afterwards(folder: Path, daemon: Any) -> None:
    limit(folder, "{operations: 1}")
    for name, slice_sid in (("web", "s1"), ("db", "s2")):
        daemon.call("deploy_vm", name=name, slice_sid=slice_sid, image="tiny", wait=30)
    how = work.how_for_edit(daemon.service.desk, "state rm")
    record_edits.remove(folder, "vm.web", "imperative", how)
    for method in ("stop_vm", "start_vm"):
        daemon.call(method, sid=daemon.call("list_vms")[0]["sid"], wait=30)
    assert state_history.prune(daemon.service.sight.hosting(), how).operations
    assert [one.serial for one in lookups.history(folder, None)][-1] > 3
    planned = leftovers.plan_adopt(folder, "vm.web", "imperative", Sources(()))
    assert [change.address for change in planned.plan.changing] == ["vm.web"]
    assert not planned.plan.errored


def test_it_is_a_chore_of_each_day() -> None:
    assert chores.Intervals().history == 86400.0
