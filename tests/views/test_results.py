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
    assert "vm.web[7] and 22 more" in results.render(plan, result._replace(outcomes=outcomes))
