import re

import effort
import pytest

from herocloud.model.plans import FieldDiff
from herocloud.model.words import Reason
from herocloud.views import text

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def test_one_of_each_action_is_laid_out_as_the_contract_shows(plans, snapshot) -> None:
    assert text.render_plan(plans.example()) == snapshot


def test_moves_drift_and_blocks_have_their_place(plans, snapshot) -> None:
    assert text.render_plan(plans.everything()) == snapshot


def test_verbose_shows_every_default_that_was_filled_in(plans, snapshot) -> None:
    assert text.render_plan(plans.plan(plans.create(), plans.reboot()), verbose=True) == snapshot


def test_a_plan_that_does_not_fit_says_where_and_that_it_cannot_be_applied(plans, snapshot) -> None:
    assert text.render_plan(plans.failing()) == snapshot


def test_no_changes_stands_alone(plans) -> None:
    assert text.render_plan(plans.plan()) == "No changes."


def test_drift_without_a_change_is_still_shown(plans) -> None:
    shown = text.render_plan(plans.plan(drift=plans.everything().drift))
    assert "vm.lost   machine is gone" in shown
    assert shown.endswith("No changes.")


def test_lines_that_destroy_data_come_last(plans) -> None:
    changes = (plans.delete(), plans.replace(), plans.create(), plans.reboot(), plans.update())
    shown = text.render_plan(plans.plan(*changes))
    order = [re.search(rf"{re.escape(change.address)} ", shown).start() for change in changes]
    assert max(order[2:]) < min(order[:2])


def test_the_signs_are_centred_so_that_actions_line_up(plans) -> None:
    lines = text.render_plan(plans.example()).splitlines()
    words = ("create", "update live", "reboot", "replace", "delete")
    columns = {line.index(word) for word in words for line in lines if re.match(rf" .*\S {{2,}}{word} ", line)}
    assert len(columns) == 1


def test_colour_changes_no_character_of_the_text(plans) -> None:
    plan = plans.everything()
    coloured = text.render_plan(plan, color=True)
    assert ANSI.search(coloured)
    assert ANSI.sub("", coloured) == text.render_plan(plan)


def test_the_legend_explains_only_the_signs_in_use(plans) -> None:
    shown = text.render_plan(plans.plan(plans.create()), verbose=True)
    assert "Signs: + create\n" in shown


def test_a_protected_change_says_how_protection_is_lifted(plans) -> None:
    shown = text.render_plan(plans.plan(plans.delete(protected=True)))
    assert "blocked: it is protected; set `protect: false`" in shown
    assert "this plan cannot be applied" in shown


def test_no_sensitive_value_is_shown(plans) -> None:
    for verbose in (False, True):
        assert "hunter" not in text.render_plan(plans.plan(plans.secret_update()), verbose=verbose)


def test_a_simulated_host_is_named_as_such(plans) -> None:
    assert "5 free) · simulated" in text.render_plan(plans.example()._replace(simulated=True))


def test_what_vanished_and_is_made_again_says_why(plans) -> None:
    fields = (FieldDiff("machine", None, {}, drift=True, why="changed outside herocloud"),)
    shown = text.render_plan(plans.plan(plans.create()._replace(reason=Reason.VANISHED, fields=fields)))
    assert "because it is gone from the host" in shown
    assert "unchanged" not in shown


def test_purged_data_is_said_to_be_destroyed_at_once(plans) -> None:
    change = plans.delete()._replace(note="")
    assert "20 GiB of data is destroyed at once" in text.render_plan(plans.plan(change, purge=True))
    assert "20 GiB of data is kept in a tombstone" in text.render_plan(plans.plan(change))


@pytest.mark.parametrize("down", [2, 5])
def test_downtime_of_several_machines_is_told_for_each_or_as_a_bound(plans, down, snapshot) -> None:
    changes = [plans.reboot(f"vm.c{i}")._replace(downtime=8.0 + i) for i in range(down)]
    assert text.render_plan(plans.plan(*changes)).splitlines()[-1] == snapshot


def test_ten_times_the_changes_are_about_ten_times_the_work(plans) -> None:
    few, many = plans.many(1_000), plans.many(10_000)
    small, large = effort.calls_of(lambda: text.render_plan(few))[1], effort.calls_of(lambda: text.render_plan(many))[1]
    assert large < 12 * small


def test_outputs_are_shown_as_they_change(plans) -> None:
    plan = plans.example()._replace(outputs={"front": "10.42.0.2", "zone": "b"}, outputs_before={"gone": 1, "zone": "a"})
    shown = text.render_plan(plan)
    assert "Outputs:\n  + front = 10.42.0.2\n  - gone (was 1)\n  ~ zone a → b" in shown
    assert "Outputs:" not in text.render_plan(plan._replace(complete=False))


def test_a_plan_that_changes_only_outputs_says_so(plans) -> None:
    plan = plans.plan()._replace(outputs={"front": "10.42.0.2"}, outputs_before={})
    shown = text.render_plan(plan)
    assert shown.endswith("Outputs:\n  + front = 10.42.0.2\n\nOnly outputs change.")
    assert plan.applyable
