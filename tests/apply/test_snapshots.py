"""Snapshots through the whole engine on the simulator: what is copied, what comes back, and that a VM always goes on."""

from typing import Any

import pytest

from herocloud.model.words import Status
from herocloud.plan import lost_data, past_apply, snapshots, undo
from herocloud.providers.simulator import world

STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
volumes:
  data: {size: 20 GiB}
vms:
  db: {image: debian, volumes: [data], memory: 2 GiB, hypervisor: simulator}
  web: {image: debian, memory: 1 GiB, hypervisor: simulator}
"""


@pytest.fixture
def shop(site: Any) -> Any:
    site.apply(STACK)
    return site


def _take(shop: Any, *names: str, **options: Any) -> Any:
    records = shop.recorded().records["shop"]
    taking = snapshots.Taking("one", 1_700_000_000, versions=dict.fromkeys(records, "1"), **options)
    return snapshots.plan_taking([records[name] for name in names or ("vm.db",)], taking, shop.recorded(), shop.look(), shop.host)


def _restore(shop: Any, now: int = 7) -> Any:
    record = shop.recorded().records["shop"]["vm.db"]
    return snapshots.plan_restoring(record, snapshots.Restoring("one", now, True, "1"), shop.recorded(), shop.look(), shop.host)


def _power(shop: Any, address: str = "vm.db") -> str:
    return str(shop.look().things["shop"][address].parts["power"])


def _data(shop: Any) -> tuple[str, str]:
    return world.contents(shop.folder, "vm.db")["disk"], world.contents(shop.folder, "volume.data")["volume"]


def test_restoring_brings_back_what_was_on_every_disk(shop) -> None:
    before = _data(shop)
    assert not shop.run(_take(shop)).failed
    written = world.write(shop.folder, "vm.db"), world.write(shop.folder, "volume.data", "volume")
    assert _data(shop) == written
    assert not shop.run(_restore(shop)).failed
    assert _data(shop) == before
    assert _power(shop) == "running"
    assert shop.changes(STACK) == []


def test_a_snapshot_may_be_restored_again_and_again(shop) -> None:
    before = _data(shop)
    shop.run(_take(shop))
    for now in (7, 8, 9):
        world.write(shop.folder, "vm.db")
        assert not shop.run(_restore(shop, now)).failed
        assert _data(shop) == before


def test_undoing_a_restoring_brings_back_what_it_replaced(shop) -> None:
    shop.run(_take(shop))
    written = world.write(shop.folder, "vm.db"), world.write(shop.folder, "volume.data", "volume")
    shop.run(_restore(shop))
    _undo(shop)
    assert _data(shop) == written
    assert _power(shop) == "running"


def test_undoing_a_restoring_is_refused_once_what_it_replaced_was_purged(shop) -> None:
    shop.run(_take(shop))
    shop.run(_restore(shop)._replace(purge=True))
    plan = _plan_undo(shop, kept=())
    assert {found.code for found in plan.diagnostics} == {"undo-data-gone"}


def _plan_undo(shop: Any, kept: Any = None) -> Any:
    with shop.store() as store:
        last = store.applies()[0]
        applied = store.load_plan(last.plan)[0]
        past = past_apply.Past(
            last.apply,
            applied.plan,
            applied.states,
            store.records_at(last.serial - 1).get("shop", {}),
            store.records_at(last.serial).get("shop", {}),
            store.recorded().records["shop"],
        )
    addresses = {past.plan.changes[0].address, "vm.db", "volume.data"} if kept is None else kept
    return undo.plan_undo(past, shop.recorded(), shop.look(), shop.host, [lost_data.Kept(address) for address in addresses])


def _undo(shop: Any) -> None:
    plan = _plan_undo(shop)
    assert not plan.errored, plan.diagnostics
    assert not shop.run(plan).failed


def test_undoing_a_snapshot_deletes_it_and_does_not_hold_the_vm_again(shop) -> None:
    shop.run(_take(shop))
    plan = _plan_undo(shop)
    assert [step.kind for step in plan.steps] == ["snapshot.delete"]
    assert not shop.run(plan).failed
    assert "snapshot.one" not in shop.look().things["shop"]["vm.db"].parts


def test_undoing_a_snapshot_with_memory_keeps_it_whole_and_undoing_that_brings_it_back(shop) -> None:
    shop.run(_take(shop, memory=True))
    taken = shop.look().things["shop"]["vm.db"].parts["snapshot.one"]
    plan = _plan_undo(shop)
    assert [step.kind for step in plan.steps] == ["snapshot.delete"]
    assert plan.steps[0].before == taken
    assert not shop.run(plan).failed
    _undo(shop)
    assert shop.look().things["shop"]["vm.db"].parts["snapshot.one"] == taken


def test_a_vm_goes_on_when_its_copies_fail(shop) -> None:
    shop.misbehave('{address: vm.db, step: "snapshot.create", fail: disk is broken}')
    result = shop.run(_take(shop), on_failure="stop")
    assert {outcome.kind: outcome.status for outcome in result.outcomes} == {
        "vm.freeze": Status.DONE,
        "snapshot.create": Status.FAILED,
        "vm.thaw": Status.DONE,
    }
    assert _power(shop) == "running"
    record = shop.recorded().records["shop"]["vm.db"]
    assert record.complete
    assert "snapshot.one" not in record.parts
    shop.behave()
    assert shop.changes(STACK) == []


def test_all_go_on_when_one_of_those_that_are_held_together_fails(shop) -> None:
    shop.misbehave('{address: vm.db, step: "snapshot.create", fail: disk is broken}')
    shop.run(_take(shop, "vm.db", "vm.web", together=True))
    assert _power(shop) == _power(shop, "vm.web") == "running"


def test_all_go_on_when_one_of_them_cannot_be_held(shop) -> None:
    shop.misbehave('{address: vm.db, step: "vm.freeze", fail: does not answer}')
    result = shop.run(_take(shop, "vm.db", "vm.web", together=True))
    assert result.failed
    assert _power(shop) == _power(shop, "vm.web") == "running"


def _interrupt_while_it_copies(shop: Any) -> None:
    shop.misbehave('{address: vm.db, step: "snapshot.create", hang: true}')

    def stop_when_it_copies(event: Any) -> None:
        if event.type == "apply_start" and event.kind == "snapshot.create" and not event.back:
            shop.interrupts.stop()

    shop.events = _Heard(stop_when_it_copies)


def _behave_again(shop: Any) -> None:
    shop.behave()
    shop.interrupts = type(shop.interrupts)()
    shop.events = []


def test_a_snapshot_that_is_interrupted_is_taken_back_and_can_be_taken_again(shop) -> None:
    before = shop.recorded().records["shop"]
    _interrupt_while_it_copies(shop)
    result = shop.run(_take(shop))
    assert (result.interrupted, result.rolled_back, result.failed) == (True, True, False)
    assert _power(shop) == "running"
    _behave_again(shop)
    assert shop.recorded().records["shop"] == before
    assert not shop.run(_take(shop)).failed
    assert "snapshot.one" in shop.look().things["shop"]["vm.db"].parts


def test_a_snapshot_whose_vm_went_on_meanwhile_is_taken_back_by_resume(shop) -> None:
    _interrupt_while_it_copies(shop)
    result = shop.run(_take(shop), on_failure="stop")
    assert (result.interrupted, result.rolled_back) == (True, False)
    assert _power(shop) == "running"
    _behave_again(shop)
    world.write(shop.folder, "vm.db")
    result = shop.resume()
    assert (result.rolled_back, result.failed) == (True, False)
    assert _power(shop) == "running"
    assert "snapshot.one" not in shop.look().things["shop"]["vm.db"].parts


class _Heard(list[Any]):
    def __init__(self, hear: Any) -> None:
        super().__init__()
        self._hear = hear

    def append(self, event: Any) -> None:
        super().append(event)
        self._hear(event)


def test_the_simulated_host_refuses_to_copy_what_runs(shop) -> None:
    plan = _take(shop)
    steps = tuple(step._replace(needs=()) for step in plan.steps if step.kind == "snapshot.create")
    result = shop.run(plan._replace(steps=(steps[0]._replace(last=True),)))
    assert result.failed
    assert "must be paused or stopped" in str(result.outcomes[0].error)


def test_a_snapshot_follows_a_rename_and_goes_with_its_vm(shop) -> None:
    shop.run(_take(shop))
    renamed = STACK.replace("  db:", "  base:") + "moved:\n  - {from: vm.db, to: vm.base}\n"
    shop.apply(renamed)
    assert "snapshot.one" in shop.recorded().records["shop"]["vm.base"].parts
    assert "snapshot.one" in shop.look().things["shop"]["vm.base"].parts
    shop.apply("stack: shop\n")
    kept = world.snapshot(shop.folder).tombstones
    assert any("/snapshot.one/" in key for key in kept)


def test_memory_goes_on_from_a_stopped_vm_and_the_record_says_that_it_runs(shop) -> None:
    shop.run(_take(shop, memory=True))
    shop.apply(STACK.replace("db: {", "db: {state: stopped, "))
    assert _power(shop) == "stopped"
    assert not shop.run(_restore(shop)).failed
    assert _power(shop) == "running"
    assert shop.recorded().records["shop"]["vm.db"].spec["state"] == "running"
