"""What is counted of calls: each method by its name, whatever callers make up under one, errors by their codes, and how long they took."""

from typing import Any

from herocloud.rpc.calls.call_counts import BOUNDS, CallCounts


def lines(daemon: Any) -> list[str]:
    return daemon.request("GET", "/metrics").body.decode().splitlines()


def test_calls_errors_and_durations_of_each_method_are_counted(daemon: Any) -> None:
    for _ in range(3):
        daemon.call("node_status")
    assert daemon.refused("get_vm", sid="gone").code == -32001
    assert daemon.refused("get_vm").code == -32602
    for number in range(5):
        assert daemon.refused(f"made_up_{number}").code == -32601
    found = lines(daemon)
    assert 'herocloud_rpc_duration_seconds_count{method="node_status"} 3' in found
    assert 'herocloud_rpc_duration_seconds_bucket{method="node_status",le="+Inf"} 3' in found
    assert 'herocloud_rpc_errors_total{method="get_vm",code="-32001"} 1' in found
    assert 'herocloud_rpc_errors_total{method="get_vm",code="-32602"} 1' in found
    assert 'herocloud_rpc_errors_total{method="unknown",code="-32601"} 5' in found
    assert "made_up" not in "".join(found)
    assert "# TYPE herocloud_rpc_duration_seconds histogram" in found
    assert not [line for line in found if "errors_total" in line and "node_status" in line]


def test_a_duration_counts_in_every_bound_that_it_does_not_exceed() -> None:
    now = [0.0]
    counts = CallCounts(lambda: now[0])
    for seconds in (0.0, BOUNDS[0], 1.0, 1000.0):
        began = now[0] = 0.0
        now[0] = began + seconds
        counts.add("one", began, None)
    (one,) = counts.all()
    assert one.within == [2 if bound < 1.0 else 3 for bound in BOUNDS]
    assert (one.calls, one.seconds) == (4, 1001.0 + BOUNDS[0])


def test_the_steps_of_a_job_are_those_of_all_its_applies(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    alone = daemon.call("create_snapshot", sid=sid, name="one", wait=30)["steps"]
    steps = daemon.call("clone_vm", sid=sid, name="copy", wait=30)["steps"]
    # A snapshot, the clone, and the end of the snapshot.
    assert steps["done"] == steps["total"]
    assert steps["total"] > 2 * alone["total"]


def test_the_history_of_a_stack_that_never_was_is_not_found(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", secret="known", wait=30)
    assert daemon.refused("state_log", stack="nope").code == -32001
    assert len(daemon.call("state_log", stack="imperative", secret="known")) == 1
    assert daemon.call("state_log") == []


def test_a_state_that_cannot_be_read_takes_its_own_metrics_away_and_no_others(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    state = daemon.folder / "state.db"
    state.rename(daemon.folder / "away.db")
    answer = daemon.request("GET", "/metrics")
    found = answer.body.decode().splitlines()
    assert answer.status == 200
    assert "herocloud_state_readable 0" in found
    assert 'herocloud_rpc_duration_seconds_count{method="deploy_vm"} 1' in found
    assert not [line for line in found if line.startswith("herocloud_vm")]
    (daemon.folder / "away.db").rename(state)
    assert {"herocloud_state_readable 1", 'herocloud_vms{state="running"} 1'} <= set(lines(daemon))
