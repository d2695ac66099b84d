"""Which approval a plan needs, and what a person would have to type."""

import pytest

from herocloud.model.ids import Address, PlanId, StackName
from herocloud.model.plans import Capacity, Change, Level, Plan
from herocloud.model.words import Action, Approval, Impact, Reason
from herocloud.operations import approval

NOTHING = Level(0, 0, 0, None)


def _change(address: str, action: Action, impact: Impact = Impact.LIVE) -> Change:
    return Change(Address(address), address.partition(".")[0], action, Reason.NONE, impact, "simulator", None, None)


def _plan(*changes: Change, outputs: dict[str, str] | None = None) -> Plan:
    return Plan(
        PlanId("0" * 16), StackName("shop"), "apply", None, "node1", changes, (), Capacity(*[NOTHING] * 7), (), (), outputs=outputs or {}
    )


NEEDS = {
    "nothing": (_change("vm.a", Action.NO_OP, Impact.NONE), ()),
    "something new": (_change("vm.a", Action.CREATE), (Approval.CREATE,)),
    "a live change": (_change("vm.a", Action.UPDATE), (Approval.UPDATE,)),
    "a power-cycle": (_change("vm.a", Action.REBOOT, Impact.REBOOT), (Approval.REBOOT,)),
    "a replacement that keeps the data": (_change("vm.a", Action.REPLACE, Impact.REPLACE), (Approval.REPLACE,)),
    "a replacement that loses it": (_change("vm.a", Action.REPLACE, Impact.DATA), (Approval.REPLACE, Approval.DESTROY)),
    "a deletion": (_change("vm.a", Action.DELETE, Impact.DATA), (Approval.DESTROY,)),
    "a rename": (_change("vm.a", Action.MOVE, Impact.NONE), (Approval.UPDATE,)),
    "an adoption": (_change("vm.a", Action.ADOPT), (Approval.UPDATE,)),
}


@pytest.mark.parametrize(("change", "wanted"), NEEDS.values(), ids=NEEDS)
def test_each_change_needs_its_classes(change: Change, wanted: tuple[Approval, ...]) -> None:
    assert approval.classes_of(change) == wanted


@pytest.mark.parametrize("action", Action)
def test_no_action_is_without_a_rule(action: Action) -> None:
    assert approval.classes_of(_change("vm.a", action)) is not None


def test_what_is_approved_is_not_missing_and_the_rest_comes_mildest_first() -> None:
    plan = _plan(_change("vm.a", Action.DELETE, Impact.DATA), _change("vm.b", Action.REBOOT), _change("vm.c", Action.CREATE))
    lacking = approval.missing(plan, {Approval.CREATE})
    assert [(one, [change.address for change in changes]) for one, changes in lacking.items()] == [
        (Approval.REBOOT, ["vm.b"]),
        (Approval.DESTROY, ["vm.a"]),
    ]
    assert approval.missing(plan, approval.EVERYTHING) == {}


def test_outputs_alone_are_an_update() -> None:
    assert list(approval.missing(_plan(outputs={"front": "10.0.0.2"}), ())) == [Approval.UPDATE]


def test_without_loss_of_data_yes_is_enough() -> None:
    plan = _plan(_change("network.lan", Action.DELETE, Impact.REPLACE))
    assert approval.question(plan, approval.missing(plan, ())).word == "yes"


def test_one_loss_takes_the_name_and_several_the_stack() -> None:
    one = _plan(_change("vm.web[0]", Action.DELETE, Impact.DATA), _change("vm.b", Action.CREATE))
    assert approval.question(one, approval.missing(one, ())).word == "web[0]"
    two = _plan(_change("vm.web[0]", Action.DELETE, Impact.DATA), _change("volume.x", Action.DELETE, Impact.DATA))
    assert approval.question(two, approval.missing(two, ())).word == "shop"


def test_a_loss_that_is_approved_is_not_asked_for_by_name() -> None:
    plan = _plan(_change("vm.a", Action.DELETE, Impact.DATA), _change("vm.b", Action.CREATE))
    assert approval.question(plan, approval.missing(plan, {Approval.DESTROY})).word == "yes"


def test_classes_are_read_with_commas_blanks_and_repetitions() -> None:
    assert approval.parse(["create,update", "reboot destroy"]) == {Approval.CREATE, Approval.UPDATE, Approval.REBOOT, Approval.DESTROY}
    assert approval.parse([]) == frozenset()


def test_an_unknown_class_is_named_with_the_nearest() -> None:
    with pytest.raises(approval.NotAClass, match="did you mean `destroy`"):
        approval.parse(["create,destory"])


def test_the_refusal_says_what_to_write() -> None:
    plan = _plan(*[_change(f"vm.web[{number}]", Action.CREATE) for number in range(12)])
    says = approval.refusal(plan, ())
    assert "and 4 more" in says.detail
    assert "`--approve create`" in str(says.hint)


def test_the_refusal_names_every_class_that_the_plan_needs_and_not_only_the_one_that_lacks() -> None:
    plan = _plan(_change("vm.a", Action.CREATE), _change("vm.b", Action.DELETE))
    says = approval.refusal(plan, {Approval.CREATE})
    assert "vm.a" not in says.detail
    assert "`--approve create,destroy` approves them" in str(says.hint)
