import json

import pytest

from herocloud.model.words import Action, Impact, Reason
from herocloud.views import plan_json


def test_the_document_of_a_plan_with_everything(plans, snapshot) -> None:
    assert plan_json.plan_document(plans.everything()) == snapshot


@pytest.mark.parametrize("name", ["example", "everything", "failing"])
def test_documents_are_valid_by_the_published_schema(plans, check, name) -> None:
    check("plan", plan_json.plan_document(getattr(plans, name)()))


def test_every_word_of_the_vocabulary_is_in_the_schema(plans, schemas) -> None:
    defs = schemas["plan"]["$defs"]
    assert set(defs["action"]["enum"]) == {action.value for action in Action}
    assert set(defs["reason"]["enum"]) == {reason.value for reason in Reason}
    assert len(defs["impact"]["enum"]) == len(Impact)


def test_equal_plans_give_equal_bytes(plans) -> None:
    first, second = (plan_json.render(plan_json.plan_document(plans.everything())) for _ in range(2))
    assert first == second


def test_the_text_of_the_document_is_the_document(plans) -> None:
    document = plan_json.plan_document(plans.everything())
    assert json.loads(plan_json.render(document)) == document
    assert json.loads(plan_json.render_line(document)) == document


def test_live_updates_and_reboots_are_both_updates_told_apart_by_action(plans) -> None:
    live, reboot = plan_json.plan_document(plans.plan(plans.update(), plans.reboot()))["resource_changes"]
    assert live["change"]["actions"] == reboot["change"]["actions"] == ["update"]
    assert (live["action"], live["impact"]) == ("update", "live")
    assert (reboot["action"], reboot["impact"]) == ("reboot", "reboot")


def test_sensitive_values_are_digests_under_a_mask(plans) -> None:
    document = plan_json.plan_document(plans.plan(plans.secret_update()))
    change = document["resource_changes"][0]["change"]
    assert "hunter" not in json.dumps(document)
    assert change["after_sensitive"] == {"user_data": True, "secrets": {"db": True}}
    assert change["before"]["user_data"] != change["after"]["user_data"]
    assert change["after"]["user_data"].startswith("digest:")


def test_a_field_marked_sensitive_hides_what_holds_it(plans) -> None:
    change = plans.update()
    fields = tuple(field._replace(sensitive=True) for field in change.fields)
    shown = plan_json.change_document(change._replace(fields=fields))
    assert shown["change"]["after_sensitive"]["labels"] is True
    assert "store" not in json.dumps(shown)


def test_paths_of_replacement_are_taken_apart_as_terraform_does() -> None:
    assert plan_json.path_steps("networks[0].rate") == ["networks", 0, "rate"]
    assert plan_json.path_steps("image") == ["image"]


def test_outputs_tell_what_happens_to_them(plans) -> None:
    changes = plan_json.plan_document(plans.everything())["output_changes"]
    assert {name: change["actions"] for name, change in changes.items()} == {"front": ["create"], "gone": ["delete"], "zone": ["update"]}


def test_a_moved_resource_names_its_previous_address(plans) -> None:
    (entry,) = plan_json.plan_document(plans.plan(plans.move()))["resource_changes"]
    assert entry["previous_address"] == "vm.www"
    assert entry["change"]["actions"] == ["no-op"]


def test_a_plan_that_could_not_be_made_has_the_same_keys_and_no_content(plans, check) -> None:
    document = plan_json.refusal_document([plans.warning()])
    check("plan", document)
    assert (document["applyable"], document["errored"], document["resource_changes"]) == (False, True, [])
    assert set(document) <= set(plan_json.plan_document(plans.example()))
