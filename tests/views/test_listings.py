from herocloud.model.hosts import Slice
from herocloud.model.worlds import Record, Thing
from herocloud.providers.seam import Tombstone
from herocloud.state.history import Version
from herocloud.views import listings, tables

GIB = 1024**3
DAY = 86_400


def _records(plans) -> list[Record]:
    return [
        Record(
            "shop", "vm.web[10]", "vm", "simulator", plans.vm_spec(slices=["s2", "s3"]), {"machine": {}, "power": "running"}, True, sid="v2"
        ),
        Record("shop", "vm.web[2]", "vm", "simulator", plans.vm_spec(), {"machine": {}, "power": "stopped"}, True, sid="v1"),
        Record("shop", "volume.pgdata", "volume", "simulator", {"size": 200 * GIB}, {"volume": {}}, False, protect=True),
    ]


def test_records_are_listed_as_people_order_them(plans, snapshot) -> None:
    assert tables.render(listings.records(_records(plans))) == snapshot


def test_vms_show_the_state_that_was_seen(plans, snapshot) -> None:
    seen = {("shop", "vm.web[2]"): Thing("shop", "vm.web[2]", "simulator", {"power": "paused"})}
    assert tables.render(listings.vms(_records(plans), seen)) == snapshot


def test_without_a_look_the_recorded_state_is_shown(plans) -> None:
    rows = listings.vms(_records(plans)).rows
    assert [row["state"] for row in rows] == ["stopped", "running"]


def test_slices_show_who_holds_them(snapshot) -> None:
    found = [Slice(sid, 4 * GIB, 292 * GIB) for sid in ("s10", "s1", "sz")]
    assert tables.render(listings.slices(found, {"sz": ("shop", "vm.db")})) == snapshot


def test_history_counts_what_each_operation_changed(snapshot) -> None:
    entries = [
        Version(3, 1_763_719_300.0, "ada", "apply", "shop", "apply-3", "apply", "p3", 0, 0, 0, 2, 0, "rolled back", 61.2),
        Version(2, 1_763_719_200.0, "ada", "apply", "shop", "apply-2", "apply", "p2", 3, 1, 2, 0, 1, "done", 1.5),
        Version(1, 1_763_719_100.0, None, None, "shop", None, "mv", None, 0, 1, 0, 0, 0, "done", 0.0),
    ]
    assert tables.render(listings.history(entries)) == snapshot


def test_a_narrow_history_fits_the_screen_and_breaks_no_date() -> None:
    entry = Version(
        3, 1_763_719_300.0, "administrator", "vm snapshot create", "shop", "apply-3", "apply", "p3", 1, 1, 1, 4, 1, "partial", 61.2
    )
    lines = tables.render(listings.history([entry]), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert "2025-11-21 10:01:40 UTC" in lines[1]
    assert "~1 -/+1" in lines[1]


def test_orphans_name_their_parts(snapshot) -> None:
    things = [Thing("shop", "vm.lost", "simulator", {"machine": {}, "disk": {}}, "l9")]
    assert tables.render(listings.orphans(things)) == snapshot


def test_tombstones_tell_until_when_they_are_kept(snapshot) -> None:
    stones = [Tombstone("k2", "shop", "volume.b", 20 * GIB, 1_763_719_200.0), Tombstone("k1", "shop", "volume.a", 5 * GIB, 1_763_000_000.0)]
    assert tables.render(listings.tombstones(stones, now=1_763_719_300.0, keep=7 * DAY)) == snapshot


def test_checks_of_doctor_say_what_is_missing_and_the_way_out(snapshot) -> None:
    rows = [
        {"provider": "qemu", "check": "qemu-system-x86_64", "ok": False, "detail": "not on PATH", "hint": "apt install qemu-system-x86"},
        {"provider": "simulator", "check": "always", "ok": True, "detail": "", "hint": ""},
        {"provider": "network", "check": "nft", "ok": None, "detail": "not needed", "hint": None},
    ]
    assert tables.render(listings.checks(rows)) == snapshot


def test_images_say_whether_they_are_here(snapshot) -> None:
    rows = [
        {"name": "debian12", "source": "https://example.org/d12.qcow2", "format": "qcow2", "present": True, "size": 2 * GIB},
        {"name": "tiny", "source": None, "format": None, "present": False, "size": None},
    ]
    assert tables.render(listings.images(rows)) == snapshot


def test_an_empty_list_says_so_and_is_an_empty_list_in_json() -> None:
    listing = listings.records([])
    assert tables.render(listing) == "Nothing is recorded."
    assert tables.document(listing) == {"format_version": "1.0", "records": []}


def test_json_holds_exact_values_where_the_table_rounds(plans) -> None:
    (row, *_) = tables.document(listings.vms(_records(plans)))["vms"]
    assert row["memory"] == 4 * GIB
    assert row["slices"] == ["s1"]
