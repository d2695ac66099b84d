import json
from typing import Any

from herocloud.model.hosts import Host, NumaNode, Slice, Uplink
from herocloud.model.worlds import Record, Thing
from herocloud.state.holders import Holder
from herocloud.views import details

GIB = 1024**3
HOST = Host(
    "node1", 32 * GIB, 2048 * GIB, 1900 * GIB, 8, (Slice("s1", 4 * GIB, 292 * GIB), Slice("s2", 4 * GIB, 292 * GIB)),
    numa=(NumaNode(0, (0, 1, 2, 3), 16 * GIB),), uplink=Uplink("eth0", 1_250_000_000), limit_network=125_000_000,
    sources=(("memory", "detected"), ("name", "file")),
)  # fmt: skip


def _record(plans, **changed: Any) -> Record:
    spec = plans.vm_spec(user_data="password: hunter2", secrets={"db": {"env": "DB", "digest": "aa"}}, **changed)
    parts = {"machine": {"memory": 4 * GIB, "vcpus": 1}, "power": "running"}
    return Record("shop", "vm.db", "vm", "simulator", spec, parts, True, protect=True, sid="v1", needs=("network.lan",))


def test_a_record_shows_its_target_and_what_was_made(plans, snapshot) -> None:
    assert details.record_text(_record(plans)) == snapshot


def test_a_record_as_json_hides_what_is_sensitive(plans) -> None:
    document = details.record_document(_record(plans))
    assert "hunter" not in json.dumps(document)
    assert document["sensitive"] == {"user_data": True, "secrets": {"db": True}}
    assert document["parts"]["power"] == "running"


def test_a_vm_shows_first_what_people_ask_for(plans, snapshot) -> None:
    seen = {("shop", "vm.db"): Thing("shop", "vm.db", "simulator", {"power": "paused"})}
    assert details.vm_text(_record(plans), seen) == snapshot


def test_a_vm_that_ended_by_itself_says_how(plans) -> None:
    record, how = _record(plans), "the guest switched itself off"
    assert "ended" not in details.vm_document(record)
    assert details.vm_document(record, ended=how)["ended"] == how
    lines = [line.split(maxsplit=1) for line in details.vm_text(record, ended=how).splitlines()]
    assert ["ended", how] in lines


def test_a_vm_shows_what_its_devices_counted(plans) -> None:
    record, counters = _record(plans), {"nic-0": {"rx_frames": 7, "rx_bytes": 3 * 1024**2}, "root": {"read_latency_max": 120}}
    assert "counters" not in details.vm_document(record)
    assert "Counters" not in details.vm_text(record)
    assert details.vm_document(record, counters=counters)["counters"] == counters
    shown = details.vm_text(record, counters=counters).partition("Counters:\n")[2].split()
    assert shown == ["nic-0", "rx_bytes", "3", "MiB", "rx_frames", "7", "root", "read_latency_max", "120", "µs"]


def test_a_vm_as_json_has_the_row_and_the_record(plans) -> None:
    document = details.vm_document(_record(plans), {})
    assert document["state"] == "gone"
    assert document["spec"]["memory"] == 4 * GIB
    assert "hunter" not in json.dumps(document)


def test_a_slice_shows_who_holds_it(snapshot) -> None:
    assert details.slice_text(HOST.slices[0], {"s1": ("shop", "vm.db")}) == snapshot


def test_the_host_shows_where_each_value_came_from(snapshot) -> None:
    assert details.host_text(HOST) == snapshot


def test_a_simulated_host_is_said_not_to_exist() -> None:
    assert "does not exist" in details.host_text(HOST._replace(simulated=True))


def test_the_host_as_json_is_plain_data() -> None:
    document = json.loads(json.dumps(details.host_document(HOST)))
    assert document["slice_count"] == 2
    assert document["sources"] == {"memory": "detected", "name": "file"}
    assert document["uplink"] == {"name": "eth0", "speed": 1_250_000_000}


def test_the_holder_of_the_lock_is_named_in_full(snapshot) -> None:
    holder = Holder(41, 12_345, "b", "node1", "ada", "2025-11-21 10:00:00 UTC", "apply", "p1", 60.0)
    assert details.holders_text([holder]) == snapshot
    assert details.holders_document([holder])["holders"][0]["pid"] == 41


def test_no_holder_means_no_lock() -> None:
    assert details.holders_text([]) == "The state is not locked."
    assert details.holders_document([])["locked"] is False


def test_two_serials_differ_field_by_field(plans, snapshot) -> None:
    before = [_record(plans), Record("shop", "volume.a", "volume", "simulator", {"size": GIB}, {}, True)]
    after = [
        _record(plans, memory=7 * GIB)._replace(protect=False),
        Record("shop", "volume.b", "volume", "simulator", {"size": GIB}, {}, True),
    ]
    assert details.serials_text(before, after) == snapshot
    document = details.serials_document(before, after)
    assert [(row["address"], row["what"]) for row in document["changes"]] == [
        ("volume.a", "removed"),
        ("volume.b", "added"),
        ("vm.db", "changed"),
    ]


def test_equal_serials_have_no_differences(plans) -> None:
    assert details.serials_text([_record(plans)], [_record(plans)]) == "No differences."


def test_outputs_have_the_shape_of_terraform() -> None:
    assert details.outputs_document({"b": 1, "a": "x"}) == {"a": {"value": "x"}, "b": {"value": 1}}
