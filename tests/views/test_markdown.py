import re

from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.model.plans import FieldDiff
from herocloud.views import markdown


def _is_whole(page) -> bool:
    """Tell whether every fence and every fold is closed, reading as a Markdown reader does."""
    fence = ""
    folds = 0
    for line in page.splitlines():
        bars = re.match(r"`{3,}", line)
        if fence:
            if bars and line == bars.group() and len(line) >= len(fence):
                fence = ""
        elif bars:
            fence = bars.group()
        else:
            folds += line.count("<details>") - line.count("</details>")
    return not fence and folds == 0


def test_a_plan_with_everything_reads_well(plans, snapshot) -> None:
    assert markdown.render(plans.everything()) == snapshot


def test_in_a_small_budget_changes_are_single_lines(plans, snapshot) -> None:
    assert markdown.render(plans.everything(), 1600) == snapshot


def test_the_result_of_an_apply_reads_well(plans, snapshot) -> None:
    assert markdown.render_result(plans.example(), plans.partly(plans.example())) == snapshot


def test_what_destroys_data_comes_before_everything_else(plans) -> None:
    page = markdown.render(plans.example())
    assert page.index("vm.old</code> replace") < page.index("volume.scratch</code> delete") < page.index("vm.web[0]</code> create")


def test_ten_thousand_changes_stay_below_the_limit_of_a_comment(plans) -> None:
    page = markdown.render(plans.many(10_000))
    assert len(page.encode()) <= 65_000
    assert re.search(r"Left out for lack of room: 9\d{3} changes", page)
    assert _is_whole(page)


def test_no_changes_is_a_short_page(plans) -> None:
    assert markdown.render(plans.plan()).splitlines()[0] == "<!-- herocloud:plan stack=shop -->"
    assert "**No changes.**" in markdown.render(plans.plan())


def test_no_sensitive_value_is_shown(plans) -> None:
    assert "hunter" not in markdown.render(plans.plan(plans.secret_update()))


def test_a_result_fits_its_budget_too(plans) -> None:
    page = markdown.render_result(plans.example(), plans.partly(plans.example()), 300)
    assert len(page.encode()) <= 300
    assert _is_whole(page)


@settings(max_examples=150, deadline=None)
@given(budget=st.integers(0, 12_000), number=st.integers(0, 40))
def test_pages_are_whole_and_within_any_budget(plans, budget, number) -> None:
    everything = plans.everything()
    plan = everything._replace(changes=everything.changes + plans.many(number).changes)
    page = markdown.render(plan, budget)
    assert len(page.encode()) <= budget
    assert _is_whole(page)


@settings(max_examples=150, deadline=None)
@given(words=st.text(alphabet="`~<>|\\n\n#é -&]a", max_size=60), budget=st.integers(200, 5_000))
def test_no_word_of_a_user_breaks_out_of_its_place(plans, words, budget) -> None:
    change = plans.update()._replace(fields=(FieldDiff("labels.note", words, "x", why=words),))
    page = markdown.render(
        plans.plan(change, plans.create(labels={"a": words}), diagnostics=(plans.mistake()._replace(detail=words),)), budget
    )
    assert len(page.encode()) <= budget
    assert _is_whole(page)


def test_outputs_that_change_are_shown(plans) -> None:
    plan = plans.plan(outputs={"n": 3, "new": "x"}, outputs_before={"n": 2, "gone": 1})
    page = markdown.render(plan)
    assert "**Only outputs change.**" in page
    assert "```diff\n- gone (was 1)\n~ n 2 → 3\n+ new = x\n```" in page


@settings(max_examples=100, deadline=None)
@given(budget=st.integers(0, 6_000), number=st.integers(0, 300), value=st.text(alphabet="`~a\n|", max_size=40))
def test_outputs_stay_within_any_budget(plans, budget, number, value) -> None:
    plan = plans.example()._replace(outputs={f"n{i}": value for i in range(number)})
    page = markdown.render(plan, budget)
    assert len(page.encode()) <= budget
    assert _is_whole(page)


def test_more_outputs_than_find_room_are_counted(plans) -> None:
    page = markdown.render(plans.example()._replace(outputs={f"n{i}": "x" * 50 for i in range(1000)}), 20_000)
    assert re.search(r"^# and \d{3} more$", page, re.MULTILINE)
    assert "vm.web[0]" in page
