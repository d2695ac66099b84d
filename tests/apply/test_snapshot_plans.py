"""What plans of snapshots say, and what they refuse."""

from typing import Any

import pytest

from herocloud.model.words import Action, Impact
from herocloud.plan import capacity, snapshots

GIB = 1024**3
STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
volumes:
  data: {size: 20 GiB}
  shared: {size: 5 GiB}
vms:
  db: {image: debian, volumes: [data, {volume: shared, readonly: true}], memory: 2 GiB, hypervisor: simulator}
  off: {image: debian, memory: 1 GiB, state: stopped, hypervisor: simulator}
"""


@pytest.fixture
def shop(site: Any) -> Any:
    site.apply(STACK)
    return site


def _take(shop: Any, *names: str, **options: Any) -> Any:
    records = shop.recorded().records["shop"]
    versions = dict.fromkeys(records, "1")
    taking = snapshots.Taking(options.pop("name", "one"), options.pop("now", 1_700_000_000), versions=versions, **options)
    return snapshots.plan_taking([records[name] for name in names], taking, shop.recorded(), shop.look(), shop.host)


def _restore(shop: Any, name: str = "one", *, memory: bool = True, version: str = "1") -> Any:
    record = shop.recorded().records["shop"]["vm.db"]
    return snapshots.plan_restoring(record, snapshots.Restoring(name, 7, memory, version), shop.recorded(), shop.look(), shop.host)


def test_a_running_vm_is_held_around_its_copies_and_a_stopped_one_is_not(shop) -> None:
    assert [step.kind for step in _take(shop, "vm.db").steps] == ["vm.freeze", "snapshot.create", "vm.thaw"]
    assert [step.kind for step in _take(shop, "vm.off").steps] == ["snapshot.create"]


def test_a_snapshot_holds_the_disks_that_the_vm_writes_to(shop) -> None:
    part = _take(shop, "vm.db").steps[1].after
    assert [(disk["disk"], disk["size"]) for disk in part["disks"]] == [("disk", 10 * GIB), ("volume.data", 20 * GIB)]


def test_a_snapshot_fills_the_disk_of_the_host_before_and_after_it_is_taken(shop) -> None:
    plan = _take(shop, "vm.db", memory=True)
    assert plan.capacity.disk.after - plan.capacity.disk.before == 32 * GIB
    before = capacity.used(shop.recorded(), shop.look()).disk
    shop.run(plan)
    assert capacity.used(shop.recorded(), shop.look()).disk - before == 32 * GIB


def test_a_snapshot_that_does_not_fit_is_refused(shop) -> None:
    shop.host = shop.host._replace(disk=50 * GIB, disk_free=50 * GIB)
    assert [found.code for found in _take(shop, "vm.db").diagnostics] == ["does-not-fit-disk"]


def test_taken_together_every_vm_is_held_before_the_first_copy(site) -> None:
    site.apply(STACK.replace("state: stopped, ", ""))
    plan = _take(site, "vm.db", "vm.off", together=True)
    kinds = [step.kind for step in plan.steps]
    assert kinds == ["vm.freeze"] * 2 + ["snapshot.create"] * 2 + ["vm.thaw"] * 2
    by_id = {step.id: step for step in plan.steps}
    assert all({by_id[need].kind for need in step.needs} == {"vm.freeze"} for step in plan.steps if step.kind == "snapshot.create")
    for step in plan.steps:
        if step.kind == "vm.thaw":
            assert sum(by_id[need].kind == "snapshot.create" for need in step.needs) == 2


@pytest.mark.parametrize(
    ("vm", "options", "code"),
    [
        ("vm.db", {"name": "One"}, "snapshot-name"),
        ("vm.db", {"name": "../../etc"}, "snapshot-name"),
        ("vm.db", {"name": "taken"}, "snapshot-exists"),
        ("vm.off", {"memory": True}, "snapshot-memory"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused_with_words(shop, vm, options, code) -> None:
    shop.run(_take(shop, "vm.db", name="taken"))
    plan = _take(shop, vm, **options)
    assert plan.errored
    assert [found.code for found in plan.diagnostics] == [code]
    assert not plan.steps


def test_restoring_destroys_data_and_says_how_much_is_kept(shop) -> None:
    shop.run(_take(shop, "vm.db"))
    changes = _restore(shop).changing
    assert {(change.address, change.action, change.impact) for change in changes} == {
        ("vm.db", Action.REPLACE, Impact.DATA),
        ("volume.data", Action.REPLACE, Impact.DATA),
    }
    assert "10 GiB of data is kept for 7 days" in changes[0].note


def test_volumes_are_restored_only_while_the_vm_is_down(shop) -> None:
    shop.run(_take(shop, "vm.db"))
    steps = {step.kind: step for step in _restore(shop).steps}
    assert steps["vm.stop"].id in steps["volume.restore"].needs
    assert steps["volume.restore"].id in steps["vm.boot"].needs
    assert steps["disk.restore"].id in steps["vm.boot"].needs


def test_memory_of_another_version_is_refused_with_both_versions(shop) -> None:
    shop.run(_take(shop, "vm.db", memory=True))
    plan = _restore(shop, version="2")
    assert [found.code for found in plan.diagnostics] == ["snapshot-version"]
    assert "simulator 1" in plan.diagnostics[0].detail
    assert "this host has 2" in plan.diagnostics[0].detail
    assert not _restore(shop, version="2", memory=False).errored


def test_memory_of_a_machine_that_changed_is_refused(shop) -> None:
    shop.run(_take(shop, "vm.db", memory=True))
    shop.apply(STACK.replace("memory: 2 GiB", "memory: 3 GiB"))
    assert [found.code for found in _restore(shop).diagnostics] == ["snapshot-machine"]


def test_a_protected_vm_is_not_restored(shop) -> None:
    shop.run(_take(shop, "vm.db"))
    shop.apply(STACK.replace("hypervisor: simulator}\n  off", "hypervisor: simulator, protect: true}\n  off"))
    assert [found.code for found in _restore(shop).diagnostics] == ["protected"]


def test_a_snapshot_of_another_image_is_not_put_into_the_vm(shop) -> None:
    shop.run(_take(shop, "vm.db"))
    shop.apply(STACK.replace("/d.qcow2", "/e.qcow2"))
    assert [found.code for found in _restore(shop).diagnostics] == ["snapshot-image"]


def test_a_replacement_keeps_the_snapshots_and_a_removal_says_that_they_go(shop) -> None:
    shop.run(_take(shop, "vm.db"))
    replacing = shop.plan(STACK, replace=("vm.db",))
    assert "snapshot.delete" not in {step.kind for step in replacing.steps}
    removing = shop.plan("stack: shop\n")
    change = next(change for change in removing.changing if change.address == "vm.db")
    assert "with 1 snapshot is kept for 7 days" in change.note
    assert "snapshot.delete" in {step.kind for step in removing.steps}


def test_a_snapshot_that_went_away_is_drift_and_the_record_forgets_it(shop) -> None:
    from herocloud.providers.simulator import world

    shop.run(_take(shop, "vm.db"))
    world.remove_part(shop.folder, "vm.db", "snapshot.one")
    plan = shop.plan(STACK)
    assert [drift.part for drift in plan.drift] == ["snapshot.one"]
    assert "the record forgets it" in next(iter(plan.changing)).fields[0].why
    shop.run(plan)
    assert shop.changes(STACK) == []
    assert "snapshot.one" not in shop.recorded().records["shop"]["vm.db"].parts
