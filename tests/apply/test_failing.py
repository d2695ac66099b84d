"""A failure skips what depends on it, is told once, and the rest goes as `--on-failure` says."""

import logging

import pytest

from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.model.plans import Plan
from herocloud.model.words import Status


def two_vms(vm, plan) -> Plan:
    made = [vm("a"), vm("b"), vm("c", after=["vm.a/vm.boot"])]
    return plan([step for _, steps in made for step in steps], [change for change, _ in made])


def by_status(result, status) -> set[str]:
    return {outcome.step for outcome in result.outcomes if outcome.status is status}


def test_what_depends_on_a_failure_is_skipped_and_names_its_root(bench, vm, plan) -> None:
    bench.world.fail("vm.a/disk.create")
    result = bench.execute(two_vms(vm, plan), on_failure="continue")
    skipped = {outcome.step: outcome.skipped_because for outcome in result.outcomes if outcome.status is Status.SKIPPED}
    assert set(skipped) == {"vm.a/vm.create", "vm.a/vm.boot", "vm.c/disk.create", "vm.c/vm.create", "vm.c/vm.boot"}
    assert set(skipped.values()) == {"vm.a/disk.create"}
    assert bench.store.status == "partial"


def test_continue_runs_everything_else(bench, vm, plan) -> None:
    bench.world.fail("vm.a/disk.create")
    result = bench.execute(two_vms(vm, plan), on_failure="continue", parallelism=1)
    assert by_status(result, Status.DONE) == {"vm.b/disk.create", "vm.b/vm.create", "vm.b/vm.boot"}
    assert bench.store.records["vm.b"].complete


def test_stop_starts_nothing_new(bench, vm, plan) -> None:
    bench.world.fail("vm.a/disk.create")
    result = bench.execute(two_vms(vm, plan), on_failure="stop", parallelism=1)
    assert bench.world.performed() == ["vm.a/disk.create"]
    assert len(by_status(result, Status.SKIPPED)) == 8


def test_stop_lets_running_steps_finish(bench, step, plan, fault) -> None:
    bench.world.on("peer.a/peer.add", lambda _: bench.world.hung.wait(5) and None)
    bench.world.on("peer.b/peer.add", fault(Permanent("no route")))

    def tell(event) -> None:
        if event.type == "apply_errored":
            bench.world.hung.set()

    bench.tell = tell
    result = bench.execute(plan([step("peer.a/peer.add", last=True), step("peer.b/peer.add", last=True)]))
    assert by_status(result, Status.DONE) == {"peer.a/peer.add"}


def test_the_failure_is_told_once_with_its_text(bench, vm, plan) -> None:
    bench.world.fail("vm.a/disk.create", "no space")
    bench.execute(two_vms(vm, plan))
    assert [(event.step, event.detail) for event in bench.told("apply_errored")] == [("vm.a/disk.create", "no space")]


def test_the_journal_keeps_why(bench, vm, plan) -> None:
    bench.world.fail("vm.a/disk.create", "no space")
    bench.execute(two_vms(vm, plan))
    entries = {entry.step: entry for entries in bench.store.commits for entry in entries}
    assert (entries["vm.a/disk.create"].event, entries["vm.a/disk.create"].detail) == ("failed", "no space")
    assert (entries["vm.a/vm.boot"].event, entries["vm.a/vm.boot"].detail) == ("skipped", "vm.a/disk.create")


def test_a_half_made_vm_keeps_its_record_and_its_slices(bench, vm, plan) -> None:
    bench.world.fail("vm.a/vm.create")
    change, steps = vm("a", slices=["s1"])
    bench.execute(plan(steps, [change]))
    record = bench.store.records["vm.a"]
    assert not record.complete
    assert (record.spec["slices"], record.parts) == (["s1"], {"disk": {"size": 1}})


def test_temporary_trouble_is_tried_again_with_growing_delays(bench, step, plan, fault) -> None:
    bench.world.on("peer.a/peer.add", fault(Temporary("busy", 1.0)), fault(Temporary("busy", 1.0)))
    result = bench.execute(plan([step("peer.a/peer.add", last=True)]))
    assert not result.failed
    assert [event.data for event in bench.told("retry")] == [{"delay": 1.0, "try": 2}, {"delay": 2.0, "try": 3}]


def test_temporary_trouble_that_stays_is_a_failure_in_the_end(bench, step, plan, fault) -> None:
    bench.world.on("volume.a/volume.create", *[fault(Temporary("busy", 0.1))] * 50)
    result = bench.execute(plan([step("volume.a/volume.create", last=True)]))
    assert result.outcomes[0].error == "busy (tried 8 times)"


def test_no_retry_reaches_past_the_time_out(bench, step, plan, fault) -> None:
    bench.world.on("peer.a/peer.add", *[fault(Temporary("busy", 4.0))] * 50)
    result = bench.execute(plan([step("peer.a/peer.add", last=True)]), step_timeout=10)
    assert bench.clock.elapsed() < 1010
    assert result.outcomes[0].error == "busy (tried 2 times)"


def test_a_conflict_is_not_tried_again(bench, step, plan, fault) -> None:
    bench.world.on("peer.a/peer.add", fault(Conflict("tap7 is taken")))
    result = bench.execute(plan([step("peer.a/peer.add", last=True)]))
    assert result.outcomes[0].error == "tap7 is taken"
    assert bench.told("retry") == []


def test_an_unexpected_exception_gives_a_reference_and_the_log_has_the_traceback(bench, step, plan, fault, caplog) -> None:
    bench.world.on("peer.a/peer.add", fault(ZeroDivisionError("oh")))
    with caplog.at_level(logging.ERROR):
        result = bench.execute(plan([step("peer.a/peer.add", last=True)]))
    error = result.outcomes[0].error
    assert "ZeroDivisionError: oh" in error
    assert "Traceback" not in error
    reference = error.partition("reference ")[2].partition(" ")[0]
    assert reference in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt()])
def test_a_provider_cannot_end_the_process(bench, step, plan, fault, raised) -> None:
    bench.world.on("peer.a/peer.add", fault(raised))
    assert bench.execute(plan([step("peer.a/peer.add", last=True)])).failed


def test_a_hung_step_ends_at_its_time_out_and_its_late_result_is_ignored(bench, step, plan) -> None:
    bench.world.on("vm.a/vm.stop", lambda _: bench.world.hung.wait(20) and None)
    steps = [
        step("vm.a/vm.stop", before="running", after="stopped"),
        step("vm.a/vm.delete", needs=["vm.a/vm.stop"], before={}, after=None, last=True),
    ]
    result = bench.execute(plan(steps))
    bench.world.hung.set()
    assert result.outcomes[0].error == "timed out after 2 min"
    assert result.outcomes[1].skipped_because == "vm.a/vm.stop"
    assert bench.world.works["vm.a/vm.stop"].cancelled()


def test_hung_steps_do_not_use_up_the_lanes(bench, step, plan) -> None:
    hung = [step(f"peer.h{number}/peer.add", last=True) for number in range(8)]
    for one in hung:
        bench.world.on(one.id, lambda _: bench.world.hung.wait(20) and None)
    result = bench.execute(plan([*hung, step("peer.z/peer.add", last=True)]), on_failure="continue", parallelism=2)
    bench.world.hung.set()
    assert by_status(result, Status.DONE) == {"peer.z/peer.add"}
    assert len(by_status(result, Status.FAILED)) == 8


def test_a_state_that_cannot_be_written_stops_the_apply_and_lets_running_steps_end(bench, step, plan) -> None:
    steps = [step(f"volume.v{number}/volume.create", last=True) for number in range(9)]

    def full(entries) -> None:
        if any(entry.event == "done" for entry in entries):
            raise OSError(28, "No space left on device")

    bench.store.before_commit.append(full)
    with pytest.raises(OSError, match="No space left"):
        bench.execute(plan(steps))
    assert set(bench.store.states.values()) == {"intent"}
    assert len(bench.world.performed()) == len(bench.store.states), "nothing ran whose intent is not in the journal"


def test_what_needs_nothing_that_failed_is_not_started_and_blames_no_step(bench, step, plan) -> None:
    steps = [step("volume.a/volume.create", last=True), step("volume.b/volume.create", last=True)]
    steps.append(step("vm.c/disk.create", needs=[steps[0].id], last=True))
    bench.world.fail("volume.a/volume.create")
    result = bench.execute(plan(steps), parallelism=1)
    skipped = {outcome.step: outcome.skipped_because for outcome in result.outcomes if outcome.status is Status.SKIPPED}
    assert skipped == {"vm.c/disk.create": "volume.a/volume.create", "volume.b/volume.create": None}
    told = {event.step: event.data for event in bench.told("apply_skipped")}
    assert told["volume.b/volume.create"] == {"because": None, "stopped_by": "volume.a/volume.create"}


def test_a_resume_knows_what_was_done_before(bench, step, plan) -> None:
    steps = [step("volume.a/volume.create", last=True)]
    steps.append(step("volume.b/volume.create", needs=[steps[0].id], last=True))
    bench.world.on("volume.a/volume.create", lambda _: bench.interrupts.stop())
    assert bench.execute(plan(steps)).interrupted
    bench.interrupts = type(bench.interrupts)()
    assert bench.resume().earlier == {"volume.a/volume.create"}
