import pytest

from herocloud.model.words import Status
from herocloud.views import results


def test_a_complete_apply_is_one_line(plans, snapshot) -> None:
    assert results.render(plans.example(), plans.done(plans.example())) == snapshot


def test_a_failure_is_told_once_with_what_it_held_back_and_the_way_on(plans, snapshot) -> None:
    assert results.render(plans.example(), plans.partly(plans.example())) == snapshot


def test_an_interrupted_apply_lists_what_is_left_and_names_resume(plans, snapshot) -> None:
    assert results.render(plans.example(), plans.cut_short(plans.example())) == snapshot


def test_outputs_follow_a_complete_apply(plans) -> None:
    plan = plans.example()._replace(outputs={"front": "10.42.0.2", "zone": "b"})
    assert results.render(plan, plans.done(plan)).endswith("front = 10.42.0.2\nzone  = b")


@pytest.mark.parametrize(
    ("changed", "word"),
    [({}, "done"), ({"already": True}, "already"), ({"interrupted": True}, "interrupted"), ({"rolled_back": True}, "rolled back")],
)
def test_the_end_has_one_word(plans, changed, word) -> None:
    result = plans.done(plans.example())._replace(**changed)
    assert results.document(plans.example(), result)["status"] == word


def test_a_plan_applied_before_says_that_nothing_was_done(plans) -> None:
    result = plans.done(plans.example())._replace(already=True, outcomes=())
    assert results.render(plans.example(), result) == "This plan was applied before; nothing was done."


def test_a_rolled_back_apply_asks_for_the_cause_to_be_removed(plans) -> None:
    result = plans.partly(plans.example())._replace(rolled_back=True, notes=())
    shown = results.render(plans.example(), result)
    assert shown.startswith("Rolled back")
    assert shown.endswith("Remove the cause, then `herocloud apply` tries again.")


def test_a_change_is_as_good_as_the_worst_of_its_steps(plans) -> None:
    found = results.endings(plans.example(), plans.partly(plans.example()))
    assert found["vm.cache"] is Status.FAILED
    assert found["vm.old"] is Status.SKIPPED
    assert found["vm.db"] is Status.DONE


def test_a_change_that_was_cut_in_the_middle_is_not_done(plans) -> None:
    plan = plans.plan(plans.create())
    result = plans.done(plan)._replace(outcomes=plans.done(plan).outcomes[:2], interrupted=True)
    assert results.endings(plan, result) == {"vm.web[0]": None}
    assert "no change is complete" in results.headline(plan, result)


def test_a_resumed_apply_counts_what_was_done_before(plans) -> None:
    plan = plans.plan(plans.create())
    result = plans.done(plan)._replace(outcomes=plans.done(plan).outcomes[3:])
    assert results.headline(plan, result).startswith("Done: 1 added")


def test_many_skipped_things_are_counted_after_a_few_names(plans) -> None:
    plan = plans.plan(plans.reboot(), *(plans.create(f"vm.web[{i}]") for i in range(30)))
    result = plans.partly(plan)
    outcomes = tuple(
        one._replace(status=Status.SKIPPED, skipped_because="vm.cache/vm.configure") if one.address != "vm.cache" else one
        for one in result.outcomes
    )
    assert "vm.web[7] (not started) and 22 more" in results.render(plan, result._replace(outcomes=outcomes))


def _stopped(plans):
    """Return a plan of two VMs and its result: the first failed, the second does not need it."""
    plan = plans.plan(plans.create("vm.a"), plans.create("vm.b"), plans.create("vm.c"))
    first, *rest = plans.done(plan).outcomes
    outcomes = [first._replace(status=Status.FAILED, error="boom")]
    outcomes += [one._replace(status=Status.SKIPPED, skipped_because=first.step if one.address == "vm.a" else None) for one in rest]
    outcomes = [one._replace(status=Status.SKIPPED, skipped_because=first.step) if one.address == "vm.c" else one for one in outcomes]
    return plan, plans.done(plan)._replace(outcomes=tuple(outcomes))


def test_what_was_not_started_is_told_apart_from_what_needs_the_failed_step(plans) -> None:
    shown = results.render(*_stopped(plans))
    assert "left because they need it: vm.c (not started)\n" in shown
    assert "Not started, because the apply begins no change after a failure: vm.b\n" in shown


def test_the_way_on_after_an_interrupt_is_told_once(plans) -> None:
    shown = results.render(plans.example(), plans.cut_short(plans.example()))
    assert shown.count("`herocloud resume` goes on") == 1


def test_an_interrupted_resume_counts_what_was_done_before_and_lists_the_rest(plans) -> None:
    plan = plans.plan(plans.create("vm.a"), plans.create("vm.b"))
    done = plans.done(plan).outcomes
    earlier = frozenset(one.step for one in done if one.address == "vm.a")
    cancelled = tuple(one._replace(status=Status.CANCELLED) for one in done if one.address == "vm.b")
    shown = results.render(plan, plans.done(plan)._replace(outcomes=cancelled, earlier=earlier, interrupted=True))
    assert shown.startswith("Interrupted after 41 s: 1 added.")
    assert "Not done: vm.b\n" in shown


def test_an_interrupted_rollback_lists_what_is_not_taken_back_and_goes_on_backwards(plans) -> None:
    plan = plans.plan(plans.create("vm.a"), plans.create("vm.b"))
    outcomes = tuple(one._replace(status=Status.UNDONE) if one.address == "vm.b" else one for one in plans.done(plan).outcomes)
    shown = results.render(plan, plans.done(plan)._replace(outcomes=outcomes, interrupted=True, went_back=True))
    assert shown.startswith("Interrupted while taking back")
    assert "Not taken back: vm.a (running)\n" in shown
    assert shown.endswith("`herocloud resume` goes on taking it back.")
    assert "--rollback" not in shown


def test_what_was_never_begun_does_not_count_as_done_by_a_rollback(plans) -> None:
    plan = plans.plan(plans.create("vm.a"), plans.create("vm.b"))
    outcomes = tuple(one._replace(status=Status.UNDONE) for one in plans.done(plan).outcomes if one.address == "vm.a")
    result = plans.done(plan)._replace(outcomes=outcomes, rolled_back=True, went_back=True)
    assert results.document(plan, result)["changes"]["create"] == 0
